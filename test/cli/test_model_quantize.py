"""The verb `model quantize`, on half a second of a synthetic drive."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from depth_ros.bags.bag_file import BagFile
from depth_ros.bags.writer import BagWriter
from depth_ros.cli.main import main
from depth_ros.engines.onnx_file import content_sha256
from depth_ros.models.card import read_card
from depth_ros.models.store import find_model
from depth_ros.synthetic.bag import write_synthetic_bag

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
NAMES = {"completion_int8.onnx", "completion_int8_trt.onnx"}
SCHEMES = ["f32", "u8s8", "s8s8"]


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("synthetic") / "street"
    write_synthetic_bag(path, 0.5, 4, width=160, height=96, lidar="spin16")
    return path


def quantize(*arguments: str | Path) -> int:
    return main(["model", "quantize", *map(str, arguments)])


def inside(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def fail(error: Exception) -> Callable[..., Any]:
    def run(*_: Any, **__: Any) -> Any:
        raise error

    return run


def test_two_files_with_cards_beside_the_figures(
    street: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("depth_ros.export.on_frames.MOST_WORSE", 1.5)  # three small frames leave much to chance
    out = tmp_path / "made" / "int8"
    assert quantize("completion", street, "--out", out, "--frames", "3", "--threads", "1", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert inside(out) == NAMES
    assert (told["calibrated_on"], told["frames"], told["given"]) == (2, 1, "ring 0 of every 4")
    assert [row["scheme"] for row in told["files"]] == SCHEMES
    assert told["files"][0]["file"] == str(find_model("completion"))
    for row in told["files"][1:]:
        assert row["accepted"]
        assert row["ratio"] == row["rmse_mm"] / told["files"][0]["rmse_mm"]
        card = read_card(Path(row["file"]))
        assert card.precision == "int8"
        assert card.training["quantised_from"] == content_sha256(find_model("completion"))
        assert card.training["quantised_on"] == "2 frames of street"
        assert card.training["quantisation"].startswith(f"{row['scheme']}, ")
    assert [row["time_ms"] is None for row in told["files"]] == [False, False, True]
    assert quantize("completion", street, "--out", out) == 1
    assert "completion_int8.onnx: exists already" in capsys.readouterr().err
    assert quantize("completion", street, "--out", out, "--frames", "2", "--overwrite") == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("completion ")
    assert "calibrated on 1 frames of street, judged on 1 others (ring 0 of every 4 given" in printed[0]
    assert [line.split()[0] for line in printed[2:]] == SCHEMES
    assert printed[-1].split()[-2:] == ["-", f"{told['files'][2]['megabytes']:.1f}"]


def test_what_is_worse_is_refused_with_the_figures_and_not_left_behind(
    street: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("depth_ros.export.on_frames.MOST_WORSE", 0.5)
    assert quantize("completion", street, "--out", tmp_path, "--frames", "2") == 1
    told = capsys.readouterr()
    assert inside(tmp_path) == set()
    assert [line.split()[2] for line in told.out.splitlines()[-2:]] == ["refused", "refused"]
    (line,) = (line for line in told.err.splitlines() if line.startswith("depth_ros: "))
    assert f"{tmp_path / 'completion_int8.onnx'} is refused: RMSE " in line
    assert f"{tmp_path / 'completion_int8_trt.onnx'} is refused: RMSE " in line


def test_a_source_without_scans_or_frames_is_one_line(
    street: Path, tmp_path: Path, rgbd: Path, lidar: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blind, empty, out = tmp_path / "blind", tmp_path / "empty", tmp_path / "out"
    with BagFile(street) as bag, BagWriter(blind) as copy:
        for message in bag.messages():
            if message.topic != "/lidar/points":
                copy.write_raw(message.topic, message.type_name, message.raw, message.arrival_ns)
    empty.mkdir()
    for source, told in (
        (blind, "no PointCloud2 topic: record the LiDAR's points"),
        (empty, "holds no frames"),
        (tmp_path / "nowhere", "does not exist"),
        (lidar, "lidar gives 1 frames: give 2 or more"),
    ):
        assert quantize("completion", source, "--out", out) == 1
        assert told in capsys.readouterr().err
    assert quantize("completion", rgbd, rgbd, "--out", out) == 1
    assert "the frame has no LiDAR points" in capsys.readouterr().err
    assert not out.exists()


def test_models_that_cannot_be_quantised_are_one_line(
    street: Path,
    tmp_path: Path,
    make_toy: Callable[..., Path],
    make_metric: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    for model, told in (
        ("completion_int8", "completion_int8.onnx is int8 already: give the f32 file"),
        (make_metric(), "is a metric model"),
        (make_toy(), "has 0 convolutions"),
        ("nix", "unknown model 'nix'"),
    ):
        assert quantize(model, street, "--out", tmp_path / "out", "--frames", "2") == 1
        error = capsys.readouterr().err
        assert told in error
        assert error.startswith("depth_ros: ")
        assert error.count("\n") == 1


@pytest.mark.parametrize("step", ["onnxruntime.quantization.quantize_static", "pathlib.Path.replace"])
def test_a_full_disk_is_one_line_and_leaves_nothing(
    street: Path, tmp_path: Path, step: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step, fail(OSError(errno.ENOSPC, "No space left on device")))
    assert quantize("completion", street, "--out", tmp_path / "out", "--frames", "2") == 1
    assert "cannot be written: No space left on device" in capsys.readouterr().err
    assert inside(tmp_path / "out") == set()
