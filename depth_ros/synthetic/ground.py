"""Ground along a road: a cross-section of strips, kerbs and banks that is swept along a centreline."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from depth_ros.geometry import rigid
from depth_ros.synthetic.builder import SceneBuilder
from depth_ros.synthetic.shapes import FloatArray, Street

_STEP = 0.5
_SECTION = 4.0


@dataclass(frozen=True, eq=False)
class Profile:
    """Cross-section of a road; what is between two neighbouring places is one strip.

    lateral: float64 [K], metres to the left of the centreline, ascending; a place given twice is a step. height:
    float64 [K], metres over the centreline. materials: K - 1 numbers.
    """

    lateral: FloatArray
    height: FloatArray
    materials: tuple[int, ...]


def draw_centreline(rng: np.random.Generator, start: float, end: float, turn: float, slope: float) -> Street:
    """Draw a centreline from arc length `start` < 0 to `end`: turns up to `turn` radians, slopes about `slope`."""
    s = np.arange(start, end + _STEP, _STEP)
    waves, phases = rng.uniform(50, 200, 2), rng.uniform(0, 2 * np.pi, 2)
    heading = turn * np.sin(2 * np.pi * s / waves[0] + phases[0])
    wave = waves[1] / (2 * np.pi)
    height = rng.normal(0, slope) * s + rng.normal(0, slope) * wave * np.sin(s / wave + phases[1])
    xy = np.cumsum(_STEP * np.column_stack([np.cos(heading), np.sin(heading)]), axis=0)
    zero = int(np.argmin(np.abs(s)))
    return Street(s, xy - xy[zero], heading, height - height[zero])


@dataclass(frozen=True, eq=False)
class Road:
    """A centreline with its cross-section."""

    line: Street
    profile: Profile

    def points(self, s: ArrayLike, lateral: ArrayLike, height: ArrayLike | None = None) -> FloatArray:
        """Return points [...,3], world, at arc lengths and metres to the left; on the ground without heights."""
        s, lateral = np.broadcast_arrays(np.asarray(s, dtype=np.float64), np.asarray(lateral, dtype=np.float64))
        heading = np.interp(s, self.line.s, self.line.heading)
        x, y = (np.interp(s, self.line.s, self.line.xy[:, axis]) for axis in (0, 1))
        above = np.interp(lateral, self.profile.lateral, self.profile.height) if height is None else height
        z = np.interp(s, self.line.s, self.line.height) + above
        return np.stack([x - lateral * np.sin(heading), y + lateral * np.cos(heading), z], axis=-1)

    def place(self, s: float, lateral: float, yaw: float = 0.0, tilted: bool = False) -> FloatArray:
        """Return the frame (4x4, local to world) of a thing on the ground: x along the road turned by `yaw`, z up.

        A `tilted` thing follows the slope of the road.
        """
        turn = float(np.interp(s, self.line.s, self.line.heading)) + yaw
        rise = np.interp([s - 1, s + 1], self.line.s, self.line.height)
        pitch = -np.arctan((rise[1] - rise[0]) / 2) * np.cos(yaw) if tilted else 0.0
        (cos, cp), (sin, sp) = np.cos((turn, pitch)), np.sin((turn, pitch))
        rotation = np.array([[cos * cp, -sin, cos * sp], [sin * cp, cos, sin * sp], [-sp, 0, cp]])
        return rigid.from_rotation(rotation, self.points(s, lateral))

    def front(self, s0: float, s1: float, lateral: float) -> tuple[FloatArray, float]:
        """Frame of a front beside the road, x along it and y away from the road, and its width in metres."""
        start, end = self.points((s0, s1) if lateral > 0 else (s1, s0), lateral)
        along = (end - start) * (1, 1, 0)
        width = float(np.linalg.norm(along))
        x = along / width
        return rigid.from_rotation(np.column_stack([x, np.cross((0, 0, 1), x), (0, 0, 1)]), start), width

    def lay(self, builder: SceneBuilder) -> None:
        """Cover the ground with triangles."""
        s = np.arange(self.line.s[0], self.line.s[-1] + 0.1, _SECTION)
        for k, material in enumerate(self.profile.materials):
            lateral, height = self.profile.lateral[k : k + 2], self.profile.height[k : k + 2]
            if lateral[0] == lateral[1] and height[0] == height[1]:
                continue
            edge = self.points(s, lateral[:, None], height[:, None])
            across = height if lateral[0] == lateral[1] else lateral
            uv = np.stack(np.broadcast_arrays(s, across[:, None]), axis=-1)
            lay_mesh(builder, edge, material, uv)


def lay_mesh(builder: SceneBuilder, points: FloatArray, material: int, uv: FloatArray | None = None) -> None:
    """Add the triangles of a grid of points [M,N,3], seen from the side on which rows turn left into columns.

    uv: texture coordinates [M,N,2]; x and y of the points by default.
    """
    uv = points[..., :2] if uv is None else uv
    for triangle in (((0, 0), (0, 1), (1, 1), (1, 1)), ((0, 0), (1, 1), (1, 0), (1, 0))):
        places = [
            tuple(slice(at, n - 1 + at) for at, n in zip(corner, points.shape, strict=False)) for corner in triangle
        ]
        vertices, coordinates = (np.stack([array[at] for at in places], axis=2) for array in (points, uv))
        builder.quads(vertices.reshape(-1, 4, 3), material, coordinates.reshape(-1, 4, 2))
