"""A synthetic world as tensors on a device, so that a GPU can see it without the help of the CPU."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from depth_ros.synthetic.holes import hole_maps, hole_tiles
from depth_ros.synthetic.shading import SunView, sun_view
from depth_ros.synthetic.shapes import Scene
from depth_ros.synthetic.surface import quad_frames
from depth_ros.synthetic.texture import noise_tile


@dataclass(frozen=True, eq=False)
class DeviceQuads:
    """See `shapes.Quads`; P quads.

    vertices: float64 [P,4,3]. holes: int64 [P], values of `shapes.Holes`. hole_size: float64 [P]. hole_gradient,
    hole_offset: float64 [P,2,3] and [P,2], the map uv = G p + g where there are holes. normal: float32 [P,3], unit.
    gradient, offset: float32 [P,2,3] and [P,2], the map of all quads.
    """

    vertices: Tensor
    holes: Tensor
    hole_size: Tensor
    hole_gradient: Tensor
    hole_offset: Tensor
    normal: Tensor
    gradient: Tensor
    offset: Tensor


@dataclass(frozen=True, eq=False)
class DeviceMaterials:
    """See `shapes.Materials`: colour, accent float32 [M,3]; texture int64 [M]; period float32 [M,2]; gloss [M]."""

    colour: Tensor
    accent: Tensor
    texture: Tensor
    period: Tensor
    gloss: Tensor


@dataclass(frozen=True, eq=False)
class DeviceScene:
    """See `shapes.Scene`; shapes are numbered as there.

    centre, axes: float64 [S,3] and [S,3,3], ellipsoids, of which there are `ellipsoids`, before cylinders.
    shape_material: int64 [quads + S]. sun: float32 [3], None = no sun. lamps: float32 [L,5]. hole_tiles: bool
    [kinds,V,U]. noise_tile: float32 [V,U].
    """

    device: torch.device
    quads: DeviceQuads
    centre: Tensor
    axes: Tensor
    ellipsoids: int
    shape_material: Tensor
    materials: DeviceMaterials
    sun: Tensor | None
    sun_view: SunView | None
    lamps: Tensor
    haze: float
    hole_tiles: Tensor
    noise_tile: Tensor

    @classmethod
    def from_scene(cls, scene: Scene, device: torch.device | str) -> DeviceScene:
        """Copy a scene to a device, which must know float64 (CPUs and CUDA do)."""
        device = torch.device(device)

        def put(array: NDArray[np.generic], dtype: torch.dtype) -> Tensor:
            return torch.as_tensor(np.ascontiguousarray(array), device=device).to(dtype)

        f32, f64, i64 = torch.float32, torch.float64, torch.int64
        kinds, hole_size, hole_gradient, hole_offset = hole_maps(scene)
        normal, gradient, offset = quad_frames(scene)
        materials, shines = scene.materials, bool(scene.sun.any())
        return cls(
            device=device,
            quads=DeviceQuads(
                vertices=put(scene.quads.vertices, f64),
                holes=put(kinds, i64),
                hole_size=put(hole_size, f64),
                hole_gradient=put(hole_gradient, f64),
                hole_offset=put(hole_offset, f64),
                normal=put(normal, f32),
                gradient=put(gradient, f32),
                offset=put(offset, f32),
            ),
            centre=put(np.concatenate([scene.ellipsoids.centre, scene.cylinders.centre]), f64),
            axes=put(np.concatenate([scene.ellipsoids.axes, scene.cylinders.axes]), f64),
            ellipsoids=len(scene.ellipsoids.material),
            shape_material=put(scene.shape_material, i64),
            materials=DeviceMaterials(
                colour=put(materials.colour, f32),
                accent=put(materials.accent, f32),
                texture=put(materials.texture, i64),
                period=put(materials.period, f32),
                gloss=put(materials.gloss, f32),
            ),
            sun=put(scene.sun, f32) if shines else None,
            sun_view=sun_view(scene) if shines else None,
            lamps=put(scene.lamps, f32).reshape(-1, 5),
            haze=scene.haze,
            hole_tiles=put(hole_tiles(), torch.bool),
            noise_tile=put(noise_tile(), f32),
        )
