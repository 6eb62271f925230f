import json
from pathlib import Path

import pytest

from depth_ros.cli.main import main

SMALL = ["--seconds", "0.1", "--width", "64", "--height", "48", "--lidar", "spin16"]


def test_it_makes_a_bag_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "street")
    assert main(["bag", "synth", out, *SMALL]) == 0
    assert "1 frames of 64x48" in capsys.readouterr().out
    assert main(["bag", "synth", out, *SMALL, "--overwrite", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["bag"], made["frames"]) == (out, 1)


def test_a_robot_can_turn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "street")
    assert main(["bag", "synth", out, *SMALL, "--turn", "0.5", "--speed", "10"]) == 0
    capsys.readouterr()
    assert main(["bag", "info", out]) == 0
    assert "/odom" in capsys.readouterr().out
    assert main(["bag", "synth", out, *SMALL, "--overwrite", "--turn", "-1"]) == 1
    assert "turn is -1.0" in capsys.readouterr().err


def test_a_length_that_cannot_be_driven_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bag", "synth", str(tmp_path / "street"), "--seconds", "-1"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
