from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from depth_ros.errors import GeometryError
from depth_ros.geometry import rigid

vectors = st.tuples(*[st.floats(-10, 10)] * 3)
turns = st.tuples(*[st.floats(-3, 3)] * 3)


def motion(xyz: tuple[float, ...], turn: tuple[float, ...]) -> rigid.FloatArray:
    return rigid.from_xyz_quat(xyz, Rotation.from_rotvec(turn).as_quat().tolist())


def test_quarter_turn_about_z_maps_x_to_y() -> None:
    T = rigid.from_xyz_quat([1, 2, 3], [0, 0, np.sqrt(0.5), np.sqrt(0.5)])
    np.testing.assert_allclose(rigid.apply(T, np.array([[1.0, 0, 0]])), [[1, 3, 3]], atol=1e-12)


@given(vectors, turns, vectors)
def test_invert_undoes_apply(xyz: tuple[float, ...], turn: tuple[float, ...], point: tuple[float, ...]) -> None:
    T = motion(xyz, turn)
    np.testing.assert_allclose(rigid.apply(rigid.invert(T), rigid.apply(T, np.array([point]))), [point], atol=1e-9)


@given(vectors, turns, vectors, turns)
def test_compose_is_one_after_the_other(
    a: tuple[float, ...], b: tuple[float, ...], c: tuple[float, ...], d: tuple[float, ...]
) -> None:
    first, second, point = motion(a, b), motion(c, d), np.array([[1.0, -2, 3]])
    chained = rigid.apply(first, rigid.apply(second, point))
    np.testing.assert_allclose(rigid.apply(rigid.compose(first, second), point), chained, atol=1e-9)


@given(vectors, turns)
def test_xyz_quat_round_trip(xyz: tuple[float, ...], turn: tuple[float, ...]) -> None:
    T = motion(xyz, turn)
    np.testing.assert_allclose(rigid.from_xyz_quat(*(v.tolist() for v in rigid.to_xyz_quat(T))), T, atol=1e-9)


def test_apply_keeps_single_precision() -> None:
    assert rigid.apply(np.eye(4), np.zeros((3, 3), np.float32)).dtype == np.float32


@pytest.mark.parametrize(
    ("xyz", "quat"), [([0, 0], [0, 0, 0, 1]), ([0, 0, 0], [0, 0, 0, 0]), ([0, 0, np.nan], [0, 0, 0, 1])]
)
def test_impossible_transforms_are_refused(xyz: list[float], quat: list[float]) -> None:
    with pytest.raises(GeometryError, match="unit quaternion"):
        rigid.from_xyz_quat(xyz, quat)
