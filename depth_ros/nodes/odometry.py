"""The robot's poses from a topic of nav_msgs/Odometry."""

from __future__ import annotations

from collections.abc import Callable
from threading import Condition
from typing import Any, NamedTuple

from depth_ros.errors import GeometryError
from depth_ros.geometry.motion import PoseBuffer, Trajectory
from depth_ros.geometry.rigid import from_xyz_quat
from depth_ros.messages.decode import stamp_ns

# A source that is farther behind than this has stopped or has another clock: nobody waits for it.
HOPELESS_NS = 1_000_000_000

Report = Callable[[str], None]


class Body(NamedTuple):
    """The frames of an odometry: `moving` (child_frame_id) in `fixed` (frame_id)."""

    fixed: str
    moving: str


class Odometry:
    """The last seconds of an odometry; filled by one thread, read by others.

    report: told why a message was not taken. Messages of other frames than before start anew; see `PoseBuffer` for
    those that come late, twice, or from another time.
    """

    def __init__(self, report: Report) -> None:
        self._report = report
        self._arrived = Condition()
        self._buffer = PoseBuffer()
        self._body = Body("", "")
        self._closed = False

    def add(self, message: Any) -> None:
        """Take one nav_msgs/Odometry; one that cannot be a pose is reported and left out."""
        stamp = stamp_ns(message.header.stamp)
        body = Body(message.header.frame_id.lstrip("/"), message.child_frame_id.lstrip("/"))
        if not (stamp > 0 and body.fixed and body.moving):
            self._report(f"its stamp is {stamp}, its frames '{body.fixed}' and '{body.moving}': fill in all three")
            return
        move, turn = message.pose.pose.position, message.pose.pose.orientation
        try:
            pose = from_xyz_quat((move.x, move.y, move.z), (turn.x, turn.y, turn.z, turn.w))
        except GeometryError as error:
            self._report(str(error))
            return
        with self._arrived:
            if body != self._body:
                self._buffer, self._body = PoseBuffer(), body
            self._buffer.add(stamp, pose)
            self._arrived.notify_all()

    def body(self) -> Body | None:
        """Return the frames of what is here, None before the first message."""
        with self._arrived:
            return self._body if len(self._buffer) else None

    def between(self, first_ns: int, last_ns: int, patience_s: float) -> Trajectory:
        """Return the body's poses around a span, waiting for one at its end that is due; raises GeometryError."""
        with self._arrived:
            if self._buffer.newest_ns > last_ns - HOPELESS_NS:
                self._arrived.wait_for(lambda: self._closed or self._buffer.newest_ns >= last_ns, patience_s)
            return self._buffer.around(first_ns, last_ns)

    def close(self) -> None:
        """Let nobody wait any longer."""
        with self._arrived:
            self._closed = True
            self._arrived.notify_all()
