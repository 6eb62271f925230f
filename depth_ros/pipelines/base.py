"""What every pipeline shares: its face, rectification, projection and the clock of its stages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from time import perf_counter
from typing import Protocol

import numpy as np

from depth_ros.config import CompletionConfig
from depth_ros.errors import CompletionError
from depth_ros.frame import DepthMap, Frame
from depth_ros.geometry.camera import Camera
from depth_ros.geometry.distortion import rectify_image
from depth_ros.geometry.lidar import SparseDepth, project_points

WARM_SIZE = (1280, 384)


class Pipeline(Protocol):
    """Turns frames into depth maps; holds no state between frames."""

    def process(self, frame: Frame) -> DepthMap:
        """Return the dense depth of one frame; raises a DepthRosError that names what the frame lacks."""


class Stopwatch:
    """Seconds per stage, in the order in which the stages ran."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time the body of the with statement under `name`."""
        start = perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + perf_counter() - start


def rectify(frame: Frame) -> Frame:
    """Return the frame with its picture as the rectified camera sees it (REP 104); points are left alone."""
    rgb = None if frame.rgb is None else rectify_image(frame.rgb, frame.camera)
    return replace(frame, rgb=rgb, camera=frame.camera.rectified())


def project(frame: Frame, config: CompletionConfig) -> SparseDepth:
    """Draw the scan of a rectified frame into its camera, within the depth range of `config`."""
    if frame.points is None:
        raise CompletionError("the frame has no LiDAR points: completion needs a scan")
    if frame.T_cam_lidar is None:
        raise CompletionError(
            f"no transform from the LiDAR to '{frame.frame_id}': give the extrinsics as parameters, file or TF"
        )
    return project_points(frame.points.xyz, frame.T_cam_lidar, frame.camera, config.min_depth, config.max_depth)


def warm_up(pipeline: Pipeline) -> None:
    """Run a made-up frame, so that the first real one finds libraries loaded, threads started and memory at hand."""
    width, height = WARM_SIZE
    camera = Camera.from_focal(width, height, width, width, width / 2, height / 2)
    rows, columns = np.indices((height, width))
    lines = np.where((rows % 8 == 0) & (rows > height // 4), np.float32(5) + columns.astype(np.float32) / width, 0)
    rgb = np.zeros((height, width, 3), np.uint8)
    pipeline.process(Frame(0, "", rgb, camera, sparse_depth=lines.astype(np.float32)))
