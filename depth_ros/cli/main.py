"""The command line: parse, run one verb, turn a known error into one line."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Sequence
from threading import current_thread, main_thread

from depth_ros import __version__
from depth_ros.cli import bag, complete, demo, doctor, evaluate, model, train
from depth_ros.errors import DepthRosError

VERBS = (demo, doctor, complete, evaluate, bag, model, train)


def main(argv: Sequence[str] | None = None) -> int:
    """Run `depth_ros VERB ...`; return 0 on success, 1 on a known error (one line), 2 on wrong usage."""
    told = logging.StreamHandler(sys.stderr)
    told.addFilter(_concerns_user)
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.INFO, handlers=[told])
    args = build_parser().parse_args(argv)
    if current_thread() is main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # what has been started is ended as on Ctrl-C
    try:
        return int(args.run(args))
    except DepthRosError as error:
        print(f"depth_ros: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("depth_ros: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output (head, less) has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def _concerns_user(record: logging.LogRecord) -> bool:
    """Whether to show a record: the news of other libraries and of the engines are for a log, not for a terminal."""
    return record.levelno >= logging.WARNING or record.name == "depth_ros"


def build_parser() -> argparse.ArgumentParser:
    """Assemble the parser from the files of the verbs."""
    parser = argparse.ArgumentParser(
        prog="depth_ros",
        description="Dense metric depth from a camera and a LiDAR: live on ROS 2 topics, or offline from a bag.",
        epilog="first steps: depth_ros doctor; depth_ros demo; depth_ros bag info MY_BAG",
    )
    parser.add_argument("--version", action="version", version=f"depth_ros {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb in VERBS:
        verb.add_parser(verbs)
    return parser
