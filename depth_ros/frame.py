"""The two values that everything speaks in: Frame goes into a pipeline, DepthMap comes out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from depth_ros.geometry.camera import Camera
from depth_ros.geometry.motion import Trajectory, check_scan, deskew


class Source(IntEnum):
    """Where the depth of a pixel comes from (the values of `DepthMap.source`)."""

    NONE = 0
    MEASURED = 1
    COMPLETED = 2
    MONOCULAR = 3
    OUTDATED = 4
    """From a scan that is too old to be paired with the image."""


@dataclass(frozen=True, eq=False)
class PointCloud:
    """LiDAR returns in the sensor's own frame, in the order in which the driver sent them.

    xyz: float32 [N,3], metres, finite. intensity: float32 [N] or None, the driver's unit.
    ring: int32 [N] or None, the beam's number. time_ns: int64 [N] or None, nanoseconds from the scan's stamp.
    """

    xyz: NDArray[np.float32]
    intensity: NDArray[np.float32] | None = None
    ring: NDArray[np.int32] | None = None
    time_ns: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        """Return the number of points."""
        return len(self.xyz)

    def select(self, keep: NDArray[np.bool_] | NDArray[np.intp]) -> PointCloud:
        """Return the points that `keep` (mask or indices [N]) names, with everything that belongs to them."""

        def pick(values: NDArray[np.generic] | None) -> NDArray[np.generic] | None:
            return None if values is None else values[keep]

        return PointCloud(self.xyz[keep], pick(self.intensity), pick(self.ring), pick(self.time_ns))  # type: ignore[arg-type]

    def span_ns(self, stamp_ns: int) -> tuple[int, int]:
        """Return when the first and the last point of this scan of `stamp_ns` were measured.

        Raises GeometryError when they are too far apart to be of one scan.
        """
        if self.time_ns is None or not len(self):
            return stamp_ns, stamp_ns
        first, last = stamp_ns + int(self.time_ns.min()), stamp_ns + int(self.time_ns.max())
        check_scan(first, last)
        return first, last

    def deskewed(self, stamp_ns: int, target_ns: int, trajectory: Trajectory) -> PointCloud:
        """Return this scan of `stamp_ns` as the LiDAR would have measured it at `target_ns`, see `motion.deskew`.

        A scan without per-point time moves as one. Raises GeometryError when the trajectory does not reach.
        """
        stamps = stamp_ns if self.time_ns is None else self.time_ns + stamp_ns
        return replace(self, xyz=deskew(self.xyz, stamps, target_ns, trajectory))


@dataclass(frozen=True, eq=False)
class Frame:
    """One image with the LiDAR scan that belongs to it, as the sensors gave them.

    stamp_ns: the image's stamp. frame_id: the camera's optical frame (REP 103: x right, y down, z forward).
    rgb: uint8 [H,W,3] or None (camera's picture unknown). camera: the model of `rgb` as it is (distorted or not).
    points: the scan in the LiDAR's frame, or None. T_cam_lidar: float64 [4,4], maps LiDAR points into `frame_id`.
    sparse_depth: float32 [H,W], metres along z, 0 = no measurement; set instead of `points` when the measurements
    are pixels already (RGB-D), and by the pipeline once the points are projected. scan_stamp_ns: the scan's stamp.
    """

    stamp_ns: int
    frame_id: str
    rgb: NDArray[np.uint8] | None
    camera: Camera
    points: PointCloud | None = None
    T_cam_lidar: NDArray[np.float64] | None = None
    sparse_depth: NDArray[np.float32] | None = None
    scan_stamp_ns: int | None = None


@dataclass(frozen=True)
class Residual:
    """How far the dense depth d is from held-out LiDAR returns m of its frame: |d - m| / m, a share of the depth.

    median and p90: median and 90th percentile over the `count` returns that were compared.
    """

    median: float
    p90: float
    count: int


@dataclass(frozen=True, eq=False)
class DepthMap:
    """Dense metric depth in the rectified camera of one frame.

    depth: float32 [H,W], metres along the optical z axis; NaN = unknown, +Inf = beyond the range, -Inf = too near (REP
    117). sigma: float32 [H,W], half-width in metres of the central 68 % interval, NaN = unknown. source: uint8 [H,W],
    values of `Source`; NONE wherever the depth is not finite, and sigma is NaN there. rgb: the rectified picture, or
    None. timings: seconds per stage, in the order in which the stages ran.
    residual: the depth against held-out returns of its own scan, None where nothing (or too little) was held out.
    """

    stamp_ns: int
    frame_id: str
    camera: Camera
    depth: NDArray[np.float32]
    sigma: NDArray[np.float32]
    source: NDArray[np.uint8]
    rgb: NDArray[np.uint8] | None = None
    timings: dict[str, float] = field(default_factory=dict)
    residual: Residual | None = None
