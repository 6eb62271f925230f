"""What every verb that trains a network shares: its options, and its run, stopped and resumed at will."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from depth_ros.cli.options import whole
from depth_ros.errors import TrainingError

if TYPE_CHECKING:
    from depth_ros.training.config import RunConfig


class Course(NamedTuple):
    """One network to train.

    name: of the verb. samples: what it calls them. load: imports torch, and returns the kind of the settings and what
    trains.
    """

    name: str
    help: str
    description: str
    example: str
    samples: str
    load: Callable[[], tuple[type[RunConfig], Callable[..., dict[str, Any]]]]


def add_course(subparsers: Any, course: Course) -> None:
    """Register the verb of `course` with its arguments."""
    parser = subparsers.add_parser(
        course.name,
        help=course.help,
        description=course.description,
        epilog=course.example,
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
    parser.set_defaults(run=partial(_run, course))


def _run(course: Course, args: argparse.Namespace) -> int:
    """Train, say where the weights are."""
    from pathlib import Path

    from depth_ros.cli.train_pool import WATCH

    try:
        kind, train = course.load()
    except ImportError as error:
        raise TrainingError(
            f"training needs PyTorch and safetensors: pip install torch safetensors ({error})"
        ) from None
    config = _config(args, kind)
    tell = partial(_tell, as_json=args.json)
    facts = train(config, Path(args.out), resume=args.resume, tell=tell, watch=WATCH)
    if args.json:
        print(json.dumps(facts, indent=2))
    elif facts["finished"]:
        print(f"{facts['weights']}: trained on {facts['samples']} {course.samples} in {facts['seconds'] / 3600:.1f} h")
    else:
        again = f"depth_ros train {course.name} --out {args.out} --resume"
        print(f"{args.out}: stopped at step {facts['step']}, saved; go on with: {again}")
    return 0


def _config(args: argparse.Namespace, kind: type[RunConfig]) -> RunConfig:
    from pathlib import Path

    from depth_ros.training.config import CONFIG, read_config

    own = Path(args.out) / CONFIG
    path = own if args.resume and args.config is None and own.is_file() else args.config
    return read_config(path, args.set, kind=kind, pool=args.pool, steps=args.steps)


def _tell(line: str, as_json: bool) -> None:
    print(line, file=sys.stderr if as_json else sys.stdout, flush=True)
