"""What is given and what is scored: held-out beams of one scan, or random points of a dense truth.

All functions are pure; depth images are float32 [H,W], metres along z of the rectified camera, 0 = none.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from depth_ros.classical.nearest import nearest_fill
from depth_ros.errors import EvaluationError
from depth_ros.frame import PointCloud
from depth_ros.geometry.camera import Camera
from depth_ros.geometry.lidar import project_points, see_through_filter
from depth_ros.geometry.rings import ring_index

DepthImage = NDArray[np.float32]
MAX_REFERENCE_M = 80.0


class BeamSplit(NamedTuple):
    """points: the beams that are given to the method. reference: float32 [H,W], the held-out returns, 0 = none."""

    points: PointCloud
    reference: DepthImage


class PointSplit(NamedTuple):
    """sparse: float32 [H,W], the pixels that are given. reference: float32 [H,W], all others that are known."""

    sparse: DepthImage
    reference: DepthImage


class Answer(NamedTuple):
    """depth: float32 [H,W] without a gap where it matters. nearest_share: share (0 to 1) that nearest fill gave."""

    depth: DepthImage
    nearest_share: float


def split_beams(
    cloud: PointCloud, T_cam_lidar: NDArray[np.float64], camera: Camera, holdout: int, phase: int
) -> BeamSplit:
    """Keep the rings whose number % `holdout` is `phase`, score on the others.

    cloud: the whole scan; its `ring` field is used, or else rings are found from the geometry. camera: the rectified
    one. The reference is the full scan after the see-through filter (which so sees every return), under 80 m, at the
    pixels that show a held-out ring.

    Raises EvaluationError when no rings can be found or holdout and phase do not fit.
    """
    if holdout < 2 or not 0 <= phase < holdout:
        raise EvaluationError(f"holdout {holdout} with phase {phase}: give holdout >= 2 and 0 <= phase < holdout")
    ring = cloud.ring if cloud.ring is not None else ring_index(cloud.xyz)
    if ring is None:
        raise EvaluationError(
            "the scan has no rings to hold out: score it with evaluate --input points:N and a dense truth"
        )
    kept = ring % holdout == phase
    full = project_points(cloud.xyz, T_cam_lidar, camera)
    visible = see_through_filter(full.depth)
    held_out = np.concatenate([~kept, [False]])[full.point]
    reference = np.where(held_out & (visible < MAX_REFERENCE_M), visible, np.float32(0))
    return BeamSplit(cloud.select(kept), reference)


def input_depth(points: PointCloud, T_cam_lidar: NDArray[np.float64], camera: Camera) -> DepthImage:
    """Draw the kept beams and drop their see-through points, judged by the kept points alone."""
    return see_through_filter(project_points(points.xyz, T_cam_lidar, camera).depth)


def split_points(truth: DepthImage, count: int, seed: int) -> PointSplit:
    """Give `count` random pixels of a dense truth (float32 [H,W], metres, NaN or 0 = unknown), score on the others.

    The same seed gives the same pixels. Raises EvaluationError when fewer than `count` + 1 pixels are known.
    """
    known = np.flatnonzero(np.isfinite(truth) & (truth > 0))
    if not 0 < count < len(known):
        raise EvaluationError(f"{count} random points of a truth with {len(known)} known pixels: give 1 to one less")
    given = np.random.default_rng(seed).choice(known, size=count, replace=False)
    sparse, reference = np.zeros(truth.shape, np.float32), np.zeros(truth.shape, np.float32)
    reference.flat[known] = truth.flat[known]
    sparse.flat[given] = truth.flat[given]
    reference.flat[given] = 0
    return PointSplit(sparse, reference)


def covered_region(sparse: DepthImage) -> NDArray[np.bool_]:
    """Mark the rows from the first to the last one that holds an input measurement: bool [H,W]."""
    covered = np.zeros(sparse.shape, dtype=np.bool_)
    rows = np.flatnonzero((sparse > 0).any(axis=1))
    if rows.size:
        covered[rows[0] : rows[-1] + 1] = True
    return covered


def answer_everywhere(depth: DepthImage, sparse: DepthImage, scored: NDArray[np.bool_]) -> Answer:
    """Let nearest fill answer where a method gives no depth, so that every method is scored on the same pixels.

    depth: float32 [H,W], NaN or 0 = none. scored: bool [H,W], the reference pixels of the region in question.
    """
    empty = ~(np.isfinite(depth) & (depth > 0))
    share = float(empty[scored].mean()) if scored.any() else 0.0
    return Answer(np.where(empty, nearest_fill(sparse).depth, depth).astype(np.float32), share)
