"""The static transform tree of a bag (/tf_static; REP 105)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_ros.errors import BagError, GeometryError
from depth_ros.geometry import rigid

FloatArray = NDArray[np.float64]


class StaticTransforms:
    """Frames and their parents; a frame has one parent, and as in tf2 the one heard last counts."""

    def __init__(self) -> None:
        self._parent: dict[str, tuple[str, FloatArray]] = {}

    def __len__(self) -> int:
        """Return the number of transforms."""
        return len(self._parent)

    def add(self, parent: str, child: str, T_parent_child: FloatArray) -> None:
        """Say where `child` sits in `parent`: p_parent = T p_child."""
        self._parent[_clean(child)] = (_clean(parent), T_parent_child)

    def add_message(self, message: Any) -> None:
        """Take all transforms of a tf2_msgs/TFMessage; raises BagError naming both frames on an impossible one."""
        for stamped in message.transforms:
            move, turn = stamped.transform.translation, stamped.transform.rotation
            try:
                T = rigid.from_xyz_quat((move.x, move.y, move.z), (turn.x, turn.y, turn.z, turn.w))
            except GeometryError as error:
                frames = f"{stamped.header.frame_id} -> {stamped.child_frame_id}"
                raise BagError(f"/tf_static {frames}: {error}") from None
            self.add(stamped.header.frame_id, stamped.child_frame_id, T)

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


def _clean(frame: str) -> str:
    # ROS 1 allowed a leading slash; tf2 does not.
    return frame.lstrip("/")
