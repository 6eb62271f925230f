"""The verb `bag complete`: dense depth for every frame of a bag, written into another bag; offline, no ROS."""

from __future__ import annotations

import argparse
import json
import logging
import statistics
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from depth_ros.cli.options import MODEL_HELP, add_engine, add_reading, chosen_completion, chosen_topics, open_chosen
from depth_ros.cli.progress import watched
from depth_ros.errors import BagError, DepthRosError, ModelError

if TYPE_CHECKING:
    from depth_ros.bags.sample import Sample
    from depth_ros.config import CompletionConfig
    from depth_ros.frame import DepthMap
    from depth_ros.pipelines.base import Pipeline

EXAMPLE = """examples:
  depth_ros bag complete MY_BAG --out DEPTH_BAG
  depth_ros bag complete CAMERA_BAG --out DEPTH_BAG --model metric.onnx
  depth_ros bag complete TWO_CAMERAS --out DEPTH_BAG --topic image=/left/image_raw --encoding 16UC1
  depth_ros evaluate DEPTH_BAG --depth-topic /camera/depth/image_rect --truth SYNTHETIC_BAG"""
NONE = "none"
INPUT_HELP = (
    "none: depth of the image alone, by a metric model; auto: so it is where a bag has no LiDAR topic (%(default)s)"
)
_log = logging.getLogger("depth_ros")


def add_parser(subparsers: Any) -> None:
    """Register the verb with its arguments."""
    parser = subparsers.add_parser(
        "complete",
        help="complete every frame of a bag into another bag",
        description="Complete every image of a bag that has a scan, or every image of a bag without LiDAR by a metric "
        "model, and write /camera/depth/image_rect, camera_info, sigma and source into another bag, each with its "
        "image's stamp.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("bag", metavar="BAG", help="a bag, or a folder of frames")
    add("--out", metavar="OUT", required=True, help="the bag to write")
    add("--model", default="auto", metavar="M", help=f"{MODEL_HELP} (%(default)s)")
    add("--input", choices=("auto", NONE), default="auto", help=INPUT_HELP)
    add_engine(parser)
    add_reading(parser)
    add("--encoding", choices=("32FC1", "16UC1"), default="32FC1", help="depth in metres or millimetres (%(default)s)")
    add("--storage", choices=("mcap", "sqlite3"), default="mcap", help="format of the bag (%(default)s)")
    add("--overwrite", action="store_true", help="replace the bag that is there")
    add("--json", action="store_true", help="print the figures as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Complete, write, and say how many and how fast."""
    from depth_ros.bags.writer import BagWriter, write_depth

    topics = chosen_topics(args.topic)
    _check_apart(Path(args.bag), Path(args.out))
    images, alone = _look(args.bag, topics, args.input)
    pipeline = _pipeline(chosen_completion(args, args.model), alone)
    completion = _Completion(pipeline)
    source = open_chosen(args, args.bag, lidar=not alone)
    maps = completion.maps(watched(source.samples(), images, what="completing", unit="frames"))
    # The first depth comes before the output is touched: a source that gives none costs no bag that was there.
    first = next(maps, None)
    if first is None:
        raise BagError(f"{args.bag}: {(completion.faults or ['gives no frame'])[0]}")
    with BagWriter(args.out, args.storage, args.overwrite) as bag:
        written = write_depth(bag, chain([first], maps), args.encoding)
    faults = [*completion.faults, *source.faults]
    if faults:
        _log.warning("%d frames are left out; first: %s", len(faults), faults[0])
    figures = {
        "bag": args.out,
        "input": NONE if alone else "points",
        "images": images,
        "depth_maps": written,
        "left_out": len(faults),
        **completion.figures(),
        **pipeline.facts,
    }
    print(json.dumps(figures, indent=2) if args.json else _text(figures))
    return 0


def _pipeline(config: CompletionConfig, alone: str) -> Pipeline:
    """Return what makes depth of the frames; alone: why that is to be of the images alone, or empty."""
    from depth_ros.config import GuardConfig, without_lidar
    from depth_ros.pipelines.factory import make_monocular, make_pipeline

    if not alone:
        # Guarded as the node is, so that equal pairs give equal depth.
        return make_pipeline(config, GuardConfig())
    try:
        return make_monocular(without_lidar(config))
    except ModelError as error:
        raise ModelError(f"{alone}, so depth is of the images alone: {error}") from error


class _Completion:
    """Runs the pipeline frame by frame, takes the time, and keeps the faults of the frames that it cannot take."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._ms: list[float] = []
        self._residuals: list[float] = []
        self.faults: list[str] = []

    def maps(self, samples: Iterable[Sample]) -> Iterator[DepthMap]:
        """Yield the depth map of every sample that has one."""
        for sample in samples:
            start = perf_counter()
            try:
                found = self._pipeline.process(sample.frame)
            except DepthRosError as error:
                self.faults.append(f"frame {sample.name}: {error}")
                continue
            self._ms.append(1e3 * (perf_counter() - start))
            if found.residual is not None:
                self._residuals.append(100 * found.residual.median)
            yield found

    def figures(self) -> dict[str, float | None]:
        """Return median and largest time of one completion, ms, and the frames' median residual, None without one."""
        residual = statistics.median(self._residuals) if self._residuals else None
        return {"ms_median": statistics.median(self._ms), "ms_most": max(self._ms), "residual_percent": residual}


def _text(figures: dict[str, Any]) -> str:
    of_images = "" if figures["images"] is None else f" of {figures['images']} images"
    residual = figures["residual_percent"]
    off = "" if residual is None else f", {residual:.2f} % off the held-out LiDAR points (median)"
    how = " by the image alone" if figures["input"] == NONE else ""
    model = ", ".join(figures[name] for name in ("model", "engine") if name in figures)
    known = f"\ngood for: {figures['domain']}" if "domain" in figures else ""
    return (
        "{bag}: {depth_maps} depth maps{of_images}{how}, {left_out} frames left out, "
        "{ms_median:.0f} ms per frame (median; most {ms_most:.0f}){off}\nmodel: {by}{known}".format(
            **figures, of_images=of_images, how=how, off=off, by=model, known=known
        )
    )


def _check_apart(source: Path, out: Path) -> None:
    inside, outside = source.resolve(), out.resolve()
    if outside == inside or outside in inside.parents:
        raise BagError(
            f"{out}: is where {source} lies, and reading and writing one bag would lose it: give another --out"
        )


def _look(path: str, topics: dict[str, str] | None, kind: str) -> tuple[int | None, str]:
    """Return how many images a bag lists, None for a folder, and why no scan is to be read, or nothing."""
    from depth_ros.bags.bag_file import BagFile, is_bag
    from depth_ros.bags.topics import choose_topics

    asked = "--input none reads no scan" if kind == NONE else ""
    if not is_bag(Path(path)):
        return None, asked
    with BagFile(path) as bag:
        chosen = choose_topics(bag, topics, lidar=not asked)
        images = None if chosen.image is None else bag.topics[chosen.image].total
        return images, asked or ("" if chosen.points or not chosen.image else f"{path} has no PointCloud2 topic")
