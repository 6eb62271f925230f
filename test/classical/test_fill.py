from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from depth_ros.classical.fill import complete
from depth_ros.frame import Source

SHAPE = (120, 200)


def plane(shape: tuple[int, int] = SHAPE) -> NDArray[np.float32]:
    """A plane in space: inverse depth is linear in the pixel."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return np.asarray(1 / (0.02 + 0.0004 * rows + 0.0001 * columns), dtype=np.float32)


def scan_lines(depth: NDArray[np.float32], gap: int = 12, step: int = 3) -> NDArray[np.float32]:
    sparse = np.zeros_like(depth)
    sparse[5::gap, ::step] = depth[5::gap, ::step]
    return sparse


def noise_picture(shape: tuple[int, int] = SHAPE) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 255, (*shape, 3)).astype(np.uint8)


@pytest.mark.parametrize("rgb", [None, noise_picture()])
def test_a_plane_between_scan_lines_is_exact(rgb: NDArray[np.uint8] | None) -> None:
    truth = plane()
    found = complete(scan_lines(truth), rgb)
    inner = (slice(17, 100), slice(15, 180))
    assert (found.source[inner] != Source.NONE).all()
    np.testing.assert_allclose(found.depth[inner], truth[inner], rtol=2e-3)


def test_without_sigma_the_depth_is_the_same() -> None:
    sparse = scan_lines(plane())
    whole = complete(sparse, noise_picture(), paste_measured=False)
    prior = complete(sparse, noise_picture(), paste_measured=False, with_sigma=False)
    np.testing.assert_array_equal(prior.depth, whole.depth)
    np.testing.assert_array_equal(prior.source, whole.source)
    assert np.isfinite(whole.sigma[whole.source != Source.NONE]).all()
    assert np.isnan(prior.sigma).all()


def test_measured_pixels_hold_their_return_and_say_so() -> None:
    sparse = scan_lines(plane() + np.random.default_rng(1).normal(0, 2, SHAPE).astype(np.float32).clip(-3, 3))
    found = complete(sparse, noise_picture())
    measured = sparse > 0
    np.testing.assert_array_equal(found.depth[measured], sparse[measured])
    np.testing.assert_array_equal(found.source == Source.MEASURED, measured)
    smooth = complete(sparse, noise_picture(), paste_measured=False)
    assert (smooth.source == found.source).all()
    assert not np.array_equal(smooth.depth[measured], sparse[measured])


def test_outside_of_coverage_nothing_is_sold() -> None:
    truth = plane()
    sparse = scan_lines(truth)
    sparse[:60] = 0
    found = complete(sparse)
    assert (found.source[:45] == Source.NONE).all()
    assert (found.source[66:110] != Source.NONE).all()
    none = found.source == Source.NONE
    np.testing.assert_array_equal(np.isnan(found.depth), none)
    np.testing.assert_array_equal(np.isnan(found.sigma), none)


def test_a_dead_zone_much_wider_than_the_gaps_stays_empty() -> None:
    sparse = scan_lines(plane((240, 400)))
    sparse[60:180, 120:280] = 0
    found = complete(sparse)
    assert found.source[120, 200] == Source.NONE
    assert (found.source[20:50, 20:380] != Source.NONE).all()


@pytest.mark.parametrize(
    "pixels",
    [
        [(5, 5)],
        [(5, 5), (9, 9)],
        [(5, 5), (9, 9), (13, 13)],
        [(5, 5), (5, 6), (5, 7)],
        [(0, 0), (0, 199), (119, 0), (119, 199)],
        [(60, column) for column in range(0, 200, 3)],
        [(row, 100) for row in range(120)],
    ],
)
def test_few_and_degenerate_points_give_finite_depth_or_none(pixels: list[tuple[int, int]]) -> None:
    sparse = np.zeros(SHAPE, np.float32)
    for row, column in pixels:
        sparse[row, column] = 7.0
    found = complete(sparse, noise_picture())
    known = found.source != Source.NONE
    assert np.count_nonzero(found.source == Source.MEASURED) == len(pixels)
    np.testing.assert_allclose(found.depth[known], 7.0, rtol=1e-5)
    assert (found.sigma[known] > 0).all()
    assert np.isnan(found.depth[~known]).all()


WIDE = (375, 1242)


def reach_of(sparse: NDArray[np.float32]) -> tuple[NDArray[np.uint8], float]:
    """Complete; return source and the pixels between the farthest sold pixel and its nearest measurement."""
    found = complete(sparse)
    distance = cv2.distanceTransform((sparse == 0).astype(np.uint8), cv2.DIST_L2, 5)
    return found.source, float(distance[found.source != Source.NONE].max())


def test_an_empty_middle_between_two_patches_is_not_sold() -> None:
    sparse = scan_lines(plane(WIDE), gap=5)
    sparse[:, 250:1000] = 0
    source, farthest = reach_of(sparse)
    assert (source[10:360, 10:240] != Source.NONE).all()
    assert (source[:, 270:980] == Source.NONE).all()
    assert farthest <= 12
    cars = np.zeros(WIDE, np.float32)
    cars[200:260, 100:180] = sparse[200:260, 100:180]
    cars[200:260, 1050:1130] = sparse[200:260, 1050:1130]
    source, farthest = reach_of(cars)
    assert (source[203:257, 103:177] != Source.NONE).all()
    assert np.count_nonzero(source) < 2 * 80 * 100
    assert farthest <= 12


def test_two_dense_patches_do_not_join() -> None:
    sparse = np.zeros(WIDE, np.float32)
    sparse[100:300, 100:300] = sparse[100:300, 900:1100] = 5
    assert reach_of(sparse)[1] <= 3


def test_near_returns_alone_sell_no_distance() -> None:
    sparse = scan_lines(plane(WIDE), gap=5)
    sparse[:300] = 0
    sparse[150:153, 600:606] = 9
    source, farthest = reach_of(sparse)
    assert (source[180:290] == Source.NONE).all()
    assert (source[:140] == Source.NONE).all()
    assert farthest <= 12


def test_points_on_a_diagonal_answer_for_their_line() -> None:
    sparse = np.zeros(WIDE, np.float32)
    along = np.linspace(0, 1, 75)
    sparse[(along * 374).astype(int), (along * 1241).astype(int)] = 10
    source, farthest = reach_of(sparse)
    assert np.count_nonzero(source) < 0.15 * source.size
    assert farthest < 4 * 1297 / 75


@pytest.mark.parametrize("count", [1, 3, 9])
def test_few_far_points_answer_for_themselves(count: int) -> None:
    random = np.random.default_rng(0)
    sparse = np.zeros(WIDE, np.float32)
    sparse[random.integers(0, WIDE[0], count), random.integers(0, WIDE[1], count)] = 10
    assert reach_of(sparse)[1] <= 3


@pytest.mark.parametrize("count", [10, 30, 100])
def test_no_pixel_beyond_the_stated_bound_is_sold(count: int) -> None:
    random = np.random.default_rng(0)
    sparse = np.zeros(WIDE, np.float32)
    sparse[random.integers(0, WIDE[0], count), random.integers(0, WIDE[1], count)] = 10
    source, farthest = reach_of(sparse)
    assert farthest <= 3 / 8 * WIDE[0]
    if count == 100:
        assert (source != Source.NONE).mean() > 0.95


@pytest.mark.parametrize("gap", [5, 10, 20, 40, 80])
def test_scan_lines_are_joined_at_every_density(gap: int) -> None:
    found = complete(scan_lines(plane(WIDE), gap))
    assert (found.source[5 : WIDE[0] - gap] != Source.NONE).all()


def test_sparse_lines_around_dense_ones_are_joined() -> None:
    sparse = scan_lines(plane(WIDE), gap=30)
    dense = scan_lines(plane(WIDE), gap=4)
    sparse[150:200] = dense[150:200]
    assert (complete(sparse).source[10:340, 10:-10] != Source.NONE).all()


def test_what_is_no_depth_is_no_measurement() -> None:
    clean = scan_lines(plane())
    spoilt = clean.copy()
    spoilt[30, 40:43], spoilt[31, 40:43], spoilt[32, 40:43] = np.inf, np.nan, -3.0
    spoilt[33, 40:43] = -np.inf
    for one, other in zip(complete(clean), complete(spoilt), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_dense_checkerboard_is_filled_from_a_thinned_mesh() -> None:
    truth = plane(WIDE)
    sparse = np.where(np.indices(WIDE).sum(axis=0) % 2, truth, np.float32(0))
    found = complete(sparse)
    assert (found.source != Source.NONE).all()
    np.testing.assert_array_equal(found.depth[sparse > 0], sparse[sparse > 0])
    np.testing.assert_allclose(found.depth[5:-5, 5:-5], truth[5:-5, 5:-5], rtol=0.01)


def test_no_point_gives_nothing() -> None:
    found = complete(np.zeros(SHAPE, np.float32), noise_picture())
    assert not found.source.any()
    assert np.isnan(found.depth).all()
    assert np.isnan(found.sigma).all()


def test_a_dense_image_with_a_hole_is_closed_smoothly() -> None:
    truth = plane()
    sparse = truth.copy()
    sparse[50:56, 80:90] = 0
    found = complete(sparse, noise_picture())
    hole = sparse == 0
    assert (found.source[hole] == Source.COMPLETED).all()
    np.testing.assert_allclose(found.depth[hole], truth[hole], rtol=1e-3)


def test_completed_depth_stays_between_the_measurements() -> None:
    random = np.random.default_rng(2)
    sparse = np.zeros(SHAPE, np.float32)
    at = random.integers(0, SHAPE[0], 400), random.integers(0, SHAPE[1], 400)
    sparse[at] = random.uniform(2, 80, 400)
    found = complete(sparse, noise_picture())
    known = found.source != Source.NONE
    assert np.nanmin(found.depth[known]) >= 2 / 1.4 - 1e-3
    assert np.nanmax(found.depth[known]) <= 80 * 1.4 + 1e-3


def test_a_picture_edge_moves_the_depth_edge_towards_it() -> None:
    truth = np.where(np.arange(SHAPE[1]) < 100, 5.0, 20.0).astype(np.float32) * np.ones(SHAPE, np.float32)
    truth[:, :] = np.where(np.mgrid[: SHAPE[0], : SHAPE[1]][0] < 56, 20.0, 5.0)
    picture = np.where(truth[..., None] > 10, 230, 20).astype(np.uint8) * np.ones(3, np.uint8)
    sparse = scan_lines(truth)
    plain, guided = complete(sparse), complete(sparse, picture)
    band = (slice(50, 65), slice(20, 180))
    assert np.abs(guided.depth - truth)[band].mean() < np.abs(plain.depth - truth)[band].mean()


def test_sigma_grows_at_silhouettes() -> None:
    truth = plane()
    truth[:, 100:] += 30
    found = complete(scan_lines(truth))
    assert np.nanmedian(found.sigma[30:90, 97:103]) > 5 * np.nanmedian(found.sigma[30:90, 40:60])


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1), (3, 3), (2, 7)])
def test_tiny_images(shape: tuple[int, int]) -> None:
    sparse = np.zeros(shape, np.float32)
    sparse[0, 0] = sparse[-1, -1] = 4.0
    found = complete(sparse, noise_picture(shape))
    np.testing.assert_allclose(found.depth[found.source != Source.NONE], 4.0, rtol=1e-5)


def test_inputs_are_left_alone() -> None:
    sparse, picture = scan_lines(plane()), noise_picture()
    before = sparse.copy(), picture.copy()
    complete(sparse, picture)
    np.testing.assert_array_equal(sparse, before[0])
    np.testing.assert_array_equal(picture, before[1])


def test_number_of_threads_does_not_change_the_result() -> None:
    sparse, picture = scan_lines(plane()), noise_picture()
    threads = cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        one = complete(sparse, picture)
        cv2.setNumThreads(2)
        two = complete(sparse, picture)
    finally:
        cv2.setNumThreads(threads)
    np.testing.assert_array_equal(one.depth, two.depth)
