"""The verb `train pool`: procedural samples to train on."""

from __future__ import annotations

import argparse
import json
import os
from functools import partial
from typing import Any

from depth_ros.cli.options import whole
from depth_ros.cli.progress import watched
from depth_ros.errors import TrainingError

EXAMPLE = """examples:
  depth_ros train pool --out pools/completion --samples 20000
  nohup depth_ros train pool --out pools/completion --samples 20000 --workers 1 > pool.log 2>&1 &

Shards that are there are kept: an interrupted pool goes on where it was, and a larger --samples adds to it. Training
may start on the first shard; it takes in new ones as they appear."""
WATCH = partial(watched, what="samples", unit="shards")


def add_parser(subparsers: Any) -> None:
    """Register the verb with its arguments."""
    parser = subparsers.add_parser(
        "pool",
        help="make procedural training samples",
        description="Render procedural worlds, cast simulated sensors into them and keep the samples, prior included.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--out", required=True, metavar="DIR", help="folder of the pool")
    add("--samples", type=whole(1), default=20000, metavar="N", help="how many at least (%(default)s)")
    add("--seed", type=whole(0), default=0, help="another seed is other worlds (%(default)s)")
    add("--workers", type=whole(1, 256), metavar="K", help="processes (one per core)")
    add("--device", default="cpu", help="what renders: cpu, or a CUDA device of torch such as cuda (%(default)s)")
    add("--json", action="store_true", help="print what is there as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Make what is missing, say what is there."""
    try:
        from depth_ros.training.pool import Pool, build_pool
    except ImportError as error:
        raise TrainingError(f"a pool needs safetensors: pip install safetensors ({error})") from None
    build_pool(
        args.out, args.samples, args.seed, workers=args.workers or os.cpu_count(), device=args.device, watch=WATCH
    )
    pool = Pool(args.out)
    height, width = pool.size
    if args.json:
        print(json.dumps({"pool": args.out, "samples": len(pool), "width": width, "height": height, "seed": args.seed}))
        return 0
    print(f"{args.out}: {len(pool)} samples of {width}x{height}")
    return 0
