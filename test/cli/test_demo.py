"""The main job, whole: synthetic robot, live nodes over DDS, recorded depth, report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("rclpy")

from depth_ros.cli.main import main
from depth_ros.pipelines.factory import resolve


@pytest.mark.live
def test_demo_completes_every_image_and_beats_nearest_fill(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--out", str(tmp_path), "--seconds", "2"]) == 0
    result = json.loads((tmp_path / "metrics.json").read_text())
    assert result["facts"]["images"] == result["facts"]["with equal stamps"] == 20
    means = {mean["method"]: mean for mean in result["means"] if mean["region"] == "inside" and mean["range"] == "all"}
    live = f"{resolve('auto')}, live"
    assert list(means) == [live, *(["classical"] if live != "classical, live" else []), "nearest"]
    assert means[live]["values"]["mae_mm"] < means["nearest"]["values"]["mae_mm"]
    assert means[live]["frames"] == means["nearest"]["frames"] > 0
    assert result["facts"]["model"].startswith(resolve("auto"))
    assert (tmp_path / "report.html").stat().st_size > 100_000
    shown = [picture["title"].partition(": ") for picture in result["pictures"]]
    assert [method for _, _, method in shown[: len(means)]] == list(means)
    assert len({frame for frame, _, _ in shown[: len(means)]}) == 1
    assert (tmp_path / "depth_bag").is_dir()
    assert live in capsys.readouterr().out
