from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from depth_ros.engines.onnx_runtime import OnnxRuntimeEngine
from depth_ros.errors import ExportError
from depth_ros.export import quantize as quantizer
from depth_ros.export.parity import answer, difference, made_up
from depth_ros.export.quantize import check_accuracy, quantize
from depth_ros.export.to_onnx import load_network
from depth_ros.models.card import read_card

SAMPLES = [made_up(64, 96, seed) for seed in range(3)]


def with_truth(sample: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {**sample, "truth": sample["prior_depth"] * np.float32(1.1)}


def quantised_inputs(model: onnx.ModelProto, op: str) -> list[bool]:
    made_by = {name: node.op_type for node in model.graph.node for name in node.output}
    return [made_by.get(node.input[0]) == "DequantizeLinear" for node in model.graph.node if node.op_type == op]


@pytest.mark.parametrize("scheme", quantizer.SCHEMES)
def test_only_the_inner_convolutions_are_quantised(exported: Path, weights: Path, tmp_path: Path, scheme: str) -> None:
    out = tmp_path / "int8.onnx"
    card = quantize(exported, out, SAMPLES, scheme=scheme)
    model = onnx.load(out)
    quantised = quantised_inputs(model, "Conv")
    assert quantised == [False, *[True] * (len(quantised) - 2), False]
    for op in ("Exp", "Log", "Where", "Softmax", "ReduceSum"):
        assert not any(quantised_inputs(model, op))
    assert read_card(out) == card
    assert card.weights_sha256 == read_card(exported).weights_sha256
    inputs = made_up(96, 128, 9)  # another size than that of the samples
    reference = answer(load_network(weights), inputs)["depth"]
    assert difference(reference, OnnxRuntimeEngine(out).run(inputs)["depth"]).mean < 0.02
    assert [path.name for path in tmp_path.iterdir()] == ["int8.onnx"]


def test_symmetric_files_hold_no_integers_but_int8(exported: Path, tmp_path: Path) -> None:
    out = tmp_path / "int8.onnx"
    quantize(exported, out, SAMPLES, scheme="s8s8")
    graph = onnx.load(out).graph
    arrays = {entry.name: onnx.numpy_helper.to_array(entry) for entry in graph.initializer}
    links = [node for node in graph.node if node.op_type == "DequantizeLinear"]
    assert links
    for node in links:
        assert arrays[node.input[2]].dtype == np.int8
        assert not arrays[node.input[2]].any()  # zero points
        assert arrays.get(node.input[0], np.int8(0)).dtype == np.int8


def test_errors_against_the_file_it_was_made_from(exported: Path) -> None:
    samples = [with_truth(sample) for sample in SAMPLES]
    assert check_accuracy(exported, exported, samples) == (1, 1)
    with pytest.raises(ExportError, match="no sample has truth"):
        check_accuracy(exported, exported, [{**samples[0], "truth": 0 * samples[0]["truth"]}])


def test_an_int8_file_that_is_worse_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    errors = {"before": (0.1, 1.0), "after": (0.1, 1.03)}
    monkeypatch.setattr(quantizer, "_errors", lambda path, _: errors[path.name])
    with pytest.raises(ExportError, match=r"1.000 \(AbsRel\) and 1.030 \(RMSE\) times"):
        check_accuracy(Path("before"), Path("after"), [])


def test_arguments_that_cannot_be(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="known are u8s8, s8s8"):
        quantize(exported, tmp_path / "out.onnx", SAMPLES, scheme="s4")
    with pytest.raises(ExportError, match="nothing to calibrate on"):
        quantize(exported, tmp_path / "out.onnx", [])
    with pytest.raises(ExportError, match="cannot be quantised"):
        quantize(exported, tmp_path / "out.onnx", [{**SAMPLES[0], "image": SAMPLES[0]["prior_depth"]}])
