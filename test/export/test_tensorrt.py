"""What is exported parses and compiles in TensorRT's own parser and builder (those of TensorRT-RTX, without a GPU)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from depth_ros.errors import EngineError
from depth_ros.export.parity import made_up
from depth_ros.export.quantize import quantize
from depth_ros.export.to_onnx import export_completion
from depth_ros.models.card import ModelCard
from depth_ros.models.store import bundled_models

BuildRtx = Callable[..., str]


def test_a_float_file_of_free_size_at_two_sizes_and_for_two_images(build_rtx: BuildRtx, exported: Path) -> None:
    assert build_rtx(exported, (64, 96)) == "f32"
    assert build_rtx(exported, (64, 96), 2) == "f32"
    assert build_rtx(exported, (352, 1216)) == "f32"


def test_half_precision_of_fixed_size(build_rtx: BuildRtx, weights: Path, tmp_path: Path) -> None:
    half = tmp_path / "half.onnx"
    export_completion(weights, half, ModelCard("tiny", "1"), precision="f16", size=(64, 96))
    assert build_rtx(half, (64, 96)) == "f16"


def test_symmetric_int8_builds_and_the_file_for_cpus_is_refused_with_the_node(
    build_rtx: BuildRtx, exported: Path, tmp_path: Path
) -> None:
    samples = [made_up(64, 96, seed) for seed in range(2)]
    files = {scheme: tmp_path / f"{scheme}.onnx" for scheme in ("s8s8", "u8s8")}
    for scheme, path in files.items():
        quantize(exported, path, samples, scheme=scheme)
    assert build_rtx(files["s8s8"], (64, 96)) == "int8"
    assert build_rtx(files["s8s8"], (64, 96), 2) == "int8"
    with pytest.raises(EngineError, match=r"node '.*' \(DequantizeLinear\)"):
        build_rtx(files["u8s8"], (64, 96))


def test_the_bundled_model(build_rtx: BuildRtx) -> None:
    assert build_rtx(bundled_models()["completion"], (192, 640)) == "f32"


def test_the_bundled_model_in_symmetric_int8(build_rtx: BuildRtx, tmp_path: Path) -> None:
    quantize(bundled_models()["completion"], tmp_path / "s8s8.onnx", [made_up(64, 96, 0)], scheme="s8s8")
    assert build_rtx(tmp_path / "s8s8.onnx", (192, 640)) == "int8"
