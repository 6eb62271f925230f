"""A rectified camera's view of a scene: colour and exact depth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from depth_ros.errors import SyntheticError
from depth_ros.geometry.camera import Camera
from depth_ros.synthetic.cast import Hits, cast
from depth_ros.synthetic.grid import RayGrid
from depth_ros.synthetic.shading import shade, sky, to_srgb
from depth_ros.synthetic.shapes import FloatArray, Scene
from depth_ros.synthetic.surface import describe


def render(scene: Scene, camera: Camera, T_world_cam: FloatArray) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
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
    """Light of all pixels [H,W,3]; where a pixel's corners see other shapes than its centre, their light is blended in.

    The centre weighs 1/2, each corner 1/8 (quincunx); textures inside a shape are filtered by themselves.
    """
    light = _light(scene, T_world_cam, grid, hits, np.arange(hits.shape.size), 1 / camera.intrinsics[0])
    light = light.reshape(*hits.shape.shape, 3)
    wider = Camera.from_focal(camera.width + 1, camera.height + 1, *camera.intrinsics)
    corner_grid = RayGrid.from_camera(wider, shift=-0.5)
    corner_hits = cast(scene, T_world_cam, corner_grid)
    around = [corner_hits.shape[i : i + camera.height, j : j + camera.width] for i in (0, 1) for j in (0, 1)]
    row, column = np.nonzero(np.any([shape != hits.shape for shape in around], axis=0))
    corners = np.concatenate([(row + i) * wider.width + column + j for i in (0, 1) for j in (0, 1)])
    corners, place = np.unique(corners, return_inverse=True)
    corner_light = _light(scene, T_world_cam, corner_grid, corner_hits, corners, 1 / camera.intrinsics[0])
    blended = corner_light[place].reshape(4, -1, 3).mean(axis=0)
    light[row, column] = (light[row, column] + blended) / 2
    return light


def _light(
    scene: Scene,
    T_world_cam: FloatArray,
    grid: RayGrid,
    hits: Hits,
    pixel: NDArray[np.int64],
    pixel_size: float,
) -> NDArray[np.float32]:
    """Light [N,3] along chosen rays (int64 [N], row * W + column), no brighter than a display can tell."""
    light = np.empty((len(pixel), 3), np.float32)
    struck = hits.shape.ravel()[pixel] >= 0
    light[struck] = shade(scene, describe(scene, T_world_cam, grid, hits, pixel[struck], pixel_size))
    rays = grid.directions(pixel[~struck]) @ T_world_cam[:3, :3].T
    light[~struck] = sky((rays / np.linalg.norm(rays, axis=1, keepdims=True)).astype(np.float32))
    return np.minimum(light, 4)
