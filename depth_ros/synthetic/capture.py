"""What camera and LiDAR see on a drive through a procedural street, frame by frame."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from depth_ros.errors import SyntheticError
from depth_ros.frame import PointCloud
from depth_ros.geometry import rigid
from depth_ros.geometry.camera import Camera
from depth_ros.parallel import parallel_map
from depth_ros.synthetic.lidar import SECTORS, find_pattern, scan
from depth_ros.synthetic.render import render
from depth_ros.synthetic.scene import make_scene
from depth_ros.synthetic.shapes import Street, StreetScene
from depth_ros.synthetic.trajectory import SPEED, T_BASE_CAMERA, T_BASE_LIDAR, drive, travelled, weave

START_NS = 1_700_000_000_000_000_000
FRAME_NS = 100_000_000
# The turn starts this long before the image: its front is seen 5 ms after the image, it is the nearest in stamp, and it
# arrives 20 ms before the image's wait for a scan (50 ms from the image's own arrival) ends.
SCAN_LEAD_NS = 45_000_000
MAX_SECONDS = 600.0
MAX_TURN, MAX_SPEED = 10.0, 50.0
# A robot that turns fast is another one after every millisecond.
MOVING_SECTORS = 100


@dataclass(frozen=True)
class DriveConfig:
    """What is driven and recorded: length in seconds, the street's seed, image size in pixels, the LiDAR's pattern.

    turn, speed: with one of them, a robot that weaves at so many rad/s and m/s (see `trajectory.weave`) and knows its
    poses; without, a vehicle that drives at about 7 m/s and records none.
    """

    seconds: float = 10.0
    seed: int = 0
    width: int = 640
    height: int = 360
    lidar: str = "spin32"
    turn: float | None = None
    speed: float | None = None

    def __post_init__(self) -> None:
        find_pattern(self.lidar)
        if not 0 < self.seconds <= MAX_SECONDS:
            raise SyntheticError(f"drive of {self.seconds} s: give more than 0 and at most {MAX_SECONDS:g} s")
        if not (32 <= self.width <= 4096 and 32 <= self.height <= 4096):
            raise SyntheticError(f"image of {self.width}x{self.height} pixels: give 32 to 4096 each way")
        if self.seed < 0:
            raise SyntheticError(f"seed is {self.seed}: give 0 or more")
        for name, value, most in (("turn", self.turn, MAX_TURN), ("speed", self.speed, MAX_SPEED)):
            if value is not None and not 0 <= value <= most:
                raise SyntheticError(f"{name} is {value}: give 0 to {most:g}")

    @property
    def frames(self) -> int:
        """Number of images, ten per second."""
        return max(1, round(self.seconds * 1e9 / FRAME_NS))

    @property
    def knows_poses(self) -> bool:
        """Whether the robot's poses are recorded."""
        return self.turn is not None or self.speed is not None

    def pose(self, street: Street, seconds: float) -> NDArray[np.float64]:
        """Return T_world_base [4,4] after `seconds`."""
        if not self.knows_poses:
            return drive(street, seconds)
        return weave(street, seconds, SPEED if self.speed is None else self.speed, self.turn or 0.0)

    def metres(self, seconds: float) -> float:
        """Return how far the robot has come after `seconds`."""
        if not self.knows_poses:
            return travelled(seconds)
        return seconds * (SPEED if self.speed is None else self.speed)

    @property
    def scene(self) -> StreetScene:
        """The street, long enough for the drive."""
        return _scene(self.seed, self.metres(self.seconds))

    @property
    def camera(self) -> Camera:
        """The camera: no distortion, 78 degrees wide."""
        focal = 0.62 * self.width
        return Camera.from_focal(self.width, self.height, focal, focal, (self.width - 1) / 2, (self.height - 1) / 2)


class Capture(NamedTuple):
    """One image with its truth (float32 [H,W], metres along z, NaN = sky) and the scan whose front it shares."""

    stamp_ns: int
    rgb: NDArray[np.uint8]
    depth: NDArray[np.float32]
    scan_stamp_ns: int
    cloud: PointCloud


def capture_drive(config: DriveConfig, workers: int | None = None) -> Iterator[Capture]:
    """Yield what the sensors see, frame by frame, simulated by `workers` processes (None = one per core)."""
    jobs = [(config, frame) for frame in range(config.frames)]
    return parallel_map(_capture, jobs, workers or os.cpu_count() or 1)


def _capture(job: tuple[DriveConfig, int]) -> Capture:
    config, frame = job
    scene, pattern = config.scene, find_pattern(config.lidar)
    after_ns = frame * FRAME_NS
    rgb, depth = render(scene, config.camera, rigid.compose(config.pose(scene.street, after_ns / 1e9), T_BASE_CAMERA))
    sectors = MOVING_SECTORS if config.knows_poses else SECTORS
    turn_ns = after_ns - SCAN_LEAD_NS + (np.arange(sectors) + 0.5) / sectors * pattern.period_ns
    poses = np.stack([rigid.compose(config.pose(scene.street, at / 1e9), T_BASE_LIDAR) for at in turn_ns])
    cloud = scan(scene, poses, pattern, np.random.default_rng((config.seed, frame)))
    return Capture(START_NS + after_ns, rgb, depth, START_NS + after_ns - SCAN_LEAD_NS, cloud)


@lru_cache(maxsize=1)
def _scene(seed: int, metres: float) -> StreetScene:
    return make_scene(seed, metres)
