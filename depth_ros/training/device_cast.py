"""Ray casting on a device: all shapes against all rays at once, so that a GPU does not wait for Python.

The nearest hit is the one that `synthetic.cast` finds, by the same operations in float64. Rays are put together in
tiles of neighbours. A linear function of the ray is largest at a corner of the tile's bounding box, so that most pairs
of a shape and a tile are ruled out by four corners; a quad that fills a tile rules out all that lies behind it.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from depth_ros.geometry import rigid
from depth_ros.synthetic.grid import NEAR, RayGrid
from depth_ros.synthetic.holes import TEXELS
from depth_ros.synthetic.shapes import FloatArray
from depth_ros.training.device_scene import DeviceQuads, DeviceScene
from depth_ros.training.device_solids import meet_solids, unit_maps
from depth_ros.training.device_tiles import Buffer, Tiles, evaluate, interleave, meets_view, overlaps, projected_bounds

CHUNK = 1 << 14
"""Pairs of a shape and a tile whose rays are met at once."""


class DeviceHits(NamedTuple):
    """Nearest hits: t float64, the hit is at t times the ray, inf = none; shape int64, its number, -1 = none."""

    t: Tensor
    shape: Tensor


def cast_device(scene: DeviceScene, T_world_view: FloatArray, grid: RayGrid) -> DeviceHits:
    """Return what every ray of `grid` hits first, seen from the pose `T_world_view`: t and shape [H,W]."""
    x, y, z = (torch.as_tensor(part, device=scene.device) for part in (grid.x, grid.y, grid.z))
    height, width = len(y), len(x)
    row, column = (part.reshape(-1) for part in torch.meshgrid(
        torch.arange(height, device=scene.device), torch.arange(width, device=scene.device), indexing="ij"
    ))  # fmt: skip
    xy = torch.stack([(x / z)[column], y[row] / z[column]], dim=1)
    hits = cast_ahead(scene, T_world_view, xy, interleave(row, column))
    return DeviceHits((hits.t / z[column]).reshape(height, width), hits.shape.reshape(height, width))


def cast_free(scene: DeviceScene, T_world_view: FloatArray, rays: Tensor) -> DeviceHits:
    """Return what rays in any direction (float64 [N,3], view frame) hit first: t and shape [N]."""
    t = torch.full((len(rays),), torch.inf, dtype=torch.float64, device=rays.device)
    shape = torch.full((len(rays),), -1, dtype=torch.int64, device=rays.device)
    main = rays.abs().argmax(dim=1)
    for axis in range(3):
        for sign in (1.0, -1.0):
            chosen = torch.nonzero((main == axis) & (sign * rays[:, axis] > 0))[:, 0]
            turn = torch.eye(3, dtype=torch.float64).roll(2 - axis, 1)
            turn[:, 1:] *= sign
            local = rays[chosen] @ turn.to(rays.device)
            xy = local[:, :2] / local[:, 2:]
            steps = ((xy + 1) * 2048).long()
            T_world_face = T_world_view @ rigid.from_rotation(turn.numpy(), (0.0, 0.0, 0.0))
            hits = cast_ahead(scene, T_world_face, xy, interleave(steps[:, 1], steps[:, 0]))
            t[chosen], shape[chosen] = hits.t / local[:, 2], hits.shape
    return DeviceHits(t, shape)


def cast_ahead(scene: DeviceScene, T_world_view: FloatArray, xy: Tensor, key: Tensor) -> DeviceHits:
    """Return what the rays (x, y, 1), float64 [N,2], hit first; key: int64 [N], close where rays are close."""
    if not len(xy):
        return DeviceHits(torch.empty_like(xy[:, 0]), torch.empty_like(key))
    tiles = Tiles.of(xy, key)
    buffer = Buffer(torch.zeros_like(tiles.x), torch.full_like(tiles.x, -1, dtype=torch.int64))
    T_view_world = rigid.invert(T_world_view)
    functions, number, low, high = _quads_in_view(scene.quads, T_view_world, tiles)
    quad, tile = overlaps(low, high, tiles)
    quad, tile, filled = _reached(functions, scene.quads.holes[number] > 0, quad, tile, tiles)
    for part in _chunks(len(quad)):
        inverse = _meet_quads(scene, T_world_view, functions, number, quad[part], tile[part], tiles)
        buffer = buffer.enter(tile[part], inverse, number[quad[part]])
    buffer = _cast_solids(scene, T_view_world, tiles, filled, buffer)
    t = torch.empty(len(xy), dtype=torch.float64, device=scene.device)
    shape = torch.empty(len(xy), dtype=torch.int64, device=scene.device)
    t[tiles.order], shape[tiles.order] = 1 / buffer.inverse_t.reshape(-1), buffer.shape.reshape(-1)
    return DeviceHits(t, shape)


def transform(T: FloatArray, xyz: Tensor) -> Tensor:
    """Map points [...,3] by T, every point by the same operations: shared vertices stay equal to the last bit."""
    columns = [
        xyz[..., 0] * float(T[i, 0]) + xyz[..., 1] * float(T[i, 1]) + xyz[..., 2] * float(T[i, 2]) + float(T[i, 3])
        for i in range(3)
    ]
    return torch.stack(columns, dim=-1)


def _quads_in_view(quads: DeviceQuads, T_view_world: FloatArray, tiles: Tiles) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Functions [p,5,3] (four edges, inverse ray parameter), numbers [p] and bounds [p,2] of quads that may be seen."""
    vertices = transform(T_view_world, quads.vertices)
    normal = _cross(vertices[:, 1] - vertices[:, 0], vertices[:, 2] - vertices[:, 0])
    offset = (normal * vertices[:, 0]).sum(dim=1)
    low, high = projected_bounds(vertices)
    number = torch.nonzero((offset < 0) & meets_view(vertices, low, high, tiles))[:, 0]
    chosen = vertices[number]
    edges = _cross(chosen.roll(-1, dims=1), chosen)
    plane = (normal[number] / offset[number, None])[:, None]
    return torch.cat([edges, plane], dim=1), number, low[number], high[number]


def _reached(
    functions: Tensor, is_open: Tensor, quad: Tensor, tile: Tensor, tiles: Tiles
) -> tuple[Tensor, Tensor, Tensor]:
    """Pairs that may have a hit in view, and the inverse ray parameter [T] that every ray of a tile surely reaches."""
    a, b, c = functions[quad].unbind(2)
    (x0, y0), (x1, y1) = (part[tile, :, None].unbind(1) for part in (tiles.low, tiles.high))
    # Rounding is monotone: with the operations of `evaluate` no ray of the tile exceeds these bounds.
    most = b * torch.where(b > 0, y1, y0) + (a * torch.where(a > 0, x1, x0) + c)
    least = b * torch.where(b > 0, y0, y1) + (a * torch.where(a > 0, x0, x1) + c)
    fills = (least[:, :4] >= 0).all(dim=1) & ~is_open[quad]
    sure = torch.where(fills, least[:, 4], 0)
    filled = torch.zeros_like(tiles.x[:, 0]).scatter_reduce(0, tile, sure, "amax")
    reached = (most[:, :4] >= 0).all(dim=1) & (most[:, 4] > 0) & (most[:, 4] >= filled[tile])
    kept = torch.nonzero(reached)[:, 0]
    return quad[kept], tile[kept], filled


def _meet_quads(
    scene: DeviceScene,
    T_world_view: FloatArray,
    functions: Tensor,
    number: Tensor,
    quad: Tensor,
    tile: Tensor,
    tiles: Tiles,
) -> Tensor:
    """Inverse ray parameters [n,TILE] of the hits of quads with the rays of tiles; 0 where there is none."""
    values = evaluate(functions[quad], tile, tiles)
    inverse = torch.where((values[:, :4] >= 0).all(dim=1), values[:, 4], 0).clamp_(min=0)
    quad = number[quad]
    at, ray = torch.nonzero((inverse > 0) & (scene.quads.holes[quad] > 0)[:, None], as_tuple=True)
    x, y = tiles.x[tile[at], ray], tiles.y[tile[at], ray]
    point = torch.stack([x, y, torch.ones_like(x)], dim=1) / inverse[at, ray, None]
    inverse[at, ray] *= _is_solid(scene, T_world_view, quad[at], point)
    return inverse


def _is_solid(scene: DeviceScene, T_world_view: FloatArray, quad: Tensor, point: Tensor) -> Tensor:
    """Tell, bool [N], where perforated quads are solid; point: float64 [N,3], view frame."""
    quads = scene.quads
    uv = (quads.hole_gradient[quad] * transform(T_world_view, point)[:, None]).sum(dim=2) + quads.hole_offset[quad]
    turns = uv / quads.hole_size[quad, None]
    column, row = ((turns - turns.floor()) * TEXELS).clamp(max=TEXELS - 1).long().unbind(1)
    return scene.hole_tiles[quads.holes[quad], row, column]


def _cast_solids(scene: DeviceScene, T_view_world: FloatArray, tiles: Tiles, filled: Tensor, buffer: Buffer) -> Buffer:
    corners, origin, to_unit = unit_maps(scene, T_view_world)
    low, high = projected_bounds(corners)
    seen = torch.nonzero(meets_view(corners, low, high, tiles))[:, 0]
    solid, tile = overlaps(low[seen], high[seen], tiles)
    solid = seen[solid]
    nearest = 1 / corners[..., 2].amin(dim=1).clamp(min=NEAR)
    kept = torch.nonzero(nearest[solid] >= filled[tile])[:, 0]
    solid, tile = solid[kept], tile[kept]
    first = len(scene.quads.vertices)
    for part in _chunks(len(solid)):
        chosen = solid[part]
        ray = evaluate(to_unit[chosen], tile[part], tiles)
        inverse = meet_solids(origin[chosen], ray, chosen >= scene.ellipsoids)
        buffer = buffer.enter(tile[part], inverse, first + chosen)
    return buffer


def _chunks(count: int) -> list[slice]:
    return [slice(first, first + CHUNK) for first in range(0, count, CHUNK)]


def _cross(a: Tensor, b: Tensor) -> Tensor:
    """Cross product in separate operations: swapped arguments negate it exactly, which fused ones need not do."""
    (ax, ay, az), (bx, by, bz) = a.unbind(-1), b.unbind(-1)
    return torch.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], dim=-1)
