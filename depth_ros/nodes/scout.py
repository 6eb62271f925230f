"""Which topics are inputs here: those of a running completion_node, or the only ones that are published."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import NamedTuple

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from depth_ros.nodes.evidence import CAMERA_INFO, CLOUD, IMAGES
from depth_ros.nodes.graph import completion_nodes, topics_of_type

LOOK_S = 4.5
"""So long at most, for a first announcement that Fast DDS loses comes again after 3 s, and nodes tell once a second."""
SLICE_S = 0.05
NAME = "depth_ros_doctor"
"""Of whoever looks around: a node of its own name is nobody else to it."""
TOPIC_KEYS = {"image": "image_topic", "camera_info": "camera_info_topic", "points": "points_topic"}
"""The values of a camera's diagnostics that name its inputs."""


class Inputs(NamedTuple):
    """The inputs by what the node calls them, nothing when they cannot be told; and in words where they are from."""

    topics: dict[str, str]
    text: str


class Scout(Node):  # type: ignore[misc]
    """Hears what every completion_node says of itself."""

    def __init__(self) -> None:
        super().__init__(NAME, start_parameter_services=False)
        self._told: dict[str, DiagnosticStatus] = {}
        self._without_lidar: set[str] = set()
        self.create_subscription(DiagnosticArray, "/diagnostics", self._hear, 50)

    @property
    def is_done(self) -> bool:
        """Whether every node that is seen has been heard."""
        seen = {name.lstrip("/") for name in completion_nodes(self)} - self._without_lidar
        return bool(seen) and seen <= {name.partition(":")[0] for name in self._told}

    def inputs(self) -> Inputs:
        """Return the inputs, as far as they can be told by now."""
        return self._of_a_node() if self._told else self._of_the_graph()

    def _of_a_node(self) -> Inputs:
        (name, status), *others = sorted(self._told.items())
        values = {value.key: value.value for value in status.values}
        also = f" (there are also {', '.join(other for other, _ in others)})" if others else ""
        # Of several LiDARs the first one.
        topics = {topic: values[key].partition(",")[0] for topic, key in TOPIC_KEYS.items()}
        return Inputs(topics, f"those of the running {name}{also}, which says: {status.message}")

    def _of_the_graph(self) -> Inputs:
        images = topics_of_type(self, IMAGES[0]) or topics_of_type(self, IMAGES[1])
        # What a depth camera makes is an Image too, and nobody means it.
        images = {name for name in images if "depth" not in name} or images
        found = [images, topics_of_type(self, CAMERA_INFO), topics_of_type(self, CLOUD)]
        if all(len(topics) == 1 for topics in found):
            chosen = dict(zip(TOPIC_KEYS, (topics.pop() for topics in found)))  # noqa: B905 (Python 3.10)
            return Inputs(chosen, "the only image, CameraInfo and cloud that are published")
        counts = f"{len(found[0])} images, {len(found[1])} CameraInfos and {len(found[2])} clouds"
        return Inputs({}, f"the default names: no completion_node is heard, and {counts} are here, not one of each")

    def _hear(self, message: DiagnosticArray) -> None:
        for status in message.status:
            keys = {value.key for value in status.values}
            if keys.issuperset(TOPIC_KEYS.values()):
                self._told[status.name] = status
            elif TOPIC_KEYS["image"] in keys:
                self._without_lidar.add(status.name.partition(":")[0])


def find_inputs(is_over: Callable[[], bool]) -> Inputs:
    """Look around for `LOOK_S` at most, or until `is_over`; return the inputs that were found."""
    scout, executor = Scout(), SingleThreadedExecutor()
    executor.add_node(scout)
    try:
        end = monotonic() + LOOK_S
        while not scout.is_done and not is_over() and monotonic() < end:
            executor.spin_once(timeout_sec=SLICE_S)
        return scout.inputs()
    finally:
        executor.shutdown()
        scout.destroy_node()
