"""Scans of worlds by LiDARs that sit beside the camera, as sparse depth images with the faults of life."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from depth_ros.geometry import rigid
from depth_ros.geometry.camera import Camera
from depth_ros.geometry.lidar import project_points, see_through_filter
from depth_ros.synthetic.lidar import BEAM_DIVERGENCE, HALF_POWER, return_strength
from depth_ros.synthetic.rays import Echoes, RangeView, probe, surfaces, view_beside
from depth_ros.synthetic.shapes import FloatArray, Scene
from depth_ros.training.beams import raster_rays, rosette_rays, spinning_rays
from depth_ros.training.corrupt import add_outliers, hide_parts

Float32Array = NDArray[np.float32]
Rng = np.random.Generator

OFFSET = (0.05, 0.6)
"""Metres from the camera to a spinning LiDAR; solid-state ones sit a third as far away."""
MOUNTS = {"above": 0.6, "beside": 0.25, "behind": 0.15}
RANGE = (5.0, 120.0)
LONG_RANGE, LONG = (60.0, 120.0), 0.7
"""Longest range in metres, log-uniform; most LiDARs reach far."""
RANGE_NOISE = (0.005, 0.03)
LEAST_RANGE = 0.3
FILTERED = 0.75
"""How often the see-through filter of the pipeline has run."""
MISCALIBRATED = 0.4
CALIBRATION_DEG, CALIBRATION_M = 0.3, 0.03
"""Largest error of the extrinsics."""
HALF_POWERS = (0.2, 4.0)
"""Weakness of the sensor, times HALF_POWER, log-uniform."""
MERGED_GAP = 2.0
"""Two surfaces in one beam closer than this (metres) merge into one return between them; others rarely do."""
MERGED, MERGED_FAR = 0.5, 0.05
RAIN = 0.1
RAIN_SHARE = 0.03


def measure_spinning(
    scene: Scene, camera: Camera, T_world_cam: FloatArray, truth: Float32Array, rng: Rng
) -> Float32Array:
    """Draw a spinning LiDAR of 4 to 128 beams and return its scan: float32 [H,W], metres along z, 0 = none."""
    rays = spinning_rays(camera, T_world_cam, rng)
    return _measure(scene, camera, T_world_cam, truth, rays, _mount(rng), rng)


def measure_rosette(
    scene: Scene, camera: Camera, T_world_cam: FloatArray, truth: Float32Array, rng: Rng
) -> Float32Array:
    """Draw a LiDAR with a rosette pattern, see `measure_spinning`."""
    return _measure(scene, camera, T_world_cam, truth, rosette_rays(camera, rng), _mount(rng) / 3, rng)


def measure_raster(
    scene: Scene, camera: Camera, T_world_cam: FloatArray, truth: Float32Array, rng: Rng
) -> Float32Array:
    """Draw a LiDAR that scans a narrow field line by line, see `measure_spinning`."""
    return _measure(scene, camera, T_world_cam, truth, raster_rays(camera, rng), _mount(rng) / 3, rng)


def scan_view(
    scene: Scene, camera: Camera, T_world_cam: FloatArray, rays: FloatArray, offset: FloatArray, nearest: float,
    rng: Rng | None = None,
) -> Float32Array:  # fmt: skip
    """Cast rays (float64 [N,3], camera frame) from `offset` (float64 [3], metres, camera frame), project the returns.

    nearest: metres, see `view_beside`. rng: draws the faults of a sensor; None gives every return, exactly.
    Returns float32 [H,W], metres along z, 0 = none, z-buffered.
    """
    view = view_beside(scene, camera, T_world_cam, offset, nearest)
    echoes, chosen = probe(view, rays)
    rays = rays[chosen] / rays[chosen, 2:]
    T_cam_lidar = rigid.from_rotation(np.eye(3), offset)
    if rng is None:
        returned = np.flatnonzero(np.isfinite(echoes.z))
        xyz = rays[returned] * echoes.z[returned, None]
    else:
        xyz = _faulty(scene, view, echoes, rays, rng)
        T_cam_lidar = T_cam_lidar @ _calibration_error(rng)
    return project_points(xyz.astype(np.float32), T_cam_lidar, camera).depth


def _measure(
    scene: Scene, camera: Camera, T_world_cam: FloatArray, truth: Float32Array, rays: FloatArray, offset: FloatArray,
    rng: Rng,
) -> Float32Array:  # fmt: skip
    nearest = float(np.nanquantile(truth[::4, ::4], 0.05)) if np.isfinite(truth).any() else 1.0
    sparse = hide_parts(scan_view(scene, camera, T_world_cam, rays, offset, nearest, rng), rng)
    if rng.random() < FILTERED:
        sparse = see_through_filter(sparse, None)
    return add_outliers(sparse, rng)


def _mount(rng: Rng) -> FloatArray:
    """Place of the LiDAR in the camera's frame (x right, y down, z ahead), metres."""
    place = rng.choice(list(MOUNTS), p=list(MOUNTS.values()))
    direction = {"above": (0, -1.0, 0), "beside": (rng.choice([-1.0, 1.0]), 0, 0), "behind": (0, 0, -1.0)}[place]
    turned = np.asarray(direction) + rng.normal(0, 0.35, 3)
    return turned / np.linalg.norm(turned) * rng.uniform(*OFFSET)


def _faulty(scene: Scene, view: RangeView, echoes: Echoes, rays: FloatArray, rng: Rng) -> FloatArray:
    """Points [M,3] in the LiDAR's frame: what returns of the echoes, with noise, mixed and rain."""
    longest = np.exp(rng.uniform(*np.log(LONG_RANGE if rng.random() < LONG else RANGE)))
    stretch = np.linalg.norm(rays, axis=1)
    z = _merged(echoes, rng)
    hit = np.flatnonzero(np.isfinite(echoes.z) & (z * stretch > LEAST_RANGE) & (z * stretch < longest))
    surface = surfaces(scene, view, echoes.pixel[hit], BEAM_DIVERGENCE)
    half_power = HALF_POWER * float(np.exp(rng.uniform(*np.log(HALF_POWERS))))
    _, chance = return_strength(scene, surface, half_power)
    lost = rng.choice([0.0, 0.03, 0.1, 0.3], p=[0.4, 0.3, 0.2, 0.1])
    hit = hit[rng.random(len(hit)) < chance * (1 - lost)]
    distance = z[hit] * stretch[hit] + rng.uniform(*RANGE_NOISE) * rng.standard_normal(len(hit))
    if rng.random() < RAIN:
        struck = rng.random(len(hit)) < rng.uniform(0, RAIN_SHARE)
        distance = np.where(struck, np.minimum(distance, rng.exponential(4, len(hit)) + LEAST_RANGE), distance)
    return np.asarray(rays[hit] * (np.maximum(distance, 0.05) / stretch[hit])[:, None], np.float64)


def _merged(echoes: Echoes, rng: Rng) -> FloatArray:
    """Depth [N] with mixed pixels: on an edge a part of the returns lies between the near and the far surface."""
    with np.errstate(invalid="ignore"):
        gap = echoes.far - echoes.near
        chance = np.where(np.isfinite(echoes.far) & (gap > 0), np.where(gap < MERGED_GAP, MERGED, MERGED_FAR), 0)
        between = echoes.near + rng.random(len(gap)) * gap
    return np.where(rng.random(len(gap)) < chance, between, echoes.z)


def _calibration_error(rng: Rng) -> FloatArray:
    if rng.random() > MISCALIBRATED:
        return np.eye(4)
    turn = np.radians(rng.uniform(-1, 1, 3) * CALIBRATION_DEG / np.sqrt(3))
    return rigid.from_rotation(
        Rotation.from_rotvec(turn).as_matrix(), rng.uniform(-1, 1, 3) * CALIBRATION_M / np.sqrt(3)
    )
