"""`depth_ros bag record`: live topics into a bag."""

from __future__ import annotations

import argparse
import json

from depth_ros.errors import NodeError
from depth_ros.nodes.options import add_record_arguments, record_options


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    parser = verbs.add_parser(
        "record",
        help="record live topics into a bag",
        description="Record live topics, byte for byte, until Ctrl-C or the limit that is given.",
        epilog="example: depth_ros bag record /depth/image_rect /depth/camera_info --out depth_bag --idle 5",
    )
    add_record_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Record, then print how many messages of each topic were written."""
    try:
        from depth_ros.nodes.recorder import record
    except ImportError as error:
        raise NodeError(f"bag record needs rclpy ({error}): source a ROS 2, or install its wheels") from error
    counts = record(record_options(args), [])
    print(json.dumps(counts) if args.json else "\n".join(f"{count:7d}  {topic}" for topic, count in counts.items()))
    return 0
