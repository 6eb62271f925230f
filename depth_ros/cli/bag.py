"""The verb `bag`: look into bags, complete and make them, play and record them."""

from __future__ import annotations

import argparse
from typing import Any

from depth_ros.cli import bag_complete, bag_extrinsics, bag_from_kitti, bag_info, bag_play, bag_record, bag_synth

SUB_VERBS = (bag_info, bag_complete, bag_synth, bag_from_kitti, bag_extrinsics, bag_play, bag_record)


def add_parser(subparsers: Any) -> None:
    """Register the verb with its sub-verbs."""
    parser = subparsers.add_parser(
        "bag",
        help="look into bags, complete, make, play and record them",
        description="Bags: what is in one and what is missing, depth for every frame, bags from folders and from a "
        "synthetic world, playback.",
        epilog="example: depth_ros bag info MY_BAG",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="bag_verb", metavar="VERB", required=True)
    for verb in SUB_VERBS:
        verb.add_parser(verbs)
