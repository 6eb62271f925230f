from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from safetensors.torch import load_file, save_file

from depth_ros.engines.onnx_file import read_metadata
from depth_ros.engines.onnx_runtime import OnnxRuntimeEngine
from depth_ros.engines.openvino import OpenVinoEngine
from depth_ros.errors import ExportError
from depth_ros.export import to_onnx
from depth_ros.export.parity import GATES, Difference, answer, difference, made_up
from depth_ros.export.to_onnx import OPSET, export_completion, load_network
from depth_ros.models.card import CARD_KEY, ModelCard, read_card
from depth_ros.models.contract import check_signature

CARD = ModelCard("tiny", "1")


def types_of(model: onnx.ModelProto, op: str) -> set[int]:
    kinds = {entry.name: entry.data_type for entry in model.graph.initializer}
    return {kinds[node.input[1]] for node in model.graph.node if node.op_type == op}


def test_file_keeps_the_contract_with_free_batch_height_and_width(exported: Path) -> None:
    engine, card = OnnxRuntimeEngine(exported), read_card(exported)
    check_signature(card, engine.inputs, engine.outputs)
    assert {spec.name: spec.shape for spec in engine.inputs}["image"] == (None, None, None, 3)
    assert {spec.name: spec.shape for spec in engine.inputs}["intrinsics"] == (None, 4)
    for value in (*onnx.load(exported).graph.input, *onnx.load(exported).graph.output):
        assert value.type.tensor_type.shape.dim[0].dim_param == "batch"
    assert onnx.load(exported).opset_import[0].version == OPSET


def test_card_says_what_was_exported(exported: Path, weights: Path) -> None:
    card = read_card(exported)
    assert (card.name, card.version, card.licence, card.size_multiple) == ("tiny", "1", "Apache-2.0", 32)
    assert card.weights_sha256 == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert list(read_metadata(exported)) == [CARD_KEY]


def test_nothing_in_the_file_tells_of_the_machine_that_made_it(exported: Path) -> None:
    content = exported.read_bytes()
    for trace in (str(Path.cwd()), "stack_trace", "completion.py"):
        assert trace.encode() not in content


def test_first_node_on_the_image_is_its_cast(exported: Path) -> None:
    nodes = [node.op_type for node in onnx.load(exported).graph.node if "image" in node.input]
    assert set(nodes) <= {"Cast", "Shape"}  # TensorRT takes uint8 at the edge of a network alone


def test_batch_norms_have_become_part_of_the_convolutions(exported: Path) -> None:
    assert "BatchNormalization" not in {node.op_type for node in onnx.load(exported).graph.node}


def test_what_is_made_twice_as_large_is_resized(exported: Path) -> None:
    """The way that learns (`blocks.twice`) costs an INT8 file a quarter of its speed."""
    assert sum(node.op_type == "Resize" for node in onnx.load(exported).graph.node) >= 4


def test_half_precision_is_that_of_the_convolutions_alone_and_sizes_can_be_fixed(weights: Path, tmp_path: Path) -> None:
    out = tmp_path / "half.onnx"
    _, found = export_completion(weights, out, CARD, precision="f16", size=(64, 96))
    assert found.within(GATES["f16"])
    model, engine = onnx.load(out), OnnxRuntimeEngine(out)
    assert types_of(model, "Conv") == {onnx.TensorProto.FLOAT16}
    assert {spec.dtype for spec in (*engine.inputs[1:], *engine.outputs)} == {"float32"}
    assert {spec.name: spec.shape for spec in engine.inputs}["sparse_depth"] == (1, 64, 96)
    casts = [node for node in model.graph.node if node.op_type == "Cast"]
    to_half = [node for node in casts if node.attribute[0].i == onnx.TensorProto.FLOAT16]
    assert len(to_half) == 1  # nothing before or after the convolutions


def test_openvino_agrees(exported: Path, weights: Path) -> None:
    pytest.importorskip("openvino")
    engine, network = OpenVinoEngine(exported, 1, "f32"), load_network(weights)
    for size in ((64, 96), (96, 160)):
        inputs = made_up(*size, 5)
        found, reference = engine.run(inputs), answer(network, inputs)
        for name, values in reference.items():
            assert difference(values, found[name]).within(Difference(1e-4, 1e-4, 1e-4))


def test_openvino_in_its_own_precision_stays_within_half_a_per_cent(exported: Path, weights: Path) -> None:
    pytest.importorskip("openvino")
    inputs = made_up(96, 160, 5)
    found, reference = OpenVinoEngine(exported, 1).run(inputs), answer(load_network(weights), inputs)
    assert difference(reference["depth"], found["depth"]).within(Difference(np.inf, 5e-3, 2e-3))


def test_a_file_that_differs_never_appears(
    weights: Path, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(to_onnx, "_trace", lambda *_: onnx.load(exported))
    monkeypatch.setattr(to_onnx, "GATES", {"f32": Difference(0, 0, 0)})
    with pytest.raises(ExportError, match="differs from the network"):
        export_completion(weights, tmp_path / "out.onnx", CARD)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ExportError, match="cannot be written"):
        export_completion(weights, tmp_path / "no" / "out.onnx", CARD)


def test_weights_that_are_none(weights: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.onnx"
    with pytest.raises(ExportError, match=r"missing.safetensors cannot be read"):
        export_completion(tmp_path / "missing.safetensors", out, CARD)
    torn = tmp_path / "torn.safetensors"
    torn.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ExportError, match="cannot be read as safetensors"):
        export_completion(torn, out, CARD)
    other = tmp_path / "other.safetensors"
    save_file({"weight": torch.zeros(3)}, other)
    with pytest.raises(ExportError, match="does not hold a completion network"):
        export_completion(other, out, CARD)
    state = load_file(weights)
    del state["head.bias"]
    save_file(state, other)
    with pytest.raises(ExportError, match=r"does not hold a completion network: .*head.bias"):
        export_completion(other, out, CARD)


def test_arguments_that_cannot_be(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="known are f32, f16"):
        export_completion(weights, tmp_path / "out.onnx", CARD, precision="f8")
    with pytest.raises(ExportError, match="375x1242: height and width must be multiples of 32"):
        export_completion(weights, tmp_path / "out.onnx", CARD, size=(375, 1242))


@pytest.mark.parametrize("free", [False, True])
def test_several_images_at_once_are_answered_as_one_by_one(
    weights: Path, exported: Path, tmp_path: Path, free: bool
) -> None:
    path, network = exported if free else tmp_path / "two.onnx", load_network(weights)
    if not free:
        export_completion(weights, path, CARD, size=(64, 96), batch=2)
    frames = made_up(64, 96, 3, batch=2)
    assert not np.array_equal(frames["prior_depth"][0], frames["prior_depth"][1])
    engine = OnnxRuntimeEngine(path)
    assert {spec.name: spec.shape for spec in engine.inputs}["intrinsics"] == (None if free else 2, 4)
    found = engine.run(frames)["depth"]
    for number in range(2):
        alone = answer(network, {name: array[number : number + 1] for name, array in frames.items()})["depth"]
        assert difference(alone, found[number : number + 1]).within(GATES["f32"])
