"""The two values that everything speaks in: Frame goes into a pipeline, DepthMap comes out."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from depth_ros.geometry.camera import Camera


class Source(IntEnum):
    """Where the depth of a pixel comes from (the values of `DepthMap.source`)."""

    NONE = 0
    MEASURED = 1
    COMPLETED = 2
    MONOCULAR = 3


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


@dataclass(frozen=True, eq=False)
class DepthMap:
    """Dense metric depth in the rectified camera of one frame.

    depth: float32 [H,W], metres along the optical z axis, NaN = unknown. sigma: float32 [H,W], half-width in metres of
    the central 68 % interval, NaN = unknown. source: uint8 [H,W], values of `Source`; where it is NONE, depth and sigma
    are NaN. rgb: the rectified picture, or None. timings: seconds per stage, in the order in which the stages ran.
    """

    stamp_ns: int
    frame_id: str
    camera: Camera
    depth: NDArray[np.float32]
    sigma: NDArray[np.float32]
    source: NDArray[np.uint8]
    rgb: NDArray[np.uint8] | None = None
    timings: dict[str, float] = field(default_factory=dict)
