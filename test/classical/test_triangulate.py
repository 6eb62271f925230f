from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.interpolate import LinearNDInterpolator
from scipy.spatial import Delaunay

from depth_ros.classical.triangulate import MOST_POINTS, delaunay_edges, interpolate, mesh_points


def random_pixels(
    count: int, shape: tuple[int, int], seed: int = 0
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    random = np.random.default_rng(seed)
    flat = np.sort(random.choice(shape[0] * shape[1], count, replace=False))
    return flat // shape[1], flat % shape[1], random.uniform(0.01, 1, count)


def test_the_mesh_is_a_triangulation_of_every_point() -> None:
    rows, columns, _ = random_pixels(300, (80, 120))
    edges = delaunay_edges(rows, columns)
    assert len(np.unique(np.sort(edges, axis=1), axis=0)) == len(edges)
    assert set(edges.ravel()) == set(range(300))
    qhull = Delaunay(np.column_stack([columns, rows]))
    expected = 300 + len(qhull.simplices) - 1
    assert abs(len(edges) - expected) <= 5


@pytest.mark.parametrize("seed", range(3))
def test_interpolation_equals_scipy_wherever_both_have_the_same_triangles(seed: int) -> None:
    shape = (60, 90)
    rows, columns, value = random_pixels(200, shape, seed)
    found = interpolate(delaunay_edges(rows, columns), rows, columns, value, shape)
    grid = np.mgrid[: shape[0], : shape[1]]
    expected = LinearNDInterpolator(np.column_stack([columns, rows]), value)(grid[1], grid[0])
    both = found.inside & np.isfinite(expected)
    same = np.isclose(found.value[both], expected[both], atol=1e-5)
    # four points on one circle, which pixels often are, have two equally good triangulations
    assert same.mean() > 0.9
    np.testing.assert_allclose(found.value[rows, columns], value, rtol=1e-6)


def test_a_linear_function_is_reproduced_exactly() -> None:
    shape = (70, 50)
    rows, columns, _ = random_pixels(150, shape)
    grid_rows, grid_columns = np.mgrid[: shape[0], : shape[1]]
    value = (3 * rows - 2 * columns + 500).astype(np.float64)
    found = interpolate(delaunay_edges(rows, columns, 2.5), rows, columns, value, shape)
    assert found.inside.mean() > 0.8
    np.testing.assert_allclose(
        found.value[found.inside], (3 * grid_rows - 2 * grid_columns + 500)[found.inside], rtol=1e-5
    )


def test_stretching_joins_points_above_one_another() -> None:
    rows, columns = np.array([0, 0, 10, 10]), np.array([0, 8, 3, 11])
    stretched = {tuple(sorted(edge)) for edge in delaunay_edges(rows, columns, 3.0).tolist()}
    assert (1, 2) in stretched
    assert (0, 3) not in stretched


@pytest.mark.parametrize("pixels", [[], [(3, 4)], [(0, 0), (5, 5)], [(2, 0), (2, 5), (2, 9)], [(0, 3), (4, 3), (9, 3)]])
def test_points_without_a_triangle(pixels: list[tuple[int, int]]) -> None:
    rows = np.array([row for row, _ in pixels], dtype=np.intp)
    columns = np.array([column for _, column in pixels], dtype=np.intp)
    found = interpolate(delaunay_edges(rows, columns), rows, columns, np.ones(len(rows)), (10, 10))
    assert np.isfinite(found.value).all()
    np.testing.assert_allclose(found.value[found.inside], 1.0)


def test_the_mesh_needs_no_point_inside_a_dense_patch() -> None:
    measured = np.zeros((40, 50), np.bool_)
    measured[10:20, 10:30] = True
    rows, columns = mesh_points(measured)
    assert len(rows) == 2 * 10 + 2 * 20 - 4
    assert measured[rows, columns].all()


def test_few_points_are_all_kept_and_many_are_thinned_evenly() -> None:
    few = np.random.default_rng(0).random((375, 1242)) < 0.05
    rows, columns = mesh_points(few)
    np.testing.assert_array_equal(np.column_stack([rows, columns]), np.argwhere(few))
    many = np.random.default_rng(0).random((601, 803)) < 0.5
    rows, columns = mesh_points(many)
    assert MOST_POINTS / 3 < len(rows) <= MOST_POINTS
    assert many[rows, columns].all()
    assert len(np.unique(rows * 803 + columns)) == len(rows)
    kept = np.zeros_like(many)
    kept[rows, columns] = True
    assert (np.diff(np.flatnonzero(kept)) > 0).all()
    assert abs(np.count_nonzero(kept[:300]) - np.count_nonzero(kept[300:600])) < 0.05 * len(rows)


@pytest.mark.parametrize("value", [False, True])
def test_nothing_and_everything_measured_need_no_mesh(value: bool) -> None:
    assert not len(mesh_points(np.full((20, 30), value))[0])
