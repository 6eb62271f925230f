"""The motion from the LiDAR's frame into the camera's: from parameters, a YAML file, or TF."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import yaml
from numpy.typing import NDArray
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time

from depth_ros.config import from_mapping
from depth_ros.errors import ConfigError, DepthRosError, NodeError
from depth_ros.geometry.rigid import compose, from_xyz_quat, invert
from depth_ros.nodes.config import ExtrinsicsConfig, LinkConfig

FloatArray = NDArray[np.float64]
REMEDY = "set the parameters extrinsics.lidar.parent, child, xyz and quat, or extrinsics_file, or publish /tf"
TF_TIMEOUT_S = 0.05


class TfMissingError(ConfigError):
    """TF is asked for, but tf2_ros is not installed."""


class Link(NamedTuple):
    """One static transform: T [4,4] maps points of `child` into `parent`, metres."""

    parent: str
    child: str
    T: FloatArray


class Extrinsics(Protocol):
    """Where a node asks how the LiDAR sits to the camera."""

    def lookup(self, parent: str, child: str, stamp_ns: int) -> FloatArray:
        """Return T [4,4], p_parent = T p_child; raises NodeError, naming both frames, when it is not known."""

    def close(self) -> None:
        """Stop listening for transforms."""


class StaticExtrinsics:
    """Transforms that never change, chained and inverted as needed."""

    def __init__(self, links: Iterable[Link]) -> None:
        self._steps: dict[str, dict[str, FloatArray]] = {}
        for parent, child, T in links:
            if self._path(parent, child) is not None:
                raise ConfigError(f"extrinsics give '{parent}' to '{child}' twice: leave one transform between them")
            self._steps.setdefault(parent, {})[child] = T
            self._steps.setdefault(child, {})[parent] = invert(T)

    def lookup(self, parent: str, child: str, stamp_ns: int) -> FloatArray:  # noqa: ARG002 (the protocol's)
        """Return T [4,4], p_parent = T p_child; equal frames give the identity."""
        path = self._path(plain(parent), plain(child))
        if path is None:
            known = ", ".join(self._steps) or "none"
            raise NodeError(f"no transform from '{child}' to '{parent}' (known frames: {known}): {REMEDY}")
        return path

    def close(self) -> None:
        """Nothing is listened to."""

    def _path(self, parent: str, child: str) -> FloatArray | None:
        reached, front = {parent: np.eye(4)}, [parent]
        while front:
            here = front.pop()
            for frame, T in self._steps.get(here, {}).items():
                if frame not in reached:
                    reached[frame] = compose(reached[here], T)
                    front.append(frame)
        return reached.get(child)


class TfExtrinsics:
    """Transforms from /tf and /tf_static; raises TfMissingError, naming the package, where tf2_ros is not installed."""

    def __init__(self, node: Node) -> None:
        try:
            from tf2_ros import Buffer, TransformException, TransformListener
        except ImportError as error:
            raise TfMissingError(
                "extrinsics_source is tf, but tf2_ros does not import: install ros-$ROS_DISTRO-tf2-ros-py"
            ) from error
        self._buffer, self._error = Buffer(), TransformException
        self._listener = TransformListener(self._buffer, node)

    def lookup(self, parent: str, child: str, stamp_ns: int) -> FloatArray:
        """Return T [4,4] at `stamp_ns`, waiting a little for a transform that is on its way."""
        if plain(parent) == plain(child):
            return np.eye(4)
        patience = Duration(seconds=TF_TIMEOUT_S)
        try:
            when = Time(nanoseconds=stamp_ns)
            found = self._buffer.lookup_transform(plain(parent), plain(child), when, patience).transform
        except (self._error, ValueError) as error:  # Time refuses a stamp below zero
            raise NodeError(f"no transform from '{child}' to '{parent}' in TF ({error}): {REMEDY}") from error
        move, turn = found.translation, found.rotation
        return from_xyz_quat([move.x, move.y, move.z], [turn.x, turn.y, turn.z, turn.w])

    def close(self) -> None:
        """Unsubscribe from /tf and /tf_static, where this tf2_ros can."""
        unregister = getattr(self._listener, "unregister", None)
        if unregister is not None:
            unregister()


def resolve_source(config: ExtrinsicsConfig, links: Mapping[str, LinkConfig]) -> str:
    """Return which source is meant, params, file or tf: `auto` is the first of them that is given."""
    if config.extrinsics_source != "auto":
        return config.extrinsics_source
    if any(link.parent or link.child for link in links.values()):
        return "params"
    return "file" if config.extrinsics_file else "tf"


def make_extrinsics(node: Node, config: ExtrinsicsConfig, links: Mapping[str, LinkConfig]) -> Extrinsics:
    """Return the source that `config` names, and log which one was taken.

    Raises ConfigError when the named source has nothing to give or cannot be used here; `auto` without any extrinsics
    logs the error and still serves scans in the camera's own frame.
    """
    source = resolve_source(config, links)
    makers: dict[str, Callable[[], Extrinsics]] = {
        "params": lambda: StaticExtrinsics(_links(links)),
        "file": lambda: StaticExtrinsics(read_links(config.extrinsics_file)),
        "tf": lambda: TfExtrinsics(node),
    }
    try:
        made = makers[source]()
    except TfMissingError:
        if config.extrinsics_source == "tf":
            raise
        node.get_logger().error(
            "no extrinsics are given, and without tf2_ros there is no TF, so only scans in the camera's own frame can "
            "be used: set extrinsics_file (`depth_ros bag extrinsics` makes one) or extrinsics.lidar.parent, child, "
            "xyz and quat, or install ros-$ROS_DISTRO-tf2-ros-py"
        )
        return StaticExtrinsics([])
    node.get_logger().info(f"extrinsics from {source} (extrinsics_source: {config.extrinsics_source})")
    return made


def read_links(path: str) -> list[Link]:
    """Read the transforms of a YAML file: `extrinsics: {lidar: {parent: ..., child: ..., xyz: [...], quat: [...]}}`."""
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        return _links({str(name): _link(name, entry) for name, entry in content["extrinsics"].items()})
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(
            f"extrinsics_file '{path}' cannot be read ({reason}): give a YAML file with "
            "extrinsics: {lidar: {parent, child, xyz, quat}}"
        ) from error


def plain(frame: str) -> str:
    """Return a frame's name as TF 2 knows it, without the leading slash of old bags."""
    return frame.lstrip("/")


def _link(name: Any, entry: Mapping[str, Any]) -> LinkConfig:
    numbers = {key: [float(v) for v in entry[key]] for key in ("xyz", "quat") if key in entry}
    try:
        return from_mapping(LinkConfig, {**entry, **numbers})
    except ConfigError as error:
        raise ConfigError(f"extrinsics '{name}': {error}") from error


def _links(configs: Mapping[str, LinkConfig]) -> list[Link]:
    links = []
    for name, config in configs.items():
        if not config.parent and not config.child:
            continue
        if not (config.parent and config.child):
            raise ConfigError(f"extrinsics.{name} has parent '{config.parent}' and child '{config.child}': give both")
        try:
            links.append(Link(plain(config.parent), plain(config.child), from_xyz_quat(config.xyz, config.quat)))
        except DepthRosError as error:
            raise ConfigError(f"extrinsics.{name}: {error}") from error
    if not links:
        raise ConfigError(f"no link of the extrinsics has a parent and a child: {REMEDY}")
    return links
