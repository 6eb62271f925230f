"""A spinning LiDAR's scan of a scene, exact or with the faults of a real sensor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from depth_ros.errors import SyntheticError
from depth_ros.frame import PointCloud
from depth_ros.geometry import rigid
from depth_ros.synthetic.cast import cast
from depth_ros.synthetic.grid import RayGrid
from depth_ros.synthetic.shapes import FloatArray, Scene
from depth_ros.synthetic.surface import Surface, describe
from depth_ros.synthetic.texture import albedo

SECTORS = 12
BEAM_DIVERGENCE = 0.003
HALF_POWER = 0.004
_POWER_RANGE = 50.0


@dataclass(frozen=True, eq=False)
class LidarPattern:
    """Directions and limits of a spinning LiDAR.

    elevations: float64 [R], degrees, ascending: ring 0 is the lowest. columns: firings per turn. period_ns: of a turn.
    min_range, max_range: metres. range_noise: standard deviation in metres.
    """

    elevations: FloatArray
    columns: int = 1800
    period_ns: int = 100_000_000
    min_range: float = 0.9
    max_range: float = 100.0
    range_noise: float = 0.02


def _blocks(*blocks: tuple[float, float, int]) -> FloatArray:
    """Elevations of evenly spaced blocks (first, last, rings), degrees, ascending."""
    return np.concatenate([np.linspace(*block) for block in blocks])


# The vertical layouts of widely used sensors: evenly spaced over 30, 45 and 90 degrees; -30.67 to 10.67 in steps of
# 4/3; a dense upper block (1/3 degree) over a coarser lower one (1/2 degree), -24.8 to 2; and two that are dense around
# the horizon and thin out above and below it.
PATTERNS = {
    "spin16": LidarPattern(np.linspace(-15, 15, 16)),
    "spin32": LidarPattern(np.linspace(-30.67, 10.67, 32)),
    "spin40": LidarPattern(_blocks((-16, -7, 8), (-6, 2, 25), (3, 9, 7))),
    "spin64": LidarPattern(_blocks((-24.8, -8.87, 32), (-8.33, 2.0, 32))),
    "spin64_even": LidarPattern(np.linspace(-22.5, 22.5, 64)),
    "spin128": LidarPattern(_blocks((-25, -7, 26), (-6.5, 2, 72), (2.3, 15, 30))),
    "wide32": LidarPattern(np.linspace(-45, 45, 32)),
    "wide64": LidarPattern(np.linspace(-45, 45, 64)),
    "wide128": LidarPattern(np.linspace(-45, 45, 128)),
}


def find_pattern(name: str) -> LidarPattern:
    """Return the pattern called `name`; raises SyntheticError when there is none."""
    if name not in PATTERNS:
        raise SyntheticError(f"LiDAR pattern '{name}' is unknown: give one of {', '.join(PATTERNS)}")
    return PATTERNS[name]


def scan(
    scene: Scene, T_world_lidar: FloatArray, pattern: LidarPattern, rng: np.random.Generator | None = None
) -> PointCloud:
    """Scan one turn, clockwise from the rear, so that the front is seen at mid-turn.

    T_world_lidar: the LiDAR's pose [4,4] (x forward, y left, z up), at rest; or, for a moving one, its poses [S,4,4]
    in the middle of S >= 4 equal sectors of the turn. Each point is in the LiDAR's frame at the time it was measured
    (`time_ns`, from the start of the turn), as drivers give it. rng: draws range noise and drop-outs; None gives exact
    points, all of them. Points come in firing order: column by column, lowest ring first.

    Raises SyntheticError on a pose array of another shape.
    """
    poses = np.stack([T_world_lidar] * SECTORS) if T_world_lidar.shape == (4, 4) else T_world_lidar
    if poses.ndim != 3 or poses.shape[1:] != (4, 4) or not 4 <= len(poses) <= pattern.columns:
        raise SyntheticError(f"LiDAR poses have shape {T_world_lidar.shape}: give [4,4] or [S,4,4] with S >= 4")
    sectors = np.array_split(np.arange(pattern.columns), len(poses))
    return _join([_scan_sector(scene, T, pattern, sector, rng) for T, sector in zip(poses, sectors, strict=True)])


def _scan_sector(
    scene: Scene, T_world_lidar: FloatArray, pattern: LidarPattern, columns: NDArray[np.int64],
    rng: np.random.Generator | None,
) -> PointCloud:  # fmt: skip
    azimuth = np.pi - 2 * np.pi * (columns + 0.5) / pattern.columns
    middle = (azimuth[0] + azimuth[-1]) / 2
    elevation = np.radians(pattern.elevations)
    T_lidar_view = _sector_view(middle)
    grid = RayGrid(np.sin(middle - azimuth), -np.tan(elevation[::-1]), np.cos(middle - azimuth))
    T_world_view = rigid.compose(T_world_lidar, T_lidar_view)
    hits = cast(scene, T_world_view, grid)
    distance = hits.t / np.cos(elevation[::-1])[:, None]
    in_range = (distance > pattern.min_range) & (distance < pattern.max_range)
    column, row = np.nonzero(in_range.T[:, ::-1])
    ring, row = row, len(elevation) - 1 - row
    pixel = row * len(columns) + column
    surface = describe(scene, T_world_view, grid, hits, pixel, BEAM_DIVERGENCE)
    intensity, returned = return_strength(scene, surface)
    rays = rigid.apply(T_lidar_view, grid.directions(pixel))
    xyz = rays * hits.t.ravel()[pixel, None]
    kept = np.ones(len(pixel), dtype=bool)
    if rng is not None:
        xyz *= 1 + rng.normal(0, pattern.range_noise, len(xyz))[:, None] / surface.distance[:, None]
        kept = rng.random(len(xyz)) < returned
    time_ns = columns[column] * pattern.period_ns // pattern.columns
    return PointCloud(xyz.astype(np.float32), intensity, ring.astype(np.int32), time_ns).select(kept)


def _sector_view(azimuth: float) -> FloatArray:
    """Pose of a view frame (x right, y down, z forward) in the LiDAR's frame that looks along `azimuth` (radians)."""
    cos, sin = np.cos(azimuth), np.sin(azimuth)
    return rigid.from_rotation(np.array([[sin, 0, cos], [-cos, 0, sin], [0, -1, 0]]), np.zeros(3))


def return_strength(
    scene: Scene, surface: Surface, half_power: float = HALF_POWER
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return intensity 0..255 and the chance of a return [N]: weak from far, dark, grazed and mirror-like surfaces.

    half_power: share of the power of a white wall at 50 m from which every second pulse returns.
    """
    colour, gloss = albedo(scene.materials, surface)
    reflectance = colour.mean(axis=1)
    cosine = np.clip(-np.einsum("ni,ni->n", surface.normal, surface.ray), 0, 1)
    power = reflectance * cosine / np.square(surface.distance / np.float32(_POWER_RANGE))
    chance = power / (power + np.float32(half_power)) * np.clip(1 - 4 * gloss, 0, 1)
    intensity = np.clip(255 * reflectance * np.sqrt(cosine), 0, 255).round()
    return intensity.astype(np.float32), chance.astype(np.float32)


def _join(parts: list[PointCloud]) -> PointCloud:
    fields = [(part.xyz, part.intensity, part.ring, part.time_ns) for part in parts]
    xyz, intensity, ring, time_ns = (np.concatenate(values) for values in zip(*fields, strict=True))
    return PointCloud(xyz, intensity, ring, time_ns)
