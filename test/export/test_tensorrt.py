"""What is exported parses and compiles in TensorRT's own parser and builder (those of TensorRT-RTX, without a GPU)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from depth_ros.engines.base import shapes_at
from depth_ros.engines.trt_build import build_plan, read_signature
from depth_ros.errors import EngineError
from depth_ros.export.parity import made_up
from depth_ros.export.quantize import quantize
from depth_ros.export.to_onnx import export_completion
from depth_ros.models.card import ModelCard
from depth_ros.models.store import bundled_models


@pytest.fixture(scope="module")
def trt() -> Any:
    return pytest.importorskip("tensorrt_rtx")


def built(trt: Any, path: Path, size: tuple[int, int]) -> str:
    """Build a file and return the arithmetic that TensorRT sees in it."""
    signature = read_signature(trt, path)
    assert build_plan(trt, path, shapes_at(signature.inputs, size), tf32=False).startswith(b"vtrt")
    return signature.precision


def test_a_float_file_of_free_size_at_two_sizes(trt: Any, exported: Path) -> None:
    assert built(trt, exported, (64, 96)) == "f32"
    assert built(trt, exported, (352, 1216)) == "f32"


def test_half_precision_of_fixed_size(trt: Any, weights: Path, tmp_path: Path) -> None:
    half = tmp_path / "half.onnx"
    export_completion(weights, half, ModelCard("tiny", "1"), precision="f16", size=(64, 96))
    assert built(trt, half, (64, 96)) == "f16"


def test_symmetric_int8_builds_and_the_file_for_cpus_is_refused_with_the_node(
    trt: Any, exported: Path, tmp_path: Path
) -> None:
    samples = [made_up(64, 96, seed) for seed in range(2)]
    files = {scheme: tmp_path / f"{scheme}.onnx" for scheme in ("s8s8", "u8s8")}
    for scheme, path in files.items():
        quantize(exported, path, samples, scheme=scheme)
    assert built(trt, files["s8s8"], (64, 96)) == "int8"
    with pytest.raises(EngineError, match=r"node '.*' \(DequantizeLinear\)"):
        built(trt, files["u8s8"], (64, 96))


def test_the_bundled_model(trt: Any) -> None:
    assert built(trt, bundled_models()["completion"], (192, 640)) == "f32"
