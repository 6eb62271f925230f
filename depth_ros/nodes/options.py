"""What the player, the recorder and the doctor can be asked for; without rclpy, so that the help is always shown."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from depth_ros.config import check, setting

DAY_S = 86400.0


@dataclass(frozen=True)
class PlayOptions:
    """What is played, and how.

    rate: 2.0 is twice as fast. topics: only these (none: all). loop: start again at the end. clock: publish /clock with
    every message. reliability: reliable, best_effort, or recorded (what the bag says). depth: keep-last of the
    publishers. wait_for: topics that must have a subscriber (named twice: two) before the first message, within
    `wait_timeout` seconds; start_anyway: play all the same when one stays away. Raises ConfigError on a number that is
    out of range.
    """

    path: Path
    rate: float = setting(1.0, "times the bag's own pace", low=0.001, high=1000.0)
    topics: tuple[str, ...] = ()
    loop: bool = False
    clock: bool = False
    reliability: str = "reliable"
    depth: int = setting(50, "keep-last of the publishers", low=1, high=10_000)
    wait_for: tuple[str, ...] = ()
    wait_timeout: float = setting(30.0, "longest wait for subscribers (s)", low=0.0, high=DAY_S)
    start_anyway: bool = False

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class RecordOptions:
    """What is recorded, and until when.

    topics: names, as on the command line. count: stop after this many messages of every topic (0: no limit). idle:
    stop when nothing has come for this many seconds after the first message (0: never). wait: give up when nothing has
    come at all within this many seconds (0: never). storage: mcap or sqlite3. Raises ConfigError on a number that is
    out of range.
    """

    path: Path
    topics: tuple[str, ...]
    count: int = setting(0, "messages of every topic", low=0, high=10**12)
    idle: float = setting(0.0, "silence that ends it (s)", low=0.0, high=DAY_S)
    wait: float = setting(0.0, "longest wait for the first message (s)", low=0.0, high=DAY_S)
    storage: str = "mcap"
    overwrite: bool = False
    reliability: str = "auto"
    depth: int = setting(50, "keep-last of the subscriptions", low=1, high=10_000)

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class InspectOptions:
    """Which inputs `depth_ros doctor --topics` looks at, and for how long (s).

    camera_info, points: "": the node reads none. input: auto, or none: no LiDAR is to be looked at. extrinsics: YAML
    file as for completion_node's extrinsics_file; "": /tf. sync_slop: as the node's parameter (s).
    """

    image: str = "image"
    camera_info: str = "camera_info"
    points: str = "points"
    input: str = setting("auto", "auto: a LiDAR, if any; none: the camera alone", choices=("auto", "none"))
    seconds: float = setting(5.0, "how long to look (s)", low=2.0, high=DAY_S)
    extrinsics: str = ""
    sync_slop: float = setting(0.06, "largest distance in time between image and scan (s)", low=0.0, high=10.0)

    def __post_init__(self) -> None:
        check(self)


def add_play_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `bag_player` and `depth_ros bag play` share."""
    parser.add_argument("bag", type=Path, help="rosbag2 folder, .mcap, .db3 or ROS 1 .bag")
    parser.add_argument("--rate", type=float, default=1.0, help="2 is twice as fast (default 1)")
    parser.add_argument("--topics", nargs="+", default=[], metavar="TOPIC", help="play only these")
    parser.add_argument("--loop", action="store_true", help="start again at the end")
    parser.add_argument("--clock", action="store_true", help="publish /clock (nodes: use_sim_time:=true)")
    parser.add_argument(
        "--reliability",
        choices=("reliable", "best_effort", "recorded"),
        default="reliable",
        help="what the publishers offer (default reliable: stock Fast DDS loses large best-effort messages)",
    )
    parser.add_argument("--depth", type=int, default=50, help="keep-last of the publishers (default 50)")
    parser.add_argument(
        "--wait-for",
        nargs="+",
        default=[],
        metavar="TOPIC",
        help="start once each of these has a subscriber (named twice: two)",
    )
    parser.add_argument("--wait-timeout", type=float, default=30.0, metavar="S", help="give up after (default 30)")
    parser.add_argument(
        "--start-anyway", action="store_true", help="after --wait-timeout, play with a warning instead of giving up"
    )


def play_options(args: argparse.Namespace) -> PlayOptions:
    """Return the options that the parsed arguments name."""
    return PlayOptions(
        args.bag,
        args.rate,
        tuple(args.topics),
        args.loop,
        args.clock,
        args.reliability,
        args.depth,
        tuple(args.wait_for),
        args.wait_timeout,
        args.start_anyway,
    )


def add_record_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `depth_ros bag record`."""
    parser.add_argument("topics", nargs="+", metavar="TOPIC", help="topics to record")
    parser.add_argument("--out", type=Path, required=True, metavar="BAG", help="the bag folder to make")
    parser.add_argument("--count", type=int, default=0, metavar="N", help="stop after N messages of every topic")
    parser.add_argument(
        "--idle",
        type=float,
        default=0.0,
        metavar="S",
        help="stop S seconds after the last message of any topic (/diagnostics never rests)",
    )
    parser.add_argument(
        "--wait", type=float, default=0.0, metavar="S", help="fail when nothing has come after S seconds"
    )
    parser.add_argument("--storage", choices=("mcap", "sqlite3"), default="mcap", help="format (default mcap)")
    parser.add_argument("--overwrite", action="store_true", help="replace a bag that is there")
    parser.add_argument(
        "--reliability",
        choices=("auto", "reliable", "best_effort"),
        default="auto",
        help="of the subscriptions (default auto: what the publisher offers)",
    )
    parser.add_argument("--depth", type=int, default=50, help="keep-last of the subscriptions (default 50)")
    parser.add_argument("--json", action="store_true", help="print the counts as JSON")


def record_options(args: argparse.Namespace) -> RecordOptions:
    """Return the options that the parsed arguments name."""
    return RecordOptions(
        args.out,
        tuple(args.topics),
        args.count,
        args.idle,
        args.wait,
        args.storage,
        args.overwrite,
        args.reliability,
        args.depth,
    )
