"""`depth_ros doctor --topics`: would a node of depth have an output from what is published now, and if not, why."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from depth_ros.cli.findings import Finding, show
from depth_ros.errors import NodeError
from depth_ros.nodes.options import InspectOptions

if TYPE_CHECKING:
    from depth_ros.nodes.evidence import Topic
    from depth_ros.nodes.inspection import Came, Inspection


ALONE = "monocular_node"
NEEDS_HEAD = "only a model with a focal head makes depth of these images: or calibrate the camera"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what --topics takes."""
    group = parser.add_argument_group("live topics")
    group.add_argument(
        "--topics", action="store_true", help="look at the live inputs instead: would depth come of them?"
    )
    for name in ("image", "camera_info", "points"):
        option = f"--{name.replace('_', '-')}"
        group.add_argument(option, metavar="TOPIC", help="(default: that of the running node, or the only one here)")
    group.add_argument(
        "--input",
        choices=("auto", "none"),
        help="none: the camera alone, for monocular_node (default auto: so where one runs, or no cloud is here)",
    )
    defaults = InspectOptions()
    group.add_argument(
        "--extrinsics", metavar="FILE", help="the node's extrinsics_file (default: /tf, where tf2_ros is)"
    )
    group.add_argument("--sync-slop", type=float, metavar="S", help=f"the node's (default {defaults.sync_slop})")
    group.add_argument("--seconds", type=float, metavar="S", help=f"how long to look (default {defaults.seconds:g})")


def run(args: argparse.Namespace) -> int:
    """Print what was found on the topics; return 0 when the node would publish depth, else 1."""
    given = {name: getattr(args, name) for name in vars(InspectOptions()) if getattr(args, name) is not None}
    options = InspectOptions(**given)
    try:
        from depth_ros.nodes.inspection import inspect
    except ImportError as error:
        raise NodeError(f"doctor --topics needs rclpy ({error}): source a ROS 2, or install its wheels") from error
    inspection = inspect(options, given)
    if args.json:
        print(json.dumps(asdict(inspection), indent=2))
    else:
        show(_findings(inspection))
        print(_verdict(inspection))
    return int(not inspection.would_output)


def _findings(inspection: Inspection) -> Iterator[Finding]:
    if inspection.chosen:
        yield Finding("input", "topics", "note", inspection.chosen)
    for came in inspection.inputs:
        state = "ok" if came.topic.received else "missing"
        yield Finding("input", came.topic.name, state, _input(came))
    yield from _alone(inspection) if inspection.node == ALONE else _paired(inspection)
    for reason, drop in inspection.drops.items():
        yield Finding("dropped", reason, "note", f"{drop.times} times", "" if inspection.causes else drop.text)
    makers = ", ".join(inspection.makers)
    listeners = f"{inspection.listeners} listen{'s' * (inspection.listeners == 1)}"
    text = f"published by {makers}, {listeners}" if makers else f"nobody publishes it: no {inspection.node} runs yet"
    if inspection.running and not makers:
        text = f"nobody publishes it: {inspection.running} is not configured, or its output is remapped"
    yield Finding("output", inspection.output, "ok" if makers else "note", text)
    for cause in inspection.causes:
        what, _, remedy = cause.text.partition(": ")
        yield Finding("cause", cause.name, "missing", what, remedy)


def _paired(inspection: Inspection) -> Iterator[Finding]:
    gap = "" if inspection.gap_ms is None else f", image to scan {inspection.gap_ms:.0f} ms (median)"
    yield Finding("pairing", "pairs", "ok" if inspection.pairs else "missing", f"{inspection.pairs}{gap}")
    placed = "ok" if inspection.placed else "missing"
    yield Finding("pairing", "transform", placed if inspection.pairs else "note", inspection.transform)


def _alone(inspection: Inspection) -> Iterator[Finding]:
    yield Finding("camera", "usable images", "ok" if inspection.pairs else "missing", f"{inspection.pairs}")
    if inspection.focal:
        yield Finding("camera", "focal length", "note", f"unknown: {inspection.focal}", NEEDS_HEAD)


def _verdict(inspection: Inspection) -> str:
    if inspection.would_output:
        return f"{inspection.node} would publish depth{', if its model has a focal head' * bool(inspection.focal)}"
    return f"{inspection.node} would be silent" + ("" if inspection.causes else " so far: look longer (--seconds)")


def _input(came: Came) -> str:
    topic = came.topic
    if not topic.received:
        return f"nothing came; {_offers(topic)}"
    rate = f"{came.rate_hz:.1f} Hz" if came.rate_hz else f"{topic.received} message"
    return f"{rate}, {came.detail}, frame '{topic.frame_id}'; {_offers(topic)}"


def _offers(topic: Topic) -> str:
    offers = [f"{p.node} ({p.reliability}{', latched' * p.latched})" for p in topic.publishers]
    return f"from {', '.join(offers)}" if offers else "no publisher"
