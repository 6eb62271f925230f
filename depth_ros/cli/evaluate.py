"""The verb `evaluate`: numbers for depth, from bags and folders of frames."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from depth_ros.cli.options import (
    MODEL_HELP,
    add_engine,
    add_reading,
    chosen_completion,
    chosen_topics,
    open_chosen,
    whole,
)
from depth_ros.cli.progress import watched
from depth_ros.errors import EvaluationError

if TYPE_CHECKING:
    from pathlib import Path

    from depth_ros.evaluation.result import Result

EXAMPLE = """examples:
  depth_ros evaluate MY_BAG --report report_folder
  depth_ros evaluate kitti/object_training --holdout 4 --phase all --model classical --model nearest
  depth_ros evaluate rgbd/nyu_basement --input points:500 --json -
  depth_ros evaluate MY_BAG --model mine.onnx --model auto --no-image
  depth_ros evaluate rgbd/nyu_basement --input none --model metric.onnx
  depth_ros evaluate RECORDED_BAG --depth-topic /depth/image_rect --truth SYNTHETIC_BAG
  depth_ros evaluate TWO_CAMERAS --topic image=/left/image_raw --extrinsics calib.txt"""

INPUT_HELP = (
    "rings, points:N (random known pixels), file:NAME (sparse depth of an RGB-D folder), or none: depth of the image "
    "alone, by metric models (%(default)s)"
)
WATCH = partial(watched, what="scoring", unit="frames")
HOLDOUT_HELP = "every N-th ring is given (4; where the source has a truth 1, all rings)"


def add_parser(subparsers: Any) -> None:
    """Register the verb with its arguments."""
    parser = subparsers.add_parser(
        "evaluate",
        help="score depth on bags and folders of frames",
        description="Score completion on recorded frames: held-out LiDAR beams, random points, or a recorded truth.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("sources", nargs="+", metavar="SOURCE", help="bag or folder of frames")
    add("--input", default="rings", metavar="KIND", help=INPUT_HELP)
    add("--holdout", type=whole(0, 64), default=0, metavar="N", help=HOLDOUT_HELP)
    add("--phase", type=_phase, default=0, metavar="K", help="which ring of every N is given, or all (%(default)s)")
    add("--seed", type=whole(0), default=0, help="seed of the random points (%(default)s)")
    add(
        "--model",
        action="append",
        metavar="M",
        help=f"nearest, {MODEL_HELP}; again for more (auto, classical, nearest)",
    )
    add("--no-image", action="store_true", help="score every model a second time, without its image")
    add_engine(parser)
    add("--depth-topic", metavar="TOPIC", help="score the depth that SOURCE, a bag, holds on this topic")
    add("--truth", metavar="BAG", help="with --depth-topic: the bag that holds the truth (SOURCE itself)")
    add_reading(parser)
    add("--report", metavar="DIR", help="write report.html, metrics.json and pictures/ there")
    add(
        "--pictures",
        type=whole(0),
        default=6,
        metavar="N",
        help="samples per source that the report shows (%(default)s)",
    )
    add("--json", metavar="FILE", help="write the whole result as JSON; - = standard output")
    add("--workers", type=whole(1, 256), default=1, metavar="N", help="processes (%(default)s)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Score, write what was asked for, print the table."""
    from pathlib import Path

    from depth_ros.evaluation.report import headline, text_table, write_report

    folder = Path(args.report) if args.report else None
    result = _recorded(args, folder) if args.depth_topic else _replayed(args, folder)
    if folder is not None:
        print(f"report: {write_report(result, folder)}", file=sys.stderr)
    if args.json and args.json != "-":
        result.save(Path(args.json))
    print(result.to_json().rstrip() if args.json == "-" else text_table(headline(result.means())))
    return 0


def _replayed(args: argparse.Namespace, folder: Path | None) -> Result:
    from depth_ros.evaluation.cases import NONE, EvaluationConfig
    from depth_ros.evaluation.replay import NEAREST, replay
    from depth_ros.pipelines.completion import NAME as CLASSICAL

    if args.truth:
        raise EvaluationError("--truth goes with --depth-topic: add it, or leave --truth out")
    config = EvaluationConfig(input=args.input, holdout=args.holdout, phase=args.phase, seed=args.seed)
    return replay(
        [open_chosen(args, path, config.file) for path in args.sources],
        args.model or (["auto"] if args.input == NONE else ["auto", CLASSICAL, NEAREST]),
        config,
        completion=chosen_completion(args),
        no_image=args.no_image,
        folder=folder,
        pictures=args.pictures,
        workers=args.workers,
        watch=WATCH,
    )


def _recorded(args: argparse.Namespace, folder: Path | None) -> Result:
    from depth_ros.evaluation.recorded import score_recorded

    if len(args.sources) != 1:
        raise EvaluationError(f"--depth-topic scores one bag, and {len(args.sources)} are given: call it once for each")
    if args.extrinsics or args.motion != "auto":
        raise EvaluationError("--depth-topic scores depth that is there already: leave --extrinsics and --motion out")
    return score_recorded(
        args.sources[0],
        args.truth or args.sources[0],
        depth_topic=args.depth_topic,
        folder=folder,
        pictures=args.pictures,
        topics=chosen_topics(args.topic),
        watch=WATCH,
    )


def _phase(text: str) -> int:
    if text == "all":
        return -1
    try:
        return whole(0, 63)(text)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f"{error}, or all") from None
