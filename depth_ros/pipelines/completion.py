"""LiDAR completion without weights: rectify, project, filter, complete."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from depth_ros.classical.fill import complete
from depth_ros.config import CompletionConfig
from depth_ros.errors import CompletionError
from depth_ros.frame import DepthMap, Frame
from depth_ros.geometry.lidar import see_through_filter, see_through_window
from depth_ros.pipelines.base import Stopwatch, project, rectify


class ClassicalCompletion:
    """Dense metric depth from one scan, guided by the image; see `classical.fill.complete`."""

    def __init__(self, config: CompletionConfig) -> None:
        self._config = config

    def process(self, frame: Frame) -> DepthMap:
        """Return the completed depth of `frame`, stamped as its image.

        Raises CompletionError without points or extrinsics and GeometryError when image and camera disagree.
        """
        config, watch = self._config, Stopwatch()
        with watch.stage("rectify"):
            frame = rectify(frame)
        with watch.stage("project"):
            sparse = self._sparse(frame)
        with watch.stage("complete"):
            depth, sigma, source = complete(
                sparse, frame.rgb if config.use_image else None, paste_measured=config.paste_measured
            )
        return DepthMap(
            frame.stamp_ns, frame.frame_id, frame.camera, depth, sigma, source, rgb=frame.rgb, timings=watch.seconds
        )

    def _sparse(self, frame: Frame) -> NDArray[np.float32]:
        if frame.sparse_depth is not None:
            return _checked(frame.sparse_depth, frame)
        sparse = project(frame, self._config).depth
        return see_through_filter(sparse, see_through_window(sparse)) if self._config.see_through else sparse


def _checked(sparse: NDArray[np.float32], frame: Frame) -> NDArray[np.float32]:
    if sparse.shape != (frame.camera.height, frame.camera.width):
        raise CompletionError(
            f"sparse depth is {sparse.shape[::-1]}, the camera {frame.camera.size}: give both in one size"
        )
    return np.where(np.isfinite(sparse) & (sparse > 0), sparse, np.float32(0)).astype(np.float32, copy=False)
