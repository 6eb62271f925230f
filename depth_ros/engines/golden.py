"""The self-test of an engine that compiles: its answer to one made-up frame against ONNX Runtime's on the CPU.

The frame knows nothing of what a graph means. Its pictures are noise; its planes of numbers fall off from 80 to 2 with
5 % of noise, and have thirds without gaps, with few values, and without any, in another order in each plane.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from depth_ros.engines.base import Shapes, TensorSpec
from depth_ros.engines.onnx_runtime import OnnxRuntimeEngine

Arrays = dict[str, NDArray[Any]]
Samples = dict[str, list[float]]
SEED = 6
MOST_SAMPLES = 2048
FEW = 0.03


class Gate(NamedTuple):
    """What relative differences may be: the 99th percentile, and the mean."""

    p99: float
    mean: float


GATES = {
    "f32": Gate(1e-3, 2e-4),
    "tf32": Gate(5e-3, 1e-3),
    "f16": Gate(5e-3, 1e-3),
    "bf16": Gate(2e-2, 4e-3),
    "int8": Gate(5e-2, 1.5e-2),
    "f8": Gate(6e-2, 2e-2),
}
"""By arithmetic; tf32: float32 with products that may be rounded to TF32. int8: of the same quantised file. They are
for the first output of a graph; what it says of that one (sigma) hangs on exponentials, and may differ LATITUDE times
as much. On CPUs, depth and sigma were seen 3e-3 and 5e-2 apart (p99) in bf16, 1e-2 and 4e-1 in INT8."""
LATITUDE = 10


def made_up(specs: tuple[TensorSpec, ...], shapes: Shapes) -> Arrays:
    """Return the frame for a graph's inputs, the same every time."""
    random = np.random.default_rng(SEED)
    width = max((shape[2] for shape in shapes.values() if len(shape) > 2), default=1)
    return {spec.name: _tensor(spec, shapes[spec.name], n, width, random) for n, spec in enumerate(specs)}


def reference(path: Path, inputs: Arrays, threads: int) -> Samples:
    """Return what ONNX Runtime answers, at up to MOST_SAMPLES places of each output; raises EngineError."""
    engine = OnnxRuntimeEngine(path, threads)
    try:
        return {name: _sampled(array).tolist() for name, array in engine.run(inputs).items()}
    finally:
        engine.close()


def compare(found: Mapping[str, NDArray[Any]], wanted: Samples, precision: str) -> tuple[dict[str, Gate], str]:
    """Return how far an answer is from the reference by output, and what is wrong with it, empty when nothing is."""
    differences, wrong = {}, ""
    for number, (name, values) in enumerate(wanted.items()):
        gate = Gate(*(limit * (LATITUDE if number else 1) for limit in GATES.get(precision, GATES["f32"])))
        difference = _difference(found[name], np.array(values))
        differences[name] = difference
        if not (difference.p99 <= gate.p99 and difference.mean <= gate.mean) and not wrong:
            wrong = (
                f"{name} differs from ONNX Runtime's by {difference.p99:.1e} (p99) and {difference.mean:.1e} (mean) of "
                f"its size, the most in {precision} is {gate.p99:.0e} and {gate.mean:.0e}"
            )
    return differences, wrong


def _tensor(spec: TensorSpec, shape: tuple[int, ...], number: int, width: int, random: Any) -> NDArray[Any]:
    if spec.dtype == "uint8":
        return np.asarray(random.integers(0, 256, shape), np.uint8)
    if len(shape) < 3:
        return np.full(shape, width, spec.dtype)
    fall = np.geomspace(80, 2, shape[1]).reshape(1, -1, 1) * np.exp(random.normal(0, 0.05, shape[:3]))
    third = (np.arange(shape[2]) * 3 // shape[2] + number) % 3
    is_there = random.random(shape[:3]) < np.array([1.0, FEW, 0.0])[third]
    plane = np.where(is_there, fall, 0).reshape(shape[:3] + (1,) * (len(shape) - 3))
    return np.ascontiguousarray(np.broadcast_to(plane, shape), spec.dtype)


def _sampled(array: NDArray[Any]) -> NDArray[Any]:
    flat = array.reshape(-1)
    places = np.linspace(0, flat.size - 1, min(MOST_SAMPLES, flat.size)).astype(int)
    return np.asarray(flat[places], np.float64)


def _difference(found: NDArray[Any], wanted: NDArray[Any]) -> Gate:
    """Compare relative to the size of the answer, 0.1 % of the mean at least; labels, that are whole, differ by 1 or 0.

    What is not finite is infinitely far.
    """
    values = _sampled(found)
    if values.shape != wanted.shape or not np.isfinite(found).all():
        return Gate(np.inf, np.inf)
    size = np.abs(wanted)
    relative = np.abs(values - wanted) / np.maximum(size, max(1e-3 * size.mean(), 1e-12))
    if np.issubdtype(found.dtype, np.integer):
        relative = (values != wanted).astype(np.float64)
    return Gate(float(np.percentile(relative, 99)), float(relative.mean()))
