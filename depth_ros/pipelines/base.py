"""What every pipeline shares: its face, the steps that make a sparse depth of a frame, and the clock of its stages."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from time import perf_counter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from depth_ros.classical.fill import Completion
from depth_ros.config import NO_GUARD, CompletionConfig, GuardConfig, MonocularConfig
from depth_ros.errors import CompletionError
from depth_ros.frame import DepthMap, Frame, Source
from depth_ros.geometry.camera import Camera
from depth_ros.geometry.distortion import rectify_image
from depth_ros.geometry.lidar import SparseDepth, project_points, see_through_points
from depth_ros.pipelines.guard import HeldOut, compare, hold_out, put_back, require_points

WARM_SIZE = (1280, 384)

BUILD = "build"
"""Stage that only the first frame of a size has: the engine is made ready for it."""

Finish = Callable[[], DepthMap]
"""The second half of a pipeline's work on one frame."""


class Pipeline(ABC):
    """Turns frames into depth maps; holds no state between frames.

    The work has two halves, so that the first of one frame can run in one thread beside the second of the frame before
    in another. name: as `CompletionConfig.model` takes it. needs_scan: without one there are no metres.
    """

    name: str
    needs_scan: bool = True

    @property
    def facts(self) -> dict[str, str]:
        """What a reader of /diagnostics should know: the model, and what runs it."""
        return {"model": self.name}

    @property
    def building(self) -> str:
        """What is being built right now, on which the depth waits; empty when nothing is."""
        return ""

    @property
    def warm_size(self) -> tuple[int, int]:
        """Width and height of a made-up frame to warm up with."""
        return WARM_SIZE

    def build_while(self, goes_on: Callable[[], bool]) -> None:  # noqa: B027 (most build nothing)
        """Cancel what is being built, from now on, once `goes_on` says no; that is a BuildCancelledError of a frame."""

    def process(self, frame: Frame) -> DepthMap:
        """Return the dense depth of one frame, stamped as its image.

        Raises CompletionError without points or extrinsics, GeometryError when image and camera disagree, and an
        EngineError when the engine fails.
        """
        return self.prepare(frame)()

    def at_once(self, waiting: int) -> int:  # noqa: ARG002
        """Return how many of so many prepared frames that go together to finish at once (`modelled.finish_all`)."""
        return 1

    def warmed(self) -> None:  # noqa: B027 (most have nothing to forget)
        """Take note that what ran until now was made up to warm up."""

    @abstractmethod
    def prepare(self, frame: Frame) -> Finish:
        """Do the first half, and return the second; both raise as `process`."""

    @abstractmethod
    def configured(self, config: CompletionConfig, guard: GuardConfig = NO_GUARD) -> Pipeline:
        """Return this pipeline with other settings, except the read-only ones."""

    def close(self) -> None:  # noqa: B027 (most have nothing to free)
        """Free what the pipeline holds."""


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


class Measured(NamedTuple):
    """A rectified frame as the completion sees it.

    sparse: float32 [H,W], metres along z, 0 = none. guide: the rectified picture, or None where it is not to be used.
    config: as it was when the frame came. held_out: returns that are not in `sparse`, or None.
    """

    frame: Frame
    sparse: NDArray[np.float32]
    guide: NDArray[np.uint8] | None
    watch: Stopwatch
    config: CompletionConfig
    held_out: HeldOut | None = None

    def depth_map(self, found: Completion) -> DepthMap:
        """Return what was found as the depth map of the frame, compared with what was held out.

        What was held out is put back, and what is out of range is labelled, in place.
        """
        frame, watch, residual = self.frame, self.watch, None
        if self.held_out is not None:
            with watch.stage("guard"):
                residual = compare(found.depth, self.held_out)
                put_back(found, self.held_out, self.config.paste_measured)
        label_range(found, self.config)
        stamp_ns, frame_id, camera = frame.stamp_ns, frame.frame_id, frame.camera
        return DepthMap(stamp_ns, frame_id, camera, *found, rgb=frame.rgb, timings=watch.seconds, residual=residual)


def measure(frame: Frame, config: CompletionConfig, guard: GuardConfig = NO_GUARD) -> Measured:
    """Rectify a frame, draw its scan into its camera, and leave out what the camera cannot see and what is held out.

    Raises as `Pipeline.process`.
    """
    watch = Stopwatch()
    with watch.stage("rectify"):
        frame = rectify(frame)
    with watch.stage("project"):
        sparse = _sparse(frame, config)
    held_out = None
    if guard != NO_GUARD:
        with watch.stage("guard"):
            require_points(sparse, guard.min_points)
            held_out = hold_out(sparse, guard.guard_share, frame.stamp_ns)
    return Measured(frame, sparse, frame.rgb if config.use_image else None, watch, config, held_out)


def label_range(found: Completion, config: MonocularConfig) -> None:
    """Label depth out of the range of `config` as REP 117 does, in place: +Inf is beyond max_depth, -Inf too near.

    Such a pixel has no sigma and source NONE.
    """
    with np.errstate(invalid="ignore"):
        far, near = found.depth > config.max_depth, found.depth < config.min_depth
    for outside, label in ((far, np.inf), (near, -np.inf)):
        if outside.any():
            found.depth[outside], found.sigma[outside], found.source[outside] = label, np.nan, Source.NONE


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
    width, height = pipeline.warm_size
    camera = Camera.from_focal(width, height, width, width, width / 2, height / 2)
    rows, columns = np.indices((height, width))
    lines = np.where((rows % 8 == 0) & (rows > height // 4), np.float32(5) + columns.astype(np.float32) / width, 0)
    rgb = np.zeros((height, width, 3), np.uint8)
    pipeline.process(Frame(0, "", rgb, camera, sparse_depth=lines.astype(np.float32)))
    pipeline.warmed()


def _sparse(frame: Frame, config: CompletionConfig) -> NDArray[np.float32]:
    if frame.sparse_depth is not None:
        return _checked(frame.sparse_depth, frame)
    drawn = project(frame, config)
    if config.see_through:
        drawn.depth.put(see_through_points(drawn.depth, drawn.places), 0)
    return drawn.depth


def _checked(sparse: NDArray[np.float32], frame: Frame) -> NDArray[np.float32]:
    if sparse.shape != (frame.camera.height, frame.camera.width):
        raise CompletionError(
            f"sparse depth is {sparse.shape[::-1]}, the camera {frame.camera.size}: give both in one size"
        )
    return np.where(np.isfinite(sparse) & (sparse > 0), sparse, np.float32(0)).astype(np.float32, copy=False)
