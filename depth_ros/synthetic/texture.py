"""Procedural textures, each filtered over the pixel's footprint so that nothing flickers or turns into moire."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_ros.synthetic.shapes import Materials, Texture
from depth_ros.synthetic.surface import Surface

Float32Array = NDArray[np.float32]
NOISE_TILE = 256
_ROW = 4096
FINE, COARSE = 0.03, 0.45


class _Patch(NamedTuple):
    """Points of one texture: uv and footprint [N,2] in periods (x, width) and as they are, and what varies by point."""

    x: Float32Array
    width: Float32Array
    uv: Float32Array
    footprint: Float32Array
    period: Float32Array
    radius: Float32Array
    grain: Float32Array
    point: Float32Array


def albedo(materials: Materials, surface: Surface) -> tuple[Float32Array, Float32Array]:
    """Return reflectance [N,3] and gloss [N] (share of mirror reflection at normal incidence) of a surface's points."""
    kind = materials.texture[surface.material]
    gloss = materials.gloss[surface.material]
    glazed = np.flatnonzero(kind == Texture.FACADE)
    polish = gloss.copy()
    polish[glazed] = 0
    grain = _grain(surface, kind, polish)
    accent = np.zeros(len(kind), np.float32)
    for texture, layout in _LAYOUTS.items():
        chosen = np.flatnonzero(kind == texture)
        if len(chosen):
            accent[chosen] = layout(_patch(materials, surface, grain, chosen))
    colour = np.take(materials.colour, surface.material, axis=0)
    colour += accent[:, None] * (np.take(materials.accent, surface.material, axis=0) - colour)
    glass = _panes(_patch(materials, surface, grain, glazed))
    colour[glazed] += glass[:, None] * (GLASS - colour[glazed])
    colour *= np.maximum(1 + grain, np.float32(0.15))[:, None]
    gloss[glazed] *= glass
    return colour, gloss


def noise(u: Float32Array, v: Float32Array, cell: float, footprint: Float32Array) -> Float32Array:
    """Smooth noise [N] of unit variance: features of about `cell` (in units of u, v), faded where pixels are larger."""
    count = len(u)
    rows = max(1, -(-count // _ROW))
    maps = np.zeros((2, rows * _ROW), np.float32)
    for axis, coordinate in enumerate((u, v)):
        turns = coordinate / np.float32(cell * NOISE_TILE)
        maps[axis, :count] = (turns - np.floor(turns)) * NOISE_TILE
    across, down = maps.reshape(2, rows, _ROW)
    values = cv2.remap(noise_tile(), across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    fade = 1 + np.square(footprint / np.float32(2 * cell))
    return np.asarray(values.ravel()[:count] / fade, dtype=np.float32)


@lru_cache(maxsize=1)
def noise_tile() -> Float32Array:
    """Return periodic noise of unit variance, float32 [257,257]; its last row and column repeat the first."""
    white = np.random.default_rng(7).normal(size=(NOISE_TILE, NOISE_TILE)).astype(np.float32)
    middle = slice(NOISE_TILE, 2 * NOISE_TILE)
    tile = cv2.GaussianBlur(np.tile(white, (3, 3)), (0, 0), 1.0)[middle, middle]
    tile = (tile - tile.mean()) / tile.std()
    return np.pad(tile, ((0, 1), (0, 1)), mode="wrap").astype(np.float32)


def _grain(surface: Surface, kind: NDArray[np.int32], gloss: Float32Array) -> Float32Array:
    """Relative unevenness [N] of the colour: two octaves of noise; polished surfaces have little, leaves much."""
    u, v = surface.uv[:, 0], surface.uv[:, 1]
    footprint = surface.footprint.max(axis=1)
    grain = 0.06 * noise(u, v, FINE, footprint) + 0.05 * noise(v, u, COARSE, footprint)
    grain *= np.where(gloss > 0, np.float32(0.15), np.float32(1))
    leafy = np.flatnonzero(kind == Texture.FOLIAGE)
    grain[leafy] = _leaves(surface.point[leafy], footprint[leafy])
    return grain


def _leaves(point: Float32Array, footprint: Float32Array) -> Float32Array:
    """Noise in space [N]: on a round crown, one over a plane alone would show as streaks."""
    x, y, z = point.T
    total = np.zeros(len(point), np.float32)
    for cell, strength in ((0.035, 0.20), (0.09, 0.15), (0.5, 0.08)):
        for a, b in ((x, y), (y, z), (z, x)):
            total += np.float32(strength) * noise(a, b, cell, footprint)
    return total


def _pulse(x: Float32Array, width: Float32Array, low: float, high: float) -> Float32Array:
    """Share of [x - width/2, x + width/2] in which frac(x) lies in [low, high): a box-filtered periodic pulse."""
    width = np.maximum(width, np.float32(1e-3))

    def integral(at: Float32Array) -> Float32Array:
        whole = np.floor(at)
        inside = np.clip(at - whole - np.float32(low), 0, np.float32(high - low))
        return np.asarray(whole * np.float32(high - low) + inside, dtype=np.float32)

    half = width / np.float32(2)
    return (integral(x + half) - integral(x - half)) / width


def _band(x: Float32Array, width: Float32Array, low: float, high: float) -> Float32Array:
    """Share of the footprint within [low, high] of a coordinate that does not repeat."""
    width = np.maximum(width, np.float32(1e-3))
    covered = np.minimum(x + width / 2, np.float32(high)) - np.maximum(x - width / 2, np.float32(low))
    return np.clip(covered / width, 0, 1)


def _patch(materials: Materials, surface: Surface, grain: Float32Array, chosen: NDArray[np.intp]) -> _Patch:
    period = materials.period[surface.material[chosen]]
    uv, footprint = surface.uv[chosen], surface.footprint[chosen]
    radius, point = surface.radius[chosen], surface.point[chosen]
    return _Patch(uv / period, footprint / period, uv, footprint, period, radius, grain[chosen], point)


def _asphalt(patch: _Patch) -> Float32Array:
    """Lane marks: u along the street, v to its left; a zebra crossing every period[1] metres."""
    u, v, du, dv = patch.uv[:, 0], patch.uv[:, 1], patch.footprint[:, 0], patch.footprint[:, 1]
    block = patch.period[:, 1]
    crossing = _pulse(u / block, du / block, 0.56, 0.61)
    stripes = crossing * _pulse(v, dv, 0.25, 0.75) * _band(np.abs(v), dv, 0.0, 3.0)
    centre = _pulse(patch.x[:, 0], patch.width[:, 0], 0.0, 0.5) * _band(v, dv, -0.07, 0.07)
    sides = _band(np.abs(v), dv, 2.95, 3.07)
    worn = np.clip(0.85 + 2 * patch.grain, 0.3, 1)
    return np.asarray(np.maximum(stripes, (1 - crossing) * (centre + sides)) * worn, dtype=np.float32)


def _paving(patch: _Patch) -> Float32Array:
    (x, y), (width, height) = patch.x.T, patch.width.T
    return 1 - _pulse(x, width, 0.05, 1.0) * _pulse(y, height, 0.05, 1.0)


def _brick(patch: _Patch) -> Float32Array:
    (x, y), (width, height) = patch.x.T, patch.width.T
    shifted = x + 0.5 * np.mod(np.floor(y), 2)
    return 1 - _pulse(shifted, width, 0.05, 1.0) * _pulse(y, height, 0.09, 1.0)


def _facade(patch: _Patch) -> Float32Array:
    """Window frames, one per bay and floor."""
    (x, y), (width, height) = patch.x.T, patch.width.T
    return _pulse(x, width, 0.25, 0.75) * _pulse(y, height, 0.27, 0.84)


def _panes(patch: _Patch) -> Float32Array:
    """Share of glass [N]: two panes inside each frame of a facade."""
    (x, y), (width, height) = patch.x.T, patch.width.T
    return (_pulse(x, width, 0.28, 0.485) + _pulse(x, width, 0.515, 0.72)) * _pulse(y, height, 0.30, 0.81)


def _foliage(patch: _Patch) -> Float32Array:
    return np.asarray(np.clip(0.5 + 1.2 * patch.grain, 0, 1), dtype=np.float32)


def _stripes(patch: _Patch) -> Float32Array:
    return _pulse(patch.x[:, 0], patch.width[:, 0], 0.5, 1.0)


def _disc(patch: _Patch) -> Float32Array:
    return (patch.radius > patch.period[:, 0]).astype(np.float32)


def _framed(patch: _Patch) -> Float32Array:
    (x, y), (width, height) = patch.x.T, patch.width.T
    inner = _pulse(x, width, 0.07, 0.93) * _pulse(y, height, 0.07, 0.93)
    return 1 - inner + _pulse(x, width, 0.4, 0.6) * _pulse(y, height, 0.2, 0.8)


def _across(patch: _Patch) -> tuple[Float32Array, Float32Array, Float32Array]:
    """Two coordinates in periods and the footprint [N], laid through space: the pattern crosses edges of shapes."""
    x, y, z = patch.point.T
    a, b = (x + 0.7 * z) / patch.period[:, 0], (y - 0.6 * z + 0.2 * x) / patch.period[:, 1]
    return a, b, patch.width.max(axis=1)


def _noise(patch: _Patch) -> Float32Array:
    a, b, width = _across(patch)
    layers = sum(cell * noise(a + 7 * cell, b, cell, width) for cell in (1.0, 0.5, 0.25, 0.12, 0.06))
    return np.asarray(np.clip(0.5 + 0.4 * np.asarray(layers), 0, 1), dtype=np.float32)


def _blots(patch: _Patch) -> Float32Array:
    a, b, width = _across(patch)
    sharp = 6 * (noise(a, b, 0.5, width) + 0.5 * noise(b, a, 0.15, width))
    return np.asarray(np.clip(0.5 + sharp, 0, 1), dtype=np.float32)


def _checks(patch: _Patch) -> Float32Array:
    a, b, width = _across(patch)
    first, second = _pulse(a, width, 0.0, 0.5), _pulse(b, width, 0.0, 0.5)
    return first + second - 2 * first * second


GLASS = np.float32(0.035)
_LAYOUTS: dict[Texture, Callable[[_Patch], Float32Array]] = {
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
