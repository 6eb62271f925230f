"""Rigid motion: 4x4 matrices that map points of a child frame into its parent, p_parent = T p_child."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from depth_ros.errors import GeometryError

FloatArray = NDArray[np.float64]


def from_xyz_quat(xyz: Sequence[float], quat: Sequence[float]) -> FloatArray:
    """Build T [4,4] from a translation in metres and a quaternion (x, y, z, w), as TF gives them.

    Raises GeometryError when a value is not finite or the quaternion is far from unit length.
    """
    with np.errstate(over="ignore"):
        norm = float(np.linalg.norm(quat))
    if len(xyz) != 3 or len(quat) != 4 or not np.isfinite([*xyz, *quat]).all() or abs(norm - 1) > 0.01:
        raise GeometryError(
            f"transform xyz {list(xyz)} quat {list(quat)}: give 3 metres and a unit quaternion (x y z w)"
        )
    return from_rotation(Rotation.from_quat(np.asarray(quat, dtype=np.float64)).as_matrix(), xyz)


def from_rotation(rotation: NDArray[np.float64], translation: Sequence[float] | FloatArray) -> FloatArray:
    """Build T [4,4] from a rotation matrix [3,3] and a translation [3] in metres."""
    T = np.eye(4)
    T[:3, :3] = rotation
    T[:3, 3] = translation
    return T


def to_xyz_quat(T: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Split T [4,4] into its translation [3] in metres and its unit quaternion [4] (x, y, z, w)."""
    return T[:3, 3].copy(), np.asarray(Rotation.from_matrix(T[:3, :3]).as_quat(), dtype=np.float64)


def apply(T: FloatArray, xyz: NDArray[np.floating]) -> NDArray[np.floating]:
    """Map points [N,3] by T, in the dtype of the points."""
    rotation, translation = T[:3, :3].astype(xyz.dtype), T[:3, 3].astype(xyz.dtype)
    mapped = xyz @ rotation.T
    # Column by column: a broadcast along three numbers costs as much as the product.
    for axis in range(3):
        mapped[:, axis] += translation[axis]
    return mapped


def invert(T: FloatArray) -> FloatArray:
    """Return the inverse motion by transposition (exact for a rotation, no matrix inversion)."""
    return from_rotation(T[:3, :3].T, -T[:3, :3].T @ T[:3, 3])


def compose(*motions: FloatArray) -> FloatArray:
    """Chain motions from left to right: T_a_b then T_b_c give T_a_c."""
    T = np.eye(4)
    for motion in motions:
        T = T @ motion
    return T
