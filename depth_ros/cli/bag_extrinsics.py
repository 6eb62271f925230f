"""The verb `bag extrinsics`: a bag's /tf_static as the file that the nodes read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from depth_ros.cli.options import add_topics, chosen_topics

if TYPE_CHECKING:
    import argparse


def add_parser(subparsers: Any) -> None:
    """Register the verb with its arguments."""
    parser = subparsers.add_parser(
        "extrinsics",
        help="a bag's LiDAR-to-camera transform as a file for the nodes",
        description="Write the transform between a bag's LiDAR and camera (from /tf_static) as the YAML file of the "
        "nodes' parameter extrinsics_file: for machines without tf2.",
        epilog="example: depth_ros bag extrinsics MY_BAG --out extrinsics.yaml",
    )
    parser.add_argument("bag", metavar="BAG", help="a bag's folder, a .mcap, .db3 or ROS 1 .bag file")
    parser.add_argument("--out", metavar="FILE", required=True, help="the YAML file to write")
    add_topics(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the file."""
    from depth_ros.bags.extrinsics import write_bag_extrinsics

    write_bag_extrinsics(args.bag, args.out, chosen_topics(args.topic))
    print(f"{args.out}: use it with --ros-args -p extrinsics_file:={args.out}")
    return 0
