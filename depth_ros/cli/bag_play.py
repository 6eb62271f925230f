"""`depth_ros bag play`: a bag onto live topics."""

from __future__ import annotations

import argparse

from depth_ros.errors import NodeError
from depth_ros.nodes.options import add_play_arguments, play_options


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    parser = verbs.add_parser(
        "play",
        help="publish a bag on live topics",
        description="Publish the messages of a bag on live topics, byte for byte, at their own pace.",
        epilog="example: depth_ros bag play my_bag --rate 0.5 --wait-for /lidar/points",
    )
    add_play_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Play until the end of the bag or a signal."""
    try:
        from depth_ros.nodes.player import play
    except ImportError as error:
        raise NodeError(f"bag play needs rclpy ({error}): source a ROS 2, or install its wheels") from error
    play(play_options(args), [])
    return 0
