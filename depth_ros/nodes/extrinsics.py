"""The motion from the LiDAR's frame into the camera's: from parameters, a YAML file, or TF."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node
from scipy.spatial.transform import Rotation

from depth_ros.errors import ConfigError, NodeError
from depth_ros.geometry.rigid import compose, invert
from depth_ros.nodes.config import ExtrinsicsConfig, LinkConfig
from depth_ros.nodes.links import REMEDY, Link, given_links, read_links
from depth_ros.nodes.tf import TfMissingError, TfTree, plain

FloatArray = NDArray[np.float64]
FILE_LOOK_S = 1.0
# Less than any calibration can tell: numbers that went through a message's text or another chain of links.
SAME = 1e-6


class Changes:
    """Notices that a transform that does not move has become another, and logs it once."""

    def __init__(self, logger: Any) -> None:
        self._logger = logger
        self._known: dict[tuple[str, str], FloatArray] = {}

    def see(self, parent: str, child: str, T: FloatArray) -> FloatArray:
        """Return `T`; where it differs from what was seen between these frames, say by how much."""
        before = self._known.setdefault((parent, child), T)
        if not np.allclose(before, T, rtol=0, atol=SAME):
            self._known[parent, child] = T
            step = compose(invert(before), T)
            angle = np.degrees(np.linalg.norm(Rotation.from_matrix(step[:3, :3]).as_rotvec()))
            self._logger.info(
                f"the extrinsics from '{child}' to '{parent}' changed: moved by {np.linalg.norm(step[:3, 3]):.3f} m, "
                f"turned by {angle:.2f} degrees; from now on the new ones count"
            )
        return T


class Extrinsics(Protocol):
    """Where a node asks how the LiDAR sits to the camera; changes: what it noticed."""

    changes: Changes

    def lookup(self, parent: str, child: str, stamp_ns: int) -> FloatArray:
        """Return T [4,4], p_parent = T p_child; raises NodeError, naming both frames, when it is not known."""

    def close(self) -> None:
        """Stop listening for transforms."""


class StaticExtrinsics:
    """Transforms that do not change by themselves, chained and inverted as needed; safe to use from several threads."""

    def __init__(self, links: Iterable[Link], changes: Changes) -> None:
        self.changes = changes
        self.replace(links)

    def replace(self, links: Iterable[Link]) -> None:
        """Take these transforms from now on; raises ConfigError, when two are of the same frames."""
        steps: dict[str, dict[str, FloatArray]] = {}
        for parent, child, T in links:
            if _path(steps, parent, child) is not None:
                raise ConfigError(f"extrinsics give '{parent}' to '{child}' twice: leave one transform between them")
            steps.setdefault(parent, {})[child] = T
            steps.setdefault(child, {})[parent] = invert(T)
        self._steps = steps

    def lookup(self, parent: str, child: str, stamp_ns: int) -> FloatArray:  # noqa: ARG002 (the protocol's)
        """Return T [4,4], p_parent = T p_child; equal frames give the identity."""
        steps = self._steps
        path = _path(steps, plain(parent), plain(child))
        if path is None:
            known = ", ".join(steps) or "none"
            raise NodeError(f"no transform from '{child}' to '{parent}' (known frames: {known}): {REMEDY}")
        return self.changes.see(plain(parent), plain(child), path)

    def close(self) -> None:
        """Nothing is listened to."""


class FileExtrinsics:
    """Transforms of a YAML file, read again when the file changes; a file that turned bad is not taken, and said."""

    def __init__(self, path: str, changes: Changes, logger: Any) -> None:
        self.changes, self._path, self._logger = changes, path, logger
        self._written = _written(path)
        self._links = StaticExtrinsics(read_links(path), changes)
        self._looked = monotonic()

    def lookup(self, parent: str, child: str, stamp_ns: int) -> FloatArray:
        """Return T [4,4], p_parent = T p_child."""
        if monotonic() - self._looked > FILE_LOOK_S:
            self._looked = monotonic()
            self._follow()
        return self._links.lookup(parent, child, stamp_ns)

    def close(self) -> None:
        """Nothing is listened to."""

    def _follow(self) -> None:
        written = _written(self._path)
        if written in (self._written, None):
            return
        self._written = written
        try:
            self._links.replace(read_links(self._path))
        except ConfigError as error:
            self._logger.error(f"the extrinsics stay as they were: {error}")


class TfExtrinsics:
    """Transforms from /tf and /tf_static; what holds at any time is kept until /tf_static changes.

    Raises TfMissingError, naming the package, where tf2_ros is not installed.
    """

    def __init__(self, node: Node, timeout_s: float, changes: Changes) -> None:
        self.changes, self._timeout_s = changes, timeout_s
        self.tree = TfTree(node, "extrinsics_source")
        self._kept: dict[tuple[str, str], tuple[int, FloatArray]] = {}

    def lookup(self, parent: str, child: str, stamp_ns: int) -> FloatArray:
        """Return T [4,4] at `stamp_ns`, waiting a little for a transform that is on its way."""
        frames = plain(parent), plain(child)
        if frames[0] == frames[1]:
            return np.eye(4)
        # Read before the lookup: a message of /tf_static that comes meanwhile is then seen the next time.
        statics = self.tree.statics
        kept_at, kept = self._kept.get(frames, (-1, None))
        if kept is not None and kept_at == statics:
            return kept
        try:
            found = self.tree.find(*frames, stamp_ns, self._timeout_s)
            newest = self.tree.find(*frames)
        except NodeError as error:
            raise NodeError(f"{error}: {REMEDY}") from error
        if newest.stamp_ns:
            return found.T
        self._kept[frames] = statics, newest.T
        return self.changes.see(*frames, newest.T)

    def close(self) -> None:
        """Unsubscribe from /tf and /tf_static."""
        self.tree.close()


def resolve_source(config: ExtrinsicsConfig, links: Mapping[str, LinkConfig]) -> str:
    """Return which source is meant, params, file or tf: `auto` is the first of them that is given."""
    if config.extrinsics_source != "auto":
        return config.extrinsics_source
    if any(link.parent or link.child for link in links.values()):
        return "params"
    return "file" if config.extrinsics_file else "tf"


def make_extrinsics(node: Node, config: ExtrinsicsConfig, links: Mapping[str, LinkConfig]) -> Extrinsics:
    """Return the source that `config` names, and log which one was taken.

    Raises ConfigError when the named source has nothing to
    give or cannot be used here; `auto` without any extrinsics logs the error and still serves scans in the camera's own
    frame.
    """
    source, logger = resolve_source(config, links), node.get_logger()
    changes = Changes(logger)
    makers: dict[str, Callable[[], Extrinsics]] = {
        "params": lambda: StaticExtrinsics(given_links(links), changes),
        "file": lambda: FileExtrinsics(config.extrinsics_file, changes, logger),
        "tf": lambda: TfExtrinsics(node, config.extrinsics_timeout, changes),
    }
    try:
        made = makers[source]()
    except TfMissingError:
        if config.extrinsics_source == "tf":
            raise
        logger.error(
            "no extrinsics are given, and without tf2_ros there is no TF, so only scans in the camera's own frame can "
            "be used: set extrinsics_file (`depth_ros bag extrinsics` makes one) or extrinsics.lidar.parent, child, "
            "xyz and quat, or install ros-$ROS_DISTRO-tf2-ros-py"
        )
        return StaticExtrinsics([], changes)
    logger.info(f"extrinsics from {source} (extrinsics_source: {config.extrinsics_source})")
    return made


def _path(steps: Mapping[str, Mapping[str, FloatArray]], parent: str, child: str) -> FloatArray | None:
    reached, front = {parent: np.eye(4)}, [parent]
    while front:
        here = front.pop()
        for frame, T in steps.get(here, {}).items():
            if frame not in reached:
                reached[frame] = compose(reached[here], T)
                front.append(frame)
    return reached.get(child)


def _written(path: str) -> tuple[int, int] | None:
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
