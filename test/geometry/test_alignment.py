"""Where the scan lies in the picture: a scene whose shift is known, and real frames with turned extrinsics."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from depth_ros.bags.source import open_source
from depth_ros.config import CompletionConfig
from depth_ros.geometry.alignment import REACH, best_shift, correlate, find_depth_edges
from depth_ros.pipelines.base import measure

WIDTH, HEIGHT, CELL = 620, 240, 2


def make_scene(seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Return the dense depth of boxes before a wall, and their picture."""
    rng = np.random.default_rng(seed)
    depth, rgb = np.full((HEIGHT, WIDTH), 30, np.float32), np.full((HEIGHT, WIDTH, 3), 100, np.uint8)
    for distance in np.linspace(20, 5, 8):
        column, row, width, height = rng.integers((40, 40, 20, 40), (WIDTH - 120, HEIGHT - 120, 70, 90))
        box = np.s_[row : row + height, column : column + width]
        depth[box], rgb[box] = distance, rng.integers(0, 256, 3)
    return depth, rgb


def draw_lines(depth: NDArray[np.float32], right: int = 0, down: int = 0) -> NDArray[np.float32]:
    """Return scan lines of a depth that is shifted by so many pixels."""
    rows, columns = np.indices(depth.shape)
    shifted = np.roll(depth, (down, right), axis=(0, 1))
    return np.where((rows % 6 == 0) & (columns % 2 == 0), shifted, np.float32(0))


@pytest.mark.parametrize(("right", "down"), [(0, 0), (20, 0), (-30, 0), (0, 16), (12, -24)])
def test_the_shift_of_the_scan_is_found(right: int, down: int) -> None:
    depth, rgb = make_scene()
    surface, edges, cell = correlate(draw_lines(depth, right, down), rgb)
    assert surface.shape == (2 * REACH + 1, 2 * REACH + 1)
    assert cell == CELL
    assert edges > 50
    shift = best_shift(surface, cell)
    assert abs(shift.right + right) <= 2 * cell
    assert abs(shift.down + down) <= 3 * cell
    assert shift.best > 4
    # Contours are mostly upright, so that a shift to the side shows more clearly than one up or down.
    assert shift.here < 0.5 * shift.best if right else shift.here > 0.8 * shift.best or down


def test_a_depth_edge_is_on_its_near_side() -> None:
    sparse = np.zeros((4, 20), np.float32)
    sparse[1, 0:10], sparse[1, 10:20] = 5, 10
    sparse[3, 0:10], sparse[3, 10:20] = 10, 5
    edges = find_depth_edges(sparse, 1)
    assert sorted(zip(*np.nonzero(edges))) == [(1, 9), (3, 10)]  # noqa: B905
    assert np.allclose(edges[edges > 0], np.log(2))


def test_returns_that_are_no_neighbours_make_no_edge() -> None:
    sparse = np.zeros((4, 40), np.float32)
    sparse[1, 0], sparse[1, 20], sparse[2, 21] = 5, 10, 20
    assert not find_depth_edges(sparse, 1).any()


@pytest.mark.parametrize("count", [0, 1])
def test_nothing_to_compare_is_no_shift(count: int) -> None:
    sparse = np.zeros((HEIGHT, WIDTH), np.float32)
    sparse.flat[:count] = 5
    shift = best_shift(correlate(sparse, make_scene()[1]).surface, CELL)
    assert (shift.best, shift.here) == (0, 0)


@pytest.mark.parametrize("size", [(1, 1), (3, 7), (50, 2000)])
def test_any_size_will_do(size: tuple[int, int]) -> None:
    found = correlate(np.full(size, 5, np.float32), np.zeros((*size, 3), np.uint8))
    assert np.isfinite(found.surface).all()


@pytest.mark.real
def test_turned_extrinsics_show_on_real_frames(real_data: Path) -> None:
    surfaces: dict[float, list[NDArray[np.float64]]] = {0.0: [], 3.0: [], -3.0: []}
    for sample in islice(open_source(real_data / "kitti" / "sequence_2011_09_26").samples(), 0, None, 8):
        assert sample.frame.T_cam_lidar is not None
        for degrees, found in surfaces.items():
            turn = np.eye(4)
            turn[:3, :3] = cv2.Rodrigues(np.array([0, np.deg2rad(degrees), 0]))[0]
            frame, sparse, *_ = measure(
                replace(sample.frame, T_cam_lidar=turn @ sample.frame.T_cam_lidar), CompletionConfig()
            )
            assert frame.rgb is not None
            found.append(correlate(sparse, frame.rgb).surface)
    for degrees, found in surfaces.items():
        shift = best_shift(np.sum(found, axis=0), 4)
        assert shift.right == pytest.approx(-np.tan(np.deg2rad(degrees)) * 721, abs=6)
        assert abs(shift.down) <= 8
        assert shift.best > 5
        assert (shift.here < 0.5 * shift.best) == (degrees != 0)
