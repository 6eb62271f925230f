"""Where LiDARs look: the rays of spinning and of solid-state sensors, as directions in a camera's frame."""

from __future__ import annotations

import numpy as np

from depth_ros.geometry.camera import Camera
from depth_ros.synthetic.lidar import PATTERNS
from depth_ros.synthetic.shapes import FloatArray

Rng = np.random.Generator

LAYOUTS = {
    "spin16": 0.1,
    "spin32": 0.16,
    "spin40": 0.08,
    "spin64": 0.24,
    "spin64_even": 0.1,
    "spin128": 0.12,
    "wide32": 0.04,
    "wide64": 0.06,
    "wide128": 0.1,
}
"""Vertical layouts (of PATTERNS), and how often."""
KEEP_EVERY = {1: 0.38, 2: 0.22, 4: 0.2, 8: 0.13, 16: 0.07}
"""Every k-th beam of a layout, and how often: robots carry sensors of every price."""
FEWEST_BEAMS = 4
COLUMNS = (400, 2100)
"""Firings per turn."""
SWAY_DEG = (0.02, 1.2)
"""A ring's elevation over the azimuth: amplitude of what all beams share (a tilted, moving head), log-uniform."""
OWN_SWAY = 0.15
"""What each beam does by itself, as a share of the spacing of the beams."""
JITTER_DEG = 0.02
LEVEL_DEG = 1.5
"""How far from level a LiDAR is mounted, standard deviation."""
_UP_LIMIT_DEG = 85.0


def spinning_rays(camera: Camera, T_world_cam: FloatArray, rng: Rng) -> FloatArray:
    """Draw a spinning LiDAR and return those of its rays that point around `camera`'s window.

    T_world_cam: float64 [4,4], world with z up, which gives the LiDAR its level. Returns float64 [N,3], unit vectors
    in the camera's frame.
    """
    R_cam_lidar = _levelled(T_world_cam, rng)
    elevations = _beams(rng)
    az_low, az_high, el_low, el_high = _window_angles(camera, R_cam_lidar)
    near_window = (elevations > el_low - 3) & (elevations < el_high + 3)
    columns = rng.uniform(*COLUMNS)
    azimuth = np.arange(az_low, az_high, 360 / columns) + rng.uniform(0, 360 / columns)
    spacing = float(np.median(np.diff(elevations)))
    azimuth, elevation = _sway(azimuth, elevations[near_window], spacing, rng)
    a, e = np.radians(azimuth).ravel(), np.radians(elevation).ravel()
    in_lidar = np.stack([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)], axis=1)
    return in_lidar @ R_cam_lidar.T


def rosette_rays(camera: Camera, rng: Rng) -> FloatArray:
    """Draw a rosette: two counter-rotating prisms sweep a circle, a little elsewhere in each turn; float64 [N,3]."""
    half_width = _half_angle(camera)
    radius = half_width * rng.uniform(0.6, 1.6)
    count = int(np.exp(rng.uniform(np.log(3000), np.log(24000))))
    time = np.linspace(0, rng.uniform(0.1, 1.0), count) + rng.uniform(0, 60)
    fast, slow = 2 * np.pi * rng.uniform(90, 130), -2 * np.pi * rng.uniform(55, 85)
    x = radius / 2 * (np.cos(fast * time) + np.cos(slow * time))
    y = radius / 2 * (np.sin(fast * time) + np.sin(slow * time))
    return _around_centre(camera, x, y * rng.uniform(0.6, 1), rng)


def raster_rays(camera: Camera, rng: Rng) -> FloatArray:
    """Draw the lines of a mirror that swings over a narrow field, slightly skewed; float64 [N,3]."""
    half_width = _half_angle(camera)
    wide, high = half_width * rng.uniform(0.5, 1.5), half_width * rng.uniform(0.3, 0.9)
    lines, columns = int(rng.integers(8, 120)), int(rng.integers(60, 400))
    x, y = np.meshgrid(np.linspace(-wide, wide, columns), np.linspace(-high, high, lines))
    skew = rng.normal(0, 0.02)
    y = y + skew * x + np.radians(0.01) * rng.standard_normal(y.shape)
    return _around_centre(camera, x.ravel(), y.ravel(), rng)


def _levelled(T_world_cam: FloatArray, rng: Rng) -> FloatArray:
    """Rotation of a LiDAR (x ahead, y left, z up in the world, roughly) in the camera's frame."""
    up, ahead = T_world_cam[:3, :3].T @ (0, 0, 1.0), np.array([0, 0, 1.0])
    up = up + np.radians(rng.normal(0, LEVEL_DEG, 3))
    up /= np.linalg.norm(up)
    if abs(up @ ahead) > 0.95:
        ahead = np.array([0, -1.0, 0])
    left = np.cross(up, ahead)
    left /= np.linalg.norm(left)
    return np.column_stack([np.cross(left, up), left, up])


def _beams(rng: Rng) -> FloatArray:
    """Elevations [R] in degrees: a layout of a real sensor, or every k-th beam of it."""
    layout = PATTERNS[str(rng.choice(list(LAYOUTS), p=list(LAYOUTS.values())))].elevations
    keep = [k for k in KEEP_EVERY if len(layout) // k >= FEWEST_BEAMS]
    share = np.array([KEEP_EVERY[k] for k in keep])
    every = int(rng.choice(keep, p=share / share.sum()))
    return layout[int(rng.integers(every)) :: every] + rng.normal(0, 0.5)


def _window_angles(camera: Camera, R_cam_lidar: FloatArray) -> FloatArray:
    """Least and greatest azimuth and elevation in degrees of the rays through the camera's window, and around it."""
    width, height = camera.size
    u, v = np.linspace(-width / 2, 1.5 * width, 9), np.linspace(-height / 2, 1.5 * height, 9)
    pixels = np.stack(np.meshgrid(u, v), axis=-1).reshape(-1, 2)
    rays = camera.unproject(pixels, np.ones(len(pixels))) @ R_cam_lidar
    elevation = np.degrees(np.arctan2(rays[:, 2], np.hypot(rays[:, 0], rays[:, 1])))
    azimuth = np.degrees(np.arctan2(rays[:, 1], rays[:, 0]))
    if np.abs(elevation).max() > _UP_LIMIT_DEG or np.abs(azimuth).max() > 150:
        return np.array([-180, 180, elevation.min(), elevation.max()])
    return np.array([azimuth.min(), azimuth.max(), elevation.min(), elevation.max()])


def _sway(azimuth: FloatArray, elevations: FloatArray, spacing: float, rng: Rng) -> tuple[FloatArray, FloatArray]:
    """Azimuth and elevation [R,W] of every ray: rings are not of constant elevation in life."""
    rings = len(elevations)
    shared = np.exp(rng.uniform(*np.log(SWAY_DEG)))
    cycles, phase = rng.uniform(0.5, 3), rng.uniform(0, 2 * np.pi, (rings + 1, 1))
    turns = np.radians(azimuth)[None]
    elevation = elevations[:, None] + shared * np.sin(cycles * turns + phase[0])
    elevation = elevation + OWN_SWAY * rng.uniform(0, spacing) * np.sin(2 * cycles * turns + phase[1:])
    # Lasers of one head are not mounted in one column.
    stagger = rng.uniform(-1, 1, (rings, 1)) * rng.choice([0, 0.5, 2.0])
    return azimuth[None] + stagger, elevation + rng.normal(0, JITTER_DEG, elevation.shape)


def _half_angle(camera: Camera) -> float:
    fx, _, _, _ = camera.intrinsics
    return float(np.arctan(camera.width / 2 / fx))


def _around_centre(camera: Camera, x: FloatArray, y: FloatArray, rng: Rng) -> FloatArray:
    """Rays at angles (x right, y down) in radians from a ray near the middle of the camera's window."""
    width, height = camera.size
    middle = np.array([[width, height]]) * (0.5 + rng.uniform(-0.15, 0.15, 2))
    ahead = camera.unproject(middle, np.ones(1))[0]
    ahead /= np.linalg.norm(ahead)
    right = np.cross((0, 1.0, 0), ahead)
    right /= np.linalg.norm(right)
    axes = np.stack([right, np.cross(ahead, right), ahead])
    angle = np.hypot(x, y)
    spread = np.sinc(angle / np.pi)
    return np.asarray(np.stack([spread * x, spread * y, np.cos(angle)], axis=1) @ axes, np.float64)
