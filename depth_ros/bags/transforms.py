"""The transforms of a bag: the static tree (/tf_static), and what moves (/tf, odometry; REP 105)."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_ros.errors import BagError, GeometryError
from depth_ros.geometry import rigid
from depth_ros.geometry.motion import KEPT_NS, PoseBuffer, Trajectory
from depth_ros.messages.decode import stamp_ns

FloatArray = NDArray[np.float64]


class StaticTransforms:
    """Frames and their parents; a frame has one parent, and as in tf2 the one heard last counts.

    known: transforms to begin with.
    """

    def __init__(self, known: StaticTransforms | None = None) -> None:
        self._parent: dict[str, tuple[str, FloatArray]] = {} if known is None else dict(known._parent)

    def __len__(self) -> int:
        """Return the number of transforms."""
        return len(self._parent)

    def add(self, parent: str, child: str, T_parent_child: FloatArray) -> None:
        """Say where `child` sits in `parent`: p_parent = T p_child."""
        self._parent[_clean(child)] = (_clean(parent), T_parent_child)

    def add_message(self, message: Any) -> None:
        """Take all transforms of a tf2_msgs/TFMessage; raises BagError naming both frames on an impossible one."""
        for stamped in message.transforms:
            try:
                T = _motion(stamped.transform.translation, stamped.transform.rotation)
            except GeometryError as error:
                frames = f"{stamped.header.frame_id} -> {stamped.child_frame_id}"
                raise BagError(f"/tf_static {frames}: {error}") from None
            self.add(stamped.header.frame_id, stamped.child_frame_id, T)

    def parent(self, frame: str) -> tuple[str, FloatArray] | None:
        """Return the parent of `frame` with T_parent_frame, None when it has none."""
        return self._parent.get(_clean(frame))

    def lookup(self, target: str, source: str) -> FloatArray:
        """Return T [4,4] with p_target = T p_source over any number of hops.

        Raises BagError naming both frames when no chain of transforms joins them, or the chain runs in a loop.
        """
        target_chain, source_chain = self._ancestors(_clean(target)), self._ancestors(_clean(source))
        common = next((frame for frame in source_chain if frame in target_chain), None)
        if common is None:
            raise BagError(
                f"no transform joins '{source}' to '{target}' (known frames: {self._names()}): "
                "record /tf_static, or give the extrinsics (--extrinsics FILE)"
            )
        return rigid.compose(rigid.invert(target_chain[common]), source_chain[common])

    def _ancestors(self, frame: str) -> dict[str, FloatArray]:
        """Return every ancestor of `frame`, itself first, with T_ancestor_frame."""
        chain = {frame: np.eye(4)}
        current, T = frame, np.eye(4)
        while current in self._parent:
            parent, T_parent_child = self._parent[current]
            if parent in chain:
                raise BagError(f"/tf_static runs in a loop at '{parent}' -> '{current}': correct who publishes it")
            current, T = parent, rigid.compose(T_parent_child, T)
            chain[current] = T
        return chain

    def _names(self) -> str:
        names = sorted({*self._parent, *(parent for parent, _ in self._parent.values())})
        return ", ".join(names) or "none"


class MovingTransforms:
    """The last seconds of what moves: links of /tf, and one odometry, over a bag's static tree.

    statics: joins the links. bad: transforms that were no transforms and are left out.
    """

    def __init__(self, statics: StaticTransforms) -> None:
        self._statics = statics
        self._links: dict[str, tuple[str, PoseBuffer]] = {}
        self._odometry: tuple[str, str, PoseBuffer] | None = None
        self.bad = 0

    def add_message(self, message: Any) -> None:
        """Take all transforms of a tf2_msgs/TFMessage of /tf."""
        for stamped in message.transforms:
            child, parent = _clean(stamped.child_frame_id), _clean(stamped.header.frame_id)
            known_parent, buffer = self._links.get(child, (parent, PoseBuffer()))
            self._links[child] = (parent, buffer if known_parent == parent else PoseBuffer())
            transform = stamped.transform
            self._add(self._links[child][1], stamped, transform.translation, transform.rotation)

    def add_odometry(self, message: Any) -> None:
        """Take a nav_msgs/Odometry: the pose of child_frame_id in frame_id."""
        frames = _clean(message.header.frame_id), _clean(message.child_frame_id)
        if self._odometry is None or self._odometry[:2] != frames:
            self._odometry = (*frames, PoseBuffer())
        pose = message.pose.pose
        self._add(self._odometry[2], message, pose.position, pose.orientation)

    def reaches(self, stamp_ns: int) -> bool:
        """Tell whether what moves is known up to `stamp_ns`; what has stopped for long does not count."""
        newest = [buffer.newest_ns for buffer in self._buffers()]
        return bool(newest) and min(at for at in newest if at > max(newest) - KEPT_NS) >= stamp_ns

    def lookup(self, target: str, source: str, stamp_ns: int) -> FloatArray:
        """Return T [4,4] with p_target = T p_source at a moment, over links of /tf where the static ones do not do.

        Raises BagError naming both frames.
        """
        if not self._links:
            return self._statics.lookup(target, source)
        with suppress(BagError):
            return self._statics.lookup(target, source)
        moment, missing, stamps = StaticTransforms(self._statics), [], np.array([stamp_ns])
        for child, (parent, poses) in self._links.items():
            track = poses.around(stamp_ns, stamp_ns) if len(poses) else None
            if track is not None and track.covers(stamps)[0]:
                moment.add(parent, child, track.at(stamps)[0])
            else:
                missing.append(child)
        try:
            return moment.lookup(target, source)
        except BagError as error:
            of_time = f"; at {stamp_ns} ns /tf lacks {', '.join(missing)}" if missing else ""
            raise BagError(f"{error}{of_time}") from None

    def trajectory(self, fixed: str, moving: str, first_ns: int, last_ns: int) -> Trajectory:
        """Return the poses of `moving` in `fixed` (the odometry's own frame, where there is one) around a span.

        Raises BagError when no chain joins them, GeometryError when there are no poses at that time.
        """
        chain = self._chain(_clean(fixed) if self._odometry is None else self._odometry[0], _clean(moving))
        tracks = [link.around(first_ns, last_ns) for link in chain if isinstance(link, PoseBuffer)]
        if not tracks:
            return Trajectory.at_rest(first_ns, last_ns)
        stamps = np.unique(np.concatenate([track.stamps_ns for track in tracks]))
        stamps = stamps[np.logical_and.reduce([track.covers(stamps) for track in tracks])]
        if not len(stamps):
            raise GeometryError(
                f"the links between '{moving}' and '{fixed}' have no time in common: check their clocks"
            )
        poses, moved = np.broadcast_to(np.eye(4), (len(stamps), 4, 4)), iter(tracks)
        for link in chain:
            poses = (next(moved).at(stamps) if isinstance(link, PoseBuffer) else link) @ poses
        return Trajectory(stamps, poses)

    def _buffers(self) -> list[PoseBuffer]:
        odometry = [] if self._odometry is None else [self._odometry[2]]
        return [*(buffer for _, buffer in self._links.values()), *odometry]

    def _chain(self, fixed: str, moving: str) -> list[PoseBuffer | FloatArray]:
        """Return the links from `moving` up to `fixed`."""
        chain: list[PoseBuffer | FloatArray] = []
        frame, seen = moving, {moving}
        while frame != fixed:
            link = self._step(frame)
            if link is None or link[0] in seen:
                raise BagError(
                    f"no transform joins '{moving}' to '{fixed}' ('{frame}' has no parent): record /tf and /tf_static, "
                    "or name another source of poses (--motion)"
                )
            frame = link[0]
            seen.add(frame)
            chain.append(link[1])
        return chain

    def _step(self, frame: str) -> tuple[str, PoseBuffer | FloatArray] | None:
        if self._odometry is not None and frame == self._odometry[1]:
            return self._odometry[0], self._odometry[2]
        return self._links.get(frame) or self._statics.parent(frame)

    def _add(self, buffer: PoseBuffer, message: Any, move: Any, turn: Any) -> None:
        try:
            buffer.add(stamp_ns(message.header.stamp), _motion(move, turn))
        except GeometryError:
            self.bad += 1


def _motion(move: Any, turn: Any) -> FloatArray:
    return rigid.from_xyz_quat((move.x, move.y, move.z), (turn.x, turn.y, turn.z, turn.w))


def _clean(frame: str) -> str:
    # ROS 1 allowed a leading slash; tf2 does not.
    return frame.lstrip("/")
