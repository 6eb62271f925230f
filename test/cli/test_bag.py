"""The verbs `bag info` and `bag from-kitti`, from frames on disk to what the user reads."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from depth_ros.cli import bag
from depth_ros.cli.main import main

CALIBRATION = """image_size 8 6
K 10 0 3.5 0 10 2.5 0 0 1
T_cam_lidar 0 -1 0 0 0 0 -1 0 1 0 0 0
"""


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """Three frames of 8x6 pixels and 20 points."""
    rng = np.random.default_rng(3)
    for name in ("0", "1", "2"):
        folder = tmp_path / "frames" / name
        folder.mkdir(parents=True)
        cv2.imwrite(str(folder / "image.png"), rng.integers(0, 255, (6, 8, 3), np.uint8))
        rng.uniform(1, 20, (20, 4)).astype("<f4").tofile(folder / "points.bin")
        (folder / "calib.txt").write_text(CALIBRATION)
    return tmp_path / "frames"


def test_from_kitti_then_info(frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "bag")
    assert main(["bag", "from-kitti", str(frames), out]) == 0
    printed = capsys.readouterr().out
    assert f"{out}: 3 frames" in printed
    assert "no timestamps: 10 Hz from 0 is assumed" in printed
    assert main(["bag", "info", out]) == 0
    printed = capsys.readouterr().out
    assert "can complete: yes (image = /camera/image_raw" in printed
    assert "10.00 Hz" in printed
    assert main(["bag", "info", out, "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["can_complete"] is True
    assert {topic["name"]: topic["count"] for topic in summary["topics"]}["/lidar/points"] == 3


def test_from_kitti_json_and_overwrite(frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["bag", "from-kitti", str(frames), str(tmp_path / "bag"), "--storage", "sqlite3", "--json"]
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out)["frames"] == 3
    assert main(command) == 1
    assert "exists already" in capsys.readouterr().err
    assert main([*command, "--overwrite"]) == 0


def test_info_says_why_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from depth_ros.bags.writer import BagWriter

    with BagWriter(tmp_path / "empty"):
        pass
    assert main(["bag", "info", str(tmp_path / "empty")]) == 0
    assert capsys.readouterr().out.count("can complete: no, because no ") == 3


@pytest.mark.parametrize("verb", [["info"], ["complete", "--out", "out"], ["extrinsics", "--out", "out.yaml"]])
def test_what_is_no_bag_is_one_line(verb: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bag", verb[0], "/dev/null", *verb[1:]]) == 1
    assert capsys.readouterr().err == (
        "depth_ros: /dev/null: is neither a file nor a folder: give a bag or a folder of frames\n"
    )


@pytest.mark.parametrize("command", [["info", "nowhere"], ["from-kitti", "nowhere", "out"]])
def test_known_errors_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["bag", *command]) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("depth_ros: nowhere: ")


@pytest.mark.parametrize("verb", ["", "info", "complete", "synth", "from-kitti", "extrinsics", "play", "record"])
def test_every_verb_helps_with_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(bag.SUB_VERBS) == 7
    with pytest.raises(SystemExit) as ended:
        main(["bag", *([verb] if verb else []), "--help"])
    assert ended.value.code == 0
    assert "example" in capsys.readouterr().out
