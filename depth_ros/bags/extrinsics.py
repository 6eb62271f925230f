"""The motion between a bag's LiDAR and camera: as the file that the nodes read, and from such a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import yaml
from numpy.typing import NDArray

from depth_ros.bags.bag_file import BagFile
from depth_ros.bags.calibration import read_extrinsics
from depth_ros.bags.reader import read_static_transforms
from depth_ros.bags.topics import choose_topics
from depth_ros.bags.transforms import StaticTransforms
from depth_ros.errors import BagError, GeometryError
from depth_ros.geometry.rigid import from_xyz_quat, to_xyz_quat

YAML_SUFFIXES = (".yaml", ".yml")


class SensorFrames(NamedTuple):
    """The frame_id of a bag's images and of its scans."""

    camera: str
    lidar: str


def bag_extrinsics(path: str | Path, topics: Mapping[str, str] | None = None) -> dict[str, object]:
    """Return the nodes' `extrinsics` mapping (parent = camera's frame, child = LiDAR's) from a bag's /tf_static.

    topics: by role (image, points) where their types do not tell. Raises BagError when the bag has no image, no points
    or no transform between their frames.
    """
    with BagFile(path) as bag:
        frames = _sensor_frames(bag, topics)
        xyz, quat = to_xyz_quat(read_static_transforms(bag).lookup(frames.camera, frames.lidar))
    link = {"parent": frames.camera, "child": frames.lidar, "xyz": xyz.tolist(), "quat": quat.tolist()}
    return {"extrinsics": {"lidar": link}}


def write_bag_extrinsics(bag: str | Path, path: str | Path, topics: Mapping[str, str] | None = None) -> None:
    """Write `bag_extrinsics` as YAML, for the node's parameter `extrinsics_file`; raises BagError."""
    text = yaml.safe_dump(bag_extrinsics(bag, topics), sort_keys=False)
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise BagError(f"{path} cannot be written ({error.strerror}): give another path") from error


def given_extrinsics(bag: str | Path, file: str | Path, topics: Mapping[str, str] | None = None) -> NDArray[np.float64]:
    """Return T_cam_lidar [4,4] of a calibration file, or of the nodes' YAML file for the frames that the bag names.

    Raises BagError when the file cannot be read or does not join the frames of the bag's image and points.
    """
    if Path(file).suffix not in YAML_SUFFIXES:
        return read_extrinsics(file)
    links = _read_links(Path(file))
    with BagFile(bag) as opened:
        frames = _sensor_frames(opened, topics)
    try:
        return links.lookup(frames.camera, frames.lidar)
    except BagError as error:
        raise BagError(f"{file}: {error}") from None


def _sensor_frames(bag: BagFile, given: Mapping[str, str] | None) -> SensorFrames:
    topics = choose_topics(bag, given)
    if topics.image is None or topics.points is None:
        raise BagError(f"{bag.path}: extrinsics join a camera and a LiDAR, and one of their topics is not recorded")
    image, scan = bag.first(topics.image), bag.first(topics.points)
    if image is None or scan is None:
        raise BagError(f"{bag.path}: {topics.image if image is None else topics.points} holds nothing that can be read")
    return SensorFrames(image.header.frame_id, scan.header.frame_id)


def _read_links(path: Path) -> StaticTransforms:
    links = StaticTransforms()
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        for link in content["extrinsics"].values():
            T = from_xyz_quat([float(v) for v in link["xyz"]], [float(v) for v in link["quat"]])
            links.add(str(link["parent"]), str(link["child"]), T)
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError, AttributeError, GeometryError) as error:
        reason = " ".join(str(error).split())
        raise BagError(
            f"{path} cannot be read ({reason}): give a YAML file with "
            "extrinsics: {lidar: {parent, child, xyz, quat}}, as `bag extrinsics` writes it"
        ) from None
    return links
