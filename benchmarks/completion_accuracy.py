"""Accuracy of completion on real frames: a network with and without its image beside the methods without weights.

All methods answer the same cases, at the same pixels, in one table per set; ratios to the classical completion carry
95 % intervals of the paired bootstrap by image. Then the gates that a bundled model has to pass. Numbers are kept in
bench_output/ under a hash of what they depend on, so that another model costs only its own time. Needs the frames:

    DEPTH_ROS_TEST_DATA=<folder> python -m benchmarks.completion_accuracy [--model FILE.onnx] [--json RECORD]

--phases 1 scores one ring phase of every image, which is quick; the table of the documentation has them all.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.accuracy.methods import CLASSICAL_METHODS, NETWORK, Method, network_methods
from benchmarks.accuracy.scores import Scores, score_set
from benchmarks.accuracy.sets import GROUPS, POOLS
from benchmarks.accuracy.tables import Gate, gates, pooled, summary, text
from depth_ros.evaluation.result import used_versions
from depth_ros.models.store import BEST, bundled_models


def main() -> int:
    """Print a table per set and the gates, and store all of it where --json says; 1 when a gate is missed."""
    args = _arguments()
    data = Path(os.environ.get("DEPTH_ROS_TEST_DATA") or "?")
    if not data.is_dir():
        raise SystemExit("completion_accuracy needs the real frames: set DEPTH_ROS_TEST_DATA to their folder")
    methods = (*CLASSICAL_METHODS, *(network_methods(str(args.model), _engine(args)) if args.model else ()))
    report = _report(data, methods, args)
    found = [gate for name in (NETWORK, f"{NETWORK}, no image") for gate in gates(report, name)]
    missed = [gate for gate in found if gate.required and not gate.passed]
    print("\n".join(["", *(str(gate) for gate in found), f"\n{len(missed)} demands are missed"]))
    if args.json:
        args.json.write_text(json.dumps(_record(args, report, found), indent=1) + "\n", encoding="utf-8")
    return int(any(gate.method == NETWORK for gate in missed))


def _report(data: Path, methods: Sequence[Method], args: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Score and print set by set, then the pools of sets."""
    scores: dict[str, dict[str, Scores]] = {}
    report = {}
    for chosen in (one for group in args.groups for one in GROUPS[group]):
        if missing := [folder for folder in chosen.folders if not (data / folder).is_dir()]:
            print(f"\nNOT SCORED: {chosen.name}: {data / missing[0]} is not there")
            continue
        scores[chosen.name] = score_set(data, chosen, methods, args.phases, args.workers)
        report[chosen.name] = summary(scores[chosen.name])
        print(text(chosen.name, report[chosen.name]), flush=True)
    for name, parts in POOLS.items():
        if all(part in scores for part in parts):
            report[name] = summary(pooled([scores[part] for part in parts]))
            print(text(name, report[name]), flush=True)
    return report


def _record(args: argparse.Namespace, report: dict[str, Any], found: list[Gate]) -> dict[str, Any]:
    model = (
        {"file": args.model.name, "sha256": hashlib.sha256(args.model.read_bytes()).hexdigest()} if args.model else None
    )
    return {
        "versions": used_versions(),
        "model": model,
        "engine": args.engine,
        "precision": args.precision,
        "phases": args.phases or "all",
        "sets": report,
        "gates": [gate._asdict() for gate in found],
    }


def _engine(args: argparse.Namespace) -> tuple[tuple[str, str | bool | int], ...]:
    threads = 1 if args.workers > 1 else 0
    return (("engine", args.engine), ("precision", args.precision), ("threads", threads))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    bundled = bundled_models().get(BEST)
    parser.add_argument("--model", type=Path, default=bundled, help="ONNX file of a network (the bundled one)")
    parser.add_argument("--engine", default="auto", help="what runs it: auto, onnxruntime, openvino (%(default)s)")
    parser.add_argument("--precision", default="auto", help="auto, f32, bf16 or f16 (%(default)s)")
    parser.add_argument("--groups", nargs="+", choices=list(GROUPS), default=["stills", "other"], help="which frames")
    parser.add_argument("--phases", type=int, default=0, help="at most so many phases or draws per image; 0 = all")
    parser.add_argument("--workers", type=int, default=1, help="processes (%(default)s)")
    parser.add_argument("--json", type=Path, help="store versions, means, ratios and gates there")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
