"""Does a model file answer as its reference does: made-up frames, differences, gates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from depth_ros.engines.onnx_runtime import OnnxRuntimeEngine
from depth_ros.errors import ExportError

Arrays = dict[str, NDArray[Any]]
Frame = Callable[[int, int, int], Arrays]
OUTPUTS = ("depth", "sigma")


class Difference(NamedTuple):
    """Relative differences |found - reference| / reference over all pixels of an output."""

    most: float
    p99: float
    mean: float

    def __str__(self) -> str:
        """Return it in words."""
        return f"max {self.most:.1e}, p99 {self.p99:.1e}, mean {self.mean:.1e}"

    def within(self, gate: Difference) -> bool:
        """Tell whether every figure is at most that of the gate; NaN is not."""
        return all(value <= most for value, most in zip(self, gate, strict=True))


GATES = {"f32": Difference(1e-4, 1e-4, 1e-4), "f16": Difference(np.inf, 5e-3, 1e-3)}
"""What a file may differ from the network; in half precision single pixels may flip between two surfaces."""


def made_up(height: int, width: int, seed: int, batch: int = 1) -> Arrays:
    """Return the inputs of a graph for `batch` images, each another one.

    They show slanted ground, a box and a sky without prior; 3 % of it is measured, the prior is wrong by a few per
    cent, and the image is noise.
    """
    frames = [_one(height, width, seed + 1000 * number) for number in range(batch)]
    return {name: np.stack([frame[name] for frame in frames]) for name in frames[0]}


def _one(height: int, width: int, seed: int) -> Arrays:
    rng = np.random.default_rng(seed)
    truth = np.tile(np.geomspace(80, 2, height, dtype=np.float32)[:, None], (1, width))
    truth[height // 3 : 2 * height // 3, width // 4 : width // 2] = 4
    prior = (truth * np.exp(rng.normal(0, 0.05, truth.shape))).astype(np.float32)
    prior[: height // 4] = 0
    measured = (rng.random(truth.shape) < 0.03) & (prior > 0)
    return {
        "image": rng.integers(0, 256, (height, width, 3)).astype(np.uint8),
        "sparse_depth": np.where(measured, truth, np.float32(0)),
        "prior_depth": prior,
        "intrinsics": np.array([width, width, width / 2, height / 2], np.float32),
    }


def answer(network: nn.Module, inputs: Mapping[str, NDArray[Any]], outputs: Sequence[str] = OUTPUTS) -> Arrays:
    """Run the network in torch and return what it gives by name."""
    with torch.inference_mode():
        found = network(*(torch.from_numpy(array) for array in inputs.values()))
    return {name: tensor.numpy() for name, tensor in zip(outputs, found, strict=True)}


def difference(reference: NDArray[Any], found: NDArray[Any]) -> Difference:
    """Compare two positive outputs; shapes that differ and values that are not finite count as infinitely different."""
    if reference.shape != found.shape or not np.isfinite(found).all():
        return Difference(np.inf, np.inf, np.inf)
    relative = np.abs(found.astype(np.float64) - reference) / reference
    return Difference(float(relative.max()), float(np.percentile(relative, 99)), float(relative.mean()))


def check_parity(
    path: Path,
    network: nn.Module,
    sizes: Sequence[tuple[int, int]],
    gate: Difference,
    *,
    frame: Frame = made_up,
    outputs: Sequence[str] = OUTPUTS,
) -> Difference:
    """Compare a file in ONNX Runtime with the network at each size (height, width) and return the worst.

    frame: makes the inputs of a height, width and seed. outputs: names of what the network gives.

    Raises ExportError when an output leaves the gate, EngineError when the file does not run.
    """
    engine, worst = OnnxRuntimeEngine(path), Difference(0, 0, 0)
    for seed, size in enumerate(sizes):
        inputs = frame(*size, seed)
        found, reference = engine.run(inputs), answer(network, inputs, outputs)
        for name in outputs:
            got = difference(reference[name], found[name])
            if not got.within(gate):
                raise ExportError(
                    f"{path}: {name} at {size[0]}x{size[1]} differs from the network: {got}; most: {gate}"
                )
            worst = Difference(*map(max, worst, got))
    return worst
