"""Which topics are inputs here: those of a running node of depth, or the only ones that are published."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import NamedTuple

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from depth_ros.nodes.evidence import CAMERA_INFO, CLOUD, IMAGES
from depth_ros.nodes.graph import depth_nodes, topics_of_type

LOOK_S = 4.5
"""So long at most, for a first announcement that Fast DDS loses comes again after 3 s, and nodes tell once a second."""
SLICE_S = 0.05
NAME = "depth_ros_doctor"
"""Of whoever looks around: a node of its own name is nobody else to it."""
TOPIC_KEYS = {"image": "image_topic", "camera_info": "camera_info_topic", "points": "points_topic"}
"""The values of a camera's diagnostics that name its inputs; without LiDAR there are no points."""
OUTPUT = "depth/image_rect"


class Inputs(NamedTuple):
    """The inputs by what the node calls them, nothing when they cannot be told; and in words where they are from.

    lidar: whether a LiDAR is among them. running: the node that told them, or empty. output: the topic of the depth
    image that comes of them.
    """

    topics: dict[str, str]
    text: str
    lidar: bool
    running: str = ""
    output: str = OUTPUT


class Scout(Node):  # type: ignore[misc]
    """Hears what every node of depth says of itself; lidar: whether one with a LiDAR is meant, None: either."""

    def __init__(self, *, lidar: bool | None = None) -> None:
        super().__init__(NAME, start_parameter_services=False)
        self._lidar = lidar
        self._told: dict[str, DiagnosticStatus] = {}
        self.create_subscription(DiagnosticArray, "/diagnostics", self._hear, 50)

    @property
    def is_done(self) -> bool:
        """Whether every node that is seen has been heard, and one of them is meant."""
        seen = {name.lstrip("/") for name in depth_nodes(self)}
        return bool(self._meant()) and seen <= {name.partition(":")[0] for name in self._told}

    def inputs(self) -> Inputs:
        """Return the inputs, as far as they can be told by now."""
        meant = self._meant()
        return _of_a_node(meant) if meant else self._of_the_graph()

    def _meant(self) -> list[DiagnosticStatus]:
        """Return what the nodes have told that are meant, those with a LiDAR first."""
        meant = [told for told in self._told.values() if self._lidar in (None, _has_lidar(told))]
        return sorted(meant, key=lambda told: (not _has_lidar(told), told.name))

    def _of_the_graph(self) -> Inputs:
        images = topics_of_type(self, IMAGES[0]) or topics_of_type(self, IMAGES[1])
        # What a depth camera makes is an Image too, and nobody means it.
        images = {name for name in images if "depth" not in name} or images
        infos, clouds = topics_of_type(self, CAMERA_INFO), topics_of_type(self, CLOUD)
        # Where nothing is published, nothing says that the LiDAR is not yet to come.
        lidar = bool(clouds) or not images if self._lidar is None else self._lidar
        if not lidar:
            return _of_a_camera(images, infos, clouds)
        found = [images, infos, clouds]
        if all(len(topics) == 1 for topics in found):
            chosen = dict(zip(TOPIC_KEYS, (topics.pop() for topics in found)))  # noqa: B905 (Python 3.10)
            return Inputs(chosen, "the only image, CameraInfo and cloud that are published", lidar)
        counts = f"{len(images)} images, {len(infos)} CameraInfos and {len(clouds)} clouds"
        text = f"the default names: no completion_node is heard, and {counts} are here, not one of each"
        return Inputs({}, text, lidar)

    def _hear(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if TOPIC_KEYS["image"] in _values(status):
                self._told[status.name] = status


def find_inputs(is_over: Callable[[], bool], lidar: bool | None = None) -> Inputs:
    """Look around for `LOOK_S` at most, or until `is_over`; return the inputs that were found.

    lidar: whether one is to be among them, None: if there is any.
    """
    scout, executor = Scout(lidar=lidar), SingleThreadedExecutor()
    executor.add_node(scout)
    try:
        end = monotonic() + LOOK_S
        while not scout.is_done and not is_over() and monotonic() < end:
            executor.spin_once(timeout_sec=SLICE_S)
        return scout.inputs()
    finally:
        executor.shutdown()
        scout.destroy_node()


def _values(status: DiagnosticStatus) -> dict[str, str]:
    return {value.key: value.value for value in status.values}


def _has_lidar(status: DiagnosticStatus) -> bool:
    return TOPIC_KEYS["points"] in _values(status)


def _of_a_node(meant: list[DiagnosticStatus]) -> Inputs:
    status, *others = meant
    values = _values(status)
    also = f" (there are also {', '.join(other.name for other in others)})" if others else ""
    # Of several LiDARs the first one.
    topics = {topic: values[key].partition(",")[0] for topic, key in TOPIC_KEYS.items() if key in values}
    node, _, camera = status.name.partition(": ")
    output = "/".join(filter(None, (node.rpartition("/")[0], camera, OUTPUT)))
    text = f"those of the running {status.name}{also}, which says: {status.message}"
    return Inputs(topics, text, _has_lidar(status), node, f"/{output}")


def _of_a_camera(images: set[str], infos: set[str], clouds: set[str]) -> Inputs:
    """Return the inputs where no LiDAR is meant, or there is no cloud."""
    why = "no LiDAR is asked for" if clouds else "no cloud is published, so monocular_node is meant"
    if len(images) != 1 or len(infos) > 1:
        counts = f"{len(images)} images and {len(infos)} CameraInfos"
        text = f"the default names ({why}): no monocular_node is heard, and {counts} are here, not one of each"
        return Inputs({}, text, lidar=False)
    (image,) = images
    # Where image_transport puts it.
    beside = image.removesuffix("/compressed").rpartition("/")[0] + "/camera_info"
    topics = {"image": image, "camera_info": next(iter(infos), beside)}
    what = "the only image and CameraInfo that are published" if infos else "the only image, and what lies beside it"
    return Inputs(topics, f"{what} ({why})", lidar=False)
