"""The completion network as one ONNX file, with its card, checked against torch."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from depth_ros.errors import ExportError
from depth_ros.export.cards import write_card
from depth_ros.export.parity import GATES, OUTPUTS, Arrays, Difference, check_parity, made_up
from depth_ros.models.card import INPUTS, ModelCard
from depth_ros.networks.completion import SIZE_MULTIPLE, CompletionNet

Net = TypeVar("Net", bound=nn.Module)
IR_VERSION = 8
"""The oldest that goes with the opset, for the runtimes of older robots."""
OPSET = 18
TRACED, CHECKED = (128, 192), ((64, 96), (352, 1216))
"""Height and width at which a file of free size is traced, and those at which it is checked."""
LEAST, MOST = 2, 128
"""Free sizes, in multiples of SIZE_MULTIPLE."""
MOST_IMAGES = 64
_WIDTH = re.compile(r"encoder\.(\d+)\.0\.0\.weight")


def export_completion(
    weights: Path,
    out: Path,
    card: ModelCard,
    *,
    precision: str = "f32",
    size: tuple[int, int] | None = None,
    batch: int | None = None,
) -> tuple[ModelCard, Difference]:
    """Write `out`, an ONNX file of the model contract, and return its card and how far it is from torch.

    weights: safetensors of a CompletionNet's state; its widths are read from it. precision: f32, or f16 for GPUs
    (convolutions in half precision; logs, exponentials and means, and all inputs and outputs, stay float32). size:
    height and width; None: free, in multiples of 32. batch: images at once, for several cameras of one size; None: free
    where the size is, else 1. The file appears only when it answers as torch does.

    Raises ExportError when the weights cannot be read, the size does not fit, or the file differs from torch.
    """
    if precision not in GATES:
        raise ExportError(f"unknown precision '{precision}': known are {', '.join(GATES)}")
    if size is not None and any(value <= 0 or value % SIZE_MULTIPLE for value in size):
        raise ExportError(f"size {size[0]}x{size[1]}: height and width must be multiples of {SIZE_MULTIPLE}")
    network = load_network(weights)
    unchecked = out.with_name(f".{out.stem}.partial.onnx")
    try:
        batch = 1 if batch is None and size is not None else batch
        save_clean(_trace(for_inference(network, half=precision == "f16"), size, batch), size is None, unchecked)
        card = replace(card, size_multiple=SIZE_MULTIPLE, weights_sha256=sha256(weights), precision=precision)
        made = write_card(unchecked, card)
        sizes = CHECKED if size is None else (size, size)
        found = check_parity(unchecked, network, sizes, GATES[precision], frame=partial(_frame, batch))
        os.replace(unchecked, out)
    except OSError as error:
        raise ExportError(f"{out} cannot be written: {error.strerror}") from error
    finally:
        unchecked.unlink(missing_ok=True)
    return made, found


def _frame(batch: int | None, height: int, width: int, seed: int) -> Arrays:
    """Return made-up inputs, of a free batch another number of images with every seed."""
    return made_up(height, width, seed, batch or 1 + seed)


def load_network(weights: Path) -> CompletionNet:
    """Return the network of a checkpoint, ready to answer; raises ExportError when it is not one."""
    return load_unet(weights, CompletionNet, "completion")


def load_unet(weights: Path, make: Callable[[Sequence[int]], Net], kind: str) -> Net:
    """Return the network of a checkpoint, made with the widths that it holds; raises ExportError when it is of none."""
    try:
        state = load_file(weights)
    except (OSError, SafetensorError) as error:
        raise ExportError(f"{weights} cannot be read as safetensors: {error}") from error
    found = {int(match[1]): tensor.shape[0] for name, tensor in state.items() if (match := _WIDTH.fullmatch(name))}
    try:
        network = make([found[level] for level in range(len(found))])
        network.load_state_dict(state)
    except (KeyError, ValueError, IndexError, RuntimeError) as error:
        text = " ".join(str(error).split())[:200]
        raise ExportError(f"{weights} does not hold a {kind} network: {text}") from error
    return network.eval()


class _Half(CompletionNet):
    """Computes its convolutions in half precision."""

    def _unet(self, x: Tensor) -> Tensor:
        return super()._unet(x.half())


def for_inference(network: CompletionNet, *, half: bool) -> CompletionNet:
    """Return a copy whose BatchNorms are part of its convolutions; half: these compute in half precision."""
    widths = [stage[0][0].out_channels for stage in network.encoder]  # type: ignore[index]
    copy = (_Half if half else CompletionNet)(widths).eval()
    copy.load_state_dict(network.state_dict())
    fuse_norms(copy)
    return copy if not half else _halve(copy)


def fuse_norms(network: nn.Module) -> None:
    """Make BatchNorms part of the convolutions before them, in place."""
    for block in list(network.modules()):
        if isinstance(block, nn.Sequential) and len(block) > 1 and isinstance(block[1], nn.BatchNorm2d):
            block[0], block[1] = fuse_conv_bn_eval(cast(nn.Conv2d, block[0]), block[1]), nn.Identity()


def _halve(network: CompletionNet) -> CompletionNet:
    for part in (network.encoder, network.decoder, network.head):
        part.half()
    return network


def _trace(network: CompletionNet, size: tuple[int, int] | None, batch: int | None) -> Any:
    frame = made_up(*(size or TRACED), 0, batch or 2)
    height, width = (SIZE_MULTIPLE * torch.export.Dim(name, min=LEAST, max=MOST) for name in ("h", "w"))
    images = {} if batch else {0: torch.export.Dim("n", max=MOST_IMAGES)}
    sizes = {} if size is not None else {1: height, 2: width}
    free = {**dict.fromkeys(INPUTS[:3], images | sizes), "intrinsics": images}
    return trace(network, frame, OUTPUTS, free if images or sizes else None)


def trace(network: nn.Module, frame: Arrays, outputs: Sequence[str], free: dict[str, Any] | None) -> Any:
    """Return the ONNX model of a network; free: the free sizes of its inputs, as `torch.export` takes them."""
    exporters = logging.getLogger("torch.onnx")
    level = exporters.level
    exporters.setLevel(logging.ERROR)
    try:
        # Without gradients: `blocks.twice` is a Resize then, which engines are quicker at.
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                network,
                tuple(torch.from_numpy(array) for array in frame.values()),
                input_names=list(frame),
                output_names=list(outputs),
                dynamic_shapes=free,
                opset_version=OPSET,
                dynamo=True,
                external_data=False,
                verbose=False,
            )
            return cast(Any, program).model_proto
    finally:
        exporters.setLevel(level)


def save_clean(model: Any, free: bool, path: Path) -> None:
    """Save the graph without the traces of the machine that made it, its free sizes under plain names."""
    import onnx

    graph = model.graph
    del model.metadata_props[:], graph.metadata_props[:], graph.value_info[:]
    for entry in (*graph.node, *graph.input, *graph.output, *graph.initializer):
        entry.ClearField("doc_string")
        del entry.metadata_props[:]
    for entry in [value for value in (*graph.input, *graph.output) if free]:
        sizes = entry.type.tensor_type.shape.dim
        if sizes[0].dim_param:
            sizes[0].dim_param = "batch"
        if len(sizes) > 2:
            sizes[1].dim_param, sizes[2].dim_param = "height", "width"
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model)
    onnx.save(model, path)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
