"""From the name of an engine to a graph that runs."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from depth_ros.engines.base import Engine, Probe, shapes_at
from depth_ros.engines.chain import ChainedEngine
from depth_ros.engines.meanwhile import with_stand_in
from depth_ros.engines.onnx_file import read_metadata
from depth_ros.engines.onnx_runtime import OnnxRuntimeEngine
from depth_ros.engines.openvino import OpenVinoEngine
from depth_ros.engines.tensorrt import TensorRtEngine, TensorRtRtxEngine
from depth_ros.errors import EngineError

ENGINES: dict[str, type[Engine]] = {
    "tensorrt": TensorRtEngine,
    "tensorrt_rtx": TensorRtRtxEngine,
    "openvino": OpenVinoEngine,
    "onnxruntime": OnnxRuntimeEngine,
}
"""In the order in which `auto` tries them: the fastest first."""


def probe_engines() -> dict[str, Probe]:
    """Look at every engine; none raises."""
    return {kind: engine.probe() for kind, engine in ENGINES.items()}


def make_engine(
    path: Path,
    kind: str = "auto",
    threads: int = 0,
    shape: tuple[int, int] | None = None,
    precision: str = "auto",
    *,
    meanwhile: bool = False,
) -> Engine:
    """Open a graph, and build it when a `shape` is given and that does not take long.

    path: an ONNX file. kind: a key of ENGINES, or auto: the first that can run it; why others cannot is logged, and one
    that fails to build is given up for the next. threads: 0 = the processors that we may use, at most four. shape:
    height and width of the images ([N,H,W,...]) that will come; other sizes can come all the same. precision: auto
    (fast on this machine), f32, bf16 or f16. meanwhile: whether ONNX Runtime answers while one that builds slowly does.

    Raises EngineError, in one line, when the file cannot be used or no engine can run it.
    """
    read_metadata(path)
    if kind != "auto":
        return _make(path, kind, threads, shape, precision, meanwhile)
    try:
        makers = {name: partial(_make, path, name, threads, shape, precision, meanwhile) for name in ENGINES}
        return ChainedEngine(makers)
    except EngineError as error:
        raise EngineError(f"no engine can run {path}: {error}") from error


def _make(
    path: Path, kind: str, threads: int, shape: tuple[int, int] | None, precision: str, meanwhile: bool
) -> Engine:
    if kind not in ENGINES:
        raise EngineError(f"unknown engine '{kind}': known are auto, {', '.join(ENGINES)}")
    probe = ENGINES[kind].probe()
    if probe.reason:
        raise EngineError(probe.reason)
    engine = ENGINES[kind](path, threads, precision)
    if shape is not None and not engine.builds_slowly:
        engine.fit(shapes_at(engine.inputs, shape))
    return with_stand_in(engine, partial(OnnxRuntimeEngine, path, threads)) if meanwhile else engine
