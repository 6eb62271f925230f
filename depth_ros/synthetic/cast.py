"""Ray casting: the exact nearest hit of a grid of rays with a scene.

Every linear function of a grid's rays is the sum of one number per column and one per row. A quad is five of these
functions: four edges (all >= 0 inside) and the inverse ray parameter of its plane. Each shape meets only the rays of
its window, nearest shapes first, against a z-buffer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from depth_ros.geometry import rigid
from depth_ros.synthetic.grid import RayGrid, Windows, in_view, quad_spheres, transform, visible
from depth_ros.synthetic.holes import Perforations
from depth_ros.synthetic.shapes import FloatArray, Scene, Solids

# Shapes that touch at most so many rays are met all at once, bigger ones each by itself.
_SMALL = 96
_CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=np.float64)


class Hits(NamedTuple):
    """Nearest hits.

    t: float64 [H,W], the hit is at t times the ray; inf = none. For a camera t is the depth along the optical axis.
    shape: int32 [H,W], number of the shape that was hit, -1 = none.
    """

    t: FloatArray
    shape: NDArray[np.int32]


def cast(scene: Scene, T_world_view: FloatArray, grid: RayGrid) -> Hits:
    """Return what every ray of `grid` hits first, seen from the pose `T_world_view` of the view frame."""
    T_view_world = rigid.invert(T_world_view)
    inverse_t = np.zeros((len(grid.y), len(grid.x)))
    shape = np.full(inverse_t.shape, -1, dtype=np.int32)
    _cast_quads(scene, T_view_world, grid, inverse_t, shape)
    first = len(scene.quads.material)
    _cast_solids(scene.ellipsoids, _meet_ellipsoid, T_view_world, grid, inverse_t, shape, first)
    first += len(scene.ellipsoids.material)
    _cast_solids(scene.cylinders, _meet_cylinder, T_view_world, grid, inverse_t, shape, first)
    with np.errstate(divide="ignore"):
        return Hits(1 / inverse_t, shape)


def _cast_quads(
    scene: Scene, T_view_world: FloatArray, grid: RayGrid, inverse_t: FloatArray, shape: NDArray[np.int32]
) -> None:
    quads = scene.quads
    near_view = in_view(*quad_spheres(quads), T_view_world, grid)
    vertices = transform(T_view_world, quads.vertices[near_view])
    normal = np.cross(vertices[:, 1] - vertices[:, 0], vertices[:, 2] - vertices[:, 0])
    offset = np.einsum("pi,pi->p", normal, vertices[:, 0])
    facing = np.flatnonzero(offset < 0)
    vertices = vertices[facing]
    chosen, windows = visible(vertices, grid)
    vertices, chosen = vertices[chosen], facing[chosen]
    # cross(b, a) is exactly -cross(a, b): neighbours that share an edge leave no crack.
    edges = np.cross(np.roll(vertices, -1, axis=1), vertices)
    plane = (normal[chosen] / offset[chosen, None])[:, None]
    functions = np.concatenate([edges, plane], axis=1)[..., None]
    numbers = near_view[chosen].astype(np.int32)
    perforated = Perforations(scene, T_view_world)
    small = windows.area <= _SMALL
    for k in np.flatnonzero(~small):
        r0, r1, c0, c1 = windows.bounds[k]
        best = inverse_t[r0:r1, c0:c1]
        if best.min() >= windows.nearest[k]:
            continue
        values = _outer_sum(functions[k], grid, windows.bounds[k])
        hit = (values[:4].min(axis=0) >= 0) & (values[4] > best)
        if perforated.has(numbers[k]):
            row, column = np.nonzero(hit)
            ray = grid.rays(row + r0, column + c0)
            hit[row, column] = perforated.is_solid(numbers[k], ray, values[4][row, column])
        np.copyto(best, values[4], where=hit)
        np.copyto(shape[r0:r1, c0:c1], numbers[k], where=hit)
    pairs = _Pairs.of(windows, np.flatnonzero(small))
    value = pairs.evaluate(functions[:, 4, :, 0], grid)
    pairs, value = pairs.select(value > inverse_t[pairs.row, pairs.column], value)
    for edge in range(4):
        pairs, value = pairs.select(pairs.evaluate(functions[:, edge, :, 0], grid) >= 0, value)
    if perforated.any:
        ray = grid.rays(pairs.row, pairs.column)
        pairs, value = pairs.select(perforated.is_solid(numbers[pairs.number], ray, value), value)
    pairs.keep_nearest(value, numbers, inverse_t, shape)


def _cast_solids(
    solids: Solids,
    meet: Callable[[FloatArray, FloatArray], FloatArray],
    T_view_world: FloatArray,
    grid: RayGrid,
    inverse_t: FloatArray,
    shape: NDArray[np.int32],
    first: int,
) -> None:
    rotation = T_view_world[:3, :3]
    centre = solids.centre @ rotation.T + T_view_world[:3, 3]
    axes = rotation @ solids.axes
    chosen, windows = visible(centre[:, None] + _CORNERS @ axes.transpose(0, 2, 1), grid)
    squared = np.square(axes[chosen]).sum(axis=1)
    to_unit = axes[chosen].transpose(0, 2, 1) / squared[:, :, None]
    origin = -np.einsum("pij,pj->pi", to_unit, centre[chosen])
    numbers = (first + chosen).astype(np.int32)
    small = windows.area <= _SMALL
    for k in np.flatnonzero(~small):
        r0, r1, c0, c1 = windows.bounds[k]
        best = inverse_t[r0:r1, c0:c1]
        if best.min() >= windows.nearest[k]:
            continue
        inverse = meet(origin[k, :, None, None], _outer_sum(to_unit[k, :, :, None], grid, windows.bounds[k]))
        hit = inverse > best
        np.copyto(best, inverse, where=hit)
        np.copyto(shape[r0:r1, c0:c1], numbers[k], where=hit)
    pairs = _Pairs.of(windows, np.flatnonzero(small))
    pairs, _ = pairs.select(windows.nearest[pairs.number] > inverse_t[pairs.row, pairs.column])
    local = np.stack([pairs.evaluate(to_unit[:, axis], grid) for axis in range(3)])
    pairs.keep_nearest(meet(origin[pairs.number].T, local), numbers, inverse_t, shape)


class _Pairs(NamedTuple):
    """Pairs of a shape (its place in the windows' order) and a ray of its window, all [N]."""

    number: NDArray[np.intp]
    row: NDArray[np.intp]
    column: NDArray[np.intp]

    @classmethod
    def of(cls, windows: Windows, chosen: NDArray[np.intp]) -> _Pairs:
        area, width = windows.area[chosen], (windows.bounds[:, 3] - windows.bounds[:, 2])[chosen]
        number = np.repeat(chosen, area)
        inside = np.arange(len(number)) - np.repeat(np.cumsum(area) - area, area)
        row, column = np.divmod(inside, np.repeat(width, area))
        return cls(number, row + windows.bounds[number, 0], column + windows.bounds[number, 2])

    def evaluate(self, functions: FloatArray, grid: RayGrid) -> FloatArray:
        """Values [N] of each shape's linear function [P,3], by the same operations as `_outer_sum`."""
        a, b, c = np.take(functions, self.number, axis=0).T
        return np.asarray(b * grid.y[self.row] + (a * grid.x[self.column] + c * grid.z[self.column]))

    def select(self, mask: NDArray[np.bool_], value: FloatArray | None = None) -> tuple[_Pairs, FloatArray]:
        chosen = np.flatnonzero(mask)
        return _Pairs(*(part[chosen] for part in self)), np.empty(0) if value is None else value[chosen]

    def keep_nearest(
        self, value: FloatArray, numbers: NDArray[np.int32], inverse_t: FloatArray, shape: NDArray[np.int32]
    ) -> None:
        """Enter the inverse ray parameters [N] into the z-buffer; of several at a ray the largest stays."""
        nearer = np.flatnonzero(value > inverse_t[self.row, self.column])
        order = nearer[np.argsort(value[nearer], kind="stable")]
        row, column = self.row[order], self.column[order]
        inverse_t[row, column] = value[order]
        shape[row, column] = numbers[self.number[order]]


def _outer_sum(functions: FloatArray, grid: RayGrid, bounds: NDArray[np.intp]) -> FloatArray:
    """Values [n,r1-r0,c1-c0] of n linear functions of the ray (their coefficients [n,3,1]) in a window."""
    r0, r1, c0, c1 = bounds
    across = functions[:, 0] * grid.x[c0:c1] + functions[:, 2] * grid.z[c0:c1]
    return (functions[:, 1] * grid.y[r0:r1])[:, :, None] + across[:, None, :]


def _meet_ellipsoid(origin: FloatArray, ray: FloatArray) -> FloatArray:
    """Inverse parameter of the first point of rays [3,...] on the unit sphere; 0 where there is none."""
    return _inverse_root(origin, ray)


def _meet_cylinder(origin: FloatArray, ray: FloatArray) -> FloatArray:
    """Inverse parameter of the first point of rays [3,...] on the closed unit cylinder; 0 where there is none."""
    side = _inverse_root(origin[:2], ray[:2])
    # |z| <= 1 at t = 1 / side, without the division
    side = np.where(np.abs(origin[2] * side + ray[2]) <= side, side, 0)
    above = np.abs(origin[2]) > 1
    if not above.any():
        return side
    cap = np.maximum(ray[2] / np.where(above, np.sign(origin[2]) - origin[2], 1), 0)
    inside = np.square(origin[0] * cap + ray[0]) + np.square(origin[1] * cap + ray[1]) <= np.square(cap)
    return np.where(inside & above, np.maximum(side, cap), side)


def _inverse_root(origin: FloatArray, ray: FloatArray) -> FloatArray:
    """Inverse of the smaller root t of |origin + t ray| = 1 for an origin outside; 0 where no root is positive.

    In s = 1 / t the equation is (|origin|^2 - 1) s^2 + 2 (origin . ray) s + |ray|^2 = 0, and the larger s is wanted.
    """
    outside = np.square(origin).sum(axis=0) - 1
    half, squared = origin[0] * ray[0], ray[0] * ray[0]
    for part, along in zip(origin[1:], ray[1:], strict=True):
        half += part * along
        squared += along * along
    discriminant = half * half - outside * squared
    root = np.sqrt(np.maximum(discriminant, 0))
    met = (discriminant >= 0) & (half < 0) & (outside > 0)
    return np.where(met, (root - half) / np.where(outside > 0, outside, 1), 0)
