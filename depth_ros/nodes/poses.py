"""Where the LiDAR was while it scanned: from TF or from an odometry; and the scan moved by it to the image's time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol

import numpy as np
from rclpy.node import Node

from depth_ros.errors import ConfigError, GeometryError, NodeError
from depth_ros.frame import PointCloud
from depth_ros.geometry.motion import Trajectory
from depth_ros.nodes.config import MotionConfig
from depth_ros.nodes.extrinsics import Extrinsics, TfExtrinsics
from depth_ros.nodes.factory import how_to_install
from depth_ros.nodes.odometry import HOPELESS_NS, Odometry
from depth_ros.nodes.qos import InputSubscription
from depth_ros.nodes.tf import TfTree, Transform, plain

TOPIC = "odometry"
LOOKUPS = 16
LOOKUP_NS = 10_000_000
ODOMETRY_DEPTH = 100

Report = Callable[[str], None]
NO_POSES = (
    "scans are used as they come, without deskew: nobody publishes poses; publish nav_msgs/Odometry on the topic "
    "odometry, or the fixed frame in TF"
)


class NoPosesError(NodeError):
    """Nobody gives poses (yet), which was said already."""


class Poses(Protocol):
    """Where a node asks how a LiDAR moved."""

    def trajectory(self, child_frame: str, first_ns: int, last_ns: int) -> Trajectory:
        """Return the poses of `child_frame` in a fixed frame over that span; may wait for `pose_timeout`.

        Raises NodeError, with the frames, what is missing and the remedy, when they are not known; NoPosesError when
        there is no source at all.
        """

    def close(self) -> None:
        """Stop listening for poses."""


def deskewed(
    poses: Poses | None, frame_id: str, points: PointCloud, stamp_ns: int, target_ns: int, report: Report
) -> PointCloud:
    """Return a scan of `stamp_ns` in `frame_id` as it would have been measured at `target_ns`, the image's time.

    Without any source of poses the scan is returned as it is, and so is one of the image's own moment; without poses
    for this one too, and `report` is told why.
    """
    if poses is None:
        return points
    try:
        first, last = points.span_ns(stamp_ns)
        if first == last == target_ns:
            return points
        trajectory = poses.trajectory(frame_id, min(first, target_ns), max(last, target_ns))
        return points.deskewed(stamp_ns, target_ns, trajectory)
    except NoPosesError:
        return points
    except (NodeError, GeometryError) as error:
        report(f"the scan is used as it came, not deskewed: {error}")
        return points


def make_poses(node: Node, config: MotionConfig, extrinsics: Extrinsics, report: Report | None = None) -> Poses | None:
    """Return the source of poses that `config` names, None when there is none, and log that or which.

    extrinsics: its TF is shared, and it says how the LiDAR sits on the body of an odometry. report: told of every
    odometry message that cannot be used (None: warnings of the node, one in ten seconds). Raises ConfigError when a
    source that is asked for by name cannot be used here.
    """
    logger = node.get_logger()
    tell = report or (lambda text: logger.warning(text, throttle_duration_sec=10.0))
    if config.pose_source == "none":
        logger.info("scans are used as they come, without deskew (pose_source: none)")
        return None
    if config.pose_source == "auto":
        return _make_auto(node, config, extrinsics, tell)
    logger.info(f"scans are deskewed by {config.pose_source} (pose_source: {config.pose_source})")
    if config.pose_source == "tf":
        return TfPoses(node, config, extrinsics)
    return OdometryPoses(node, config, extrinsics, tell)


class TfPoses:
    """Poses from TF, looked up at up to 16 moments of the span."""

    def __init__(self, node: Node, config: MotionConfig, extrinsics: Extrinsics) -> None:
        self._is_shared = isinstance(extrinsics, TfExtrinsics)
        self._tree = extrinsics.tree if isinstance(extrinsics, TfExtrinsics) else TfTree(node, "pose_source")
        self._fixed, self._timeout_s = config.fixed_frame, config.pose_timeout
        self.name = f"TF (fixed frame '{config.fixed_frame}')"

    def gives(self, child_frame: str) -> bool:
        """Tell whether any pose of `child_frame` is known."""
        try:
            self._tree.find(self._fixed, child_frame)
        except NodeError:
            return False
        return True

    def trajectory(self, child_frame: str, first_ns: int, last_ns: int) -> Trajectory:
        """Return the poses over the span; raises NodeError."""
        try:
            last = self._last(child_frame, last_ns)
            stamps = _moments(first_ns, last.stamp_ns)
            earlier = [self._tree.find(self._fixed, child_frame, stamp).T for stamp in stamps[:-1]]
        except NodeError as error:
            raise NodeError(f"{error}: publish it, or name the fixed frame of your robot as fixed_frame") from error
        return _covering(
            Trajectory(np.array(stamps, np.int64), np.stack([*earlier, last.T])),
            first_ns,
            last_ns,
            child_frame,
            self._fixed,
        )

    def close(self) -> None:
        """Stop listening, unless the extrinsics still do."""
        if not self._is_shared:
            self._tree.close()

    def _last(self, child_frame: str, stamp_ns: int) -> Transform:
        """Return the pose at `stamp_ns`, or the newest one where it does not come in time."""
        newest = self._tree.find(self._fixed, child_frame)
        is_hopeless = 0 < newest.stamp_ns < stamp_ns - HOPELESS_NS
        try:
            T = self._tree.find(self._fixed, child_frame, stamp_ns, 0.0 if is_hopeless else self._timeout_s).T
            return Transform(stamp_ns, T)
        except NodeError:
            newest = self._tree.find(self._fixed, child_frame)
            if newest.stamp_ns < stamp_ns:
                return newest
            raise


class OdometryPoses:
    """Poses from nav_msgs/Odometry on the topic odometry; the extrinsics say where the LiDAR sits on its body."""

    def __init__(self, node: Node, config: MotionConfig, extrinsics: Extrinsics, report: Report) -> None:
        self._extrinsics, self._timeout_s = extrinsics, config.pose_timeout
        self._odometry = Odometry(lambda text: report(f"a message of {self.name} is no pose: {text}"))
        self._subscription = _subscribe(node, self._odometry.add)
        self._node, self.name = node, self._subscription.topic

    def gives(self, _child_frame: str) -> bool:
        """Tell whether somebody publishes the topic, or did."""
        return self._odometry.body() is not None or bool(self._node.count_publishers(self.name))

    def trajectory(self, child_frame: str, first_ns: int, last_ns: int) -> Trajectory:
        """Return the poses over the span; raises NodeError."""
        body = self._odometry.body()
        if body is not None and plain(child_frame) == body.fixed:
            return Trajectory.at_rest(first_ns, last_ns)
        try:
            bodies = self._odometry.between(first_ns, last_ns, self._timeout_s)
        except GeometryError as error:
            raise NodeError(f"{self.name}: {error}") from error
        body = self._odometry.body()
        assert body is not None  # there are poses
        T_body_lidar = self._extrinsics.lookup(body.moving, child_frame, last_ns)
        return _covering(bodies.of(T_body_lidar), first_ns, last_ns, child_frame, body.fixed)

    def close(self) -> None:
        """Unsubscribe."""
        self._odometry.close()
        self._subscription.close()


class AutoPoses:
    """The first source that gives something, odometry before TF; says once which, or that there is none."""

    def __init__(self, node: Node, sources: Sequence[TfPoses | OdometryPoses]) -> None:
        self._logger, self._sources, self._said = node.get_logger(), sources, ""

    def trajectory(self, child_frame: str, first_ns: int, last_ns: int) -> Trajectory:
        """Return the poses of the source that there is; raises NodeError, NoPosesError where there is none."""
        for source in self._sources:
            if source.gives(child_frame):
                self._say(f"scans are deskewed by {source.name}")
                return source.trajectory(child_frame, first_ns, last_ns)
        self._say(NO_POSES)
        raise NoPosesError(NO_POSES)

    def close(self) -> None:
        """Stop listening."""
        for source in self._sources:
            source.close()

    def _say(self, text: str) -> None:
        if text != self._said:
            self._said = text
            self._logger.info(f"{text} (pose_source: auto)")


def _make_auto(node: Node, config: MotionConfig, extrinsics: Extrinsics, report: Report) -> Poses | None:
    makers: tuple[Callable[[], TfPoses | OdometryPoses], ...] = (
        lambda: OdometryPoses(node, config, extrinsics, report),
        lambda: TfPoses(node, config, extrinsics),
    )
    found: list[TfPoses | OdometryPoses] = []
    for maker in makers:
        with suppress(ConfigError):
            found.append(maker())
    if not found:
        node.get_logger().info(
            f"scans are used as they come, without deskew: for the poses of an odometry {how_to_install('nav_msgs')} "
            "(pose_source: auto)"
        )
        return None
    return AutoPoses(node, found)


def _subscribe(node: Node, callback: Callable[[Any], None]) -> InputSubscription:
    try:
        from nav_msgs.msg import Odometry as OdometryMessage
    except ImportError as error:
        raise ConfigError(
            f"pose_source is odometry, but nav_msgs does not import: {how_to_install('nav_msgs')}"
        ) from error
    return InputSubscription(node, OdometryMessage, TOPIC, callback, "auto", ODOMETRY_DEPTH)


def _moments(first_ns: int, last_ns: int) -> list[int]:
    """Return up to LOOKUPS stamps from the first to the last, both among them; the last alone where it comes first."""
    if last_ns <= first_ns:
        return [last_ns]
    steps = min(LOOKUPS - 1, 1 + (last_ns - first_ns) // LOOKUP_NS)
    return [first_ns + (last_ns - first_ns) * step // steps for step in range(steps + 1)]


def _covering(trajectory: Trajectory, first_ns: int, last_ns: int, child: str, fixed: str) -> Trajectory:
    try:
        trajectory.at(np.array([first_ns, last_ns]))
    except GeometryError as error:
        raise NodeError(f"'{child}' in '{fixed}': {error}") from error
    return trajectory
