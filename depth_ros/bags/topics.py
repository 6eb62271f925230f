"""Which topic of a bag is the image, its camera_info, the scan and the truth."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from depth_ros.bags.bag_file import BagFile
from depth_ros.errors import BagError

IMAGE_TYPES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
INFO_TYPE, CLOUD_TYPE, TF_TYPE = "sensor_msgs/msg/CameraInfo", "sensor_msgs/msg/PointCloud2", "tf2_msgs/msg/TFMessage"
ODOMETRY_TYPE = "nav_msgs/msg/Odometry"
TRUTH_TOPIC = "/camera/depth_truth"
ROLES = ("image", "camera_info", "points", "truth", "odometry")
_DEPTH_ENCODINGS = ("32FC1", "16UC1", "64FC1")
_log = logging.getLogger("depth_ros")


@dataclass(frozen=True)
class Topics:
    """The topic of each role, None where the bag has none; odometry: None also where none is given."""

    image: str | None
    camera_info: str | None
    points: str | None
    truth: str | None
    odometry: str | None = None


def choose_topics(bag: BagFile, given: Mapping[str, str] | None = None, *, lidar: bool = True) -> Topics:
    """Choose by type, and where several would do, the one whose camera_info sits beside it.

    given: topics by role. lidar: whether points are looked for. Raises BagError when a given one is not there or has
    another type, and when no rule decides.
    """
    given = dict(given or {})
    for role, topic in given.items():
        _check_given(bag, role, topic)
    infos = _of_type(bag, (INFO_TYPE,))
    image = given.get("image") or _choose_image(bag, infos)
    info = given.get("camera_info") or _choose_info(bag, image, infos)
    clouds = [topic for topic in _of_type(bag, (CLOUD_TYPE,)) if not _is_depth_output(topic)]
    points = (given.get("points") or _only(bag, "points", clouds)) if lidar else None
    truth = given.get("truth") or (TRUTH_TOPIC if TRUTH_TOPIC in bag.topics else None)
    return Topics(image, info, points, truth, given.get("odometry"))


def base_name(image_topic: str) -> str:
    """Return the image topic without its transport: /camera/image_raw/compressed -> /camera/image_raw."""
    return image_topic.removesuffix("/compressed")


def info_beside(image_topic: str) -> str:
    """Return the topic where image_transport puts the CameraInfo of an image topic."""
    return base_name(image_topic).rpartition("/")[0] + "/camera_info"


def _choose_image(bag: BagFile, infos: list[str]) -> str | None:
    found = [topic for topic in _of_type(bag, IMAGE_TYPES) if not _is_depth(bag, topic)]
    raw_first = [topic for topic in found if base_name(topic) == topic or base_name(topic) not in found]
    beside = [topic for topic in raw_first if info_beside(topic) in infos]
    chosen = _only(bag, "image", beside or raw_first)
    if chosen is not None and len(found) > 1:
        _log.info("%s: the image is %s, for its camera_info or raw form is there", bag.path, chosen)
    return chosen


def _choose_info(bag: BagFile, image: str | None, infos: list[str]) -> str | None:
    if image is not None and info_beside(image) in infos:
        return info_beside(image)
    return _only(bag, "camera_info", [topic for topic in infos if not _is_depth_output(topic)])


def _only(bag: BagFile, role: str, found: list[str]) -> str | None:
    if len(found) > 1:
        raise BagError(f"{bag.path}: {role} could be {', '.join(found)}: name one, as --topic {role}={found[0]}")
    return found[0] if found else None


def _of_type(bag: BagFile, types: Collection[str]) -> list[str]:
    return sorted(topic.name for topic in bag.topics.values() if topic.type_name in types and topic.total)


def _is_depth(bag: BagFile, topic: str) -> bool:
    return _is_depth_output(topic) or getattr(bag.first(topic), "encoding", "") in _DEPTH_ENCODINGS


def _is_depth_output(topic: str) -> bool:
    return any(part.startswith("depth") for part in topic.split("/")) or topic.endswith("/compressedDepth")


def _check_given(bag: BagFile, role: str, topic: str) -> None:
    if role not in ROLES:
        raise BagError(f"topic role '{role}' is unknown: give {', '.join(ROLES)}")
    wanted = {"camera_info": (INFO_TYPE,), "points": (CLOUD_TYPE,), "odometry": (ODOMETRY_TYPE,)}.get(role, IMAGE_TYPES)
    if topic not in bag.topics:
        raise BagError(f"{bag.path}: topic {topic} is not there: the bag has {', '.join(sorted(bag.topics)) or 'none'}")
    if bag.topics[topic].type_name not in wanted:
        raise BagError(f"{bag.path}: {topic} is {bag.topics[topic].type_name}: {role} must be {' or '.join(wanted)}")
