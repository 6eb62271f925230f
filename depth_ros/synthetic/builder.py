"""Gathers shapes one by one and packs them into the arrays of a Scene."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from depth_ros.synthetic.shapes import FloatArray, Holes, Materials, Quads, Scene, Solids, Texture

# Vertices of a hexahedron: 0-3 the bottom and 4-7 the top, each counter-clockwise seen from above.
_FACES = np.array([(0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7), (4, 5, 6, 7), (3, 2, 1, 0)])
Vector = Sequence[float] | FloatArray


class SceneBuilder:
    """Collects materials, quads and solids; every shape is given in a local frame `T` (4x4, local to world)."""

    def __init__(self) -> None:
        self._materials: list[tuple[ArrayLike, ArrayLike, int, ArrayLike, float, int, float]] = []
        self._quads: list[tuple[FloatArray, FloatArray | None, int]] = []
        self._ellipsoids: list[tuple[FloatArray, FloatArray, int]] = []
        self._cylinders: list[tuple[FloatArray, FloatArray, float, int]] = []

    def material(
        self,
        colour: ArrayLike,
        texture: Texture = Texture.PLAIN,
        accent: ArrayLike = (0.05, 0.05, 0.05),
        period: tuple[float, float] = (1.0, 1.0),
        gloss: float = 0.0,
        holes: Holes = Holes.NONE,
        hole_size: float = 1.0,
    ) -> int:
        """Add a material (see `Materials`) and return its number; only quads have holes."""
        self._materials.append((colour, accent, int(texture), period, gloss, int(holes), hole_size))
        return len(self._materials) - 1

    def quad(self, T: FloatArray, vertices: ArrayLike, material: int, uv: ArrayLike | None = None) -> None:
        """Add a quad of vertices [4,3], counter-clockwise from its front; uv is in metres from the first vertex."""
        coordinates = None if uv is None else np.asarray(uv, dtype=np.float64)[None]
        self._quads.append((_point(T, vertices)[None], coordinates, material))

    def quads(self, vertices: FloatArray, material: int, uv: FloatArray | None = None) -> None:
        """Add quads of vertices [P,4,3], world, and uv [P,4,2] at once; uv is in metres from the first vertex."""
        self._quads.append((vertices, uv, material))

    def plate(self, T: FloatArray, vertices: ArrayLike, material: int) -> None:
        """Add a quad that is seen from both sides, with the same holes."""
        front = _point(T, vertices)[None]
        uv = _metric_uv(front)
        self._quads.append((np.concatenate([front, front[:, ::-1]]), np.concatenate([uv, uv[:, ::-1]]), material))

    def box(self, T: FloatArray, low: Vector, high: Vector, material: int) -> None:
        """Add an oriented box between two corners [3] of its local frame."""
        self.frustum(T, low, high, (0.0, 0.0), (0.0, 0.0), material)

    def frustum(
        self,
        T: FloatArray,
        low: Vector,
        high: Vector,
        inset_low: tuple[float, float],
        inset_high: tuple[float, float],
        material: int,
    ) -> None:
        """Add a box whose top is drawn in by `inset_low` at its low, and `inset_high` at its high, x and y."""
        bottom = _rectangle(low[:2], high[:2], low[2])
        top = _rectangle(np.add(low[:2], inset_low), np.subtract(high[:2], inset_high), high[2])
        corners = _point(T, np.concatenate([bottom, top]))
        self._quads.append((corners[_FACES], None, material))

    def ellipsoid(self, T: FloatArray, centre: ArrayLike, radii: ArrayLike, material: int) -> None:
        """Add an ellipsoid with half axes `radii` [3] along the local axes."""
        axes = T[:3, :3] * np.asarray(radii, dtype=np.float64)
        self._ellipsoids.append((_point(T, centre), axes, material))

    def cylinder(self, T: FloatArray, start: ArrayLike, end: ArrayLike, radius: float, material: int) -> None:
        """Add a closed cylinder between the two centres [3] of its ends."""
        first, last = _point(T, start), _point(T, end)
        self._cylinders.append((first, last, radius, material))

    def build(self, sun: ArrayLike, haze: float, lamps: ArrayLike = (), shadow_texel: float = 0.05) -> Scene:
        """Pack everything that was added into a Scene (see there for the rest)."""
        colour, accent, texture, period, gloss, holes, hole_size = zip(*self._materials, strict=True)
        materials = Materials(
            np.array(colour, dtype=np.float32),
            np.array(accent, dtype=np.float32),
            np.array(texture, dtype=np.int32),
            np.array(period, dtype=np.float32),
            np.array(gloss, dtype=np.float32),
            np.array(holes, dtype=np.int32),
            np.array(hole_size, dtype=np.float64),
        )
        quads, ellipsoids, cylinders = self._pack_quads(), self._pack_ellipsoids(), self._pack_cylinders()
        lights = np.asarray(lamps, dtype=np.float64).reshape(-1, 5)
        towards_sun = np.asarray(sun, dtype=np.float64)
        return Scene(quads, ellipsoids, cylinders, materials, towards_sun, haze, lights, shadow_texel)

    def _pack_quads(self) -> Quads:
        if not self._quads:
            return Quads(np.empty((0, 4, 3)), np.empty((0, 4, 2)), np.empty(0, np.int32))
        blocks, coordinates, materials = zip(*self._quads, strict=True)
        counts = [len(block) for block in blocks]
        vertices = np.concatenate(blocks)
        uv = _metric_uv(vertices)
        given = np.repeat([block is not None for block in coordinates], counts)
        if given.any():
            uv[given] = np.concatenate([block for block in coordinates if block is not None])
        return Quads(vertices, uv, np.repeat(np.array(materials, dtype=np.int32), counts))

    def _pack_ellipsoids(self) -> Solids:
        centre = np.array([row[0] for row in self._ellipsoids], dtype=np.float64).reshape(-1, 3)
        axes = np.array([row[1] for row in self._ellipsoids], dtype=np.float64).reshape(-1, 3, 3)
        return Solids(centre, axes, np.array([row[2] for row in self._ellipsoids], dtype=np.int32))

    def _pack_cylinders(self) -> Solids:
        ends = np.array([row[:2] for row in self._cylinders], dtype=np.float64).reshape(-1, 2, 3)
        radius = np.array([row[2] for row in self._cylinders], dtype=np.float64)[:, None]
        half = (ends[:, 1] - ends[:, 0]) / 2
        along = half / np.linalg.norm(half, axis=1, keepdims=True)
        across = np.cross(along, np.eye(3)[np.argmin(np.abs(along), axis=1)])
        across /= np.linalg.norm(across, axis=1, keepdims=True)
        axes = np.stack([across * radius, np.cross(along, across) * radius, half], axis=2)
        return Solids(ends[:, 0] + half, axes, np.array([row[3] for row in self._cylinders], dtype=np.int32))


def _rectangle(low: ArrayLike, high: ArrayLike, z: float) -> FloatArray:
    (x0, y0), (x1, y1) = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    return np.array([[x0, y0, z], [x1, y0, z], [x1, y1, z], [x0, y1, z]])


def _point(T: FloatArray, xyz: ArrayLike) -> FloatArray:
    return np.asarray(np.asarray(xyz, dtype=np.float64) @ T[:3, :3].T + T[:3, 3], dtype=np.float64)


def _metric_uv(vertices: FloatArray) -> FloatArray:
    """Coordinates [P,4,2] in metres of vertices [P,4,3]: from the first one, u towards the second."""
    along = vertices[:, 1] - vertices[:, 0]
    normal = np.cross(along, vertices[:, 2] - vertices[:, 0])
    u = along / np.linalg.norm(along, axis=1, keepdims=True)
    v = np.cross(normal / np.linalg.norm(normal, axis=1, keepdims=True), u)
    return np.asarray((vertices - vertices[:, :1]) @ np.stack([u, v], axis=2), dtype=np.float64)
