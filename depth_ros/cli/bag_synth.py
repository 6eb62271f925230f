"""The verb `bag synth`: a drive through a procedural street, with exact depth, as a bag."""

from __future__ import annotations

import argparse
import json
from functools import partial
from typing import Any

from depth_ros.cli.progress import watched

EXAMPLE = """examples:
  depth_ros bag synth STREET --seconds 10 --seed 3
  depth_ros bag synth STREET --width 848 --height 480 --lidar spin64
  depth_ros bag synth STREET --turn 0.5 --speed 10"""


def add_parser(subparsers: Any) -> None:
    """Register the verb with its arguments."""
    parser = subparsers.add_parser(
        "synth",
        help="make a bag of a synthetic drive, with the exact depth",
        description="Drive through a procedural street and record camera, LiDAR, transforms and the exact depth of "
        "every image (/camera/depth_truth). The same seed gives the same drive.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("out", metavar="OUT", help="the bag to write")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of the drive (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="another seed is another street (%(default)s)")
    parser.add_argument("--width", type=int, default=640, help="of the images, pixels (%(default)s)")
    parser.add_argument("--height", type=int, default=360, help="of the images, pixels (%(default)s)")
    parser.add_argument(
        "--lidar",
        choices=("spin16", "spin32", "spin64"),
        default="spin32",
        help="spinning LiDAR of 16, 32 or 64 lines (%(default)s)",
    )
    moving = "; the robot weaves, and its poses are on /tf and /odom"
    parser.add_argument("--turn", type=float, metavar="RAD_S", help=f"turn so fast, rad/s{moving}")
    parser.add_argument("--speed", type=float, metavar="M_S", help=f"drive so fast, m/s{moving}")
    parser.add_argument(
        "--storage", choices=("mcap", "sqlite3"), default="mcap", help="format of the bag (%(default)s)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the bag that is there")
    parser.add_argument("--json", action="store_true", help="print what was made as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Simulate, write, and say what was made."""
    from depth_ros.synthetic.bag import write_synthetic_bag

    made = write_synthetic_bag(
        args.out,
        args.seconds,
        args.seed,
        width=args.width,
        height=args.height,
        lidar=args.lidar,
        turn=args.turn,
        speed=args.speed,
        storage=args.storage,
        overwrite=args.overwrite,
        watch=partial(watched, what="rendering", unit="frames"),
    )
    if args.json:
        print(json.dumps({"bag": args.out, **made._asdict()}, indent=2))
        return 0
    print(
        f"{args.out}: {made.frames} frames of {made.width}x{made.height} with the exact depth, {made.points} points of "
        f"a {args.lidar} LiDAR, {made.metres:.0f} m of the street of seed {args.seed}"
    )
    return 0
