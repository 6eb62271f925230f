"""Light: sun with cast shadows, sky, mirror reflection of the sky, haze."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from depth_ros.geometry import rigid
from depth_ros.synthetic.cast import cast
from depth_ros.synthetic.grid import RayGrid
from depth_ros.synthetic.shapes import FloatArray, Scene, Texture
from depth_ros.synthetic.surface import Surface
from depth_ros.synthetic.texture import albedo, noise

Float32Array = NDArray[np.float32]
SUN_DISTANCE = 4000.0
SUN_COLOUR = np.array([2.30, 2.10, 1.75], np.float32)
ZENITH, HORIZON = np.array([0.20, 0.40, 0.85], np.float32), np.array([0.78, 0.86, 0.95], np.float32)
LAMP_COLOUR = np.array([1.10, 1.0, 0.85], np.float32)
AMBIENT, BOUNCE = np.array([0.50, 0.60, 0.78], np.float32), np.array([0.30, 0.27, 0.23], np.float32)
_TEXELS = 9e6
SHADOW_BIAS = 0.12


def shade(scene: Scene, surface: Surface) -> Float32Array:
    """Return the light [N,3] (linear, 1 = white paper in the shade) that comes from a surface's points."""
    colour, gloss = albedo(scene.materials, surface)
    sun = scene.sun.astype(np.float32)
    facing = surface.normal @ sun
    leafy = scene.materials.texture[surface.material] == Texture.FOLIAGE
    facing = np.where(leafy, 0.25 + 0.75 * facing, facing)
    direct = np.zeros(len(facing), np.float32)
    lit = np.flatnonzero(facing > 0) if sun.any() else np.empty(0, np.intp)
    if len(lit):
        direct[lit] = facing[lit] * sunlit(scene, surface.point[lit], surface.normal[lit])
    upward = (0.5 + 0.5 * surface.normal[:, 2])[:, None]
    lamplight = _lamplight(scene, surface)[:, None] * LAMP_COLOUR
    light = colour * (direct[:, None] * SUN_COLOUR + upward * AMBIENT + (1 - upward) * BOUNCE + lamplight)
    _add_reflection(light, surface, gloss, sun)
    clear = np.exp(-surface.distance / np.float32(scene.haze))[:, None]
    return np.asarray(HORIZON + clear * (light - HORIZON), dtype=np.float32)


def sky(ray: Float32Array) -> Float32Array:
    """Return the light [N,3] of the sky along unit directions [N,3]: a gradient with thin clouds."""
    up = np.clip(ray[:, 2], 0, 1)
    light = HORIZON + np.sqrt(up)[:, None] * (ZENITH - HORIZON)
    plane = ray[:, :2] / (up + 0.12)[:, None]
    still = np.zeros(len(ray), np.float32)
    clouds = sum(noise(plane[:, 0], plane[:, 1], cell, still) * cell for cell in (0.30, 0.13, 0.06, 0.03))
    cover = np.clip(clouds * 2.2 - 0.15, 0, 0.85)[:, None] * np.sqrt(up)[:, None]
    return np.asarray(light + cover * (np.float32(1.05) - light), dtype=np.float32)


def to_srgb(light: Float32Array) -> NDArray[np.uint8]:
    """Turn linear light [...,3] into 8-bit colours: a soft shoulder, then a square-root gamma."""
    return np.asarray(255 * np.sqrt(1 - np.exp(-1.25 * np.maximum(light, 0))), dtype=np.uint8)


def sunlit(scene: Scene, point: Float32Array, normal: Float32Array) -> Float32Array:
    """Return the share [N] of the sun that reaches points [N,3], world: the shadow map, four texels blended."""
    shadow = _shadow_map(scene)
    point = point + np.float32(0.05) * normal
    seen = rigid.apply(shadow.T_sun_world, point.astype(np.float64))
    column, row = ((seen[:, axis] / seen[:, 2] - shadow.start[axis]) / shadow.step for axis in (0, 1))
    j, i = np.floor(column).astype(np.int64), np.floor(row).astype(np.int64)
    height, width = shadow.depth.shape
    share = np.zeros(len(seen), np.float32)
    for di in (0, 1):
        for dj in (0, 1):
            texel = shadow.depth[np.clip(i + di, 0, height - 1), np.clip(j + dj, 0, width - 1)]
            weight = np.abs(1 - di - (row - i)) * np.abs(1 - dj - (column - j))
            share += (weight * (seen[:, 2] < texel + SHADOW_BIAS)).astype(np.float32)
    return share


class SunView(NamedTuple):
    """What the sun sees: `size` (rows, columns) texels; (i, j) looks along (start + step * (j, i), 1) in its frame."""

    T_world_sun: FloatArray
    start: FloatArray
    step: float
    size: tuple[int, int]


class _ShadowMap(NamedTuple):
    """Depth float32 [H,W] from the sun."""

    T_sun_world: FloatArray
    start: FloatArray
    step: float
    depth: Float32Array


@lru_cache(maxsize=2)
def _shadow_map(scene: Scene) -> _ShadowMap:
    T_world_sun, start, step, (height, width) = sun_view(scene)
    grid = RayGrid(start[0] + step * np.arange(width), start[1] + step * np.arange(height), np.ones(width))
    return _ShadowMap(rigid.invert(T_world_sun), start, step, cast(scene, T_world_sun, grid).t.astype(np.float32))


def sun_view(scene: Scene) -> SunView:
    """Place a scene's sun so far away that its rays are parallel to 2 degrees or better."""
    vertices = scene.quads.vertices.reshape(-1, 3)
    middle = (vertices.min(axis=0) + vertices.max(axis=0)) / 2
    right = np.cross((0, 0, 1.0), scene.sun)
    right /= np.linalg.norm(right)
    down = np.cross(-scene.sun, right)
    T_world_sun = rigid.from_rotation(np.column_stack([right, down, -scene.sun]), middle + SUN_DISTANCE * scene.sun)
    T_sun_world = rigid.invert(T_world_sun)
    seen = rigid.apply(T_sun_world, vertices)
    seen = seen[:, :2] / seen[:, 2:]
    start, extent = seen.min(axis=0), np.ptp(seen, axis=0)
    step = max(scene.shadow_texel / SUN_DISTANCE, float(np.sqrt(extent.prod() / _TEXELS)))
    width, height = (int(np.ceil(size / step)) + 1 for size in extent)
    return SunView(T_world_sun, start, step, (height, width))


def _lamplight(scene: Scene, surface: Surface) -> Float32Array:
    """Light [N] of the scene's lamps, which shine through everything."""
    total = np.zeros(len(surface.distance), np.float32)
    for x, y, z, brightness, reach in scene.lamps.astype(np.float32):
        towards = np.array((x, y, z), np.float32) - surface.point
        squared = np.einsum("ni,ni->n", towards, towards)
        cosine = np.einsum("ni,ni->n", surface.normal, towards) / np.sqrt(squared + np.float32(1e-6))
        total += brightness * (0.15 + 0.85 * np.maximum(cosine, 0)) / (1 + squared / (reach * reach))
    return total


def _add_reflection(light: Float32Array, surface: Surface, gloss: Float32Array, sun: Float32Array) -> None:
    """Add what glossy points mirror of the sky (Schlick's approximation of Fresnel's law) and of the sun."""
    at = np.flatnonzero(gloss > 0.005)
    normal, ray = surface.normal[at], surface.ray[at]
    cosine = np.clip(-np.einsum("ni,ni->n", normal, ray), 0, 1)
    mirrored = ray + 2 * cosine[:, None] * normal
    share = gloss[at] * (1 + 5 * (1 - cosine) ** 4)
    above = np.clip(0.5 + 2 * mirrored[:, 2:], 0.12, 1)
    glint = 25 * np.maximum(mirrored @ sun, 0) ** 120
    light[at] += share[:, None] * (sky(mirrored) * above + glint[:, None] * SUN_COLOUR)
