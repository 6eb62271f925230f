"""Weights of a narrow network, every one of them away from where it starts, and the file made of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from depth_ros.export.to_onnx import export_completion
from depth_ros.models.card import ModelCard
from depth_ros.networks.completion import CompletionNet


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
def build_rtx() -> Callable[[Path], None]:
    """Build a file ahead of time with TensorRT-RTX, without a GPU: that it parses and compiles, not that it runs."""
    trt = pytest.importorskip("tensorrt_rtx", reason="tensorrt_rtx is not installed: no plan was built")

    class Log(trt.ILogger):  # type: ignore[misc, name-defined]
        """Keeps what went wrong."""

        def __init__(self) -> None:
            super().__init__()
            self.errors: list[str] = []

        def log(self, severity: Any, text: str) -> None:
            if severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR):
                self.errors.append(text)

    def build(path: Path) -> None:
        log = Log()
        builder = trt.Builder(log)
        network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
        parser = trt.OnnxParser(network, log)
        assert parser.parse_from_file(str(path)), [str(parser.get_error(i)) for i in range(parser.num_errors)]
        config = builder.create_builder_config()
        config.num_compute_capabilities = 1
        config.set_compute_capability(trt.ComputeCapability.SM89, 0)
        plan = builder.build_serialized_network(network, config)
        assert plan is not None, log.errors
        assert bytes(plan)[:4] == b"vtrt"

    return build
