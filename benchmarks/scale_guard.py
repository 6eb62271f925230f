"""The scale guard on real frames: its residual where all is right, and what the held-out points cost.

Residual: of the whole scan (or of 2000 random pixels of an RGB-D depth), |d - m| / m at the held-out points, the
smallest, the median and the largest over the frames. Cost: MAE on the rings (pixels) that are not given, with the guard
over without. Time: processor milliseconds per frame. Shift: where the scan's depth edges lie best in the picture, in
pixels, as it is and with the extrinsics turned by 3 degrees about the vertical, from the sum over the frames; in
brackets the agreement there and without a shift, in standard deviations. Needs the frames:

    DEPTH_ROS_TEST_DATA=<folder> python -m benchmarks.scale_guard [--model classical] [--share 0.02]
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from time import process_time

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_ros.bags.source import open_source
from depth_ros.config import CompletionConfig, GuardConfig
from depth_ros.evaluation.cases import Case, Estimate, EvaluationConfig, make_cases, score_case
from depth_ros.frame import Frame
from depth_ros.geometry.alignment import best_shift, correlate
from depth_ros.pipelines.base import Pipeline, measure
from depth_ros.pipelines.factory import make_pipeline
from depth_ros.pipelines.guard import compare, hold_out

RINGS, POINTS = EvaluationConfig(holdout=2), EvaluationConfig(input="points:2000")
SETS = {
    "KITTI stills": (("kitti/object_testing", "kitti/object_training"), RINGS, 1),
    "KITTI sequence": (("kitti/sequence_2011_09_26",), RINGS, 4),
    "nuScenes": (("nuscenes",), RINGS, 1),
    "pjlab": (("pjlab",), RINGS, 1),
    "radiate, fog": (("radiate",), RINGS, 1),
    "indoor": (("rgbd/icl_nuim", "rgbd/nyu_basement", "rgbd/nyu_hallway", "rgbd/ibims_plants"), POINTS, 1),
}
TURN = np.eye(4)
TURN[:3, :3] = cv2.Rodrigues(np.array([0, np.deg2rad(3), 0]))[0]


def main() -> None:
    """Print one line per set and per figure."""
    args = _arguments()
    data = Path(os.environ.get("DEPTH_ROS_TEST_DATA") or "?")
    if not data.is_dir():
        raise SystemExit("scale_guard needs the real frames: set DEPTH_ROS_TEST_DATA to their folder")
    config, guard = CompletionConfig(model=args.model), GuardConfig(guard_share=args.share, min_points=0)
    guarded, plain = make_pipeline(config, guard), make_pipeline(config)
    for name, (folders, protocol, every) in SETS.items():
        frames = list(read(data, folders, protocol, every))
        print(f"{name}: {len(frames)} frames")
        for line in (
            residuals(frames, guarded),
            cost(frames, guarded, plain),
            time(frames, args.share),
            *shifts(frames),
        ):
            print(f"  {line}", flush=True)


Given = tuple[Frame, Frame, Case]


def read(data: Path, folders: tuple[str, ...], protocol: EvaluationConfig, every: int) -> Iterator[Given]:
    """Yield each frame whole (of RGB-D: the random pixels), as it is given to be scored, and what is scored."""
    for folder in folders:
        for sample in islice(open_source(data / folder).samples(), 0, None, every):
            given, case = next(make_cases(*sample, protocol))
            yield (given if sample.frame.points is None else sample.frame), given, case


def residuals(frames: list[Given], guarded: Pipeline) -> str:
    """Say how the residual is spread over the frames."""
    found = [guarded.process(frame).residual for frame, _, _ in frames]
    known = np.array([(100 * one.median, 100 * one.p90, one.count) for one in found if one is not None])
    text = f"residual: {len(found) - len(known)} frames without"
    for name, column in zip(("median %", "p90 %", "points"), known.T):  # noqa: B905
        text += f"; {name} " + " / ".join(f"{value:.2f}" for value in np.percentile(column, (0, 50, 100)))
    return text


def cost(frames: list[Given], guarded: Pipeline, plain: Pipeline) -> str:
    """Say what the held-out points cost in MAE."""
    ratios = [
        _mae(case, guarded.process(given).depth) / _mae(case, plain.process(given).depth) for _, given, case in frames
    ]
    return f"cost: MAE times {np.mean(ratios):.4f} (mean; {min(ratios):.4f} to {max(ratios):.4f})"


def time(frames: list[Given], share: float) -> str:
    """Say how long the guard and the search for the shift take."""
    guard_ms, shift_ms = [], []
    for whole, _, _ in frames:
        frame, sparse, *_ = measure(whole, CompletionConfig())
        start = process_time()
        held_out = hold_out(sparse.copy(), share, frame.stamp_ns)
        if held_out is not None:
            compare(sparse, held_out)
        between = process_time()
        if frame.rgb is not None:
            correlate(sparse, frame.rgb)
        guard_ms.append(1e3 * (between - start))
        shift_ms.append(1e3 * (process_time() - between))
    return f"time: guard {np.median(guard_ms):.2f} ms, shift {np.median(shift_ms):.2f} ms"


def shifts(frames: list[Given]) -> Iterator[str]:
    """Say where the scan lies in the picture."""
    scans = [(frame, frame.T_cam_lidar) for frame, _, _ in frames if frame.T_cam_lidar is not None]
    for name, turn in (("right", np.eye(4)), ("turned", TURN)) if scans else ():
        surfaces = []
        for frame, T_cam_lidar in scans:
            rectified, sparse, *_ = measure(replace(frame, T_cam_lidar=turn @ T_cam_lidar), CompletionConfig())
            assert rectified.rgb is not None
            found = correlate(sparse, rectified.rgb)
            surfaces.append(found.surface)
        shift = best_shift(np.sum(surfaces, axis=0), found.cell)
        yield f"shift, {name}: {shift.right}, {shift.down} px ({shift.best:.1f}; {shift.here:.1f})"


def _mae(case: Case, depth: NDArray[np.float32]) -> float:
    estimate = Estimate(depth, np.full_like(depth, np.nan), np.nan)
    return score_case("", "", case, estimate)[0].values["mae_mm"]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="classical", help="as the parameter model (%(default)s)")
    parser.add_argument("--share", type=float, default=GuardConfig().guard_share, help="share held out (%(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
