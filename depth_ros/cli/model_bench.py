"""The verb `model bench`: how fast each engine that is here runs a model, each in a process of its own."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from typing import Any

from depth_ros.cli.model_build import SIZE, parse_size
from depth_ros.cli.options import add_engine, whole
from depth_ros.errors import EngineError

EXAMPLE = """examples:
  depth_ros model bench completion
  depth_ros model bench mine.onnx --size 720x1280 --engine tensorrt --runs 500 --json

Engines get in each other's way in one process, so with `--engine auto` each that is here has one of its own. p50, p95
and p99 are of the whole call, as the node sees it; with TensorRT also of its stages, as the GPU's clock tells them."""


def add_parser(subparsers: Any) -> None:
    """Register the verb with its arguments."""
    parser = subparsers.add_parser(
        "bench",
        help="how fast each engine that is here runs a model",
        description="Time a model on a made-up frame.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("model", metavar="MODEL", help="a bundled name or a model file")
    add("--size", default=SIZE, metavar="HxW", help="height and width of the camera's images (%(default)s)")
    add("--runs", type=whole(1), default=50, metavar="N", help="times that each frame is run (%(default)s)")
    add("--patience", type=whole(1), default=600, metavar="S", help="that one engine may take, build included (600)")
    add("--json", action="store_true", help="print the figures as JSON")
    add_engine(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Time, and print a line for each engine; an engine that fails is a line too, and an error if there is no other."""
    from depth_ros.models.store import find_model

    path, size = find_model(args.model), parse_size(args.size)
    rows = _one(args, path, size) if args.engine != "auto" else [_apart(args, kind) for kind in _here()]
    if all("fault" in row for row in rows):
        raise EngineError("; ".join(row["fault"] for row in rows) or "no engine is here: pip install onnxruntime")
    if args.json:
        print(json.dumps(rows, indent=1))
        return 0
    for row in rows:
        print("\n".join(_lines(row)))
    return 0


def _one(args: argparse.Namespace, path: Any, size: tuple[int, int]) -> list[dict[str, Any]]:
    from depth_ros.engines.bench import measure
    from depth_ros.models.card import read_card
    from depth_ros.models.model import padded_size

    card = read_card(path)
    size, precision = padded_size(size, card.size_multiple), card.precision_for(args.precision)
    return [measure(path, args.engine, size, args.runs, precision, args.threads)]


def _here() -> list[str]:
    from depth_ros.engines.factory import probe_engines

    return [kind for kind, probe in probe_engines().items() if not probe.reason]


def _apart(args: argparse.Namespace, kind: str) -> dict[str, Any]:
    """Time one engine in a process of its own, as this very verb."""
    command = [sys.executable, "-m", "depth_ros", "model", "bench", args.model, "--json", "--engine", kind]
    for name in ("size", "runs", "precision", "threads"):
        command += [f"--{name}", str(getattr(args, name))]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=args.patience, check=False)
    except subprocess.TimeoutExpired:
        return {"engine": {"kind": kind}, "fault": f"{kind} took longer than {args.patience} s"}
    if done.returncode:
        said = done.stderr.strip().rpartition("\n")[2].removeprefix("depth_ros: ")
        return {"engine": {"kind": kind}, "fault": said or f"{kind} ended with {done.returncode}"}
    return dict(json.loads(done.stdout)[0])


def _lines(row: dict[str, Any]) -> list[str]:
    if "fault" in row:
        return [f"{row['engine']['kind']}: {row['fault']}"]
    from depth_ros.engines.base import EngineInfo

    height, width = row["size"]
    told = [
        f"{EngineInfo(**row['engine'])}, {width}x{height}: {row['frames_per_second']:g} frames/s, ready in "
        f"{row['ready_seconds']:g} s, {row['peak_memory_mb']} MB"
    ]
    for stage, times in row["stages_ms"].items():
        told.append(f"  {stage:8s} " + ", ".join(f"{rank} {value:.2f} ms" for rank, value in times.items()))
    return told
