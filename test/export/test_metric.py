from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from depth_ros.cli.main import main
from depth_ros.engines.onnx_runtime import OnnxRuntimeEngine
from depth_ros.engines.openvino import OpenVinoEngine
from depth_ros.errors import ExportError
from depth_ros.export.metric import OUTPUTS, export_metric, frame, load_metric
from depth_ros.export.parity import Difference, answer, difference
from depth_ros.models.card import ModelCard, read_card
from depth_ros.models.model import Model
from depth_ros.networks.metric import MetricGraph, MetricNet

CARD = ModelCard("tiny", "1")
CANVAS = (64, 96)
SAME = Difference(1e-4, 1e-4, 1e-4)


@pytest.fixture(scope="module")
def metric_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    network = MetricNet((8, 8, 12))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0, 0.1)  # type: ignore[arg-type]
            nn.init.uniform_(module.running_var, 0.5, 1.5)  # type: ignore[arg-type]
    nn.init.normal_(network.head.weight, 0, 0.1)
    nn.init.normal_(network.focal[-1].weight, 0, 0.1)  # type: ignore[arg-type]
    path = tmp_path_factory.mktemp("metric") / "weights.safetensors"
    save_file(network.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def metric_file(metric_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of free size."""
    out = tmp_path_factory.mktemp("exported") / "tiny.onnx"
    _, found = export_metric(metric_weights, out, CARD, canvas=CANVAS)
    assert found.within(SAME)
    return out


def reference(weights: Path, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return answer(MetricGraph(load_metric(weights), CANVAS), inputs, OUTPUTS)


def test_the_file_is_a_metric_model_of_any_size(metric_file: Path) -> None:
    card, engine = read_card(metric_file), OnnxRuntimeEngine(metric_file)
    assert (card.task, card.inputs, card.size_multiple) == ("metric", ("image", "intrinsics"), 1)
    assert {spec.name: spec.shape for spec in engine.inputs} == {"image": (1, None, None, 3), "intrinsics": (1, 4)}
    model = Model(metric_file, engine="onnxruntime")
    model.check()
    found = model.run({"image": np.zeros((37, 53, 3), np.uint8), "intrinsics": np.zeros(4, np.float32)})
    assert {name: array.shape for name, array in found.items()} == {
        "depth": (37, 53),
        "sigma": (37, 53),
        "valid": (37, 53),
        "focal": (),
    }


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("size", [(33, 47), (375, 1242)])
def test_engines_agree_with_torch_with_and_without_intrinsics(
    metric_file: Path, metric_weights: Path, size: tuple[int, int], seed: int
) -> None:
    inputs = frame(*size, seed)
    expected = reference(metric_weights, inputs)
    for engine in (OnnxRuntimeEngine(metric_file), OpenVinoEngine(metric_file, 1, "f32")):
        found = engine.run(inputs)
        for name in OUTPUTS:
            assert difference(expected[name], found[name]).within(SAME), (engine, name)


@pytest.mark.parametrize("size", [(64, 96), (375, 1242)])
def test_it_compiles_in_tensorrt_at_any_size(
    metric_file: Path, size: tuple[int, int], build_rtx: Callable[..., str]
) -> None:
    assert build_rtx(metric_file, size) == "f32"


def test_a_fixed_size_and_another_canvas(metric_weights: Path, tmp_path: Path) -> None:
    out = tmp_path / "fixed.onnx"
    export_metric(metric_weights, out, CARD, size=(60, 200), canvas=(64, 160))
    engine = OnnxRuntimeEngine(out)
    assert {spec.name: spec.shape for spec in engine.inputs}["image"] == (1, 60, 200, 3)
    assert "BatchNormalization" not in {node.op_type for node in onnx.load(out).graph.node}


def test_first_node_on_the_image_is_its_cast(metric_file: Path) -> None:
    nodes = [node.op_type for node in onnx.load(metric_file).graph.node if "image" in node.input]
    assert set(nodes) <= {"Cast", "Shape"}


def test_a_wrong_canvas_and_other_weights_are_one_line(metric_weights: Path, weights: Path, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="multiples of 32"):
        export_metric(metric_weights, tmp_path / "a.onnx", CARD, canvas=(60, 96))
    with pytest.raises(ExportError, match="does not hold a metric network"):
        export_metric(weights, tmp_path / "a.onnx", CARD)
    assert not list(tmp_path.iterdir())


def test_the_verb_tells_a_metric_network_from_a_completion_network(
    metric_weights: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "m.onnx"
    common = ["model", "export", "--out", str(out), "--canvas", "64x96"]
    assert main([*common, "--weights", str(metric_weights), "--size", "64x96"]) == 0
    assert read_card(out).task == "metric"
    assert main([*common, "--weights", str(weights)]) == 1
    assert main([*common, "--weights", str(metric_weights), "--precision", "f16"]) == 1
    assert main([*common[:-1], "64by96", "--weights", str(metric_weights)]) == 1
    errors = capsys.readouterr().err
    assert "holds none" in errors
    assert "f32 alone" in errors
    assert "--canvas 64by96" in errors
