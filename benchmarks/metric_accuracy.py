"""Accuracy of the metric network: worlds and cameras that it never saw, with the focal length given and without it.

Synthetic: the same place in a world is seen by cameras of 400 to 2000 px focal length and of several image sizes; no
scale is fitted, metres count as they come. Once more outside what it learned from: strange paint, things of no size,
cameras 0.2 to 3 m high. Real frames beside, with what their sensors measured, and a sheet of pictures of each, the
worst ones too. Most of the real frames may not be published: neither may their pictures. Beside each set: what level
ground 1.55 m below a level camera would score, and 80 m above the horizon.

    DEPTH_ROS_TEST_DATA=<folder> python -m benchmarks.metric_accuracy --model metric.onnx --out bench_output/metric
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_ros.bags.sample import Sample
from depth_ros.bags.source import open_source
from depth_ros.config import CompletionConfig
from depth_ros.evaluation.metrics import abs_rel, delta1, mean_over_frames, sigma_coverage, silog
from depth_ros.evaluation.result import used_versions
from depth_ros.geometry.camera import Camera
from depth_ros.models.model import Model
from depth_ros.models.store import METRIC, bundled_models
from depth_ros.pipelines.base import measure
from depth_ros.synthetic.render import render
from depth_ros.synthetic.worlds import KINDS, choose_view, make_world
from depth_ros.training.metric_pool import KIND_SHARES

Depth = NDArray[np.float32]
Rgb = NDArray[np.uint8]
CAMERAS = {
    "640x480, f 400": (640, 480, 400.0),
    "640x480, f 600": (640, 480, 600.0),
    "1242x375, f 720": (1242, 375, 720.0),
    "1280x720, f 700": (1280, 720, 700.0),
    "1280x720, f 1000": (1280, 720, 1000.0),
    "1920x1080, f 1400": (1920, 1080, 1400.0),
    "1920x1080, f 2000": (1920, 1080, 2000.0),
}
"""Width, height and focal length in pixels."""
OUTSIDE, OUTSIDE_CAMERA = "outside its domain: 640x480, f 500", (640, 480, 500.0)
GROUND_M = 1.55
"""Metres from the camera down to the ground, in the baseline: the middle of what the network learned from."""
SEED = 77_000_001
"""Worlds beyond those of the pools."""
FARTHEST_M = 80.0
REAL = {
    "KITTI sequence": ("kitti/sequence_2011_09_26", 4),
    "KITTI stills": ("kitti/object_training", 8),
    "nuScenes": ("nuscenes", 6),
    "pjlab": ("pjlab", 2),
    "NYU basement": ("rgbd/nyu_basement", 3),
    "NYU hallway": ("rgbd/nyu_hallway", 3),
    "7-Scenes red kitchen": ("rgbd/seven_scenes_redkitchen", 4),
    "iBims plants": ("rgbd/ibims_plants", 1),
    "ICL-NUIM living room": ("rgbd/icl_nuim", 3),
    "RGB-D camera": ("rgbd/rgbd_camera", 4),
}
SHEET_WIDTH = 480


class View(NamedTuple):
    """A picture with its camera and its depth, float32 [H,W], metres, NaN or 0 where it is not known."""

    name: str
    rgb: Rgb
    camera: Camera
    truth: Depth


class Answer(NamedTuple):
    """Depth and its sigma [H,W] in metres, and the focal length that the network tells, pixels."""

    depth: Depth
    sigma: Depth
    focal: float


def synthetic_views(camera: tuple[int, int, float], worlds: int, *, inside: bool = True) -> Iterator[View]:
    """Yield a view of each world; the same number is the same place and direction for every camera.

    inside: worlds of the kinds that the network learned from, and cameras as high; else any kind, paint and height.
    """
    width, height, focal = camera
    kinds = list(KIND_SHARES) if inside else KINDS
    for number in range(worlds):
        kind = kinds[number % len(kinds)]
        world = make_world(kind, SEED + number, disguised=0.0 if inside else 0.5)
        T_world_cam = choose_view(world, np.random.default_rng((SEED, number)), 416, 224, whole=inside).T_world_cam
        seen = Camera.from_focal(width, height, focal, focal, (width - 1) / 2, (height - 1) / 2)
        rgb, depth = render(world.scene, seen, T_world_cam)
        if (np.isfinite(depth) & (depth < FARTHEST_M)).mean() > 0.2:
            yield View(f"{kind} {number}", rgb, seen, depth)


def real_views(folder: Path, count: int) -> Iterator[View]:
    """Yield frames of a folder, rectified, with what was measured."""
    samples = list(open_source(folder).samples())
    for sample in islice(samples, 0, None, max(1, len(samples) // count)):
        yield _real_view(sample)


def _real_view(sample: Sample) -> View:
    if sample.truth is not None:
        assert sample.frame.rgb is not None
        return View(sample.name, sample.frame.rgb, sample.frame.camera, sample.truth)
    frame, sparse, *_ = measure(sample.frame, CompletionConfig())
    assert frame.rgb is not None
    return View(sample.name, frame.rgb, frame.camera, sparse)


def ask(model: Model, view: View, *, camera: bool) -> Answer:
    """Ask the model for a view's depth, with its camera or without."""
    given = np.array(view.camera.intrinsics if camera else (0, 0, 0, 0), np.float32)
    found = model.run({"image": np.ascontiguousarray(view.rgb), "intrinsics": given})
    return Answer(found["depth"], found["sigma"], float(found["focal"]))


def score(view: View, given: Answer, told: Answer) -> dict[str, float]:
    """Score a view up to `FARTHEST_M`; bias: the median of depth over truth."""
    truth = np.where(view.truth < FARTHEST_M, view.truth, np.nan)
    known = np.isfinite(truth) & (truth > 0)
    row: dict[str, float] = {}
    for how, found in (("given", given), ("told", told)):
        row |= {
            f"abs_rel_{how}": abs_rel(found.depth, truth),
            f"delta1_{how}": delta1(found.depth, truth),
            f"silog_{how}": silog(found.depth, truth),
            f"within_1_sigma_{how}": sigma_coverage(found.depth, found.sigma, truth),
            f"bias_{how}": float(np.median(found.depth[known] / truth[known])) if known.any() else math.nan,
        }
    ground = level_ground(view.camera)
    row |= {"abs_rel_ground": abs_rel(ground, truth), "delta1_ground": delta1(ground, truth)}
    return {**row, "focal_error": abs(math.log(told.focal / view.camera.intrinsics[0]))}


def level_ground(camera: Camera) -> Depth:
    """Return the depth [H,W] of ground `GROUND_M` below a level camera, `FARTHEST_M` where it is not seen."""
    below = np.maximum(np.arange(camera.height) - camera.intrinsics[3], 1e-3)
    depth = np.minimum(GROUND_M * camera.intrinsics[1] / below, FARTHEST_M)
    return np.repeat(depth[:, None], camera.width, axis=1).astype(np.float32)


def sheet(view: View, given: Answer, told: Answer) -> Rgb:
    """Draw image, truth, depth with the focal length given, and without, one beside the other."""
    truth = np.where(np.isfinite(view.truth) & (view.truth > 0), view.truth, 0)
    if (truth > 0).mean() < 0.5:
        truth = cv2.dilate(truth.astype(np.float32), np.ones((5, 5), np.uint8)).astype(np.float32)
    near = float(np.percentile(given.depth, 2))
    panels = [view.rgb, *(_coloured(depth, near) for depth in (truth, given.depth, told.depth))]
    height = round(SHEET_WIDTH * view.rgb.shape[0] / view.rgb.shape[1])
    return np.hstack([cv2.resize(panel, (SHEET_WIDTH, height), interpolation=cv2.INTER_AREA) for panel in panels])


def _coloured(depth: Depth, near: float) -> Rgb:
    """Colour depth by its logarithm, from `near` to 40 times as far; black where there is none."""
    far = np.log(np.maximum(depth, 1e-3) / near) / np.log(40)
    coded = cv2.applyColorMap((255 * (1 - far.clip(0, 1))).astype(np.uint8), cv2.COLORMAP_TURBO)[..., ::-1]
    return np.where((depth > 0)[..., None], coded, 0).astype(np.uint8)


def measure_set(model: Model, name: str, views: Iterator[View], out: Path) -> dict[str, float]:
    """Score a set, write its sheets with the worst first, and print its line."""
    rows = []
    for view in views:
        given, told = (ask(model, view, camera=camera) for camera in (True, False))
        rows.append((score(view, given, told), sheet(view, given, told)))
    rows.sort(key=lambda row: -row[0]["abs_rel_given"])
    for place, (_, picture) in enumerate(rows):
        path = out / f"{re.sub('[ ,:]+', '_', name)}_{place:02d}.jpg"
        cv2.imwrite(str(path), picture[..., ::-1])
    means = {**mean_over_frames([row for row, _ in rows]), "images": float(len(rows))}
    print(line(name, means), flush=True)
    return means


HEADER = (
    "| set | images | AbsRel | delta1 | SILog | bias | within sigma | AbsRel, f unknown | delta1 | bias "
    "| focal error | AbsRel, level ground | delta1 |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|"
)


def line(name: str, means: dict[str, float]) -> str:
    """Return the row of a set in the table of docs/accuracy.md."""
    shown = [f"{means['images']:.0f}", *(f"{means[f'{metric}_given']:.3f}" for metric in ("abs_rel", "delta1"))]
    shown += [f"{means['silog_given']:.1f}", f"{means['bias_given']:.2f}"]
    shown += [f"{100 * means['within_1_sigma_given']:.0f} %"]
    shown += [f"{means['abs_rel_told']:.3f}", f"{means['delta1_told']:.3f}", f"{means['bias_told']:.2f}"]
    shown += [f"{100 * math.expm1(means['focal_error']):.0f} %"]
    shown += [f"{means[f'{metric}_ground']:.3f}" for metric in ("abs_rel", "delta1")]
    return f"| {name} | {' | '.join(shown)} |"


def main() -> int:
    """Print the table, write pictures to --out and numbers to --json."""
    args = _arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    model = Model(args.model, engine=args.engine, threads=args.threads)
    print(HEADER)
    report = {
        name: measure_set(model, name, synthetic_views(camera, args.worlds), args.out)
        for name, camera in CAMERAS.items()
    }
    outside = synthetic_views(OUTSIDE_CAMERA, args.worlds, inside=False)
    report[OUTSIDE] = measure_set(model, OUTSIDE, outside, args.out)
    report |= _real(model, args.out)
    if args.json:
        facts = {"model": model.facts, "worlds": args.worlds, "seed": SEED, "versions": used_versions()}
        args.json.write_text(json.dumps({**facts, "sets": report}, indent=1) + "\n", encoding="utf-8")
    return 0


def _real(model: Model, out: Path) -> dict[str, dict[str, float]]:
    data, report = Path(os.environ.get("DEPTH_ROS_TEST_DATA") or "?"), {}
    for name, (folder, count) in REAL.items():
        if not (data / folder).is_dir():
            print(f"NOT SCORED: {name}: {data / folder} is not there")
            continue
        report[name] = measure_set(model, name, real_views(data / folder, count), out)
    return report


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    bundled = bundled_models().get(METRIC)
    about = "a metric model of the contract with a focal head (the bundled one)"
    add("--model", type=Path, default=bundled, required=bundled is None, metavar="FILE", help=about)
    add("--out", type=Path, default=Path("bench_output/metric"), metavar="DIR", help="folder of the pictures")
    add("--worlds", type=int, default=24, metavar="N", help="worlds per camera (%(default)s)")
    add("--engine", default="onnxruntime", help="what runs it (%(default)s)")
    add("--threads", type=int, default=1, help="of the engine (%(default)s)")
    add("--json", type=Path, metavar="FILE", help="write the numbers here")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
