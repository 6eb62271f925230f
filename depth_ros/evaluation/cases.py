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
from depth_ros.evaluation.calibration import ause
from depth_ros.evaluation.result import ALL_RANGES, INSIDE, OUTSIDE, Score
from depth_ros.frame import Frame, PointCloud
from depth_ros.geometry.distortion import rectify_image

Depth = NDArray[np.float32]

DEFAULT_HOLDOUT, MOST_DIGITS = 4, 9
OWN_TRUTH = "the truth that the source holds"
NONE = "none"
"""Input of what makes depth of the image alone."""
PROTOCOL = (
    "Only reference depth under 80 m counts; LiDAR returns count after the see-through filter.",
    "Covered rows: image rows from the first to the last given point. Where a method gives no depth there, the nearest "
    "given point answers for it, and 'answered' is the share that it answered itself.",
    "Outside the covered rows only a method's own answers are scored; so it is everywhere where nothing is given.",
    "Of points and file input the given pixels are not scored.",
    "Nearest fill gets the input after the protocol's see-through filter; a completion gets the raw points of the same "
    "rings and filters them itself.",
    "Every metric is computed per frame, then averaged over the frames; a frame that a method cannot take is left out "
    "for all of them.",
)


@dataclass(frozen=True)
class EvaluationConfig:
    """What the methods are given; what they are scored on follows from it.

    A source with a truth is scored on that truth, any other on the measurements that were not given.
    """

    input: str = setting(
        "rings", "rings, points:N (N random known pixels), file:NAME (an RGB-D folder's sparse depth) or none"
    )
    holdout: int = setting(0, "every n-th ring is given; 1 = all rings; 0 = all with a truth, else 4", low=0, high=64)
    phase: int = setting(0, "which ring of every n is given; -1 = each in turn", low=-1, high=63)
    seed: int = setting(0, "seed of the random points", low=0)

    def __post_init__(self) -> None:
        check(self)
        if self.input not in ("rings", NONE) and not self.points and not self.file:
            raise EvaluationError(f"input is '{self.input}': give rings, points:N, file:NAME or none")
        if self.holdout and self.phase >= self.holdout:
            raise EvaluationError(
                f"phase {self.phase} with holdout {self.holdout}: give 0 to {self.holdout - 1}, or all"
            )

    @property
    def points(self) -> int:
        """Number of random points; 0 where the input is another one."""
        kind, _, count = self.input.partition(":")
        return int(count) if kind == "points" and count.isdecimal() and len(count) <= MOST_DIGITS else 0

    @property
    def file(self) -> str | None:
        """Name of the file of sparse depth; None where the input is another one."""
        kind, _, name = self.input.partition(":")
        return name if kind == "file" and name else None


class Case(NamedTuple):
    """One frame as it is scored, all in the rectified camera, depth in metres along z.

    rgb: uint8 [H,W,3] or None. sparse: float32 [H,W], what the methods are given, 0 = none. reference: float32 [H,W],
    what is scored, 0 or NaN = nothing. given, scored: the two in words.
    """

    name: str
    rgb: NDArray[np.uint8] | None
    sparse: Depth
    reference: Depth
    given: str
    scored: str


class Estimate(NamedTuple):
    """What a method found: float32 [H,W] each, metres, NaN = unknown; time_ms: how long it took, NaN = unknown."""

    depth: Depth
    sigma: Depth
    time_ms: float


def make_cases(name: str, frame: Frame, truth: Depth | None, config: EvaluationConfig) -> Iterator[tuple[Frame, Case]]:
    """Yield the cases of one sample with the frame that the methods get, several where each phase has its turn.

    truth: float32 [H,W], m, NaN unknown, of the rectified camera; None where the source has none. Raises
    EvaluationError when the sample lacks what `config` needs.
    """
    for what, array in (("truth", truth), ("sparse depth", frame.sparse_depth)):
        if array is not None and array.shape != (frame.camera.height, frame.camera.width):
            raise EvaluationError(
                f"the {what} is {array.shape[::-1]}, the camera {frame.camera.size}: give the depth of this camera"
            )
    if config.points:
        yield _points_case(name, frame, truth, config)
    elif config.file:
        yield _file_case(name, frame, truth, config)
    elif config.input == NONE:
        yield _image_case(name, frame, truth)
    else:
        yield from _rings_cases(name, frame, truth, config)


def score_case(source: str, method: str, case: Case, found: Estimate) -> list[Score]:
    """Score inside the rows that the input covers (whole and by range), and outside of them.

    Inside, nearest fill answers where the method gives nothing; outside, only its own answers are scored. Without any
    input all is inside, and own answers alone are scored.
    """
    covered = holdout.covered_region(case.sparse)
    known = np.isfinite(case.reference) & (case.reference > 0) & (case.reference < holdout.MAX_REFERENCE_M)
    reference = np.where(known, case.reference, np.float32(0))
    if not case.sparse.any():
        return [Score(source, case.name, method, *row) for row in _alone(found, reference)]
    inside = np.where(covered, reference, np.float32(0))
    answer = holdout.answer_everywhere(found.depth, case.sparse, inside > 0)
    own = {"answered": 1 - answer.nearest_share, "time_ms": found.time_ms}
    whole = {**metrics.score(answer.depth, inside), **_sigma(found, inside), **own}
    spans = metrics.score_by_range(answer.depth, inside)
    beyond = _outside(found, np.where(covered, np.float32(0), reference))
    rows = [(INSIDE, ALL_RANGES, whole), *((INSIDE, span, values) for span, values in spans.items())]
    return [Score(source, case.name, method, *row) for row in (*rows, (OUTSIDE, ALL_RANGES, beyond))]


def _alone(found: Estimate, reference: Depth) -> Iterator[tuple[str, str, dict[str, float]]]:
    own = np.where(np.isfinite(found.depth), reference, np.float32(0))
    yield INSIDE, ALL_RANGES, {**_outside(found, reference), "time_ms": found.time_ms}
    for span, values in metrics.score_by_range(found.depth, own).items():
        yield INSIDE, span, values


def _rings_cases(
    name: str, frame: Frame, truth: Depth | None, config: EvaluationConfig
) -> Iterator[tuple[Frame, Case]]:
    cloud, T_cam_lidar = _scan(frame)
    camera = frame.camera.rectified()
    step = config.holdout or (DEFAULT_HOLDOUT if truth is None else 1)
    if step == 1:
        if truth is None:
            raise EvaluationError("there is no truth to score all rings on: give --holdout 2 or more")
        sparse = holdout.input_depth(cloud, T_cam_lidar, camera)
        yield frame, Case(name, _picture(frame), sparse, truth, "all rings", OWN_TRUTH)
        return
    for phase in range(step) if config.phase < 0 else (config.phase,):
        points, others = holdout.split_beams(cloud, T_cam_lidar, camera, step, phase)
        sparse = holdout.input_depth(points, T_cam_lidar, camera)
        label = f"{name} phase {phase}" if config.phase < 0 else name
        given = f"ring {'k' if config.phase < 0 else phase} of every {step}"
        reference, scored = (others, "the returns of the other rings") if truth is None else (truth, OWN_TRUTH)
        yield replace(frame, points=points), Case(label, _picture(frame), sparse, reference, given, scored)


def _points_case(name: str, frame: Frame, truth: Depth | None, config: EvaluationConfig) -> tuple[Frame, Case]:
    known, scored = truth, OWN_TRUTH
    if known is None:
        cloud, T_cam_lidar = _scan(frame)
        known = holdout.input_depth(cloud, T_cam_lidar, frame.camera.rectified())
        scored = "the other returns of the scan"
    sparse, reference = holdout.split_points(known, config.points, config.seed)
    given = f"{config.points} random known pixels"
    given_frame = replace(frame, points=None, sparse_depth=sparse)
    return given_frame, Case(name, _picture(frame), sparse, reference, given, scored)


def _file_case(name: str, frame: Frame, truth: Depth | None, config: EvaluationConfig) -> tuple[Frame, Case]:
    if frame.sparse_depth is None or truth is None:
        raise EvaluationError(f"there is no truth beside {config.file}: give an RGB-D folder that has both")
    sparse = frame.sparse_depth
    reference = np.where(sparse > 0, np.float32(0), truth)
    return frame, Case(name, _picture(frame), sparse, reference, f"{config.file}", OWN_TRUTH)


def _image_case(name: str, frame: Frame, truth: Depth | None) -> tuple[Frame, Case]:
    known, scored = truth, OWN_TRUTH
    if known is None:
        cloud, T_cam_lidar = _scan(frame)
        known, scored = holdout.input_depth(cloud, T_cam_lidar, frame.camera.rectified()), "the returns of the scan"
    given = replace(frame, points=None, sparse_depth=None)
    nothing = np.zeros(known.shape, np.float32)
    return given, Case(name, _picture(frame), nothing, known, "the image alone", scored)


def _picture(frame: Frame) -> NDArray[np.uint8] | None:
    return None if frame.rgb is None else rectify_image(frame.rgb, frame.camera)


def _scan(frame: Frame) -> tuple[PointCloud, NDArray[np.float64]]:
    if frame.points is None or frame.T_cam_lidar is None:
        raise EvaluationError("there is no LiDAR scan with its extrinsics: give --input points:500, or another source")
    if not len(frame.points):
        raise EvaluationError("the scan holds no points: check the LiDAR's driver, or record again")
    return frame.points, frame.T_cam_lidar


def _sigma(found: Estimate, reference: Depth) -> dict[str, float]:
    within = {
        f"within_{factor}_sigma": metrics.sigma_coverage(found.depth, found.sigma, reference, factor)
        for factor in (1, 2)
    }
    areas = ause(found.depth, found.sigma, reference)
    return {**within, "ause_of_constant": areas.sigma / areas.constant if areas.constant > 0 else float("nan")}


def _outside(found: Estimate, reference: Depth) -> dict[str, float]:
    asked = reference > 0
    own = np.where(np.isfinite(found.depth), reference, np.float32(0))
    answered = float((own[asked] > 0).mean()) if asked.any() else float("nan")
    return {**metrics.score(found.depth, own), **_sigma(found, own), "answered": answered}
