"""Weights of a narrow network, every one of them away from where it starts, and the file made of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from depth_ros.engines.base import shapes_at
from depth_ros.engines.trt_build import build_plan, read_signature
from depth_ros.export.to_onnx import export_completion
from depth_ros.models.card import ModelCard
from depth_ros.networks.completion import CompletionNet

BuildRtx = Callable[..., str]


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    network = CompletionNet((8, 8, 12))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0, 0.1)  # type: ignore[arg-type]
            nn.init.uniform_(module.running_var, 0.5, 1.5)  # type: ignore[arg-type]
    nn.init.normal_(network.head.weight, 0, 0.1)
    path = tmp_path_factory.mktemp("weights") / "weights.safetensors"
    save_file(network.state_dict(), path, metadata={"depth_ros": '{"step": 7}'})
    return path


@pytest.fixture(scope="session")
def exported(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A float file of free size."""
    out = tmp_path_factory.mktemp("exported") / "tiny.onnx"
    export_completion(weights, out, ModelCard("tiny", "1", licence="Apache-2.0"))
    return out


@pytest.fixture(scope="session")
def build_rtx() -> BuildRtx:
    """Compile a file with TensorRT-RTX, without a GPU, and return the arithmetic that it sees there; it does not run.

    size: height and width where they are free, batch: N likewise."""
    trt = pytest.importorskip("tensorrt_rtx", reason="tensorrt_rtx is not installed: no plan was built")

    def build(path: Path, size: tuple[int, int] = (64, 96), batch: int = 1) -> str:
        signature = read_signature(trt, path)
        assert build_plan(trt, path, shapes_at(signature.inputs, size, batch), tf32=False).startswith(b"vtrt")
        return signature.precision

    return build
