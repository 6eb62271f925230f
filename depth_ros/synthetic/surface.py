"""What a ray met: the place, its normal, its material and its texture coordinates."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from depth_ros.synthetic.cast import Hits
from depth_ros.synthetic.grid import RayGrid
from depth_ros.synthetic.shapes import FloatArray, Scene, Solids

Float32Array = NDArray[np.float32]
# Solids have no plane of their own: their texture runs along these two directions of the world.
SOLID_UV = np.array([[0.3, 0.1, 1.0], [0.8, -0.6, 0.2]])


class Surface(NamedTuple):
    """What N rays of a grid hit.

    distance: float32 [N], metres along the ray. ray: float32 [N,3], unit
    direction, world. point: float32 [N,3], metres, world. normal: float32 [N,3], unit, world, towards the viewer.
    material: int32 [N]. uv: float32 [N,2], texture coordinates. radius: float32 [N], on a cylinder's cap the share of
    its radius, else 1. footprint: float32 [N,2], size of one pixel in uv; 0 where no pixel size was given.
    """

    distance: Float32Array
    ray: Float32Array
    point: Float32Array
    normal: Float32Array
    material: NDArray[np.int32]
    uv: Float32Array
    radius: Float32Array
    footprint: Float32Array


def describe(
    scene: Scene,
    T_world_view: FloatArray,
    grid: RayGrid,
    hits: Hits,
    pixel: NDArray[np.int64],
    pixel_size: float = 0.0,
) -> Surface:
    """Describe the surfaces that `cast` hit at the rays `pixel` (int64 [N], row * W + column; all must have hit).

    pixel_size: a pixel's extent in units of x / z, which is 1 / focal length.
    """
    shape = hits.shape.ravel()[pixel]
    rotation = T_world_view[:3, :3].astype(np.float32)
    ray = grid.directions(pixel).astype(np.float32) @ rotation.T
    t = hits.t.ravel()[pixel].astype(np.float32)
    point = t[:, None] * ray + T_world_view[:3, 3].astype(np.float32)
    length = np.sqrt(np.einsum("ni,ni->n", ray, ray))
    distance, ray = t * length, ray / length[:, None]
    # Solids are few: all points are described as if on a quad, then those on solids again.
    first, radius = len(scene.quads.material), np.ones(len(t), np.float32)
    pixel_extent = distance * np.float32(pixel_size)
    normal, uv, footprint = _on_quads(scene, np.where(shape < first, shape, 0), point, ray, pixel_extent, rotation)
    for solids, is_cylinder in ((scene.ellipsoids, False), (scene.cylinders, True)):
        chosen = np.flatnonzero((shape >= first) & (shape < first + len(solids.material)))
        normal[chosen], radius[chosen] = _on_solids(solids, shape[chosen] - first, point[chosen], is_cylinder)
        uv[chosen] = point[chosen] @ SOLID_UV.T.astype(np.float32)
        footprint[chosen] = pixel_extent[chosen, None]
        first += len(solids.material)
    return Surface(distance, ray, point, normal, scene.shape_material[shape], uv, radius, footprint)


def _on_quads(
    scene: Scene,
    number: NDArray[np.int32],
    point: Float32Array,
    ray: Float32Array,
    pixel: Float32Array,
    rotation: Float32Array,
) -> tuple[Float32Array, Float32Array, Float32Array]:
    """Normal, uv and footprint; a pixel step e moves the hit by distance * (e - ray (n.e) / (n.ray))."""
    if not len(scene.quads.material):
        return np.empty_like(ray), np.empty_like(ray[:, :2]), np.empty_like(ray[:, :2])
    normals, maps, offsets = quad_frames(scene)
    normal = np.take(normals, number, axis=0)
    facing = np.minimum(np.einsum("ni,ni->n", normal, ray), np.float32(-1e-3))
    steps = rotation[:, :2]
    tilts = [np.take(tilt, number) / facing for tilt in (normals @ steps).T]
    uv, footprint = np.empty((len(number), 2), np.float32), np.empty((len(number), 2), np.float32)
    for axis in (0, 1):
        gradient = np.take(maps[:, axis], number, axis=0)
        uv[:, axis] = np.einsum("nj,nj->n", gradient, point) + np.take(offsets[:, axis], number)
        slope = np.einsum("nj,nj->n", gradient, ray)
        moved = (np.take(shift, number) for shift in (maps[:, axis] @ steps).T)
        footprint[:, axis] = sum(np.abs(shift - slope * tilt) for shift, tilt in zip(moved, tilts, strict=True)) * pixel
    return normal, uv, footprint


@lru_cache(maxsize=4)
def quad_frames(scene: Scene) -> tuple[Float32Array, Float32Array, Float32Array]:
    """Return normals [P,3] and the affine maps uv = G p + g of all quads, G [P,2,3] and g [P,2]."""
    vertices, uv = scene.quads.vertices, scene.quads.uv
    first, second = vertices[:, 1] - vertices[:, 0], vertices[:, 2] - vertices[:, 0]
    normal = np.cross(first, second)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    rows = np.stack([first, second, normal], axis=1)
    steps = np.stack([uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0], np.zeros((len(uv), 2))], axis=1)
    gradient = np.linalg.solve(rows, steps).transpose(0, 2, 1)
    offset = uv[:, 0] - np.einsum("pij,pj->pi", gradient, vertices[:, 0])
    return normal.astype(np.float32), gradient.astype(np.float32), offset.astype(np.float32)


def _on_solids(
    solids: Solids, number: NDArray[np.int32], point: Float32Array, is_cylinder: bool
) -> tuple[Float32Array, Float32Array]:
    axes = solids.axes[number]
    scaled = axes / np.square(axes).sum(axis=1)[:, None, :]
    local = np.einsum("nij,ni->nj", scaled, point - solids.centre[number])
    radius = np.ones(len(number))
    if is_cylinder:
        cap = np.abs(local[:, 2]) > 1 - 1e-4
        radius[cap] = np.hypot(local[cap, 0], local[cap, 1])
        local[cap, :2] = 0
        local[~cap, 2] = 0
    normal = np.einsum("nij,nj->ni", scaled, local)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    return normal.astype(np.float32), radius.astype(np.float32)
