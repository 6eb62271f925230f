"""Options that several verbs share: topics of a bag, extrinsics, the engine of a model, and numbers with a range."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from depth_ros.config import CompletionConfig
from depth_ros.errors import BagError
from depth_ros.nodes.config import InputConfig

if TYPE_CHECKING:
    from depth_ros.bags.sample import FrameSource

MODEL_HELP = "auto, classical, a bundled name or a model file"
MOST_DIGITS = 18


def add_topics(parser: argparse.ArgumentParser) -> None:
    """Add `--topic ROLE=NAME`, to be read with `chosen_topics`."""
    parser.add_argument(
        "--topic",
        action="append",
        metavar="ROLE=NAME",
        help="a bag's topic where its type does not tell; ROLE is image, camera_info, points, truth or odometry; "
        "again for more",
    )


def add_extrinsics(parser: argparse.ArgumentParser) -> None:
    """Add `--extrinsics FILE`, which `bags.source.open_source` reads."""
    parser.add_argument(
        "--extrinsics",
        metavar="FILE",
        help="calibration file, or YAML as `bag extrinsics` writes it, that says how a bag's LiDAR sits to its camera "
        "(the bag's /tf_static)",
    )


def add_reading(parser: argparse.ArgumentParser) -> None:
    """Add all that says how a bag is read, `--topic` and `--extrinsics` among it, to be used by `open_chosen`."""
    add_topics(parser)
    add_extrinsics(parser)
    parser.add_argument(
        "--motion",
        default="auto",
        metavar="SOURCE",
        help="poses that move a bag's scans to the images' time (deskew): odometry, tf (frame odom), tf:FRAME, none, "
        "or auto: the first of these that the bag has (%(default)s)",
    )
    _add_choices(parser, InputConfig, "point_time_unit", "scan_stamp")


def open_chosen(args: argparse.Namespace, path: str, sparse: str | None = None, *, lidar: bool = True) -> FrameSource:
    """Open a bag or a folder of frames as the options of `add_reading` say; the rest as `bags.source.open_source`."""
    from depth_ros.bags.reader import PointTime
    from depth_ros.bags.source import open_source

    point_time = PointTime(args.point_time_unit, args.scan_stamp)
    return open_source(
        path,
        topics=chosen_topics(args.topic),
        extrinsics=args.extrinsics,
        sparse=sparse,
        motion=args.motion,
        point_time=point_time,
        lidar=lidar,
    )


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Add `--engine`, `--precision` and `--threads`, to be read with `chosen_completion`."""
    _add_choices(parser, CompletionConfig, "engine", "precision")
    add_threads(parser)


def add_threads(parser: argparse.ArgumentParser) -> None:
    """Add `--threads` alone, for what runs on one engine."""
    entry = next(entry for entry in fields(CompletionConfig) if entry.name == "threads")
    about, most = f"{entry.metadata['description']} (%(default)s)", int(entry.metadata["high"])
    parser.add_argument("--threads", type=whole(0, most), default=entry.default, metavar="N", help=about)


def chosen_completion(args: argparse.Namespace, model: str = "auto") -> CompletionConfig:
    """Return the settings that `--engine`, `--precision` and `--threads` make for a model."""
    return CompletionConfig(model=model, engine=args.engine, precision=args.precision, threads=args.threads)


def chosen_topics(given: Sequence[str] | None) -> dict[str, str] | None:
    """Return topics by role, None when none is given; raises BagError on an unknown, repeated or empty one."""
    from depth_ros.bags.topics import ROLES

    topics: dict[str, str] = {}
    for text in given or ():
        role, _, name = text.partition("=")
        if role not in ROLES or not name:
            raise BagError(f"--topic '{text}': give ROLE=NAME, where ROLE is {', '.join(ROLES)}")
        if role in topics:
            raise BagError(f"--topic {role} is given twice, {topics[role]} and {name}: keep one")
        topics[role] = name
    return topics or None


def _add_choices(parser: argparse.ArgumentParser, config: Any, *names: str) -> None:
    """Add an option for each of these settings, named and described as it."""
    for entry in fields(config):
        if entry.name in names:
            about = f"{entry.metadata['description']} (%(default)s)"
            option = f"--{entry.name.replace('_', '-')}"
            parser.add_argument(option, choices=entry.metadata["choices"], default=entry.default, help=about)


def whole(low: int, high: int | None = None) -> Callable[[str], int]:
    """Return an argparse type that takes whole numbers from `low` to `high` (None = no end)."""
    span = f"{low} or more" if high is None else f"{low} to {high}"

    def parse(text: str) -> int:
        is_number = text.removeprefix("-").isdecimal() and len(text) <= MOST_DIGITS
        if not is_number or int(text) < low or (high is not None and int(text) > high):
            raise argparse.ArgumentTypeError(f"'{text}' is out of range: give a whole number, {span}")
        return int(text)

    return parse
