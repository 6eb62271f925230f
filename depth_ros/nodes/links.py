"""Extrinsics as they are written down: transforms among the node's parameters or in a YAML file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml
from numpy.typing import NDArray

from depth_ros.config import from_mapping
from depth_ros.errors import ConfigError, DepthRosError
from depth_ros.geometry.rigid import from_xyz_quat
from depth_ros.nodes.config import LinkConfig
from depth_ros.nodes.tf import plain

FloatArray = NDArray[np.float64]
REMEDY = "set the parameters extrinsics.lidar.parent, child, xyz and quat, or extrinsics_file, or publish /tf"


class Link(NamedTuple):
    """One static transform: T [4,4] maps points of `child` into `parent`, metres."""

    parent: str
    child: str
    T: FloatArray


def read_links(path: str) -> list[Link]:
    """Read the transforms of a YAML file: `extrinsics: {lidar: {parent: ..., child: ..., xyz: [...], quat: [...]}}`."""
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        return given_links({str(name): _link(name, entry) for name, entry in content["extrinsics"].items()})
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(
            f"extrinsics_file '{path}' cannot be read ({reason}): give a YAML file with "
            "extrinsics: {lidar: {parent, child, xyz, quat}}"
        ) from error


def given_links(configs: Mapping[str, LinkConfig]) -> list[Link]:
    """Return the transforms of the parameters `extrinsics.<name>`; raises ConfigError, naming what is wrong."""
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


def _link(name: Any, entry: Mapping[str, Any]) -> LinkConfig:
    numbers = {key: [float(v) for v in entry[key]] for key in ("xyz", "quat") if key in entry}
    try:
        return from_mapping(LinkConfig, {**entry, **numbers})
    except ConfigError as error:
        raise ConfigError(f"extrinsics '{name}': {error}") from error
