"""A rectified camera's view of a scene: colour and exact depth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from depth_ros.errors import SyntheticError
from depth_ros.geometry.camera import Camera
from depth_ros.synthetic.cast import Hits, RayGrid, cast
from depth_ros.synthetic.shading import shade, sky, to_srgb
from depth_ros.synthetic.shapes import FloatArray, Scene
from depth_ros.synthetic.surface import describe


def render(
    scene: Scene, camera: Camera, T_world_cam: FloatArray
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Render what `camera` (rectified; its K is used) sees from the pose `T_world_cam` of its optical frame.

    Returns rgb uint8 [H,W,3], anti-aliased, and depth float32 [H,W], metres along the optical axis at the pixel's
    centre, exact to float32, NaN where the sky is seen. Surfaces nearer than 5 cm are not drawn.

    Raises SyntheticError when the camera has lens distortion.
    """
    if not camera.is_rectified:
        raise SyntheticError("camera has lens distortion: render camera.rectified() instead")
    grid = RayGrid.from_camera(camera)
    hits = cast(scene, T_world_cam, grid)
    depth = np.where(hits.shape >= 0, hits.t, np.nan).astype(np.float32)
    return to_srgb(_antialiased(scene, camera, T_world_cam, grid, hits)), depth


def _antialiased(
    scene: Scene, camera: Camera, T_world_cam: FloatArray, grid: RayGrid, hits: Hits
) -> NDArray[np.float32]:
    """Blend each pixel's centre, weight 1/2, with its four corners, 1/8 each (quincunx); corners serve four pixels."""
    focal = camera.intrinsics[0]
    centres = _light(scene, T_world_cam, grid, hits, 1 / focal)
    wider = Camera.from_focal(camera.width + 1, camera.height + 1, *camera.intrinsics)
    corner_grid = RayGrid.from_camera(wider, shift=-0.5)
    corners = _light(scene, T_world_cam, corner_grid, cast(scene, T_world_cam, corner_grid), 1 / focal)
    around = corners[:-1, :-1] + corners[1:, :-1] + corners[:-1, 1:] + corners[1:, 1:]
    return np.asarray(0.5 * centres + 0.125 * around, dtype=np.float32)


def _light(
    scene: Scene, T_world_cam: FloatArray, grid: RayGrid, hits: Hits, pixel_size: float
) -> NDArray[np.float32]:
    light = np.empty((hits.shape.size, 3), np.float32)
    surface = describe(scene, T_world_cam, grid, hits, pixel_size)
    light[surface.pixel] = shade(scene, surface)
    empty = np.flatnonzero(hits.shape < 0)
    rays = grid.directions.reshape(-1, 3)[empty] @ T_world_cam[:3, :3].T
    light[empty] = sky((rays / np.linalg.norm(rays, axis=1, keepdims=True)).astype(np.float32))
    return np.minimum(light, 4).reshape(*hits.shape.shape, 3)
