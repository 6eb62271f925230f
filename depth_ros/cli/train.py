"""The verb `train`: make training samples, train the networks."""

from __future__ import annotations

import argparse
from typing import Any

from depth_ros.cli import train_calibrate, train_completion, train_metric, train_pool

SUB_VERBS = (train_completion, train_metric, train_pool, train_calibrate)


def add_parser(subparsers: Any) -> None:
    """Register the verb with its sub-verbs."""
    parser = subparsers.add_parser(
        "train",
        help="train the networks on procedural worlds",
        description="Make procedural training samples and train the completion or the metric network on them.",
        epilog="example: depth_ros train completion --config config/train_completion.yaml --out runs/first",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="train_verb", metavar="VERB", required=True)
    for verb in SUB_VERBS:
        verb.add_parser(verbs)
