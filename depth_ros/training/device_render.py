"""Rendering on a device: the images of `synthetic.render` without keeping a GPU waiting."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from depth_ros.errors import SyntheticError
from depth_ros.geometry.camera import Camera
from depth_ros.synthetic.cast import Hits
from depth_ros.synthetic.grid import RayGrid
from depth_ros.synthetic.shapes import FloatArray, Scene
from depth_ros.training.device_cast import DeviceHits, cast_device
from depth_ros.training.device_scene import DeviceScene
from depth_ros.training.device_shade import shade, sky, to_srgb
from depth_ros.training.device_surface import describe


class DeviceRenderer:
    """Renders and casts scenes of the CPU on a device; takes and gives what `render` and `cast` do."""

    def __init__(self, device: torch.device | str) -> None:
        self._copy = lru_cache(maxsize=2)(lambda scene: DeviceScene.from_scene(scene, device))

    def render(
        self, scene: Scene, camera: Camera, T_world_cam: FloatArray
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """See `synthetic.render.render`."""
        rgb, depth = render_device(self._copy(scene), camera, T_world_cam)
        return rgb.cpu().numpy(), depth.cpu().numpy()

    def cast(self, scene: Scene, T_world_view: FloatArray, grid: RayGrid) -> Hits:
        """See `synthetic.cast.cast`."""
        hits = cast_device(self._copy(scene), T_world_view, grid)
        return Hits(hits.t.cpu().numpy(), hits.shape.to(torch.int32).cpu().numpy())


def render_device(scene: DeviceScene, camera: Camera, T_world_cam: FloatArray) -> tuple[Tensor, Tensor]:
    """Render what `camera` (rectified) sees from the pose `T_world_cam` of its optical frame; see `render`.

    Returns, on the scene's device, rgb uint8 [H,W,3] and depth float32 [H,W], metres, NaN where the sky is seen.

    Raises SyntheticError when the camera has lens distortion.
    """
    if not camera.is_rectified:
        raise SyntheticError("camera has lens distortion: render camera.rectified() instead")
    grid = RayGrid.from_camera(camera)
    hits = cast_device(scene, T_world_cam, grid)
    depth = torch.where(hits.shape >= 0, hits.t, torch.nan).float()
    return to_srgb(_antialiased(scene, camera, T_world_cam, grid, hits)), depth


def _antialiased(
    scene: DeviceScene, camera: Camera, T_world_cam: FloatArray, grid: RayGrid, hits: DeviceHits
) -> Tensor:
    """Light of all pixels [H,W,3]; where a pixel's corners see other shapes than its centre, their light is blended in.

    The centre weighs 1/2, each corner 1/8 (quincunx); textures inside a shape are filtered by themselves.
    """
    height, width = hits.shape.shape
    everywhere = torch.arange(height * width, device=scene.device)
    light = _light(scene, T_world_cam, grid, hits, everywhere, 1 / camera.intrinsics[0])
    corner_grid = RayGrid.from_camera(
        Camera.from_focal(camera.width + 1, camera.height + 1, *camera.intrinsics), shift=-0.5
    )
    corner_hits = cast_device(scene, T_world_cam, corner_grid)
    offsets = [(i, j) for i in (0, 1) for j in (0, 1)]
    around = torch.stack([corner_hits.shape[i : i + height, j : j + width] for i, j in offsets])
    row, column = torch.nonzero((around != hits.shape).any(dim=0), as_tuple=True)
    corners = torch.cat([(row + i) * (width + 1) + column + j for i, j in offsets])
    corners, place = torch.unique(corners, return_inverse=True)
    corner_light = _light(scene, T_world_cam, corner_grid, corner_hits, corners, 1 / camera.intrinsics[0])
    edge = row * width + column
    light[edge] = (light[edge] + corner_light[place].reshape(4, -1, 3).mean(dim=0)) / 2
    return light.reshape(height, width, 3)


def _light(
    scene: DeviceScene, T_world_cam: FloatArray, grid: RayGrid, hits: DeviceHits, pixel: Tensor, pixel_size: float
) -> Tensor:
    """Light [N,3] along chosen rays (int64 [N], row * W + column), no brighter than a display can tell."""
    x, y, z = (torch.as_tensor(part, device=scene.device) for part in (grid.x, grid.y, grid.z))
    row, column = pixel // len(grid.x), pixel % len(grid.x)
    ray, t, shape = torch.stack([x[column], y[row], z[column]], dim=1), hits.t[row, column], hits.shape[row, column]
    light = torch.empty((len(pixel), 3), device=scene.device)
    struck, missed = torch.nonzero(shape >= 0)[:, 0], torch.nonzero(shape < 0)[:, 0]
    surface = describe(scene, T_world_cam, ray[struck], t[struck], shape[struck], pixel_size)
    light[struck] = shade(scene, surface)
    outward = ray[missed] @ torch.as_tensor(T_world_cam[:3, :3].T.copy(), device=scene.device)
    light[missed] = sky(scene, torch.nn.functional.normalize(outward, dim=1).float())
    return light.clamp(max=4)
