"""The metric network as one ONNX file, with its card, checked against torch."""

from __future__ import annotations

import os
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open

from depth_ros.errors import ExportError
from depth_ros.export.cards import write_card
from depth_ros.export.parity import GATES, Arrays, Difference, check_parity
from depth_ros.export.to_onnx import fuse_norms, load_unet, save_clean, sha256, trace
from depth_ros.models.card import ModelCard
from depth_ros.networks.metric import CANVAS, CANVAS_MULTIPLE, MetricGraph, MetricNet

INPUTS = ("image", "intrinsics")
OUTPUTS = ("depth", "sigma", "valid", "focal")
TRACED, CHECKED = (90, 160), ((64, 96), (375, 1242), (480, 640))
MOST = 8192
"""Pixels of a side of a free size."""


def export_metric(
    weights: Path,
    out: Path,
    card: ModelCard,
    *,
    size: tuple[int, int] | None = None,
    canvas: tuple[int, int] | None = None,
) -> tuple[ModelCard, Difference]:
    """Write `out`, an ONNX file of the model contract, and return its card and how far it is from torch.

    weights: safetensors of a MetricNet's state. size: height and width of the images; None: free. canvas: height and
    width that the network works on; None: that of the training. The file appears only when it answers as torch does,
    with intrinsics and without.

    Raises ExportError when the weights cannot be read, a size does not fit, or the file differs from torch.
    """
    network = load_metric(weights)
    graph = MetricGraph(deepcopy(network), fitting_canvas(canvas)).eval()
    fuse_norms(graph)
    height, width = (torch.export.Dim(name, min=2, max=MOST) for name in ("h", "w"))
    free = None if size is not None else {"image": {1: height, 2: width}, "intrinsics": None}
    partial = out.with_name(f".{out.stem}.partial.onnx")
    try:
        save_clean(trace(graph, frame(*(size or TRACED), 0), OUTPUTS, free), size is None, partial)
        card = replace(card, task="metric", inputs=INPUTS, size_multiple=1, weights_sha256=sha256(weights))
        made = write_card(partial, card)
        reference = MetricGraph(network, graph.canvas).eval()
        sizes = CHECKED if size is None else (size, size)
        found = check_parity(partial, reference, sizes, GATES["f32"], frame=frame, outputs=OUTPUTS)
        os.replace(partial, out)
    except OSError as error:
        raise ExportError(f"{out} cannot be written: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)
    return made, found


def fitting_canvas(canvas: tuple[int, int] | None) -> tuple[int, int]:
    """Return the canvas, or that of the training for None; raises ExportError on one that the network cannot take."""
    if canvas is None:
        return CANVAS
    if any(side < CANVAS_MULTIPLE or side % CANVAS_MULTIPLE for side in canvas):
        raise ExportError(f"canvas {canvas[0]}x{canvas[1]}: height and width must be multiples of {CANVAS_MULTIPLE}")
    return canvas


def is_metric(weights: Path) -> bool:
    """Tell whether a checkpoint holds a metric network; False as well when it cannot be read."""
    try:
        with safe_open(weights, "np") as file:
            return any(name.startswith("focal.") for name in file.keys())  # noqa: SIM118 (not a mapping)
    except (OSError, SafetensorError):
        return False


def load_metric(weights: Path) -> MetricNet:
    """Return the network of a checkpoint, ready to answer; raises ExportError when it is not one."""
    return load_unet(weights, MetricNet, "metric")


def frame(height: int, width: int, seed: int) -> Arrays:
    """Return the inputs of a graph, batch 1: smooth noise, with intrinsics where the seed is even, else without."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (height // 16 + 1, width // 16 + 1, 3)).astype(np.uint8)
    image = coarse.repeat(16, axis=0).repeat(16, axis=1)[:height, :width]
    camera = [width, width, width / 2, height / 2] if seed % 2 == 0 else [0.0] * 4
    return {"image": np.ascontiguousarray(image)[None], "intrinsics": np.array([camera], np.float32)}
