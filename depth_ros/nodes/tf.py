"""The tree of live transforms, /tf and /tf_static, through tf2_ros where it is installed."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time

from depth_ros.errors import ConfigError, DepthRosError, NodeError
from depth_ros.geometry.rigid import from_xyz_quat
from depth_ros.messages.decode import stamp_ns as to_ns

FloatArray = NDArray[np.float64]
JUMP_NS = 1_000_000_000


class TfMissingError(ConfigError):
    """TF is asked for, but tf2_ros is not installed."""


class Transform(NamedTuple):
    """T [4,4], p_parent = T p_child, and its stamp; the newest has the stamp 0 when all of it is from /tf_static."""

    stamp_ns: int
    T: FloatArray


class TfTree:
    """Transforms from /tf and /tf_static; raises TfMissingError, naming the package, where tf2_ros is not installed.

    statics: counts the messages of /tf_static. Lookups are safe from any thread.
    """

    def __init__(self, node: Node, setting: str) -> None:
        try:
            from tf2_ros import Buffer, TransformException, TransformListener
        except ImportError as error:
            raise TfMissingError(
                f"{setting} is tf, but tf2_ros does not import: install ros-$ROS_DISTRO-tf2-ros-py"
            ) from error
        tree, self.statics = self, 0

        class Listener(TransformListener):  # type: ignore[misc]
            def callback(self, data: Any) -> None:
                tree._follow_time(data)
                super().callback(data)

            def static_callback(self, data: Any) -> None:
                super().static_callback(data)
                tree.statics += 1

        self._buffer, self._error = Buffer(), TransformException
        self._newest_ns: dict[str, int] = {}
        self._listener = Listener(self._buffer, node)

    def find(self, parent: str, child: str, stamp_ns: int = 0, patience_s: float = 0.0) -> Transform:
        """Return p_parent = T p_child at `stamp_ns` (0 = the newest), waiting for one that is on its way.

        Raises NodeError, naming both frames, when it is not known in `patience_s`.
        """
        try:
            when, patience = Time(nanoseconds=stamp_ns), Duration(seconds=patience_s)
            found = self._buffer.lookup_transform(plain(parent), plain(child), when, patience)
            move, turn = found.transform.translation, found.transform.rotation
            T = from_xyz_quat((move.x, move.y, move.z), (turn.x, turn.y, turn.z, turn.w))
        except (self._error, ValueError, DepthRosError) as error:  # Time refuses a stamp below zero
            reason = " ".join(str(error).split())
            raise NodeError(f"no transform from '{child}' to '{parent}' in TF ({reason})") from error
        return Transform(to_ns(found.header.stamp), T)

    def close(self) -> None:
        """Unsubscribe from /tf and /tf_static, where this tf2_ros can."""
        unregister = getattr(self._listener, "unregister", None)
        if unregister is not None:
            unregister()

    def _follow_time(self, message: Any) -> None:
        """Forget what moves when a frame's time jumps back (a bag that starts again): tf2 would blend both times."""
        for transform in message.transforms:
            child, stamp_ns = transform.child_frame_id, to_ns(transform.header.stamp)
            if 0 < stamp_ns < self._newest_ns.get(child, 0) - JUMP_NS:
                self._buffer.clear()
                self._newest_ns.clear()
            self._newest_ns[child] = max(stamp_ns, self._newest_ns.get(child, 0))


def plain(frame: str) -> str:
    """Return a frame's name as TF 2 knows it, without the leading slash of old bags."""
    return frame.lstrip("/")
