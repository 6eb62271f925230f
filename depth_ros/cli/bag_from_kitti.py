"""The verb `bag from-kitti`: a folder of KITTI (or key-value) frames as a bag."""

from __future__ import annotations

import argparse
import json
from functools import partial
from typing import Any

from depth_ros.cli.progress import watched

EXAMPLE = """examples:
  depth_ros bag from-kitti 2011_09_26/2011_09_26_drive_0005_sync drive_0005
  depth_ros bag from-kitti kitti/training stills --storage sqlite3"""


def add_parser(subparsers: Any) -> None:
    """Register the verb with its arguments."""
    parser = subparsers.add_parser(
        "from-kitti",
        help="write a KITTI folder into a bag",
        description="Write a KITTI raw drive, a KITTI object split, or folders of image, points.bin and calib.txt into "
        "a bag with Image, CameraInfo, PointCloud2 and /tf_static. Without timestamps the frames are 100 ms apart.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", metavar="FOLDER", help="folder of frames")
    parser.add_argument("out", metavar="BAG", help="the bag to write")
    parser.add_argument(
        "--storage", choices=("mcap", "sqlite3"), default="mcap", help="format of the bag (%(default)s)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the bag that is there")
    parser.add_argument("--json", action="store_true", help="print what was written as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Convert, then say what was written and what was assumed."""
    from depth_ros.bags.kitti import kitti_to_bag

    watch = partial(watched, what="writing", unit="frames")
    done = kitti_to_bag(args.folder, args.out, storage=args.storage, overwrite=args.overwrite, watch=watch)
    if args.json:
        print(json.dumps({"bag": args.out, **done._asdict()}, indent=2))
        return 0
    print(f"{args.out}: {done.frames} frames (Image rgb8, CameraInfo, PointCloud2, /tf_static)")
    for remark in done.remarks:
        print(f"  {remark}")
    return 0
