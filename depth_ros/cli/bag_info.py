"""The verb `bag info`: what is in a bag, what is missing, and whether depth can be completed from it."""

from __future__ import annotations

import argparse
import json
from functools import partial
from typing import TYPE_CHECKING, Any

from depth_ros.cli.options import add_extrinsics, add_topics, chosen_topics
from depth_ros.cli.progress import watched

if TYPE_CHECKING:
    from depth_ros.bags.summary import BagSummary, TopicSummary

EXAMPLE = """examples:
  depth_ros bag info MY_BAG
  depth_ros bag info drive_0.mcap --json
  depth_ros bag info TWO_CAMERAS --topic image=/left/image_raw --extrinsics calib.txt"""


def add_parser(subparsers: Any) -> None:
    """Register the verb with its arguments."""
    parser = subparsers.add_parser(
        "info",
        help="what is in a bag, and what is missing",
        description="Say what is in a bag (rosbag2 mcap or sqlite3, ROS 1) and whether depth can be completed from it.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("bag", metavar="BAG", help="a bag's folder, a .mcap, .db3 or ROS 1 .bag file")
    add_topics(parser)
    add_extrinsics(parser)
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Read the bag once and print its summary."""
    from depth_ros.bags.summary import summarise

    watch = partial(watched, what="reading", unit="messages")
    summary = summarise(args.bag, watch, topics=chosen_topics(args.topic), extrinsics=args.extrinsics)
    print(json.dumps(summary.to_dict(), indent=2) if args.json else _text(summary))
    return 0


def _text(summary: BagSummary) -> str:
    cut = " (ends too early: cut or damaged)" if summary.is_cut else ""
    lines = [f"{summary.path}: {summary.duration_s:.2f} s, {summary.messages} messages{cut}"]
    width = max((len(topic.name) for topic in summary.topics), default=0)
    lines += [_topic_line(topic, width) for topic in summary.topics]
    if summary.stamps_apart_s:
        apart = summary.stamps_apart_s
        lines.append(
            f"image to nearest scan: {apart['p50'] * 1e3:.1f} ms (median), {apart['max'] * 1e3:.1f} ms (largest)"
        )
    roles = ", ".join(f"{role} = {topic}" for role, topic in summary.roles.items() if topic)
    lines += [f"can complete: yes ({roles})"] if summary.can_complete else []
    return "\n".join(lines + [f"can complete: no, because {problem}" for problem in summary.problems])


def _topic_line(topic: TopicSummary, width: int) -> str:
    rate = "" if topic.rate_hz is None else f"{topic.rate_hz:.2f} Hz"
    gap = "" if topic.largest_gap_s is None else f"largest gap {topic.largest_gap_s:.3f} s"
    kind = topic.type_name.rpartition("/")[2]
    return f"  {topic.name:{width}}  {kind:15} {topic.count:7d}  {rate:>10}  {gap:22}  {topic.detail}".rstrip()
