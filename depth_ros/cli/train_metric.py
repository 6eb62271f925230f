"""The verb `train metric`: the metric network, from procedural worlds to weights, stopped and resumed at will."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from depth_ros.cli.options import whole
from depth_ros.errors import TrainingError

if TYPE_CHECKING:
    from depth_ros.training.config import MetricConfig

EXAMPLE = """examples:
  depth_ros train metric --config config/train_metric.yaml --out runs/metric
  depth_ros train metric --out runs/metric --resume
  depth_ros train metric --out runs/try --pool pools/metric --steps 2000 --set batch=16 --set windows=pools/completion

It stops, resumes and logs as `depth_ros train completion` does."""


def add_parser(subparsers: Any) -> None:
    """Register the verb with its arguments."""
    parser = subparsers.add_parser(
        "metric",
        help="train the metric network (one image to metres)",
        description="Train the metric network on a pool of procedural pictures, which is made where it is missing. "
        "Real frames in the folder DEPTH_ROS_TEST_DATA are looked at, and choose nothing.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--config", metavar="FILE", help="YAML of settings (with --resume the run's own, else the defaults)")
    add("--out", required=True, metavar="DIR", help="folder of the run")
    add("--resume", action="store_true", help="go on with the run in DIR; starts it where there is none")
    add("--pool", metavar="DIR", help="setting pool: folder of the samples")
    add("--steps", type=whole(1), metavar="N", help="setting steps: length of the whole schedule")
    add("--set", action="append", default=[], metavar="NAME=VALUE", help="any other setting; again for more")
    add("--json", action="store_true", help="print the outcome as JSON; progress goes to standard error")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train, say where the weights are."""
    from pathlib import Path

    from depth_ros.cli.train_pool import progress

    try:
        from depth_ros.training.metric_run import train_metric
    except ImportError as error:
        raise TrainingError(
            f"training needs PyTorch and safetensors: pip install torch safetensors ({error})"
        ) from None
    facts = train_metric(
        _config(args), Path(args.out), resume=args.resume, tell=lambda line: _tell(line, args.json), watch=progress
    )
    if args.json:
        print(json.dumps(facts, indent=2))
    elif facts["finished"]:
        print(f"{facts['weights']}: trained on {facts['samples']} pictures in {facts['seconds'] / 3600:.1f} h")
    else:
        again = f"depth_ros train metric --out {args.out} --resume"
        print(f"{args.out}: stopped at step {facts['step']}, saved; go on with: {again}")
    return 0


def _config(args: argparse.Namespace) -> MetricConfig:
    from pathlib import Path

    from depth_ros.training.config import CONFIG, MetricConfig, read_config

    own = Path(args.out) / CONFIG
    path = own if args.resume and args.config is None and own.is_file() else args.config
    return read_config(path, args.set, kind=MetricConfig, pool=args.pool, steps=args.steps)


def _tell(line: str, as_json: bool) -> None:
    print(line, file=sys.stderr if as_json else sys.stdout, flush=True)
