from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.interpolate import LinearNDInterpolator
from scipy.spatial import Delaunay

from depth_ros.classical.triangulate import delaunay_edges, interpolate


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
