"""Holes in flat surfaces: foliage, fences and nets as tiles of solid and open texels."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_ros.geometry import rigid
from depth_ros.synthetic.shapes import FloatArray, Holes, Scene

TEXELS = 512
CLUMPS = 2


class Perforations:
    """The perforated quads of a scene, seen from one view; where they are solid depends on u and v alone."""

    def __init__(self, scene: Scene, T_view_world: FloatArray) -> None:
        self._kinds, self._sizes, gradient, offset = hole_maps(scene)
        T_world_view = rigid.invert(T_view_world)
        self._gradient = gradient @ T_world_view[:3, :3]
        self._offset = offset + gradient @ T_world_view[:3, 3]
        self.any = bool((self._kinds > 0).any())

    def has(self, quad: int) -> bool:
        """Tell whether a quad has holes."""
        return bool(self._kinds[quad])

    def is_solid(self, quad: NDArray[np.int32] | np.int32, ray: FloatArray, inverse_t: FloatArray) -> NDArray[np.bool_]:
        """Tell, bool [N], which rays [N,3] in the view frame are stopped by their quad at 1 / `inverse_t` [N]."""
        quad = np.broadcast_to(quad, inverse_t.shape)
        solid = np.ones(len(inverse_t), dtype=bool)
        chosen = np.flatnonzero(self._kinds[quad])
        quad = quad[chosen]
        point = ray[chosen] / inverse_t[chosen, None]
        uv = np.einsum("nij,nj->ni", self._gradient[quad], point) + self._offset[quad]
        turns = uv / self._sizes[quad, None]
        column, row = np.minimum((turns - np.floor(turns)) * TEXELS, TEXELS - 1).astype(np.intp).T
        solid[chosen] = hole_tiles()[self._kinds[quad], row, column]
        return solid


@lru_cache(maxsize=4)
def hole_maps(scene: Scene) -> tuple[NDArray[np.int32], FloatArray, FloatArray, FloatArray]:
    """Return kind and size of all quads' holes [P] and, where there are some, uv = G p + g: G [P,2,3], g [P,2]."""
    quads, materials = scene.quads, scene.materials
    kinds = materials.holes[quads.material]
    some = np.flatnonzero(kinds)
    first, second = (quads.vertices[some, k] - quads.vertices[some, 0] for k in (1, 2))
    rows = np.stack([first, second, np.cross(first, second)], axis=1)
    steps = np.stack([quads.uv[some, k] - quads.uv[some, 0] for k in (1, 2)] + [np.zeros((len(some), 2))], axis=1)
    gradient, offset = np.zeros((len(kinds), 2, 3)), np.zeros((len(kinds), 2))
    gradient[some] = np.linalg.solve(rows, steps).transpose(0, 2, 1)
    offset[some] = quads.uv[some, 0] - np.einsum("pij,pj->pi", gradient[some], quads.vertices[some, 0])
    return kinds, materials.hole_size[quads.material], gradient, offset


@lru_cache(maxsize=1)
def hole_tiles() -> NDArray[np.bool_]:
    """Return the solid texels of every kind, bool [kinds, TEXELS (v), TEXELS (u)]."""
    place = np.arange(TEXELS) / TEXELS
    v, u = np.meshgrid(place, place, indexing="ij")
    pickets = (np.mod(8 * u, 1) < 0.55) & (v < 0.97)
    link = (np.mod(8 * (u + v), 1) < 0.13) | (np.mod(8 * (u - v), 1) < 0.13)
    mesh = (np.mod(8 * u, 1) < 0.12) | (np.mod(4 * v, 1) < 0.08)
    tiles = {
        Holes.NONE: np.ones((TEXELS, TEXELS), dtype=bool),
        Holes.LEAVES: _grow(leaf=(11.0, 5.0), count=190, reach=0.47),
        Holes.TWIGS: _grow(leaf=(26.0, 1.6), count=120, reach=0.48),
        Holes.PICKETS: pickets,
        Holes.LINK: link,
        Holes.MESH: mesh,
        Holes.WHEEL: _wheel(u - 0.5, v - 0.5),
        Holes.BARS: np.mod(8 * u, 1) < 0.25,
    }
    return np.stack([tiles[kind] for kind in Holes])


def _wheel(x: FloatArray, y: FloatArray) -> NDArray[np.bool_]:
    radius, turn = np.hypot(x, y), np.arctan2(y, x) / (2 * np.pi)
    spokes = np.mod(12 * turn, 1) * radius < 0.02
    return ((radius < 0.5) & (radius > 0.455)) | (radius < 0.05) | (spokes & (radius < 0.5))


def _grow(leaf: tuple[float, float], count: int, reach: float) -> NDArray[np.bool_]:
    """Draw CLUMPS x CLUMPS ragged clumps of leaves (half axes in texels), each inside its own part of the tile."""
    rng, size = np.random.default_rng(11), TEXELS // CLUMPS
    tile = np.zeros((TEXELS, TEXELS), np.uint8)
    for top in range(0, TEXELS, size):
        for left in range(0, TEXELS, size):
            part = np.zeros((size, size), np.uint8)
            gaps = rng.uniform(0.2, 0.8, (5, 2)) * size
            for _ in range(count):
                angle, radius = rng.uniform(0, 2 * np.pi), reach * np.sqrt(rng.random()) * rng.uniform(0.75, 1)
                centre = size * (0.5 + radius * np.array([np.cos(angle), np.sin(angle)]))
                if np.linalg.norm(gaps - centre, axis=1).min() < 0.07 * size:
                    continue
                axes = tuple(round(16 * half * rng.uniform(0.7, 1.3)) for half in leaf)
                at = tuple(round(16 * float(c)) for c in centre)
                turn = int(rng.uniform(0, 180))
                cv2.ellipse(part, at, axes, turn, 0, 360, 1, -1, cv2.LINE_8, 4)
            tile[top : top + size, left : left + size] = part
    return tile.astype(bool)
