"""Accuracy of the classical completion on real KITTI frames, against nearest fill, morphology and plain Delaunay.

Every ring phase of 1/2, 1/4, 1/8 and 1/16 of the beams, all methods on the same frames in one run; stills apart from
the sequence, whose 25 frames are one scene. Needs the real frames:

    DEPTH_ROS_TEST_DATA=<folder> python benchmarks/completion_accuracy.py [--holdout 4] [--every 1] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import LinearNDInterpolator

from depth_ros.bags.source import open_source
from depth_ros.classical.nearest import nearest_fill
from depth_ros.config import CompletionConfig
from depth_ros.evaluation.cases import Case, Estimate, EvaluationConfig, make_cases, score_case
from depth_ros.evaluation.metrics import mean_over_frames
from depth_ros.frame import Frame
from depth_ros.pipelines.factory import make_pipeline

Depth = NDArray[np.float32]
Method = Callable[[Frame, Case], Estimate]

GROUPS = {"stills": ("object_testing", "object_training"), "sequence": ("sequence_2011_09_26",)}
FARTHEST_M = 100.0
COLUMNS = ("rmse_mm", "mae_mm", "irmse_per_km", "imae_per_km", "delta1", "within_1_sigma", "within_2_sigma", "answered")


def nearest(sparse: Depth) -> Depth:
    """Give every pixel the depth of its nearest measurement."""
    return nearest_fill(sparse).depth


def plain_delaunay(sparse: Depth) -> Depth:
    """Interpolate inverse depth linearly inside the triangles of Qhull's Delaunay triangulation."""
    rows, columns = np.nonzero(sparse)
    surface = LinearNDInterpolator(np.column_stack([columns, rows]), 1 / sparse[rows, columns].astype(np.float64))
    grid_rows, grid_columns = np.mgrid[: sparse.shape[0], : sparse.shape[1]]
    return np.asarray(1 / surface(grid_columns, grid_rows), dtype=np.float32)


def morphological(sparse: Depth) -> Depth:
    """Fill by dilation, nearest surface first, as section III of the IP-Basic paper describes it.

    Ku, Harakeh, Waslander: In Defense of Classical Image Processing: Fast Depth Completion on the CPU, CRV 2018: invert
    depth so that dilation prefers near surfaces; diamond dilation 5x5; closing 5x5; fill small holes with 7x7; extend
    every column to the top of the image; fill large holes with 31x31; median 5x5, then Gaussian 5x5; invert again. The
    large fill is repeated until no hole is left, as sparser input than the paper's needs.
    """
    flipped = np.where(sparse > 0, FARTHEST_M - sparse, 0).astype(np.float32)
    diamond = (np.abs(np.arange(-2, 3))[:, None] + np.abs(np.arange(-2, 3)) <= 2).astype(np.uint8)
    flipped = np.asarray(cv2.dilate(flipped, diamond), dtype=np.float32)
    flipped = np.asarray(cv2.morphologyEx(flipped, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)), dtype=np.float32)
    flipped = _fill_empty(flipped, 7)
    flipped = _extend_to_top(flipped)
    while flipped.any() and not _known(flipped).all():
        flipped = _fill_empty(flipped, 31)
    flipped = np.asarray(cv2.medianBlur(flipped, 5), dtype=np.float32)
    return FARTHEST_M - np.asarray(cv2.GaussianBlur(flipped, (5, 5), 0), dtype=np.float32)


def _known(flipped: Depth) -> NDArray[np.bool_]:
    """Tell which pixels hold a depth: flipped depths under 0.1 are the empty ones."""
    return flipped > 0.1


def _fill_empty(flipped: Depth, size: int) -> Depth:
    grown = np.asarray(cv2.dilate(flipped, np.ones((size, size), np.uint8)), dtype=np.float32)
    return np.where(_known(flipped), flipped, grown)


def _extend_to_top(flipped: Depth) -> Depth:
    known = _known(flipped)
    first = np.where(known.any(axis=0), known.argmax(axis=0), 0)
    above = np.arange(flipped.shape[0])[:, None] < first
    return np.where(above, flipped[first, np.arange(flipped.shape[1])], flipped)


def baseline(fill: Callable[[Depth], Depth]) -> Method:
    """Wrap a function of the sparse depth alone; it states no sigma."""

    def estimate(_: Frame, case: Case) -> Estimate:
        start = perf_counter()
        depth = fill(case.sparse)
        return Estimate(depth, np.full_like(depth, np.nan), 1e3 * (perf_counter() - start))

    return estimate


def ours(*, use_image: bool) -> Method:
    """Wrap the pipeline as the node runs it, measurements pasted."""
    pipeline = make_pipeline(CompletionConfig(model="classical", use_image=use_image))

    def estimate(frame: Frame, _: Case) -> Estimate:
        start = perf_counter()
        found = pipeline.process(frame)
        return Estimate(found.depth, found.sigma, 1e3 * (perf_counter() - start))

    return estimate


METHODS: dict[str, Method] = {
    "nearest": baseline(nearest),
    "morphological": baseline(morphological),
    "plain Delaunay": baseline(plain_delaunay),
    "ours, no image": ours(use_image=False),
    "ours": ours(use_image=True),
}


def measure(data: Path, group: str, holdout: int, every: int) -> Iterator[tuple[str, int, dict[str, float]]]:
    """Yield (method, phase, metrics) for each frame and phase of a group."""
    samples = [sample for folder in GROUPS[group] for sample in open_source(data / "kitti" / folder).samples()]
    for sample in samples[::every]:
        cases = make_cases(*sample, EvaluationConfig(holdout=holdout, phase=-1))
        for phase, (frame, case) in enumerate(cases):
            for name, method in METHODS.items():
                yield name, phase, score_case(group, name, case, method(frame, case))[0].values


def row(name: str, frames: list[dict[str, float]]) -> str:
    """Format the means over frames."""
    means = mean_over_frames(frames)
    values = (means.get(column, float("nan")) for column in COLUMNS)
    return f"{name:18}" + "".join(f"{value:15.{0 if value > 100 else 3}f}" for value in values)


def main() -> None:
    """Print one table per group and holdout: all phases, then phase 0 alone."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--holdout", type=int, nargs="+", default=[2, 4, 8, 16], help="one of how many rings is given")
    parser.add_argument("--every", type=int, default=1, help="only every n-th frame of a group")
    parser.add_argument("--groups", nargs="+", choices=list(GROUPS), default=list(GROUPS), help="which frames")
    parser.add_argument("--json", type=Path, help="write the means there")
    args = parser.parse_args()
    folder = os.environ.get("DEPTH_ROS_TEST_DATA", "")
    if not folder or not Path(folder).is_dir():
        raise SystemExit("completion_accuracy needs the real frames: set DEPTH_ROS_TEST_DATA to their folder")
    report = []
    for group in args.groups:
        for holdout in args.holdout:
            scores: dict[str, dict[int, list[dict[str, float]]]] = defaultdict(lambda: defaultdict(list))
            for name, phase, values in measure(Path(folder), group, holdout, args.every):
                scores[name][phase].append(values)
            for label in ("all phases", "phase 0"):
                print(f"\n{group}, 1/{holdout} of the rings, {label}\n{'':18}" + "".join(f"{c:>15}" for c in COLUMNS))
                for name, phases in scores.items():
                    frames = phases[0] if label == "phase 0" else [one for many in phases.values() for one in many]
                    print(row(name, frames), flush=True)
                    means = mean_over_frames(frames)
                    report.append({"group": group, "holdout": holdout, "phases": label, "method": name, **means})
    if args.json:
        args.json.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
