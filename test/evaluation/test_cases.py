from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from depth_ros.errors import ConfigError, EvaluationError
from depth_ros.evaluation.cases import OWN_TRUTH, Case, Estimate, EvaluationConfig, make_cases, score_case
from depth_ros.evaluation.result import ALL_RANGES, INSIDE, OUTSIDE
from depth_ros.evaluation.tally import tally
from depth_ros.frame import Frame, PointCloud

Depth = NDArray[np.float32]


def only(frame: Frame, truth: Depth | None, config: EvaluationConfig) -> tuple[Frame, Case]:
    (pair,) = make_cases("0", frame, truth, config)
    return pair


def estimate(depth: Depth, sigma: float = np.nan) -> Estimate:
    return Estimate(depth, np.full_like(depth, sigma), 3.0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ring",
        "points",
        "points:",
        "points:0",
        "points:-3",
        "points:" + "9" * 5000,
        "points:many",
        "file:",
        "rings:2",
    ],
)
def test_unknown_input_is_said(text: str) -> None:
    with pytest.raises(EvaluationError, match="give rings, points:N, file:NAME or none"):
        EvaluationConfig(input=text)


def test_impossible_holdout_and_phase_are_said() -> None:
    with pytest.raises(EvaluationError, match="give 0 to 3, or all"):
        EvaluationConfig(holdout=4, phase=4)
    with pytest.raises(ConfigError, match="holdout"):
        EvaluationConfig(holdout=-1)


def test_rings_are_held_out_where_there_is_no_truth(frame: Frame) -> None:
    given, case = only(frame, None, EvaluationConfig())
    assert given.points is not None
    assert given.points.ring is not None
    assert set(given.points.ring) == {0, 4, 8, 12}
    assert not (case.sparse * case.reference).any(), "no pixel is both given and scored"
    assert (case.reference > 0).sum() > (case.sparse > 0).sum()
    assert case.given == "ring 0 of every 4"


def test_all_rings_are_given_where_there_is_a_truth(frame: Frame, truth: Depth) -> None:
    given, case = only(frame, truth, EvaluationConfig())
    assert given.points is frame.points
    assert case.reference is truth
    assert case.scored == OWN_TRUTH


def test_truth_is_scored_with_rings_held_out_too(frame: Frame, truth: Depth) -> None:
    given, case = only(frame, truth, EvaluationConfig(holdout=2, phase=1))
    assert given.points is not None
    assert frame.points is not None
    assert len(given.points) == len(frame.points) // 2
    assert case.reference is truth


def test_every_phase_has_its_turn(frame: Frame) -> None:
    cases = [case for _, case in make_cases("0", frame, None, EvaluationConfig(holdout=4, phase=-1))]
    assert [case.name for case in cases] == ["0 phase 0", "0 phase 1", "0 phase 2", "0 phase 3"]
    together = np.stack([case.sparse > 0 for case in cases]).sum(axis=0)
    assert together.max() == 1, "each phase gives other rings"


def test_random_points_of_the_truth_replace_the_scan(frame: Frame, truth: Depth) -> None:
    given, case = only(frame, truth, EvaluationConfig(input="points:50", seed=3))
    assert given.points is None
    assert given.sparse_depth is case.sparse
    assert (case.sparse > 0).sum() == 50
    again = only(frame, truth, EvaluationConfig(input="points:50", seed=3))[1]
    np.testing.assert_array_equal(case.sparse, again.sparse)


def test_random_points_of_a_scan_without_truth(frame: Frame) -> None:
    _, case = only(frame, None, EvaluationConfig(input="points:50"))
    assert case.scored == "the other returns of the scan"
    assert (case.reference > 0).sum() > 500


def test_ready_made_sparse_depth(frame: Frame, truth: Depth) -> None:
    sparse = np.where(np.arange(160) % 8 == 0, truth, np.float32(0))
    ready = replace(frame, points=None, sparse_depth=sparse)
    case = only(ready, truth, EvaluationConfig(input="file:s.png"))[1]
    assert case.sparse is sparse
    np.testing.assert_array_equal(case.reference, np.where(sparse > 0, 0, truth), "what is given is not scored")
    with pytest.raises(EvaluationError, match=r"no truth beside s\.png"):
        only(ready, None, EvaluationConfig(input="file:s.png"))


def test_depth_of_another_camera_is_said(frame: Frame, truth: Depth) -> None:
    with pytest.raises(EvaluationError, match=r"the truth is \(160, 50\), the camera \(160, 96\)"):
        only(frame, truth[:50], EvaluationConfig())
    with pytest.raises(EvaluationError, match="the sparse depth is"):
        only(replace(frame, sparse_depth=truth[:50]), truth, EvaluationConfig(input="file:s.png"))


def test_what_a_sample_lacks_is_said(frame: Frame) -> None:
    bare = replace(frame, points=None)
    for config in (EvaluationConfig(), EvaluationConfig(input="points:5")):
        with pytest.raises(EvaluationError, match="no LiDAR scan with its extrinsics"):
            only(bare, None, config)
    empty = replace(frame, points=PointCloud(np.zeros((0, 3), np.float32)))
    for config in (EvaluationConfig(), EvaluationConfig(input="points:5")):
        with pytest.raises(EvaluationError, match="the scan holds no points"):
            only(empty, None, config)
    with pytest.raises(EvaluationError, match="no truth to score all rings on"):
        only(frame, None, EvaluationConfig(holdout=1))


def test_the_truth_itself_has_no_error(frame: Frame, truth: Depth) -> None:
    _, case = only(frame, truth, EvaluationConfig())
    scores = score_case("drive", "exact", case, estimate(truth, 0.1))
    whole = next(score for score in scores if (score.region, score.range) == (INSIDE, ALL_RANGES))
    expected = {
        "mae_mm": 0.0,
        "irmse_per_km": 0.0,
        "delta1": 1.0,
        "within_1_sigma": 1.0,
        "answered": 1.0,
        "time_ms": 3.0,
    }
    assert {key: whole.values[key] for key in expected} == expected
    assert {score.range for score in scores} == {ALL_RANGES, "0-10 m", "10-20 m", "20-40 m", "40-80 m"}


def test_sigma_that_ranks_the_errors_is_told_from_a_constant(frame: Frame, truth: Depth) -> None:
    _, case = only(frame, truth, EvaluationConfig())
    error = np.random.default_rng(0).uniform(0.1, 1, truth.shape).astype(np.float32)
    for sigma, expected in ((error, 0.0), (np.full_like(error, 0.5), 1.0)):
        found = score_case("drive", "wrong", case, Estimate(truth + error, sigma, 3.0))[0].values
        assert found["ause_of_constant"] == pytest.approx(expected, abs=1e-4)


def test_a_constant_shift_is_its_mae_in_every_region_and_range(frame: Frame, truth: Depth) -> None:
    _, case = only(frame, truth, EvaluationConfig())
    seen = [
        score for score in score_case("drive", "shifted", case, estimate(truth + 0.5, 0.3)) if score.values["pixels"]
    ]
    assert {(INSIDE, ALL_RANGES), (OUTSIDE, ALL_RANGES)} <= {(score.region, score.range) for score in seen}
    for score in seen:
        assert score.values["mae_mm"] == pytest.approx(500, abs=0.1), score
        assert score.values["rmse_mm"] == pytest.approx(500, abs=0.1)
    rated = [score.values for score in seen if "within_1_sigma" in score.values]
    assert {(values["within_1_sigma"], values["within_2_sigma"]) for values in rated} == {(0.0, 1.0)}


def test_nearest_fill_answers_inside_and_nobody_outside(frame: Frame, truth: Depth) -> None:
    _, case = only(frame, truth, EvaluationConfig())
    nothing = np.full_like(truth, np.nan)
    scores = {(s.region, s.range): s.values for s in score_case("drive", "silent", case, estimate(nothing))}
    inside, outside = scores[INSIDE, ALL_RANGES], scores[OUTSIDE, ALL_RANGES]
    assert inside["answered"] == 0.0
    assert 0 < inside["mae_mm"] < 2000
    assert outside["answered"] == 0.0
    assert np.isnan(outside["mae_mm"])
    rows = np.flatnonzero((case.sparse > 0).any(axis=1))
    assert inside["pixels"] == (rows[-1] - rows[0] + 1) * 160


def test_depth_beyond_80_m_is_not_scored(frame: Frame, truth: Depth) -> None:
    far = np.where(np.arange(160) < 80, truth, np.float32(90)).astype(np.float32)
    _, case = only(frame, far, EvaluationConfig())
    scores = score_case("drive", "exact", case, estimate(np.where(far > 80, np.float32(1), far)))
    assert scores[0].values["mae_mm"] == 0.0


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_labels_of_rep_117_score_as_unknown_in_answer_and_truth(frame: Frame, truth: Depth) -> None:
    """Nearest fill answers for them inside the covered rows, in the scores and in the tallies."""
    labels = truth.copy()
    labels[::3, ::7], labels[1::3, ::5] = np.inf, -np.inf
    unknown = np.where(np.isinf(labels), np.float32(np.nan), labels)

    def scores(answer: Depth, reference: Depth) -> list[dict[str, float]]:
        _, case = only(frame, reference, EvaluationConfig())
        values = [score.values for score in score_case("s", "m", case, estimate(answer, 0.1))]
        return [*values, {"tally": float(np.nansum(tally(case, estimate(answer, 0.1)).sums))}]

    assert scores(labels, truth) == [pytest.approx(values, nan_ok=True) for values in scores(unknown, truth)]
    assert scores(truth, labels) == [pytest.approx(values, nan_ok=True) for values in scores(truth, unknown)]
