from __future__ import annotations

import numpy as np
import pytest

from depth_ros.synthetic.building import THICK, Opening, add_ceiling, add_floor, add_leaf, add_partition, wall_frame
from depth_ros.synthetic.cast import cast
from depth_ros.synthetic.floor import FloorSpace
from depth_ros.synthetic.grid import RayGrid
from depth_ros.synthetic.kit import Kit, make_kit
from depth_ros.synthetic.shapes import FloatArray

RAY = RayGrid(np.zeros(1), np.zeros(1), np.ones(1))


@pytest.fixture
def kit() -> Kit:
    return make_kit(np.random.default_rng(3))


def look(at: tuple[float, float, float], towards: tuple[float, float, float]) -> FloatArray:
    z = np.array(towards) / np.linalg.norm(towards)
    x = np.cross((0.3, 0.7, 0.2), z)
    x /= np.linalg.norm(x)
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = np.column_stack([x, np.cross(z, x), z]), at
    return T


def distance(kit: Kit, at: tuple[float, float, float], towards: tuple[float, float, float]) -> float:
    return float(cast(kit.builder.build(np.zeros(3), 100.0), look(at, towards), RAY).t[0, 0])


def test_a_wall_frame_leads_from_start_to_end() -> None:
    T, length = wall_frame((1, 2), (1, 5))
    assert length == 3
    np.testing.assert_allclose(T @ (length, 0, 0, 1), (1, 5, 0, 1), atol=1e-12)
    np.testing.assert_allclose(T @ (0, 1, 0, 1), (0, 2, 0, 1), atol=1e-12)


def test_a_partition_without_doors_is_seen_from_both_sides(kit: Kit) -> None:
    floor = FloorSpace((0, 0, 4, 4))
    add_partition(kit, floor, (2, 0), (2, 4), 2.5, 0)
    for x, way in ((0.5, 1.0), (3.5, -1.0)):
        assert distance(kit, (x, 2, 1.2), (way, 0, 0)) == pytest.approx(1.5 - THICK / 2)
    assert not floor.is_free((1.9, 1, 2.1, 2))


@pytest.mark.parametrize("seed", range(5))
def test_a_doorway_is_open_below_its_head_and_kept_clear(seed: int) -> None:
    kit, floor = make_kit(np.random.default_rng(seed)), FloorSpace((0, 0, 4, 4))
    add_partition(kit, floor, (2, 0), (2, 4), 2.8, 1)
    blocked = [not floor.is_free((2 - 0.05, y, 2 + 0.05, y + 0.01), margin=0.0) for y in np.arange(0.05, 3.9, 0.1)]
    assert all(blocked)
    assert not all(floor.has_wall((1.9, y, 2.1, y + 0.01)) for y in np.arange(0.05, 3.9, 0.1))
    assert distance(kit, (0.5, 2, 2.7), (1, 0, 0)) == pytest.approx(1.5 - THICK / 2)


def test_a_closed_leaf_stops_the_view(kit: Kit) -> None:
    add_leaf(kit, np.eye(4), Opening(0.0, 1.0, 0.0, 2.0), 0.0)
    assert distance(kit, (0.5, 3, 1.5), (0, -1, 0)) == pytest.approx(2.98)


def test_floor_and_ceiling_face_the_room(kit: Kit) -> None:
    add_floor(kit, (0, 0, 4, 4))
    add_ceiling(kit, (0, 0, 4, 4), 2.5)
    assert distance(kit, (2, 2, 1), (0, 0, -1)) == pytest.approx(1.0)
    assert distance(kit, (2, 2, 1), (0, 0, 1)) == pytest.approx(1.5)
    assert distance(kit, (2, 2, 4), (0, 0, -1)) == pytest.approx(4.0)
