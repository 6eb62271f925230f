"""`depth_ros demo`: the main job, whole, on a synthetic robot."""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from depth_ros.cli.progress import watched
from depth_ros.errors import EvaluationError, NodeError

if TYPE_CHECKING:
    from depth_ros.evaluation.result import Result

ROBOT_BAG, DEPTH_BAG, EXTRINSICS = "robot_bag", "depth_bag", "extrinsics.yaml"
PICTURES = 3
LEAST_SECONDS, MOST_SECONDS = 1, 600
MADE_HERE = (ROBOT_BAG, DEPTH_BAG, EXTRINSICS, "logs", "pictures", "report.html", "metrics.json")


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    parser = verbs.add_parser(
        "demo",
        help="synthetic robot -> live nodes over DDS -> recorded depth -> metrics, pictures, report",
        description="Make a synthetic drive, play it through the live nodes, record their depth and score every image "
        "against the exact truth.",
        epilog="example: depth_ros demo --out demo_output --seconds 10",
    )
    parser.add_argument("--out", type=Path, default=Path("demo_output"), help="folder of the results (%(default)s)")
    parser.add_argument("--seconds", type=_seconds, default=10.0, help="length of the drive (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="another seed is another street (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print the metrics as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Synthesise, drive, score, report."""
    if importlib.util.find_spec("rclpy") is None:
        raise NodeError("the demo needs rclpy: source a ROS 2, or `make demo`, which brings its wheels")
    from depth_ros.bags.extrinsics import write_bag_extrinsics
    from depth_ros.cli.live import drive
    from depth_ros.evaluation.report import headline, text_table, write_report
    from depth_ros.synthetic.bag import write_synthetic_bag

    out, clock = _prepared(args.out), _Clock()
    robot, depth, extrinsics = out / ROBOT_BAG, out / DEPTH_BAG, out / EXTRINSICS
    clock.say(f"synthesising a drive of {args.seconds:g} s (seed {args.seed})")
    write_synthetic_bag(robot, args.seconds, args.seed, watch=partial(watched, what="rendering", unit="frames"))
    write_bag_extrinsics(robot, extrinsics)
    clock.say("playing it: bag_player, completion_node and the recorder, three processes over DDS")
    drive(robot, depth, extrinsics, out / "logs", args.seconds)
    clock.say("scoring the recorded depth, and other methods on the same frames, against the exact truth")
    result = _scored(robot, depth, out)
    page = write_report(result, out)
    print(result.to_json().rstrip() if args.json else text_table(headline(result.means())))
    for name, fact in result.facts.items():
        clock.say(f"{name}: {fact}")
    clock.say(f"report: {page}")
    return 0


def _scored(robot: Path, depth: Path, out: Path) -> Result:
    """Score the depth that was recorded live; beside it, on the same frames, classical completion and nearest fill."""
    from depth_ros.bags.source import open_source
    from depth_ros.evaluation.cases import EvaluationConfig
    from depth_ros.evaluation.recorded import score_recorded
    from depth_ros.evaluation.replay import NEAREST, replay
    from depth_ros.pipelines.completion import NAME as CLASSICAL
    from depth_ros.pipelines.factory import resolve

    used = resolve("auto")
    others = [NEAREST] if used == CLASSICAL else [CLASSICAL, NEAREST]
    drawn: dict[str, Any] = {
        "folder": out,
        "pictures": PICTURES,
        "watch": partial(watched, what="scoring", unit="frames"),
    }
    live = score_recorded(depth, robot, method=f"{used}, live", **drawn)
    workers = os.cpu_count() or 1
    beside = replay([open_source(robot)], others, EvaluationConfig(), workers=workers, **drawn)
    pictures = sorted([*live.pictures, *beside.pictures], key=lambda picture: picture.title.partition(":")[0])
    return replace(
        live,
        title="A synthetic drive through the live nodes",
        scores=[*live.scores, *beside.scores],
        facts={**live.facts, **_diagnosed(depth)},
        pictures=pictures,
        config={**live.config, **beside.config},
    )


def _diagnosed(depth: Path) -> dict[str, str]:
    """Return what the node's last /diagnostics said of its model, its latency and its drops."""
    from depth_ros.bags.bag_file import BagFile, decode_recorded

    values: dict[str, str] = {}
    with BagFile(depth) as bag:
        for recorded in bag.messages(["/diagnostics"]):
            values = {pair.key: pair.value for pair in decode_recorded(recorded).status[0].values}
    drops = [
        f"{name.removeprefix('dropped.')} {count}" for name, count in values.items() if name.startswith("dropped.")
    ]
    latency = f"{values.get('latency_p50_ms', '?')} ms median, {values.get('latency_p95_ms', '?')} ms p95"
    run: dict[str, str] = {name: values[name] for name in ("model", "engine") if name in values}
    return {**run, "image's arrival to its depth": latency, "dropped": ", ".join(drops) or "nothing"}


def _prepared(out: Path) -> Path:
    """Return the folder, made and free of an earlier demo's results; other files in it are left alone."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name in MADE_HERE:
            path = out / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    except OSError as error:
        raise EvaluationError(f"{out} cannot be written ({error.strerror}): give another --out") from error
    return out


def _seconds(text: str) -> float:
    value = float(text)
    if not LEAST_SECONDS <= value <= MOST_SECONDS:
        raise argparse.ArgumentTypeError(f"{text} is not between {LEAST_SECONDS} and {MOST_SECONDS}")
    return value


class _Clock:
    def __init__(self) -> None:
        self._start = perf_counter()

    def say(self, text: str) -> None:
        print(f"[{perf_counter() - self._start:6.1f} s] {text}", file=sys.stderr, flush=True)
