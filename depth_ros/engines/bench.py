"""How long one engine takes for one graph at one size: the latency of a frame, its stages, and frames per second."""

from __future__ import annotations

import resource
from collections.abc import Iterable
from itertools import repeat
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from depth_ros.engines import golden
from depth_ros.engines.base import image_size, shapes_at
from depth_ros.engines.factory import make_engine
from depth_ros.engines.tensorrt import TensorRtEngine

WARM_UP = 3
PERCENTILES = (50, 95, 99)


def measure(
    path: Path, kind: str, size: tuple[int, int], runs: int, precision: str = "auto", threads: int = 0
) -> dict[str, Any]:
    """Run a graph on a made-up frame of height and width `size`, `runs` times, and return what was seen.

    A graph of fixed size runs at that: `size` in what is returned.

    stages_ms: `frame` is the call as a caller sees it; with TensorRT also `upload`, `compute` and `download`, as the
    GPU's clock tells them. frames_per_second: of many frames in a row, which some engines overlap. peak_memory_mb: of
    the whole process. Raises EngineError when the engine cannot be had.
    """
    engine = make_engine(path, kind, threads, precision=precision)
    try:
        shapes = shapes_at(engine.inputs, size)
        frame = golden.made_up(engine.inputs, shapes)
        start = perf_counter()
        engine.fit(shapes)
        ready = perf_counter() - start
        for _ in range(WARM_UP):
            engine.run(frame)
        stages = {"frame": [_milliseconds(lambda: engine.run(frame)) for _ in range(runs)]}
        if isinstance(engine, TensorRtEngine):
            timed = [engine.time_stages(frame) for _ in range(runs)]
            stages.update({stage: [times[stage] for times in timed] for stage in timed[0]})
        whole = _milliseconds(lambda: [None for _ in engine.run_all(repeat(frame, runs))])
        return {
            "engine": engine.info._asdict(),
            "size": list(image_size(shapes) or size),
            "runs": runs,
            "ready_seconds": round(ready, 3),
            "stages_ms": {stage: percentiles(times) for stage, times in stages.items()},
            "frames_per_second": round(1e3 * runs / whole, 2),
            "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        }
    finally:
        engine.close()


def percentiles(times: Iterable[float]) -> dict[str, float]:
    """Return median, 95th and 99th percentile as p50, p95 and p99."""
    found = np.percentile(list(times), PERCENTILES)
    return {f"p{rank}": round(float(value), 3) for rank, value in zip(PERCENTILES, found, strict=True)}


def _milliseconds(call: Any) -> float:
    start = perf_counter()
    call()
    return 1e3 * (perf_counter() - start)
