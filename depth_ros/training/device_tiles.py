"""Rays in tiles of neighbours, and what is cheap to know of a whole tile."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from depth_ros.synthetic.grid import NEAR

TILE = 64
"""Rays in a tile."""
_COMPARISONS = 1 << 24
_EPSILON = 1e-9
_NONE = torch.iinfo(torch.int64).max


class Tiles(NamedTuple):
    """Rays (x, y, 1) in tiles.

    x, y: float64 [T,TILE]. low, high: float64 [T,2], bounds of x and y. order: int64 [T * TILE], numbers of the rays.
    """

    x: Tensor
    y: Tensor
    low: Tensor
    high: Tensor
    order: Tensor

    @classmethod
    def of(cls, xy: Tensor, key: Tensor) -> Tiles:
        """Sort N rays by `key` and cut them into tiles; the last one repeats its last ray."""
        count = -(-len(xy) // TILE)
        place = torch.arange(count * TILE, device=xy.device).clamp(max=len(xy) - 1)
        order = torch.argsort(key)[place]
        tiled = xy[order].reshape(count, TILE, 2)
        return cls(tiled[..., 0], tiled[..., 1], tiled.amin(1), tiled.amax(1), order)


class Buffer(NamedTuple):
    """Z-buffer [T,TILE]: the largest inverse ray parameter so far and whose it is."""

    inverse_t: Tensor
    shape: Tensor

    def enter(self, tile: Tensor, inverse: Tensor, number: Tensor) -> Buffer:
        """Enter candidates [n,TILE] of shapes `number` [n] at tiles [n]; of equal ones the lowest number stays."""
        at = tile[:, None].expand_as(inverse)
        best = self.inverse_t.scatter_reduce(0, at, inverse, "amax")
        won = (inverse == best[tile]) & (inverse > self.inverse_t[tile])
        claims = torch.where(won, number[:, None], _NONE)
        winner = torch.full_like(self.shape, _NONE).scatter_reduce(0, at, claims, "amin")
        return Buffer(best, torch.where(winner < _NONE, winner, self.shape))


def interleave(row: Tensor, column: Tensor) -> Tensor:
    """Return places on a Z-order curve, int64 [N], of rows and columns below 65536."""
    spread = torch.stack([row, column])
    for shift, mask in ((8, 0x00FF00FF), (4, 0x0F0F0F0F), (2, 0x33333333), (1, 0x55555555)):
        spread = (spread | (spread << shift)) & mask
    return (spread[0] << 1) | spread[1]


def overlaps(low: Tensor, high: Tensor, tiles: Tiles) -> tuple[Tensor, Tensor]:
    """Return the pairs (shape, tile) [n] whose bounds overlap; low, high: float64 [P,2]."""
    found = []
    step = max(1, _COMPARISONS // max(len(low), 1))
    for first in range(0, len(tiles.low), step):
        tile_low, tile_high = tiles.low[first : first + step], tiles.high[first : first + step]
        apart = (low[:, None] > tile_high) | (high[:, None] < tile_low)
        shape, tile = torch.nonzero(~apart.any(dim=2), as_tuple=True)
        found.append(torch.stack([shape, tile + first]))
    shape, tile = torch.cat(found, dim=1)
    return shape, tile


def meets_view(points: Tensor, low: Tensor, high: Tensor, tiles: Tiles) -> Tensor:
    """Tell, bool [P], which hulls of points [P,n,3] with bounds [P,2] are ahead of and between the outermost rays."""
    within = (low <= tiles.high.amax(0)) & (high >= tiles.low.amin(0))
    return within.all(dim=1) & (points[..., 2].amax(dim=1) > NEAR)


def projected_bounds(points: Tensor) -> tuple[Tensor, Tensor]:
    """Return bounds (x / z, y / z), low [P,2] and high [P,2], of convex hulls of points [P,n,3] clipped at z = NEAR."""
    first, second = torch.triu_indices(points.shape[1], points.shape[1], 1, device=points.device)
    a, b = points[:, first], points[:, second]
    crosses = (a[..., 2] > NEAR) != (b[..., 2] > NEAR)
    share = (NEAR - a[..., 2]) / torch.where(crosses, b[..., 2] - a[..., 2], 1)
    crossing = (a[..., :2] + share[..., None] * (b - a)[..., :2]) / NEAR
    front = points[..., 2] > NEAR
    image = points[..., :2] / torch.where(front, points[..., 2], 1)[..., None]
    image, used = torch.cat([image, crossing], dim=1), torch.cat([front, crosses], dim=1)[..., None]
    low = torch.where(used, image, torch.inf).amin(dim=1)
    high = torch.where(used, image, -torch.inf).amax(dim=1)
    return low - _EPSILON, high + _EPSILON


def evaluate(functions: Tensor, tile: Tensor, tiles: Tiles) -> Tensor:
    """Return values [n,f,TILE] of linear functions [n,f,3] at the rays of tiles [n]."""
    a, b, c = functions[..., None].unbind(2)
    return b * tiles.y[tile, None] + (a * tiles.x[tile, None] + c)
