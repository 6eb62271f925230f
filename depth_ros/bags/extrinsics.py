"""The motion between a bag's LiDAR and camera, as the file that the nodes read."""

from __future__ import annotations

from pathlib import Path

import yaml

from depth_ros.bags.bag_file import BagFile
from depth_ros.bags.reader import read_static_transforms
from depth_ros.bags.topics import choose_topics
from depth_ros.errors import BagError
from depth_ros.geometry.rigid import to_xyz_quat


def bag_extrinsics(path: str | Path) -> dict[str, object]:
    """Return the nodes' `extrinsics` mapping (parent = camera's frame, child = LiDAR's) from a bag's /tf_static.

    Raises BagError when the bag has no image, no points or no transform between their frames.
    """
    with BagFile(path) as bag:
        topics = choose_topics(bag)
        if topics.image is None or topics.points is None:
            raise BagError(f"{path}: extrinsics join a camera and a LiDAR, and one of their topics is not recorded")
        image, scan = bag.first(topics.image), bag.first(topics.points)
        if image is None or scan is None:
            raise BagError(f"{path}: {topics.image if image is None else topics.points} holds nothing that can be read")
        parent, child = image.header.frame_id, scan.header.frame_id
        xyz, quat = to_xyz_quat(read_static_transforms(bag).lookup(parent, child))
    return {"extrinsics": {"lidar": {"parent": parent, "child": child, "xyz": xyz.tolist(), "quat": quat.tolist()}}}


def write_bag_extrinsics(bag: str | Path, path: str | Path) -> None:
    """Write `bag_extrinsics` as YAML, for the node's parameter `extrinsics_file`; raises BagError."""
    text = yaml.safe_dump(bag_extrinsics(bag), sort_keys=False)
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise BagError(f"{path} cannot be written ({error.strerror}): give another path") from error
