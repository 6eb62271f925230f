"""The verb `complete`: one image and one scan in, one dense depth file out; no ROS."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from depth_ros.cli.options import MODEL_HELP, add_engine, chosen_completion
from depth_ros.errors import BagError, CompletionError

if TYPE_CHECKING:
    from pathlib import Path

    from depth_ros.frame import DepthMap, Frame, PointCloud

EXAMPLE = """examples:
  depth_ros complete --image image.png --points points.bin --calib calib.txt --out depth.npy
  depth_ros complete --image image.png --points points.bin --calib calib.txt --out depth.png --picture depth.jpg

The calibration is in KITTI object layout (P2, R0_rect, Tr_velo_to_cam) or in key-value layout (image_size, K, D,
T_cam_lidar, point_fields). Depth is of the rectified camera: .npy float32 metres along z, NaN = unknown (points beyond
120 m or nearer than 0.5 m are left out; depth that still comes out so is +Inf or -Inf, REP 117); .png 16 bit,
metres = value / 256, 0 for all of these."""


def add_parser(subparsers: Any) -> None:
    """Register the verb with its arguments."""
    parser = subparsers.add_parser(
        "complete",
        help="complete one frame from files",
        description="Make dense metric depth of one image and its LiDAR scan.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--image", required=True, metavar="FILE", help="picture (png, jpg)")
    add(
        "--points",
        metavar="FILE",
        help="scan: .bin float32 rows, .npy [N,3 or more] x y z (what the calibration names)",
    )
    add("--calib", required=True, metavar="FILE", help="calibration")
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

    from depth_ros.messages.depth_encoding import write_depth
    from depth_ros.pipelines.factory import make_pipeline

    pipeline = make_pipeline(chosen_completion(args, args.model))
    frame = _read_frame(Path(args.image), Path(args.points) if args.points else None, Path(args.calib))
    found = pipeline.process(frame)
    figures = {**pipeline.facts, **_figures(found, rectified=not frame.camera.is_rectified)}
    write_depth(args.out, found.depth)
    if args.out_sigma:
        write_depth(args.out_sigma, found.sigma)
    if args.picture:
        from depth_ros.evaluation.plots import save_depth_picture

        save_depth_picture(Path(args.picture), found.rgb, found.depth)
    print(json.dumps(figures, indent=1) if args.json else _text(args.out, figures))
    return 0


def _read_frame(image: Path, points: Path | None, calib: Path) -> Frame:
    from depth_ros.bags.calibration import read_calibration
    from depth_ros.bags.pictures import read_picture
    from depth_ros.frame import Frame

    rgb = read_picture(image)
    size = rgb.shape[1], rgb.shape[0]
    calibration = read_calibration(calib, size)
    points = points or calibration.points_path
    if calibration.camera.size != size:
        stated = "{}x{}".format(*calibration.camera.size)
        raise BagError(f"{image} is {size[0]}x{size[1]}, {calib} says {stated}: give the calibration of this image")
    if points is None:
        raise BagError(f"{calib} names no point file: give --points")
    cloud = _read_cloud(points, calibration.point_fields)
    return Frame(0, "camera_optical_frame", rgb, calibration.camera, points=cloud, T_cam_lidar=calibration.T_cam_lidar)


def _read_cloud(path: Path, fields: tuple[str, ...]) -> PointCloud:
    import numpy as np

    from depth_ros.bags.calibration import read_points
    from depth_ros.frame import PointCloud

    if path.suffix not in (".bin", ".npy"):
        raise BagError(f"{path}: point files are .bin (float32 rows) or .npy ([N,3] x y z): convert it")
    if path.suffix == ".bin":
        return read_points(path, fields)
    try:
        rows = np.load(path)
    except (OSError, ValueError, EOFError) as error:
        raise BagError(f"{path} cannot be read ({error}): give a .npy file of numbers") from error
    if rows.ndim != 2 or rows.shape[1] < 3 or rows.dtype.kind not in "fiu":
        raise BagError(f"{path} holds {rows.dtype} {list(rows.shape)}: give numbers [N,3] or more columns, x y z first")
    xyz = rows[:, :3].astype(np.float32)
    return PointCloud(np.ascontiguousarray(xyz[np.isfinite(xyz).all(axis=1)]))


def _figures(found: DepthMap, rectified: bool) -> dict[str, Any]:
    import numpy as np

    from depth_ros.frame import Source

    known = found.depth[np.isfinite(found.depth)]
    if not known.size:
        raise CompletionError("no point of the scan falls into the image: check the calibration")
    return {
        "width": found.camera.width,
        "height": found.camera.height,
        "rectified": rectified,
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
    note = " (the image was distorted: depth is of the rectified camera)" if figures["rectified"] else ""
    return "\n".join(
        [
            f"{out}: {figures['width']}x{figures['height']}{note}",
            f"pixels: {shares}",
            "depth: {least:.2f} to {most:.2f} m, median {median:.2f} m".format(**figures["depth_m"]),
            f"model: {model}",
            f"time: {sum(times.values()):.0f} ms ({stages}){once}",
        ]
    )
