"""What a machine with an NVIDIA GPU makes of the completion network: does every engine answer rightly, and how fast.

    python -m benchmarks.gpu_check --out gpu_output

Files are exported from seeded weights, references come from ONNX Runtime on the CPU, and every row runs in a process of
its own with a time limit, since a runtime that does not fit its driver may crash. The record, gpu_check.json, is
written after every row; started again with the same --out, rows that were measured are not run again. Exit code 0:
every mandatory row passed (torch, and one TensorRT, in f32 and f16, at the first size, batch 1).

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
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.gpu_rows import TENSORRT, Row, export, measure

SIZES = ((352, 1216), (736, 1280), (1088, 1920))
"""Height and width of KITTI, and of 720p and 1080p, each a multiple of 32."""
BATCHES = (1, 4, 8)
TORCH = ("torch", "torch_graph", "torch_compile")
PRECISIONS = {"torch": ("f32", "f16"), "torch_graph": ("f16",), "torch_compile": ("f16",)}
RECORD = "gpu_check.json"
TARGET_MS, TARGET_RATIO = 1.0, 3.0


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
        if "passed" not in record["rows"].get(row.name, {}):
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
