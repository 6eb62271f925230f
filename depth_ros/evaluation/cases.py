"""From a recorded sample to what a method is given and what it is scored on, and the scores themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from depth_ros.config import check, setting
from depth_ros.errors import EvaluationError
from depth_ros.evaluation import holdout, metrics
from depth_ros.evaluation.result import ALL_RANGES, INSIDE, OUTSIDE, Score
from depth_ros.frame import DepthMap, Frame

Depth = NDArray[np.float32]

HOLDOUT_WITHOUT_TRUTH = 4
ALL_RINGS = 1


@dataclass(frozen=True)
class EvaluationConfig:
    """What the methods are given; what they are scored on follows from it (see `sentences`).

    input: "rings" (the LiDAR's beams) or "points:N" (N random pixels of the truth). holdout: every n-th ring is
    given; 1 = all rings (needs a truth); 0 = 1 where the source has a truth, else 4. phase: which ring of every n
    is given, -1 = each in turn. seed: of the random points.
    """

    input: str = setting("rings", "rings, or points:N")
    holdout: int = setting(0, "every n-th ring is the input", low=0, high=64)
    phase: int = setting(0, "which ring of every n is the input, -1 = each in turn", low=-1, high=63)
    seed: int = setting(0, "seed of the random points", low=0)

    def __post_init__(self) -> None:
        check(self)
        self.points  # noqa: B018 - a malformed input is told here
        if self.holdout and self.phase >= self.holdout:
            raise EvaluationError(f"phase {self.phase} with holdout {self.holdout}: give 0 to {self.holdout - 1}, or all")

    @property
    def points(self) -> int:
        """Number of random points that are given; 0 where rings are."""
        kind, _, count = self.input.partition(":")
        if kind == "points" and count.isdigit() and int(count) > 0:
            return int(count)
        if self.input != "rings":
            raise EvaluationError(f"input is '{self.input}': give rings, or points:N with N random points")
        return 0


class Case(NamedTuple):
    """One frame as the methods are given it.

    sparse: float32 [H,W], the same input as a depth image of the rectified camera, 0 = none. reference: float32 [H,W],
    what is scored, 0 or NaN = nothing. Both in metres along z.
    """

    name: str
    frame: Frame
    sparse: Depth
    reference: Depth


def make_cases(name: str, frame: Frame, truth: Depth | None, config: EvaluationConfig) -> Iterator[Case]:
    """Yield the case of each phase; raises EvaluationError when the sample lacks what `config` needs.

    truth: float32 [H,W], m, NaN unknown, of the rectified camera; None where the source has none.
    """
    if config.points:
        yield _points_case(name, frame, truth, config)
        return
    if frame.points is None or frame.T_cam_lidar is None:
        raise EvaluationError(f"{name} has no LiDAR scan with a transform: give --input points:500")
    step = config.holdout or (HOLDOUT_WITHOUT_TRUTH if truth is None else ALL_RINGS)
    phases = range(step) if config.phase < 0 else (config.phase,)
    for phase in phases:
        label = f"{name} phase {phase}" if config.phase < 0 and step > 1 else name
        yield _rings_case(label, frame, truth, step, phase)


def score_case(source: str, method: str, case: Case, found: DepthMap, time_ms: float | None) -> list[Score]:
    """Score inside the rows that the input covers (whole and by range), and outside of them.

    Inside, nearest fill answers where the method gives nothing; outside, only its own answers are scored.
    """
    covered = holdout.covered_region(case.sparse)
    known = np.isfinite(case.reference) & (case.reference > 0) & (case.reference < holdout.MAX_REFERENCE_M)
    reference = np.where(known, case.reference, np.float32(0))
    inside = np.where(covered, reference, np.float32(0))
    answer = holdout.answer_everywhere(found.depth, case.sparse, inside > 0)
    extra = {**_sigma(found, inside), "answered": 1 - answer.nearest_share}
    if time_ms is not None:
        extra["time_ms"] = time_ms
    whole = {**metrics.score(answer.depth, inside), **extra}
    spans = metrics.score_by_range(answer.depth, inside)
    beyond = _outside(found, np.where(covered, np.float32(0), reference))
    rows = [(INSIDE, ALL_RANGES, whole), *((INSIDE, span, values) for span, values in spans.items())]
    return [Score(source, case.name, method, *row) for row in (*rows, (OUTSIDE, ALL_RANGES, beyond))]


def sentences(config: EvaluationConfig) -> list[str]:
    """Say what was given and what was scored, for the page that people read."""
    phases = "each ring of every n in turn" if config.phase < 0 else f"ring {config.phase} of every n"
    step = f"n = {config.holdout}" if config.holdout else "n = 4; all rings where the source has a truth"
    rings = f"Given: every n-th LiDAR ring ({step}; {phases})."
    return [
        f"Given: {config.points} random pixels of known depth, seed {config.seed}." if config.points else rings,
        "Scored: the source's own truth where it has one, else the returns that were held out, "
        "after the see-through filter, under 80 m.",
        "Inside = image rows from the first to the last given point; where a method gives no depth there, the nearest "
        "given point answers for it, and 'answered' says for how few. Outside = the other rows, own answers only.",
        "Every metric is computed per frame and then averaged over the frames.",
    ]


def _rings_case(name: str, frame: Frame, truth: Depth | None, step: int, phase: int) -> Case:
    assert frame.points is not None
    assert frame.T_cam_lidar is not None
    camera = frame.camera.rectified()
    points, reference = frame.points, truth
    if step > 1:
        points, held_out = holdout.split_beams(frame.points, frame.T_cam_lidar, camera, step, phase)
        reference = held_out if truth is None else truth
    if reference is None:
        raise EvaluationError(f"{name} has no truth: hold out rings with --holdout 2 or more")
    sparse = holdout.input_depth(points, frame.T_cam_lidar, camera)
    return Case(name, replace(frame, points=points), sparse, reference)


def _points_case(name: str, frame: Frame, truth: Depth | None, config: EvaluationConfig) -> Case:
    if truth is None:
        if frame.points is None or frame.T_cam_lidar is None:
            raise EvaluationError(f"{name} has neither truth nor LiDAR scan: there is nothing to draw points from")
        truth = holdout.input_depth(frame.points, frame.T_cam_lidar, frame.camera.rectified())
    sparse, reference = holdout.split_points(truth, config.points, config.seed)
    return Case(name, replace(frame, points=None, sparse_depth=sparse), sparse, reference)


def _sigma(found: DepthMap, reference: Depth) -> dict[str, float]:
    return {
        f"within_{factor}_sigma": metrics.sigma_coverage(found.depth, found.sigma, reference, factor)
        for factor in (1, 2)
    }


def _outside(found: DepthMap, reference: Depth) -> dict[str, float]:
    asked = reference > 0
    own = np.where(np.isfinite(found.depth), reference, np.float32(0))
    answered = float((own[asked] > 0).mean()) if asked.any() else float("nan")
    return {**metrics.score(found.depth, own), **_sigma(found, own), "answered": answered}
