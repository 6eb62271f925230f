"""The textures of `synthetic.texture` on a device: the same functions of position, material and footprint."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from depth_ros.synthetic.shapes import Texture
from depth_ros.synthetic.texture import COARSE, FINE, GLASS, NOISE_TILE
from depth_ros.training.device_scene import DeviceScene
from depth_ros.training.device_surface import DeviceSurface


class _Patch(NamedTuple):
    """Points of one texture: uv and footprint [N,2] in periods (x, width) and as they are, and what varies by point."""

    x: Tensor
    width: Tensor
    uv: Tensor
    footprint: Tensor
    period: Tensor
    radius: Tensor
    grain: Tensor
    point: Tensor
    tile: Tensor


def albedo(scene: DeviceScene, surface: DeviceSurface) -> tuple[Tensor, Tensor]:
    """Return reflectance [N,3] and gloss [N] (share of mirror reflection at normal incidence) of a surface's points."""
    materials = scene.materials
    kind, gloss = materials.texture[surface.material], materials.gloss[surface.material]
    is_facade = kind == Texture.FACADE
    grain = _grain(scene, surface, kind, torch.where(is_facade, 0, gloss))
    accent = torch.zeros_like(gloss)
    for texture, layout in _LAYOUTS.items():
        chosen = torch.nonzero(kind == texture)[:, 0]
        accent[chosen] = layout(_patch(scene, surface, grain, chosen))
    colour = materials.colour[surface.material]
    colour = colour + accent[:, None] * (materials.accent[surface.material] - colour)
    glazed = torch.nonzero(is_facade)[:, 0]
    glass = torch.zeros_like(gloss)
    glass[glazed] = _panes(_patch(scene, surface, grain, glazed))
    colour = colour + glass[:, None] * (float(GLASS) - colour)
    return colour * (1 + grain).clamp(min=0.15)[:, None], torch.where(is_facade, gloss * glass, gloss)


def noise(tile: Tensor, u: Tensor, v: Tensor, cell: float, footprint: Tensor) -> Tensor:
    """Smooth noise [N] of unit variance: features of about `cell` (in units of u, v), faded where pixels are larger."""
    turns = torch.stack([u, v]) / (cell * NOISE_TILE)
    place = ((turns - turns.floor()) * NOISE_TILE).clamp(max=NOISE_TILE - 1e-4)
    column, row = place.long()
    right, down = place - place.floor()
    top = torch.lerp(tile[row, column], tile[row, column + 1], right)
    bottom = torch.lerp(tile[row + 1, column], tile[row + 1, column + 1], right)
    return torch.lerp(top, bottom, down) / (1 + (footprint / (2 * cell)).square())


def _grain(scene: DeviceScene, surface: DeviceSurface, kind: Tensor, gloss: Tensor) -> Tensor:
    """Relative unevenness [N] of the colour: two octaves of noise; polished surfaces have little, leaves much."""
    (u, v), tile = surface.uv.unbind(1), scene.noise_tile
    footprint = surface.footprint.amax(dim=1)
    grain = 0.06 * noise(tile, u, v, FINE, footprint) + 0.05 * noise(tile, v, u, COARSE, footprint)
    grain *= torch.where(gloss > 0, 0.15, 1.0)
    leafy = torch.nonzero(kind == Texture.FOLIAGE)[:, 0]
    grain[leafy] = _leaves(tile, surface.point[leafy], footprint[leafy])
    return grain


def _leaves(tile: Tensor, point: Tensor, footprint: Tensor) -> Tensor:
    """Noise in space [N]: on a round crown, one over a plane alone would show as streaks."""
    x, y, z = point.unbind(1)
    total = torch.zeros_like(x)
    for cell, strength in ((0.035, 0.20), (0.09, 0.15), (0.5, 0.08)):
        for a, b in ((x, y), (y, z), (z, x)):
            total += strength * noise(tile, a, b, cell, footprint)
    return total


def _pulse(x: Tensor, width: Tensor, low: float, high: float) -> Tensor:
    """Share of [x - width/2, x + width/2] in which frac(x) lies in [low, high): a box-filtered periodic pulse."""
    width = width.clamp(min=1e-3)

    def integral(at: Tensor) -> Tensor:
        whole = at.floor()
        return whole * (high - low) + (at - whole - low).clamp(0, high - low)

    return (integral(x + width / 2) - integral(x - width / 2)) / width


def _band(x: Tensor, width: Tensor, low: float, high: float) -> Tensor:
    """Share of the footprint within [low, high] of a coordinate that does not repeat."""
    width = width.clamp(min=1e-3)
    return (((x + width / 2).clamp(max=high) - (x - width / 2).clamp(min=low)) / width).clamp(0, 1)


def _patch(scene: DeviceScene, surface: DeviceSurface, grain: Tensor, chosen: Tensor) -> _Patch:
    period = scene.materials.period[surface.material[chosen]]
    uv, footprint = surface.uv[chosen], surface.footprint[chosen]
    radius, point = surface.radius[chosen], surface.point[chosen]
    return _Patch(
        uv / period, footprint / period, uv, footprint, period, radius, grain[chosen], point, scene.noise_tile
    )


def _asphalt(patch: _Patch) -> Tensor:
    """Lane marks: u along the street, v to its left; a zebra crossing every period[1] metres."""
    (u, v), (du, dv), block = patch.uv.unbind(1), patch.footprint.unbind(1), patch.period[:, 1]
    crossing = _pulse(u / block, du / block, 0.56, 0.61)
    stripes = crossing * _pulse(v, dv, 0.25, 0.75) * _band(v.abs(), dv, 0.0, 3.0)
    centre = _pulse(patch.x[:, 0], patch.width[:, 0], 0.0, 0.5) * _band(v, dv, -0.07, 0.07)
    sides = _band(v.abs(), dv, 2.95, 3.07)
    return torch.maximum(stripes, (1 - crossing) * (centre + sides)) * (0.85 + 2 * patch.grain).clamp(0.3, 1)


def _paving(patch: _Patch) -> Tensor:
    (x, y), (width, height) = patch.x.unbind(1), patch.width.unbind(1)
    return 1 - _pulse(x, width, 0.05, 1.0) * _pulse(y, height, 0.05, 1.0)


def _brick(patch: _Patch) -> Tensor:
    (x, y), (width, height) = patch.x.unbind(1), patch.width.unbind(1)
    shifted = x + 0.5 * y.floor().remainder(2)
    return 1 - _pulse(shifted, width, 0.05, 1.0) * _pulse(y, height, 0.09, 1.0)


def _facade(patch: _Patch) -> Tensor:
    """Window frames, one per bay and floor."""
    (x, y), (width, height) = patch.x.unbind(1), patch.width.unbind(1)
    return _pulse(x, width, 0.25, 0.75) * _pulse(y, height, 0.27, 0.84)


def _panes(patch: _Patch) -> Tensor:
    """Share of glass [N]: two panes inside each frame of a facade."""
    (x, y), (width, height) = patch.x.unbind(1), patch.width.unbind(1)
    return (_pulse(x, width, 0.28, 0.485) + _pulse(x, width, 0.515, 0.72)) * _pulse(y, height, 0.30, 0.81)


def _foliage(patch: _Patch) -> Tensor:
    return (0.5 + 1.2 * patch.grain).clamp(0, 1)


def _stripes(patch: _Patch) -> Tensor:
    return _pulse(patch.x[:, 0], patch.width[:, 0], 0.5, 1.0)


def _disc(patch: _Patch) -> Tensor:
    return (patch.radius > patch.period[:, 0]).float()


def _framed(patch: _Patch) -> Tensor:
    (x, y), (width, height) = patch.x.unbind(1), patch.width.unbind(1)
    inner = _pulse(x, width, 0.07, 0.93) * _pulse(y, height, 0.07, 0.93)
    return 1 - inner + _pulse(x, width, 0.4, 0.6) * _pulse(y, height, 0.2, 0.8)


def _across(patch: _Patch) -> tuple[Tensor, Tensor, Tensor]:
    """Two coordinates in periods and the footprint [N], laid through space: the pattern crosses edges of shapes."""
    x, y, z = patch.point.unbind(1)
    a, b = (x + 0.7 * z) / patch.period[:, 0], (y - 0.6 * z + 0.2 * x) / patch.period[:, 1]
    return a, b, patch.width.amax(dim=1)


def _noise(patch: _Patch) -> Tensor:
    a, b, width = _across(patch)
    layers = torch.zeros_like(a)
    for cell in (1.0, 0.5, 0.25, 0.12, 0.06):
        layers += cell * noise(patch.tile, a + 7 * cell, b, cell, width)
    return (0.5 + 0.4 * layers).clamp(0, 1)


def _blots(patch: _Patch) -> Tensor:
    a, b, width = _across(patch)
    sharp = 6 * (noise(patch.tile, a, b, 0.5, width) + 0.5 * noise(patch.tile, b, a, 0.15, width))
    return (0.5 + sharp).clamp(0, 1)


def _checks(patch: _Patch) -> Tensor:
    a, b, width = _across(patch)
    first, second = _pulse(a, width, 0.0, 0.5), _pulse(b, width, 0.0, 0.5)
    return first + second - 2 * first * second


_LAYOUTS: dict[Texture, Callable[[_Patch], Tensor]] = {
    Texture.ASPHALT: _asphalt,
    Texture.PAVING: _paving,
    Texture.BRICK: _brick,
    Texture.FACADE: _facade,
    Texture.FOLIAGE: _foliage,
    Texture.STRIPES: _stripes,
    Texture.DISC: _disc,
    Texture.FRAMED: _framed,
    Texture.NOISE: _noise,
    Texture.BLOTS: _blots,
    Texture.CHECKS: _checks,
}
