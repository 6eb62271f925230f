"""Gathers shapes one by one and packs them into the arrays of a Scene."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from depth_ros.geometry import rigid
from depth_ros.synthetic.shapes import FloatArray, Materials, Quads, Scene, Solids, Street, Texture

# Vertices of a hexahedron: 0-3 the bottom and 4-7 the top, each counter-clockwise seen from above.
_FACES = ((0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7), (4, 5, 6, 7), (3, 2, 1, 0))


class SceneBuilder:
    """Collects materials, quads and solids; every shape is given in a local frame `T` (4x4, local to world)."""

    def __init__(self) -> None:
        self._materials: list[tuple[ArrayLike, ArrayLike, int, ArrayLike, float]] = []
        self._quads: list[tuple[FloatArray, FloatArray, int]] = []
        self._ellipsoids: list[tuple[FloatArray, FloatArray, int]] = []
        self._cylinders: list[tuple[FloatArray, FloatArray, int]] = []

    def material(
        self,
        colour: ArrayLike,
        texture: Texture = Texture.PLAIN,
        accent: ArrayLike = (0.05, 0.05, 0.05),
        period: tuple[float, float] = (1.0, 1.0),
        gloss: float = 0.0,
    ) -> int:
        """Add a material (see `Materials`) and return its number."""
        self._materials.append((colour, accent, int(texture), period, gloss))
        return len(self._materials) - 1

    def quad(self, T: FloatArray, vertices: ArrayLike, material: int, uv: ArrayLike | None = None) -> None:
        """Add a quad of vertices [4,3], counter-clockwise from its front; uv is in metres from the first vertex."""
        local = np.asarray(vertices, dtype=np.float64)
        coordinates = _metric_uv(local) if uv is None else np.asarray(uv, dtype=np.float64)
        self._quads.append((_point(T, local), coordinates, material))

    def plate(self, T: FloatArray, vertices: ArrayLike, material: int) -> None:
        """Add a quad that is seen from both sides."""
        local = np.asarray(vertices, dtype=np.float64)
        self.quad(T, local, material)
        self.quad(T, local[::-1], material)

    def box(self, T: FloatArray, low: Sequence[float], high: Sequence[float], material: int) -> None:
        """Add an oriented box between two corners [3] of its local frame."""
        self.frustum(T, low, high, (0.0, 0.0), (0.0, 0.0), material)

    def frustum(
        self,
        T: FloatArray,
        low: Sequence[float],
        high: Sequence[float],
        inset_low: tuple[float, float],
        inset_high: tuple[float, float],
        material: int,
    ) -> None:
        """Add a box whose top is drawn in by `inset_low` at its low, and `inset_high` at its high, x and y."""
        bottom = _rectangle(low[:2], high[:2], low[2])
        top = _rectangle(np.add(low[:2], inset_low), np.subtract(high[:2], inset_high), high[2])
        corners = np.concatenate([bottom, top])
        for face in _FACES:
            self.quad(T, corners[list(face)], material)

    def ellipsoid(self, T: FloatArray, centre: ArrayLike, radii: ArrayLike, material: int) -> None:
        """Add an ellipsoid with half axes `radii` [3] along the local axes."""
        axes = T[:3, :3] * np.asarray(radii, dtype=np.float64)
        self._ellipsoids.append((_point(T, centre), axes, material))

    def cylinder(self, T: FloatArray, start: ArrayLike, end: ArrayLike, radius: float, material: int) -> None:
        """Add a closed cylinder between the two centres [3] of its ends."""
        first, last = _point(T, start), _point(T, end)
        half = (last - first) / 2
        along = half / np.linalg.norm(half)
        across = np.cross(along, np.eye(3)[np.argmin(np.abs(along))])
        across /= np.linalg.norm(across)
        axes = np.column_stack([across * radius, np.cross(along, across) * radius, half])
        self._cylinders.append((first + half, axes, material))

    def build(self, street: Street, sun: FloatArray, haze: float) -> Scene:
        """Pack everything that was added into a Scene."""
        colour, accent, texture, period, gloss = zip(*self._materials, strict=True)
        materials = Materials(
            np.array(colour, dtype=np.float32),
            np.array(accent, dtype=np.float32),
            np.array(texture, dtype=np.int32),
            np.array(period, dtype=np.float32),
            np.array(gloss, dtype=np.float32),
        )
        quads = Quads(*_pack(self._quads, (4, 3), (4, 2)))
        ellipsoids, cylinders = (Solids(*_pack(rows, (3,), (3, 3))) for rows in (self._ellipsoids, self._cylinders))
        return Scene(quads, ellipsoids, cylinders, materials, street, sun, haze)


def _pack(
    rows: list[tuple[FloatArray, FloatArray, int]], first: tuple[int, ...], second: tuple[int, ...]
) -> tuple[FloatArray, FloatArray, np.ndarray[tuple[int], np.dtype[np.int32]]]:
    count = len(rows)
    a = np.array([row[0] for row in rows], dtype=np.float64).reshape(count, *first)
    b = np.array([row[1] for row in rows], dtype=np.float64).reshape(count, *second)
    return a, b, np.array([row[2] for row in rows], dtype=np.int32)


def _rectangle(low: ArrayLike, high: ArrayLike, z: float) -> FloatArray:
    (x0, y0), (x1, y1) = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    return np.array([[x0, y0, z], [x1, y0, z], [x1, y1, z], [x0, y1, z]])


def _point(T: FloatArray, xyz: ArrayLike) -> FloatArray:
    return np.asarray(rigid.apply(T, np.asarray(xyz, dtype=np.float64)), dtype=np.float64)


def _metric_uv(vertices: FloatArray) -> FloatArray:
    along = vertices[1] - vertices[0]
    normal = np.cross(along, vertices[2] - vertices[0])
    u = along / np.linalg.norm(along)
    v = np.cross(normal / np.linalg.norm(normal), u)
    return np.asarray((vertices - vertices[0]) @ np.column_stack([u, v]), dtype=np.float64)
