"""The verb `evaluate`: numbers for depth, from bags and folders of frames."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from depth_ros.evaluation.result import Result

EXAMPLE = """examples:
  depth_ros evaluate MY_BAG --report report_folder
  depth_ros evaluate kitti/object_training --holdout 4 --phase all --model classical --model nearest
  depth_ros evaluate rgbd/nyu_basement --input points:500 --json -
  depth_ros evaluate RECORDED_BAG --depth-topic /depth/image_rect --truth SYNTHETIC_BAG"""


def add_parser(subparsers: Any) -> None:
    """Register the verb with its arguments."""
    parser = subparsers.add_parser(
        "evaluate",
        help="score depth on bags and folders of frames",
        description="Score completion on recorded frames: held-out LiDAR beams, random points, or a recorded truth.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("sources", nargs="+", metavar="SOURCE", help="bag or folder of frames")
    parser.add_argument("--input", default="rings", metavar="KIND", help="rings, or points:N random points (%(default)s)")
    parser.add_argument("--holdout", type=int, default=0, metavar="N", help="every N-th ring is the input, the others are scored (4; 1 = all rings, the default where the source has a truth)")
    parser.add_argument("--phase", default="0", metavar="K", help="which ring of every N is the input, or all (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the random points (%(default)s)")
    parser.add_argument("--model", action="append", metavar="M", help="auto, classical, nearest (plain nearest fill); may be given again (auto and nearest)")
    parser.add_argument("--depth-topic", metavar="TOPIC", help="score the depth that SOURCE recorded on this topic")
    parser.add_argument("--truth", metavar="BAG", help="with --depth-topic: the bag that holds the truth (SOURCE itself)")
    parser.add_argument("--report", metavar="DIR", help="write report.html, metrics.json and pictures/ there")
    parser.add_argument("--pictures", type=int, default=6, metavar="N", help="pictures per source and model (%(default)s)")
    parser.add_argument("--json", metavar="FILE", help="write the whole result as JSON, - for standard output")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes (%(default)s)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Score, print the table, write what was asked for."""
    from pathlib import Path

    from depth_ros.evaluation.report import headline, text_table, write_report

    folder = Path(args.report) if args.report else None
    result = _recorded(args) if args.depth_topic else _replayed(args, folder)
    if folder is not None:
        page = write_report(result, folder)
        _say(f"report: {page}")
    if args.json == "-":
        print(result.to_json(), end="")
        return 0
    if args.json:
        result.save(Path(args.json))
    print(text_table(headline(result.means())))
    return 0
