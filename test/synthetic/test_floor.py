from __future__ import annotations

import numpy as np

from depth_ros.synthetic.floor import FloorSpace, bounds
from depth_ros.synthetic.kit import shifted


def test_taken_and_kept_clear_are_not_free() -> None:
    floor = FloorSpace((0, 0, 4, 3))
    assert floor.is_free((1, 1, 2, 2))
    floor.take((1.5, 1.5, 2.5, 2.5))
    floor.keep_clear((3, 0, 4, 1))
    assert not floor.is_free((1, 1, 2, 2))
    assert not floor.is_free((3.5, 0.5, 3.9, 0.9))
    assert not floor.is_free((3.5, 2, 4.1, 2.5))
    assert floor.is_free((0.1, 0.1, 1, 1))
    assert not floor.is_free((0.5, 1.5, 1.49, 2.5), margin=0.02)


def test_openings_bear_nothing_but_take_no_floor() -> None:
    floor = FloorSpace((0, 0, 4, 3))
    floor.open_wall((1, -0.1, 2, 0.1))
    assert not floor.has_wall((1.5, 0, 1.7, 0.05))
    assert floor.has_wall((3, 0, 3.5, 0.05))
    assert floor.is_free((1, 0, 2, 0.5))


def test_stands_keep_clear_of_things_and_look_along_the_floor() -> None:
    floor = FloorSpace((0, 0, 20, 2))
    floor.take((9, 0, 11, 1))
    stands = floor.stands(np.random.default_rng(0), 20)
    points = stands[:, :2, 3]
    gap = np.maximum(np.maximum((9, 0) - points, points - (11, 1)), 0)
    assert np.linalg.norm(gap, axis=1).min() > 0.3
    assert ((points > 0) & (points < (20, 2))).all()
    # The view along the floor is ten times as long as that across it.
    assert np.mean(np.abs(stands[:, 0, 0]) > 0.8) > 0.8


def test_a_full_floor_has_a_stand_all_the_same() -> None:
    floor = FloorSpace((0, 0, 2, 2))
    floor.take((0, 0, 2, 2))
    assert floor.stands(np.random.default_rng(0), 5).shape == (1, 4, 4)


def test_bounds_of_a_turned_rectangle() -> None:
    T = shifted(np.eye(4), (5.0, 1.0, 0.0), np.pi / 2)
    np.testing.assert_allclose(bounds(T, (-1, 0), (1, 0.5)), (4.5, 0, 5, 2), atol=1e-12)
