from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from depth_ros.bags.sample import Sample
from depth_ros.config import CompletionConfig
from depth_ros.evaluation.cases import Case, Estimate, EvaluationConfig, make_cases, score_case
from depth_ros.evaluation.paired import ratio_by_tile
from depth_ros.evaluation.tally import Tally, metrics_of, tally, tile_sums
from depth_ros.pipelines.factory import make_pipeline

SHARED = ("pixels", "rmse_mm", "mae_mm", "irmse_per_km", "imae_per_km", "delta1", "answered", "within_1_sigma")


def scored(sample: Sample) -> list[tuple[Case, Estimate]]:
    pipeline = make_pipeline(CompletionConfig(model="classical"))
    found = []
    for frame, case in make_cases(*sample, EvaluationConfig(holdout=4, phase=-1)):
        depth_map = pipeline.process(replace(frame))
        found.append((case, Estimate(depth_map.depth, depth_map.sigma, 5.0)))
    return found


def test_sums_give_the_metrics_of_score_case(sample: Sample) -> None:
    pairs = scored(sample)
    found = metrics_of([tally(*pair) for pair in pairs])
    for number, (case, estimate) in enumerate(pairs):
        expected = score_case("s", "m", case, estimate)[0].values
        assert {name: found[name][number] for name in SHARED} == pytest.approx({n: expected[n] for n in SHARED})
    assert found["time_ms"].tolist() == [5.0] * len(pairs)


def test_tiles_partition_the_pixels(sample: Sample) -> None:
    tallies = [tally(*pair) for pair in scored(sample)]
    assert tile_sums(tallies, "pixels").sum(axis=1) == pytest.approx(metrics_of(tallies)["pixels"])
    pixels, squares = tile_sums(tallies, "pixels"), tile_sums(tallies, "square")
    assert (pixels > 0).sum() > 20
    assert ratio_by_tile(squares, squares, pixels, 2) == pytest.approx((1, 1, 1))


def test_where_no_depth_is_given_nearest_fill_answers_without_sigma() -> None:
    sparse = np.zeros((8, 16), np.float32)
    sparse[[0, 7], 0] = 4
    reference = np.full((8, 16), 5, np.float32)
    nothing = np.full((8, 16), np.nan, np.float32)
    found = metrics_of([tally(Case("c", None, sparse, reference, "", ""), Estimate(nothing, nothing, 1.0))])
    assert found["answered"] == 0
    assert found["mae_mm"] == pytest.approx(1000)
    assert np.isnan(found["within_1_sigma"]).all()
    assert np.isnan(found["ause_sigma"]).all()


def test_nothing_scored_is_nan() -> None:
    empty = np.zeros((8, 16), np.float32)
    one: Tally = tally(Case("c", None, empty, empty, "", ""), Estimate(empty + 1, empty + 1, 1.0))
    assert np.isnan(metrics_of([one])["mae_mm"]).all()
