"""Milliseconds per frame of a completion network: prior, engines and the whole pipeline, side by side.

Every way has a process of its own, because the thread pools of several inference libraries fight in one; the ways take
turns, so that a busy machine slows all alike. Median wall time and processor time over the rounds; a synthetic street,
64 beams, so that anyone can run it.

    python -m benchmarks.completion_latency [--model FILE.onnx] [--int8 FILE_INT8.onnx] [--json RECORD]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, NamedTuple

import numpy as np

from depth_ros.models.store import BEST, bundled_models

SIZES = ((352, 1216), (480, 640))
THREADS = (1, 2)
LIDAR = "spin64"


class Way(NamedTuple):
    """One row: what is timed; model: its file; engine and precision as `engines.factory.make_engine` takes them."""

    name: str
    kind: str
    model: str = ""
    engine: str = ""
    precision: str = "auto"


def ways(model: Path, int8: Path | None) -> tuple[Way, ...]:
    """Name all that is timed."""
    file = str(model)
    quantised = () if int8 is None else (
        Way("ONNX Runtime INT8", "engine", str(int8), "onnxruntime"),
        Way("OpenVINO INT8", "engine", str(int8), "openvino", "f32"),
    )  # fmt: skip
    return (
        Way("prior (classical completion)", "prior"),
        Way("ONNX Runtime f32", "engine", file, "onnxruntime"),
        Way("OpenVINO f32", "engine", file, "openvino", "f32"),
        Way("OpenVINO bf16", "engine", file, "openvino", "bf16"),
        *quantised,
        Way("whole pipeline, ONNX Runtime", "pipeline", file, "onnxruntime"),
        Way("whole pipeline, OpenVINO", "pipeline", file, "openvino"),
        Way("whole pipeline, classical", "pipeline", "classical"),
    )


class Worker:
    """A process that runs one way once per line that it is sent."""

    def __init__(self, way: Way, size: tuple[int, int], threads: int) -> None:
        self.way = way
        command = [sys.executable, "-m", "benchmarks.completion_latency", "--worker", json.dumps([way, size, threads])]
        pools = {name: str(threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **pools}
        )
        self.hello = self._read()

    def turn(self) -> dict[str, Any]:
        """Run once; wall and processor milliseconds, and those of the stages."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self._read()

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        return dict(json.loads(line)) if line else {"fault": f"ended with {self._process.wait()}"}


def serve(way: Way, size: tuple[int, int], threads: int) -> None:
    """Be a worker: say what runs, then answer every line with one time."""
    from depth_ros.errors import DepthRosError

    try:
        call, runs = prepare(way, size, threads)
        call()
    except DepthRosError as error:
        print(json.dumps({"fault": str(error)}), flush=True)
        return
    print(json.dumps({"runs": runs}), flush=True)
    for _ in sys.stdin:
        wall, cpu = perf_counter(), process_time()
        stages = call()
        times = {"wall_ms": 1e3 * (perf_counter() - wall), "cpu_ms": 1e3 * (process_time() - cpu)}
        print(json.dumps({**times, "stages_ms": {name: 1e3 * seconds for name, seconds in stages.items()}}), flush=True)


def prepare(way: Way, size: tuple[int, int], threads: int) -> tuple[Callable[[], dict[str, float]], str]:
    """Return the call that is timed, which gives seconds by stage, and what runs in it, in words."""
    import cv2

    from depth_ros.classical.fill import complete
    from depth_ros.config import CompletionConfig, from_mapping
    from depth_ros.engines.factory import make_engine
    from depth_ros.pipelines.factory import make_pipeline

    cv2.setNumThreads(threads)
    frame, sparse = street(size)
    if way.kind == "prior":
        return lambda: _no_stages(complete(sparse, frame.rgb, paste_measured=False)), f"opencv {cv2.__version__}"
    if way.kind == "pipeline":
        settings: dict[str, Any] = {"engine": way.engine, "threads": threads} if way.engine else {}
        pipeline = make_pipeline(from_mapping(CompletionConfig, {"model": way.model, **settings}))
        return lambda: pipeline.process(frame).timings, way.engine
    engine = make_engine(Path(way.model), way.engine, threads, size, way.precision)
    prior = complete(sparse, frame.rgb, paste_measured=False).depth
    camera = frame.camera
    inputs = {
        "image": frame.rgb[None] if frame.rgb is not None else None,
        "sparse_depth": sparse[None],
        "prior_depth": np.nan_to_num(prior)[None],
        "intrinsics": np.array([[camera.K[0, 0], camera.K[1, 1], camera.K[0, 2], camera.K[1, 2]]], np.float32),
    }
    given = {spec.name: array for spec in engine.inputs if (array := inputs[spec.name]) is not None}
    return lambda: _no_stages(engine.run(given)), str(engine.info)


def _no_stages(_: object) -> dict[str, float]:
    return {}


def street(size: tuple[int, int]) -> tuple[Any, Any]:
    """Return one frame of the synthetic street and its sparse depth (float32 [H,W], 0 = none)."""
    from depth_ros.evaluation.holdout import input_depth
    from depth_ros.frame import Frame
    from depth_ros.geometry.rigid import compose, invert
    from depth_ros.synthetic.capture import DriveConfig, capture_drive
    from depth_ros.synthetic.trajectory import T_BASE_CAMERA, T_BASE_LIDAR

    config = DriveConfig(seconds=0.1, height=size[0], width=size[1], lidar=LIDAR)
    capture = next(capture_drive(config, workers=1))
    T_cam_lidar = compose(invert(T_BASE_CAMERA), T_BASE_LIDAR)
    frame = Frame(0, "camera", capture.rgb, config.camera, points=capture.cloud, T_cam_lidar=T_cam_lidar)
    return frame, input_depth(capture.cloud, T_cam_lidar, config.camera)


def measure(chosen: tuple[Way, ...], size: tuple[int, int], threads: int, rounds: int) -> Iterator[dict[str, Any]]:
    """Let the ways take turns and yield one row for each."""
    workers = [Worker(way, size, threads) for way in chosen]
    alive = [worker for worker in workers if "fault" not in worker.hello]
    turns: dict[str, list[dict[str, Any]]] = {worker.way.name: [] for worker in alive}
    for number in range(rounds):
        first = number % max(len(alive), 1)
        for worker in alive[first:] + alive[:first]:
            turns[worker.way.name].append(worker.turn())
    for worker in workers:
        row = {"size": list(size), "threads": threads, "way": worker.way.name, **worker.hello}
        yield row | (_medians(turns[worker.way.name]) if worker in alive else {})
        worker.close()


def _medians(turns: list[dict[str, Any]]) -> dict[str, Any]:
    stages = {name: float(np.median([turn["stages_ms"][name] for turn in turns])) for name in turns[0]["stages_ms"]}
    return {
        **{key: float(np.median([turn[key] for turn in turns])) for key in ("wall_ms", "cpu_ms")},
        "stages_ms": stages,
    }


def main() -> None:
    """Print a row per size, number of threads and way, and store them where --json says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    bundled = bundled_models().get(BEST)
    parser.add_argument("--model", type=Path, default=bundled, help="ONNX file of a network (the bundled one)")
    parser.add_argument("--int8", type=Path, help="its INT8 form")
    parser.add_argument("--rounds", type=int, default=15, help="how often every way takes its turn (%(default)s)")
    parser.add_argument("--json", type=Path, help="store versions and figures there")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        way, size, threads = json.loads(args.worker)
        serve(Way(*way), (size[0], size[1]), threads)
        return
    if args.model is None:
        parser.error("no model is bundled: give --model FILE")
    from depth_ros.evaluation.result import used_versions

    rows = []
    for size in SIZES:
        for threads in THREADS:
            print(f"\n{size[0]}x{size[1]}, {threads} threads{'':14}  wall ms   CPU ms")
            for row in measure(ways(args.model, args.int8), size, threads, args.rounds):
                rows.append(row)
                times = row.get("fault") or f"{row['wall_ms']:9.1f}{row['cpu_ms']:9.1f}  {row['runs']}"
                stages = ", ".join(f"{name} {value:.1f}" for name, value in row.get("stages_ms", {}).items())
                print(f"{row['way']:32} {times}  {stages}", flush=True)
    if args.json:
        args.json.write_text(json.dumps({"versions": used_versions(), "rows": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
