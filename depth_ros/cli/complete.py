"""The verb `complete`: one image, with its scan or without, in, one dense depth file out; no ROS."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from depth_ros.cli.options import MODEL_HELP, add_engine, chosen_completion
from depth_ros.errors import CompletionError, ModelError

if TYPE_CHECKING:
    from depth_ros.config import CompletionConfig
    from depth_ros.frame import DepthMap, Frame
    from depth_ros.pipelines.base import Pipeline

FOCAL_HEAD = "focal head of the model"

EXAMPLE = """examples:
  depth_ros complete --image image.png --points points.bin --calib calib.txt --out depth.npy
  depth_ros complete --image image.png --points points.bin --calib calib.txt --out depth.png --picture depth.jpg
  depth_ros complete --image photo.jpg --model metric.onnx --out depth.npy

The calibration is in KITTI object layout (P2, R0_rect, Tr_velo_to_cam) or in key-value layout (image_size, K, D,
T_cam_lidar, point_fields). Depth is of the rectified camera: .npy float32 metres along z, NaN = unknown (points beyond
120 m or nearer than 0.5 m are left out; depth that still comes out so is +Inf or -Inf, REP 117; 0.1 m without points);
.png 16 bit, metres = value / 256, 0 for all of these.

Without points a metric model makes depth of the image alone. The focal length is that of --calib or --focal, else that
of the picture's EXIF tags (35-mm equivalents too), else what the model's own focal head finds."""


def add_parser(subparsers: Any) -> None:
    """Register the verb with its arguments."""
    parser = subparsers.add_parser(
        "complete",
        help="complete one frame from files",
        description="Make dense metric depth of one image and its LiDAR scan, or of the image alone.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--image", required=True, metavar="FILE", help="picture (png, jpg)")
    add(
        "--points",
        metavar="FILE",
        help="scan: .bin float32 rows, .npy [N,3 or more] x y z (what the calibration names, else none)",
    )
    add("--monocular", action="store_true", help="use no scan, though the calibration names one")
    add("--calib", metavar="FILE", help="calibration; a scan needs one")
    add("--focal", type=_focal, metavar="PX", help="focal length of the image in pixels, in place of a calibration")
    add("--model", default="auto", metavar="M", help=f"{MODEL_HELP} (%(default)s)")
    add_engine(parser)
    add("--out", required=True, metavar="FILE", help="depth to write, .npy or .png")
    add("--out-sigma", metavar="FILE", help="half-width of the 68 %% interval to write, in the form of --out")
    add("--picture", metavar="FILE", help="image and depth in colours to write, .png or .jpg")
    add("--json", action="store_true", help="print the figures as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Read the frame, complete it, write what was asked for, print the figures."""
    import json
    from pathlib import Path

    from depth_ros.cli.frame_files import read_frame
    from depth_ros.messages.depth_encoding import write_depth

    config = chosen_completion(args, args.model)
    frame, focal_from = read_frame(args)
    pipeline = _pipeline(config, frame, focal_from)
    found = pipeline.process(frame)
    figures = {**pipeline.facts, **_figures(found, frame)}
    if frame.points is None:
        figures["focal"] = {"px": found.camera.intrinsics[0], "from": focal_from or FOCAL_HEAD}
    write_depth(args.out, found.depth)
    if args.out_sigma:
        write_depth(args.out_sigma, found.sigma)
    if args.picture:
        from depth_ros.evaluation.plots import save_depth_picture

        save_depth_picture(Path(args.picture), found.rgb, found.depth)
    print(json.dumps(figures, indent=1) if args.json else _text(args.out, figures))
    return 0


def _pipeline(config: CompletionConfig, frame: Frame, focal_from: str) -> Pipeline:
    """Return what makes depth of this frame; without points that is a metric model."""
    from depth_ros.config import without_lidar
    from depth_ros.pipelines.factory import make_monocular, make_pipeline

    if frame.points is not None:
        return make_pipeline(config)
    try:
        pipeline = make_monocular(without_lidar(config))
    except ModelError as error:
        raise ModelError(f"there is no scan, so depth is of the image alone: {error}; or give --points") from error
    if not focal_from and not pipeline.finds_focal:
        raise CompletionError(
            f"no focal length is given, the picture's EXIF tags tell none, and {config.model} has no focal head to "
            "find it: give --calib or --focal"
        )
    return pipeline


def _focal(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 1 <= value <= 1e6:
        raise argparse.ArgumentTypeError(f"'{text}' is no focal length: give pixels, such as 1200")
    return value


def _figures(found: DepthMap, frame: Frame) -> dict[str, Any]:
    import numpy as np

    from depth_ros.frame import Source

    known = found.depth[np.isfinite(found.depth)]
    if not known.size and frame.points is None:
        raise CompletionError("the model knows no depth anywhere in this image: is it all sky, or out of range?")
    if not known.size:
        raise CompletionError("no point of the scan falls into the image: check the calibration")
    return {
        "width": found.camera.width,
        "height": found.camera.height,
        "rectified": not frame.camera.is_rectified,
        "share": {source.name.lower(): float((found.source == source).mean()) for source in Source},
        "depth_m": {"least": float(known.min()), "median": float(np.median(known)), "most": float(known.max())},
        "time_ms": {stage: 1e3 * seconds for stage, seconds in found.timings.items()},
    }


def _text(out: str, figures: dict[str, Any]) -> str:
    from depth_ros.pipelines.base import BUILD

    shares = ", ".join(f"{100 * share:.1f} % {name}" for name, share in figures["share"].items() if share)
    build = figures["time_ms"].get(BUILD)
    times = {stage: ms for stage, ms in figures["time_ms"].items() if stage != BUILD}
    stages = ", ".join(f"{stage} {ms:.0f}" for stage, ms in times.items())
    once = f", after {build:.0f} ms once to build the model for this size" if build else ""
    model = ", ".join(figures[name] for name in ("model", "engine") if name in figures)
    focal = ["focal length: {px:.1f} px ({from})".format(**figures["focal"])] if "focal" in figures else []
    note = " (the image was distorted: depth is of the rectified camera)" if figures["rectified"] else ""
    return "\n".join(
        [
            f"{out}: {figures['width']}x{figures['height']}{note}",
            f"pixels: {shares}",
            "depth: {least:.2f} to {most:.2f} m, median {median:.2f} m".format(**figures["depth_m"]),
            f"model: {model}",
            *([f"good for: {figures['domain']}"] if "domain" in figures else []),
            *focal,
            f"time: {sum(times.values()):.0f} ms ({stages}){once}",
        ]
    )
