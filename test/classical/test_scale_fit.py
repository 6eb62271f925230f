"""The fit of a monocular prior to sparse depth."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from depth_ros.bags.source import open_source
from depth_ros.classical.scale_fit import Aligned, Basis, align, fit_metric, fit_relative
from depth_ros.frame import Source

Depth = NDArray[np.float32]
ONE = np.float32(1)
HEIGHT, WIDTH = 96, 160


def make_scene() -> Depth:
    """Return a slanted floor with a box before it, 4 to 20 m."""
    rows, columns = np.indices((HEIGHT, WIDTH))
    depth = 20 - 12 * rows / HEIGHT + 2 * columns / WIDTH
    depth[30:70, 50:90] = 4
    return depth.astype(np.float32)


def draw(depth: Depth, count: int, wrong: float = 0.0, seed: int = 0) -> Depth:
    """Return `count` pixels of a depth, a share of them anything within the scene's range."""
    random = np.random.default_rng(seed)
    chosen = random.choice(depth.size, count, replace=False)
    sparse = np.zeros_like(depth)
    sparse.flat[chosen] = depth.flat[chosen]
    sparse.flat[chosen[: int(wrong * count)]] = random.uniform(3, 25, int(wrong * count))
    return sparse


def relative_error(found: Aligned, depth: Depth) -> float:
    return float(np.mean(np.abs(found.depth - depth) / depth))


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (300.0, 40.0), (0.02, -5.0)])
def test_a_relative_prior_is_inverted_exactly(scale: float, shift: float) -> None:
    depth = make_scene()
    found = align((scale / depth + shift).astype(np.float32), draw(depth, 200), relative=True)
    assert found.basis == Basis.FIELD
    assert np.allclose(found.depth, depth, rtol=2e-3)
    assert found.fit.scale == pytest.approx(1 / scale, rel=1e-3)
    assert found.fit.shift == pytest.approx(-shift / scale, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("scale", [1.0, 0.01, 7.0])
def test_a_metric_prior_is_scaled_exactly(scale: float) -> None:
    depth = make_scene()
    found = align(depth * np.float32(scale), draw(depth, 200), relative=False)
    assert np.allclose(found.depth, depth, rtol=1e-4)
    assert found.fit.scale == pytest.approx(scale, rel=1e-5)


@pytest.mark.parametrize("relative", [True, False])
def test_scaling_the_prior_changes_nothing(relative: bool) -> None:
    depth = make_scene()
    prior = warped(ONE / depth if relative else depth)
    sparse = draw(depth, 150, wrong=0.1)
    one, other = (align(np.float32(factor) * prior, sparse, relative=relative) for factor in (1, 64))
    assert np.allclose(one.depth, other.depth, rtol=1e-3)
    assert np.array_equal(one.source == Source.MEASURED, other.source == Source.MEASURED)


def test_shifting_a_relative_prior_changes_nothing() -> None:
    depth = make_scene()
    prior, sparse = warped(ONE / depth), draw(depth, 150, wrong=0.1)
    one, other = align(prior, sparse, relative=True), align(prior - 3, sparse, relative=True)
    assert np.allclose(one.depth, other.depth, rtol=5e-3)


@pytest.mark.parametrize("relative", [True, False])
def test_scaling_the_measurements_scales_the_depth(relative: bool) -> None:
    depth = make_scene()
    prior, sparse = warped(ONE / depth if relative else depth), draw(depth, 150)
    one, other = align(prior, sparse, relative=relative), align(prior, 2 * sparse, relative=relative)
    assert np.allclose(2 * one.depth, other.depth, rtol=1e-2)


@pytest.mark.parametrize("relative", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_a_third_of_the_points_may_be_wrong(relative: bool, seed: int) -> None:
    depth = make_scene()
    prior = (5 / depth + 2).astype(np.float32) if relative else 3 * depth
    found = align(prior, draw(depth, 200, wrong=0.3, seed=seed), relative=relative)
    fit = 1 / (found.fit.scale * prior + found.fit.shift) if relative else prior / found.fit.scale
    assert np.allclose(fit, depth, rtol=0.02)
    assert relative_error(found, depth) < 0.02


def test_wrong_points_are_not_kept_and_right_ones_are() -> None:
    depth = make_scene()
    sparse = draw(depth, 400, wrong=0.1)
    found = align(depth * np.float32(2), sparse, relative=False)
    wrong = (sparse > 0) & (np.abs(sparse / depth - 1) > 0.15)
    right = (sparse > 0) & (sparse == depth)
    assert wrong.sum() > 20
    assert (found.source[wrong] != Source.MEASURED).all()
    assert (found.source[right] == Source.MEASURED).mean() > 0.95
    kept = found.source == Source.MEASURED
    assert np.array_equal(found.depth[kept], sparse[kept])


@pytest.mark.parametrize("relative", [True, False])
def test_the_field_takes_out_a_warp_that_the_global_fit_cannot(relative: bool) -> None:
    depth = make_scene()
    prior = warped(depth)
    found = align(ONE / prior if relative else prior, draw(depth, 300), relative=relative)
    fit = (1 / (found.fit.scale / prior + found.fit.shift)) if relative else prior / found.fit.scale
    left = float(np.mean(np.abs(fit - depth) / depth))
    assert left > 0.05
    assert relative_error(found, depth) < 0.25 * left


def test_the_correction_stops_at_the_prior_s_own_edge() -> None:
    depth = make_scene()
    box = depth == 4
    prior = np.where(box, depth * np.float32(1.3), depth)
    found = align(prior, draw(depth, 400), relative=False)
    edge = cv2.dilate(box.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
    assert np.median(np.abs(found.depth[edge] / depth[edge] - 1)) < 0.01


def test_sigma_grows_where_no_point_is_near() -> None:
    depth = make_scene()
    sparse = draw(depth, 400)
    sparse[:, WIDTH // 2 :] = 0
    found = align(warped(depth), sparse, relative=False)
    ratio = found.sigma / found.depth
    assert np.median(ratio[:, -20:]) > 1.4 * np.median(ratio[:, :60])
    assert (found.source[40:, -10:] == Source.MONOCULAR).all()
    assert (found.source[:, 8:60] != Source.MONOCULAR).mean() > 0.95


def test_no_point_leaves_a_metric_prior_as_it_is() -> None:
    depth = make_scene()
    found = align(depth, np.zeros_like(depth), relative=False)
    assert found.basis == Basis.PRIOR
    assert np.allclose(found.depth, depth, rtol=1e-6)
    assert (found.source == Source.MONOCULAR).all()
    assert (found.sigma > 0.2 * depth).all()


def test_no_point_leaves_nothing_of_a_relative_prior() -> None:
    found = align(ONE / make_scene(), np.zeros((HEIGHT, WIDTH), np.float32), relative=True)
    assert found.basis == Basis.NOTHING
    assert np.isnan(found.depth).all()
    assert np.isnan(found.sigma).all()
    assert not found.source.any()


@pytest.mark.parametrize("relative", [True, False])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_few_points_give_a_scale(relative: bool, count: int) -> None:
    depth = make_scene()
    found = align(7 * ONE / depth if relative else 7 * ONE * depth, draw(depth, count), relative=relative)
    assert found.basis == Basis.SCALE
    assert np.allclose(found.depth, depth, rtol=1e-4)
    assert (found.sigma > 0.05 * depth).all()


def test_a_few_more_give_a_shift_but_no_field() -> None:
    depth = make_scene()
    found = align(7 * ONE / depth + 1, draw(depth, 8), relative=True)
    assert found.basis == Basis.SCALE_AND_SHIFT
    assert np.allclose(found.depth, depth, rtol=1e-3)


def test_points_all_at_one_depth_leave_the_shift_open() -> None:
    depth = make_scene()
    sparse = np.zeros_like(depth)
    sparse[35:65:3, 52:88:3] = 4
    found = align(7 * ONE / depth, sparse, relative=True)
    assert found.fit.basis == Basis.SCALE
    assert np.allclose(found.depth[sparse > 0], 4, rtol=1e-3)
    far = found.sigma[:20] / found.depth[:20]
    assert far.min() > 0.2


def test_one_depth_under_a_varied_prior_is_no_slope() -> None:
    found = align(ONE / make_scene(), np.full((HEIGHT, WIDTH), 6, np.float32), relative=True)
    assert found.fit.basis in (Basis.SCALE, Basis.NOTHING)


def test_a_prior_that_rises_with_the_depth_is_refused() -> None:
    depth = make_scene()
    assert align(depth, draw(depth, 300), relative=True).basis == Basis.NOTHING


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
@pytest.mark.parametrize("relative", [True, False])
def test_a_prior_of_nothing_gives_nothing(value: float, relative: bool) -> None:
    found = align(np.full((HEIGHT, WIDTH), value, np.float32), draw(make_scene(), 50), relative=relative)
    assert not found.source.any()
    assert not np.isfinite(found.depth).any()
    assert np.isnan(found.sigma).all()


@pytest.mark.parametrize("relative", [True, False])
def test_holes_of_the_prior_stay_holes_and_bad_points_are_none(relative: bool) -> None:
    depth = make_scene()
    prior = ONE / depth if relative else depth.copy()
    prior[:10] = np.nan
    prior[10, :5] = np.inf
    sparse = draw(depth, 300)
    sparse[80, :20] = [np.nan, np.inf, -np.inf, -3] * 5
    found = align(prior, sparse, relative=relative)
    assert np.isnan(found.depth[:10]).all()
    assert not found.source[:10].any()
    known = np.isfinite(prior)
    assert np.allclose(found.depth[known], depth[known], rtol=2e-3)
    assert (found.sigma[known] > 0).all()


def test_beyond_where_inverse_depth_can_be_told_is_infinitely_far() -> None:
    depth = make_scene()
    prior = ONE / depth
    prior[:10] = -0.2
    sparse = draw(depth, 300)
    sparse[:10] = 0
    found = align(prior, sparse, relative=True)
    assert np.isposinf(found.depth[:10]).all()
    assert np.isnan(found.sigma[:10]).all()
    assert not found.source[:10].any()


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (7, 3)])
@pytest.mark.parametrize("relative", [True, False])
def test_images_of_any_size(shape: tuple[int, int], relative: bool) -> None:
    depth = np.random.default_rng(0).uniform(2, 9, shape).astype(np.float32)
    found = align(ONE / depth if relative else depth, depth, relative=relative)
    assert np.allclose(found.depth, depth, rtol=0.02)


def test_the_prior_is_left_alone_and_the_answer_is_repeatable() -> None:
    depth = make_scene()
    prior, sparse = warped(ONE / depth), draw(depth, 200, wrong=0.2)
    copies = prior.copy(), sparse.copy()
    one, other = (align(prior, sparse, relative=True) for _ in range(2))
    assert np.array_equal(prior, copies[0])
    assert np.array_equal(sparse, copies[1])
    assert np.array_equal(one.depth, other.depth)
    assert [str(part.dtype) for part in one[:3]] == ["float32", "float32", "uint8"]


def test_without_pasting_measured_pixels_have_the_field_s_depth() -> None:
    depth = make_scene()
    sparse = draw(depth, 200) * np.float32(1.0)
    sparse[sparse > 0] *= np.exp(0.01 * np.random.default_rng(0).standard_normal(200)).astype(np.float32)
    plain, pasted = (align(depth, sparse, relative=False, paste_measured=paste) for paste in (False, True))
    kept = plain.source == Source.MEASURED
    assert np.array_equal(kept, pasted.source == Source.MEASURED)
    assert (plain.depth[kept] != sparse[kept]).mean() > 0.9
    assert np.array_equal(pasted.depth[kept], sparse[kept])


def test_the_fits_alone_in_closed_form() -> None:
    depth = np.linspace(2, 30, 40)
    relative = fit_relative(4 / depth - 1, depth)
    assert [relative.scale, relative.shift] == pytest.approx([0.25, 0.25])
    assert fit_metric(depth * 3, depth).scale == pytest.approx(3)
    assert fit_metric(depth[:0], depth[:0]).basis == Basis.PRIOR
    assert fit_relative(depth[:0], depth[:0]).basis == Basis.NOTHING


@pytest.mark.real
@pytest.mark.parametrize("folder", ["rgbd/icl_nuim", "kitti/depth_gt"])
def test_a_distorted_truth_comes_back_in_metres(real_data: Path, folder: str) -> None:
    truth = next(iter(open_source(real_data / folder).samples())).truth
    assert truth is not None
    known = np.isfinite(truth) & (truth > 0)
    prior = np.where(
        known, warped(3 * ONE / np.where(known, truth, ONE).astype(np.float32) + ONE / 10), np.float32(np.nan)
    )
    sparse = np.where(known & (np.random.default_rng(0).random(truth.shape) < 2000 / known.sum()), truth, 0)
    found = align(prior, sparse.astype(np.float32), relative=True)
    told = known & np.isfinite(found.depth)
    assert told.sum() > 0.99 * known.sum()
    assert np.mean(np.abs(found.depth[told] / truth[told] - 1)) < 0.03


def warped(values: Depth) -> Depth:
    """Return values with a smooth factor of 0.8 to 1.25 across the image."""
    rows, columns = np.indices(values.shape)
    height, width = values.shape
    wave = np.sin(2 * np.pi * columns / width) * np.cos(np.pi * rows / height)
    return np.asarray(values * np.exp(0.2 * wave), dtype=np.float32)
