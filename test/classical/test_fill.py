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
