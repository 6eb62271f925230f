"""What a machine with an NVIDIA GPU makes of the completion network: does every engine answer rightly, and how fast.

    python -m benchmarks.gpu_check --out gpu_output

Files are exported from seeded weights, references come from ONNX Runtime on the CPU, and every row runs in a process of
its own with a time limit, since a runtime that does not fit its driver may crash. The record, gpu_check.json, is
written after every row; started again with the same --out, rows that are in it are not run again. Exit code 0: every
mandatory row passed (torch, and one TensorRT, in f32 and f16, at the first size, batch 1).

Times are those of the GPU's clock (CUDA events), in ms, p50, p95 and p99: `compute` of the network alone, with and
without a CUDA graph; `upload` and `download` apart; `frame_ms` is the whole call on the processor's clock.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

SIZES = ((352, 1216), (736, 1280), (1088, 1920))
"""Height and width of KITTI, and of 720p and 1080p, each a multiple of 32."""
BATCHES = (1, 4, 8)
TENSORRT = ("tensorrt", "tensorrt_rtx")
TORCH = ("torch", "torch_graph", "torch_compile")
PRECISIONS = {"torch": ("f32", "f16"), "torch_graph": ("f16",), "torch_compile": ("f16",)}
RECORD = "gpu_check.json"
GATES = {"f32": (5e-3, 1e-3), "f16": (5e-3, 1e-3), "int8": (5e-2, 1.5e-2)}
"""Most relative difference of depth from ONNX Runtime's answer of the f32 file: p99 and mean; f32 with TF32."""
TARGET_MS, TARGET_RATIO = 1.0, 3.0


class Row(NamedTuple):
    """One thing that is run."""

    engine: str
    precision: str
    size: tuple[int, int]
    batch: int

    @property
    def name(self) -> str:
        """Name of the row in the record."""
        return f"{self.engine} {self.precision} {self.size[0]}x{self.size[1]} batch {self.batch}"


def rows(batches: tuple[int, ...], sizes: tuple[tuple[int, int], ...]) -> Iterator[Row]:
    """Yield what is run, the mandatory first."""
    for batch in batches:
        for size in sizes:
            for engine in (*TENSORRT, *TORCH):
                for precision in PRECISIONS.get(engine, ("f32", "f16", "int8")):
                    yield Row(engine, precision, size, batch)


def main() -> int:
    """Run every row, or be the process of one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--out", type=Path, default=Path("gpu_output"), help="folder of the record and of what is exported")
    add("--batches", default=",".join(map(str, BATCHES)), help="images at once (%(default)s)")
    add("--sizes", default=",".join(f"{h}x{w}" for h, w in SIZES), help="height x width (%(default)s)")
    add("--runs", type=int, default=200, help="of each row (%(default)s)")
    add("--patience", type=float, default=300, help="seconds that one row may take (%(default)s)")
    add("--budget", type=float, default=float("inf"), help="seconds after which no further row is begun")
    add("--do", nargs=2, metavar=("WHAT", "ROW"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.do:
        print(json.dumps(_do(args.do[0], args.do[1], args.out, args.runs)))
        return 0
    args.out.mkdir(parents=True, exist_ok=True)
    batches = tuple(map(int, args.batches.split(",")))
    sizes = tuple((int(text.split("x")[0]), int(text.split("x")[1])) for text in args.sizes.split(","))
    return _all(args, list(rows(batches, sizes)))


def _all(args: argparse.Namespace, todo: list[Row]) -> int:
    path, start = args.out / RECORD, perf_counter()
    record: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {"rows": {}}
    record["machine"] = _apart("machine", "", args)
    for row in todo:
        if perf_counter() - start > args.budget:
            record["stopped"] = f"after {args.budget:g} s"
            break
        if row.name not in record["rows"]:
            made = _apart("export", json.dumps(row), args)
            found = made if "fault" in made else _apart("row", json.dumps(row), args)
            record["rows"][row.name] = found
            _write(path, record)
            print(f"{row.name}: {_said(found)}", flush=True)
    record["summary"] = _summary(record["rows"], todo[0].size)
    _write(path, record)
    print(json.dumps(record["summary"], indent=1))
    return 0 if record["summary"]["passed"] else 1


def _write(path: Path, record: dict[str, Any]) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(record, indent=1))
    os.replace(partial, path)


def _apart(what: str, row: str, args: argparse.Namespace) -> dict[str, Any]:
    """Do one thing in a process of its own; whatever becomes of it, something is returned."""
    command = [sys.executable, "-m", "benchmarks.gpu_check", "--out", str(args.out), "--runs", str(args.runs)]
    try:
        done = subprocess.run(
            [*command, "--do", what, row], capture_output=True, text=True, timeout=args.patience, check=False
        )
        return dict(json.loads(done.stdout.strip().rpartition("\n")[2]))
    except subprocess.TimeoutExpired:
        return {"fault": f"{what} took longer than {args.patience:g} s"}
    except ValueError:
        how = f"signal {-done.returncode}" if done.returncode < 0 else f"exit code {done.returncode}"
        return {"fault": f"{what} ended with {how}: {' '.join(done.stderr.split())[-600:]}"}


def _do(what: str, text: str, out: Path, runs: int) -> dict[str, Any]:
    from depth_ros.errors import DepthRosError

    os.environ.setdefault("DEPTH_ROS_PLANS", str((out / "plans").absolute()))
    try:
        if what == "machine":
            return machine()
        engine, precision, size, batch = json.loads(text)
        row = Row(engine, precision, (size[0], size[1]), batch)
        return export(row, out) if what == "export" else measure(row, out, runs)
    except DepthRosError as error:
        return {"fault": str(error)}


def machine() -> dict[str, Any]:
    """Return versions, GPU and driver, and why an engine cannot be used."""
    from depth_ros.engines.device_cuda import read_gpu
    from depth_ros.engines.factory import probe_engines
    from depth_ros.errors import EngineError

    found: dict[str, Any] = {"system": platform.platform(), "python": platform.python_version()}
    found["engines"] = {kind: probe._asdict() for kind, probe in probe_engines().items()}
    try:
        found["gpu"] = read_gpu()._asdict()
    except EngineError as error:
        found["fault"] = str(error)
    try:
        import torch

        found["torch"] = {"version": torch.__version__, "cuda": torch.version.cuda, "is": torch.cuda.is_available()}
    except ImportError as error:
        found["torch"] = {"fault": str(error)}
    return found


def export(row: Row, out: Path) -> dict[str, Any]:
    """Have the weights, the row's file, and the reference for its size and batch."""
    from depth_ros.engines.onnx_runtime import OnnxRuntimeEngine
    from depth_ros.export.parity import made_up
    from depth_ros.export.quantize import quantize
    from depth_ros.export.to_onnx import export_completion
    from depth_ros.models.card import ModelCard

    weights = out / "weights.safetensors"
    if not weights.is_file():
        _seeded(weights)
    for precision in ("f32", row.precision):
        path = _file(out, precision, row.batch)
        if path.is_file():
            continue
        if precision == "int8":
            samples = [made_up(352, 1216, seed, row.batch) for seed in range(2)]
            quantize(_file(out, "f32", row.batch), path, samples, scheme="s8s8")
        else:
            export_completion(weights, path, ModelCard("seeded", "0"), precision=precision, batch=row.batch)
    reference = _reference(out, row)
    if not reference.is_file():
        engine = OnnxRuntimeEngine(_file(out, "f32", row.batch))
        np.save(reference, engine.run(made_up(*row.size, 0, row.batch))["depth"])
    return {}


def _seeded(path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    from depth_ros.networks.completion import CompletionNet

    torch.manual_seed(0)
    network = CompletionNet()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None  # noqa: PT018
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    torch.nn.init.normal_(network.head.weight, 0, 0.1)
    save_file(network.state_dict(), path)


def _file(out: Path, precision: str, batch: int) -> Path:
    return out / f"completion_{precision}_{batch}.onnx"


def _reference(out: Path, row: Row) -> Path:
    return out / f"reference_{row.size[0]}x{row.size[1]}_{row.batch}.npy"


def measure(row: Row, out: Path, runs: int) -> dict[str, Any]:
    """Run a row: its answer against the reference, its times, its memory."""
    from depth_ros.export.parity import made_up

    frame = made_up(*row.size, 0, row.batch)
    found = (measure_tensorrt if row.engine in TENSORRT else measure_torch)(row, out, runs, frame)
    wanted = np.load(_reference(out, row))
    relative = np.abs(found.pop("depth") - wanted) / wanted
    differences = {"p99": float(np.percentile(relative, 99)), "mean": float(relative.mean())}
    p99, mean = GATES[row.precision]
    passed = differences["p99"] <= p99 and differences["mean"] <= mean
    return {**found, "difference": differences, "passed": bool(passed)}


def measure_tensorrt(row: Row, out: Path, runs: int, frame: dict[str, Any]) -> dict[str, Any]:
    """Build, test, run; times with and without a graph."""
    from depth_ros.engines.bench import percentiles
    from depth_ros.engines.device_cuda import free_memory
    from depth_ros.engines.factory import ENGINES
    from depth_ros.engines.tensorrt import TensorRtEngine
    from depth_ros.errors import EngineError

    kind = ENGINES[row.engine]
    reason = kind.probe().reason
    if reason:
        raise EngineError(reason)
    engine = kind(_file(out, row.precision, row.batch), 0, "auto")
    assert isinstance(engine, TensorRtEngine)
    start = perf_counter()
    engine.fit({name: array.shape for name, array in frame.items()})
    ready = perf_counter() - start
    walls = _walls(lambda: engine.run(frame), runs)
    graph = _stages(lambda: engine.time_stages(frame), runs)
    plain = _stages(lambda: engine.time_stages(frame, with_graph=False), runs)
    start = perf_counter()
    count = sum(1 for _ in engine.run_all([frame] * runs))
    free, total = free_memory()
    return {
        "depth": engine.run(frame)["depth"],
        "runs_on": str(engine.info),
        "ready_seconds": round(ready, 2),
        "frame_ms": percentiles(walls),
        **{stage: percentiles(times) for stage, times in graph.items()},
        "compute_without_graph": percentiles(plain["compute"]),
        "images_per_second": round(count * row.batch / (perf_counter() - start), 1),
        "gpu_memory_mb": round((total - free) / 2**20),
        "self_test": {name: gate._asdict() for name, gate in engine.differences.items()},
    }


def measure_torch(row: Row, out: Path, runs: int, frame: dict[str, Any]) -> dict[str, Any]:
    """Run the network itself in torch: eager, compiled, or eager as a CUDA graph; the baseline."""
    import torch

    from depth_ros.engines.bench import percentiles
    from depth_ros.errors import EngineError
    from depth_ros.export.to_onnx import for_inference, load_network

    if not torch.cuda.is_available():
        raise EngineError("torch sees no GPU: install a build of torch with CUDA")
    network = for_inference(load_network(out / "weights.safetensors"), half=row.precision == "f16").cuda()
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    inputs = [torch.from_numpy(array).pin_memory() for array in frame.values()]
    there = [tensor.cuda() for tensor in inputs]
    compiled: Any = torch.compile(network) if row.engine == "torch_compile" else network
    start = perf_counter()
    with torch.inference_mode():
        for _ in range(5):
            answer = compiled(*there)
        torch.cuda.synchronize()
        call: Callable[[], Any] = lambda: compiled(*there)  # noqa: E731
        if row.engine == "torch_graph":
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                answer = compiled(*there)
            call = graph.replay
        ready = perf_counter() - start
        home = [torch.empty_like(tensor, device="cpu").pin_memory() for tensor in answer]
        steps: dict[str, Callable[[], Any]] = {
            "upload": lambda: [to.copy_(of, non_blocking=True) for to, of in zip(there, inputs, strict=True)],
            "compute": call,
            "download": lambda: [to.copy_(of, non_blocking=True) for to, of in zip(home, answer, strict=True)],
        }

        def whole() -> None:
            for step in steps.values():
                step()
            torch.cuda.synchronize()

        walls = _walls(whole, runs)
        times = _stages(lambda: _torch_stages(torch, steps), runs)
    return {
        "depth": answer[0].float().cpu().numpy(),
        "runs_on": f"torch {torch.__version__} on {torch.cuda.get_device_name()}",
        "ready_seconds": round(ready, 2),
        "frame_ms": percentiles(walls),
        **{stage: percentiles(values) for stage, values in times.items()},
        "images_per_second": round(1e3 * row.batch / float(np.median(walls)), 1),
        "gpu_memory_mb": round(torch.cuda.max_memory_allocated() / 2**20),
    }


def _torch_stages(torch: Any, steps: dict[str, Callable[[], Any]]) -> dict[str, float]:
    marks = [torch.cuda.Event(enable_timing=True) for _ in range(len(steps) + 1)]
    marks[0].record()
    for mark, step in zip(marks[1:], steps.values(), strict=True):
        step()
        mark.record()
    torch.cuda.synchronize()
    return {name: a.elapsed_time(b) for name, a, b in zip(steps, marks, marks[1:], strict=False)}


def _walls(call: Callable[[], Any], runs: int) -> list[float]:
    times = []
    for _ in range(runs + 10):
        start = perf_counter()
        call()
        times.append(1e3 * (perf_counter() - start))
    return times[10:]


def _stages(call: Callable[[], dict[str, float]], runs: int) -> dict[str, list[float]]:
    found = [call() for _ in range(runs + 10)][10:]
    return {stage: [times[stage] for times in found] for stage in found[0]}


def _said(found: dict[str, Any]) -> str:
    if "fault" in found:
        return f"FAILED: {found['fault']}"
    verdict = "passed" if found["passed"] else "OUT OF ITS GATE"
    return f"{verdict}, p99 {found['difference']['p99']:.1e}; compute {found['compute']['p50']:.3f} ms"


def _summary(found: dict[str, Any], size: tuple[int, int]) -> dict[str, Any]:
    """Say whether the mandatory rows passed, and how the best TensorRT compares with torch eager f16."""

    def row(engine: str, precision: str) -> dict[str, Any]:
        return dict(found.get(Row(engine, precision, size, 1).name, {"fault": "not run"}))

    passed = {engine: all(row(engine, p).get("passed") for p in ("f32", "f16")) for engine in TENSORRT}
    torch_passed = all(row("torch", precision).get("passed") for precision in ("f32", "f16"))
    times = {
        f"{engine} {precision}": row(engine, precision)["compute"]["p50"]
        for engine in TENSORRT
        for precision in ("f32", "f16", "int8")
        if row(engine, precision).get("passed")
    }
    best = min(times, key=lambda name: times[name], default="")
    eager = row("torch", "f16").get("compute", {}).get("p50", 0.0)
    ratio = eager / times[best] if best and eager else 0.0
    return {
        "passed": torch_passed and any(passed.values()),
        "tensorrt": passed,
        "best": {best: times[best]} if best else None,
        "torch_eager_f16_ms": eager or None,
        "times_as_fast": round(ratio, 2) if ratio else None,
        "target": f"under {TARGET_MS:g} ms and {TARGET_RATIO:g} times as fast as torch eager f16",
        "target_met": bool(best and times[best] < TARGET_MS and ratio >= TARGET_RATIO),
    }


if __name__ == "__main__":
    raise SystemExit(main())
