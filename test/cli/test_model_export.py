from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import save_file

from depth_ros.cli.main import main
from depth_ros.models.card import ModelCard, read_card
from depth_ros.networks.completion import CompletionNet
from depth_ros.networks.metric import MetricNet


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "best.safetensors"
    save_file(CompletionNet((8, 8, 8)).state_dict(), path, metadata={"depth_ros": '{"step": 7, "hardware": "2 cores"}'})
    return path


def make_pool(folder: Path, samples: int) -> Path:
    rng = np.random.default_rng(0)
    truth = rng.uniform(2, 40, (samples, 64, 100)).astype(np.float16)
    folder.mkdir()
    arrays: dict[str, Any] = {
        "image": rng.integers(0, 256, (samples, 64, 100, 3)).astype(np.uint8),
        "sparse": np.where(rng.random(truth.shape) < 0.05, truth, 0).astype(np.float16),
        "prior": truth,
        "truth": (1.1 * truth).astype(np.float16),
        "intrinsics": np.tile(np.array([100, 100, 50, 32], np.float32), (samples, 1)),
    }
    save_arrays(arrays, folder / "000000.safetensors")
    return folder


def test_int8_from_weights_and_a_pool(weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pool, out = make_pool(tmp_path / "pool", 32), tmp_path / "small.onnx"
    arguments = ["--weights", str(weights), "--out", str(out), "--precision", "int8", "--calibration", str(pool)]
    assert main(["model", "export", *arguments, "--size", "64x96", "--samples", "2", "--version", "3", "--json"]) == 0
    facts, card = json.loads(capsys.readouterr().out), read_card(out)
    assert facts["bytes"] == out.stat().st_size
    assert (card.name, card.version) == ("small", "3")
    assert card.training == {"step": "7", "hardware": "2 cores"}
    assert "QuantizeLinear" in {node.op_type for node in onnx.load(out).graph.node}
    assert {path.name for path in tmp_path.iterdir()} == {"best.safetensors", "pool", "small.onnx"}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--precision", "int8"], "give --calibration POOL"),
        (["--size", "big"], "--size big: give height and width"),
        (["--precision", "int8", "--calibration", "nowhere"], "pool nowhere is empty"),
        (["--weights", "missing.safetensors"], "missing.safetensors"),
    ],
)
def test_what_cannot_be_is_one_line(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    assert main(["model", "export", "--weights", str(weights), "--out", str(tmp_path / "a.onnx"), *arguments]) == 1
    error = capsys.readouterr().err.strip()
    assert told in error
    assert "\n" not in error


@pytest.mark.parametrize(("more", "canvas"), [([], (64, 96)), (["--canvas", "96x128"], (96, 128))])
def test_a_metric_network_gets_the_canvas_that_it_was_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: list[str], canvas: tuple[int, int]
) -> None:
    weights, out, asked = tmp_path / "metric.safetensors", tmp_path / "metric.onnx", []
    facts = '{"config": {"canvas_height": 64, "canvas_width": 96}}'
    save_file(MetricNet((8, 8, 12)).state_dict(), weights, metadata={"depth_ros": facts})

    def export(_: Path, out: Path, card: ModelCard, **options: Any) -> tuple[ModelCard, str]:
        asked.append(options["canvas"])
        out.touch()
        return card, "nothing"

    monkeypatch.setattr("depth_ros.export.metric.export_metric", export)
    assert main(["model", "export", "--weights", str(weights), "--out", str(out), *more]) == 0
    assert asked == [canvas]
