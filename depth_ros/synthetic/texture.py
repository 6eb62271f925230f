"""Procedural textures, each filtered over the pixel's footprint so that nothing flickers or turns into moire."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_ros.synthetic.shapes import Materials, Texture
from depth_ros.synthetic.surface import Surface

Float32Array = NDArray[np.float32]
_TILE = 256
FINE, COARSE = 0.03, 0.45


def albedo(materials: Materials, surface: Surface) -> tuple[Float32Array, Float32Array]:
    """Return reflectance [N,3] and gloss [N] (share of mirror reflection at normal incidence) of a surface's points."""
    kind = materials.texture[surface.material]
    accent, shine = np.zeros(len(kind), np.float32), np.ones(len(kind), np.float32)
    grain = _grain(surface, kind)
    for texture, layout in _LAYOUTS.items():
        chosen = np.flatnonzero(kind == texture)
        if len(chosen):
            period = materials.period[surface.material[chosen]]
            accent[chosen], shine[chosen] = layout(
                surface.uv[chosen], surface.footprint[chosen], period, surface.radius[chosen], grain[chosen]
            )
    colour, other = materials.colour[surface.material], materials.accent[surface.material]
    colour = colour + accent[:, None] * (other - colour)
    glazed = (kind == Texture.FACADE) & (shine > 0)
    colour[glazed] *= 1 - shine[glazed, None] * (1 - _GLASS / np.maximum(colour[glazed], _GLASS))
    colour *= np.maximum(1 + grain, 0.15)[:, None]
    return colour, materials.gloss[surface.material] * shine


def noise(u: Float32Array, v: Float32Array, cell: float, footprint: Float32Array) -> Float32Array:
    """Smooth noise of unit variance with features of about `cell` (in units of u, v) that fades as pixels outgrow it."""
    count = len(u)
    width = 4096
    rows = -(-count // width)
    maps = np.zeros((2, rows * width), np.float32)
    np.mod(u / np.float32(cell), _TILE, out=maps[0, :count])
    np.mod(v / np.float32(cell), _TILE, out=maps[1, :count])
    maps = maps.reshape(2, rows, width)
    values = cv2.remap(_noise_tile(), maps[0], maps[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    return values.ravel()[:count] / (1 + np.square(footprint / np.float32(2 * cell)))


@lru_cache(maxsize=1)
def _noise_tile() -> Float32Array:
    white = np.random.default_rng(7).normal(size=(_TILE, _TILE)).astype(np.float32)
    tile = cv2.GaussianBlur(np.tile(white, (3, 3)), (0, 0), 1.0)[_TILE : 2 * _TILE, _TILE : 2 * _TILE]
    tile = (tile - tile.mean()) / tile.std()
    return np.pad(tile, ((0, 1), (0, 1)), mode="wrap").astype(np.float32)


def _grain(surface: Surface, kind: NDArray[np.int32]) -> Float32Array:
    """Relative unevenness [N] of the colour: two octaves of noise, strong in foliage."""
    u, v = surface.uv[:, 0], surface.uv[:, 1]
    footprint = surface.footprint.max(axis=1)
    leafy = kind == Texture.FOLIAGE
    fine = noise(u, v, FINE, footprint) * np.where(leafy, np.float32(0.22), np.float32(0.06))
    coarse = noise(v, u, COARSE, footprint) * np.where(leafy, np.float32(0.10), np.float32(0.05))
    middle = noise(v, u, 0.12, footprint) * np.where(leafy, np.float32(0.20), np.float32(0.02))
    return fine + middle + coarse


def _pulse(x: Float32Array, width: Float32Array, low: float, high: float) -> Float32Array:
    """Share of [x - width/2, x + width/2] in which frac(x) lies in [low, high): a box-filtered periodic pulse."""
    width = np.maximum(width, np.float32(1e-3))

    def integral(at: Float32Array) -> Float32Array:
        whole = np.floor(at)
        return whole * np.float32(high - low) + np.clip(at - whole - np.float32(low), 0, np.float32(high - low))

    return (integral(x + width / 2) - integral(x - width / 2)) / width


def _band(x: Float32Array, width: Float32Array, low: float, high: float) -> Float32Array:
    """Share of the footprint within [low, high] of a coordinate that does not repeat."""
    width = np.maximum(width, np.float32(1e-3))
    covered = np.minimum(x + width / 2, np.float32(high)) - np.maximum(x - width / 2, np.float32(low))
    return np.clip(covered / width, 0, 1)


Layout = Callable[
    [Float32Array, Float32Array, Float32Array, Float32Array, Float32Array], tuple[Float32Array, Float32Array]
]


def _asphalt(
    uv: Float32Array, size: Float32Array, period: Float32Array, radius: Float32Array, grain: Float32Array
) -> tuple[Float32Array, Float32Array]:
    """Lane marks: u along the street, v to its left; a zebra crossing every period[1] metres."""
    u, v, du, dv = uv[:, 0], uv[:, 1], size[:, 0], size[:, 1]
    crossing = _pulse(u / period[:, 1], du / period[:, 1], 0.56, 0.61)
    stripes = crossing * _pulse(v, dv, 0.25, 0.75) * _band(np.abs(v), dv, 0.0, 3.0)
    centre = _pulse(u / period[:, 0], du / period[:, 0], 0.0, 0.5) * _band(v, dv, -0.07, 0.07)
    sides = _band(np.abs(v), dv, 2.95, 3.07)
    worn = np.clip(0.85 + 2 * grain, 0.3, 1)
    return (np.maximum(stripes, (1 - crossing) * (centre + sides)) * worn).astype(np.float32), np.zeros_like(u)


def _paving(
    uv: Float32Array, size: Float32Array, period: Float32Array, radius: Float32Array, grain: Float32Array
) -> tuple[Float32Array, Float32Array]:
    x, width = uv / period, size / period
    slab = _pulse(x[:, 0], width[:, 0], 0.05, 1.0) * _pulse(x[:, 1], width[:, 1], 0.05, 1.0)
    return 1 - slab, np.zeros(len(x), np.float32)


def _brick(
    uv: Float32Array, size: Float32Array, period: Float32Array, radius: Float32Array, grain: Float32Array
) -> tuple[Float32Array, Float32Array]:
    x, width = uv / period, size / period
    shifted = x[:, 0] + 0.5 * np.mod(np.floor(x[:, 1]), 2)
    stone = _pulse(shifted, width[:, 0], 0.05, 1.0) * _pulse(x[:, 1], width[:, 1], 0.09, 1.0)
    return 1 - stone, np.zeros(len(x), np.float32)


def _facade(
    uv: Float32Array, size: Float32Array, period: Float32Array, radius: Float32Array, grain: Float32Array
) -> tuple[Float32Array, Float32Array]:
    """One window per bay and floor: a pale frame (accent) around two panes (shine)."""
    x, width = uv / period, size / period
    frame = _pulse(x[:, 0], width[:, 0], 0.25, 0.75) * _pulse(x[:, 1], width[:, 1], 0.27, 0.84)
    panes = _pulse(2 * x[:, 0], 2 * width[:, 0], 0.56, 0.965) + _pulse(2 * x[:, 0], 2 * width[:, 0], 0.035, 0.44)
    inside = _pulse(x[:, 0], width[:, 0], 0.28, 0.72) * _pulse(x[:, 1], width[:, 1], 0.30, 0.81)
    return frame, inside * panes


def _foliage(
    uv: Float32Array, size: Float32Array, period: Float32Array, radius: Float32Array, grain: Float32Array
) -> tuple[Float32Array, Float32Array]:
    return np.clip(0.5 + 1.2 * grain, 0, 1), np.zeros(len(uv), np.float32)


def _stripes(
    uv: Float32Array, size: Float32Array, period: Float32Array, radius: Float32Array, grain: Float32Array
) -> tuple[Float32Array, Float32Array]:
    return _pulse(uv[:, 0] / period[:, 0], size[:, 0] / period[:, 0], 0.5, 1.0), np.zeros(len(uv), np.float32)


def _disc(
    uv: Float32Array, size: Float32Array, period: Float32Array, radius: Float32Array, grain: Float32Array
) -> tuple[Float32Array, Float32Array]:
    return (radius > period[:, 0]).astype(np.float32), np.zeros(len(uv), np.float32)


def _framed(
    uv: Float32Array, size: Float32Array, period: Float32Array, radius: Float32Array, grain: Float32Array
) -> tuple[Float32Array, Float32Array]:
    x, width = uv / period, size / period
    inner = _pulse(x[:, 0], width[:, 0], 0.07, 0.93) * _pulse(x[:, 1], width[:, 1], 0.07, 0.93)
    bar = _pulse(x[:, 0], width[:, 0], 0.4, 0.6) * _pulse(x[:, 1], width[:, 1], 0.2, 0.8)
    return 1 - inner + bar, np.zeros(len(x), np.float32)


_GLASS = np.float32(0.035)
_LAYOUTS: dict[Texture, Layout] = {
    Texture.ASPHALT: _asphalt,
    Texture.PAVING: _paving,
    Texture.BRICK: _brick,
    Texture.FACADE: _facade,
    Texture.FOLIAGE: _foliage,
    Texture.STRIPES: _stripes,
    Texture.DISC: _disc,
    Texture.FRAMED: _framed,
}
