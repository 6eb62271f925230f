from __future__ import annotations

import cv2
import numpy as np
import pytest

from depth_ros.classical.triangulate import delaunay_edges
from depth_ros.geometry.lidar import SEE_THROUGH_WINDOW, see_through_window
from depth_ros.geometry.spacing import Spacing, distance_to_empty, line_spacing, measure_gap, measure_stretch


def distances(measured: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.distanceTransform((~measured).astype(np.uint8), cv2.DIST_L2, 5))


def spacing(measured: np.ndarray) -> Spacing:
    rows, columns = np.nonzero(measured)
    stretch = measure_stretch(rows, columns, measured.shape)
    edges = delaunay_edges(rows, columns, stretch)
    distance = distances(measured)
    clearance = distance[rows[edges].sum(axis=1) // 2, columns[edges].sum(axis=1) // 2]
    return Spacing(measure_gap(rows, columns, distance, clearance), stretch)


@pytest.mark.parametrize("gap", [8, 20, 40])
def test_gap_and_direction_of_scan_lines(gap: int) -> None:
    measured = np.zeros((300, 400), dtype=np.bool_)
    measured[10::gap, ::3] = True
    found = spacing(measured)
    assert found.gap == pytest.approx(gap, rel=0.2)
    assert found.stretch > 1.9
    assert line_spacing(np.flatnonzero(measured), measured.shape) == (3.0, gap)


def test_an_empty_area_does_not_widen_the_gap() -> None:
    measured = np.zeros((300, 1000), dtype=np.bool_)
    measured[10::8, :150:3] = measured[10::8, 850::3] = True
    assert spacing(measured).gap == pytest.approx(8, rel=0.2)


def test_the_gap_is_bounded() -> None:
    measured = np.zeros((300, 400), dtype=np.bool_)
    measured[::299, ::3] = True
    assert spacing(measured).gap == 300 / 4
    measured[:] = False
    measured[::299, ::399] = True
    assert spacing(measured).gap == 2


def test_random_points_have_no_direction() -> None:
    measured = np.random.default_rng(0).random((300, 300)) < 0.02
    found = spacing(measured)
    assert 0.7 < found.stretch < 1.4
    assert 1.5 < found.gap * np.sqrt(0.02) < 2.3


def test_see_through_window_follows_the_dense_lines_only() -> None:
    def window(measured: np.ndarray) -> tuple[int, int]:
        return see_through_window(np.flatnonzero(measured), measured.shape)

    measured = np.zeros((375, 1242), np.bool_)
    assert window(measured) == SEE_THROUGH_WINDOW
    measured[100::5, ::3] = True
    assert window(measured) == SEE_THROUGH_WINDOW
    sparse = np.zeros_like(measured)
    sparse[100::24, ::3] = True
    assert window(sparse) == (25, 9)
    sparse[200:300:5, ::3] = True
    assert window(sparse) == SEE_THROUGH_WINDOW


def test_line_spacing_is_what_the_written_rule_says() -> None:
    rng = np.random.default_rng(3)
    for share in (0.02, 0.1, 0.5):
        measured = rng.random((60, 90)) < share
        rows, columns = np.nonzero(measured)
        step = np.median(np.diff(columns)[np.diff(rows) == 0])
        reach = round(step)
        gaps = []
        for column in range(0, 90, reach):
            lines = np.asarray(measured[:, max(0, column - reach) : column + reach + 1].any(axis=1))
            starts = np.flatnonzero(lines[1:] & ~lines[:-1])
            gaps += np.diff(starts[starts >= rows[0] - 1]).tolist()
        assert line_spacing(np.flatnonzero(measured), measured.shape) == (step, np.quantile(gaps, 0.25))


def test_discs_bridge_gaps_up_to_twice_their_radius() -> None:
    measured = np.zeros((100, 100), dtype=np.bool_)
    measured[20, :] = measured[36, :] = measured[80, :] = True
    radius = 10.0
    hull = distance_to_empty(distances(measured).astype(np.float32), radius) >= radius
    assert hull[20:37].all()
    assert not hull[50:70].any()
    assert not hull[:10].any()
    assert np.isinf(distance_to_empty(np.zeros((5, 5), np.float32), radius)).all()
