"""What a node sees of the others: publishers, topics of a type, nodes, clocks; as `evidence` has them."""

from __future__ import annotations

import re
from time import time_ns
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy
from rclpy.utilities import get_rmw_implementation_identifier

from depth_ros.nodes.evidence import Clocks, Publisher

SUGGESTED = 3
OUTPUT = re.compile("/depth/(image_rect|camera_info|points|sigma|source)$")
"""What the nodes of depth publish, which nobody means as their input."""


def type_name(kind: Any) -> str:
    """Return the name of a message class: "sensor_msgs/msg/Image"."""
    return f"{kind.__module__.partition('.')[0]}/msg/{kind.__name__}"


def publishers(node: Node, topic: str) -> tuple[Publisher, ...]:
    """Return who publishes `topic`, and what each of them offers."""
    return tuple(_publisher(info) for info in node.get_publishers_info_by_topic(topic))


def candidates(node: Node, topic: str, wanted: str) -> tuple[str, ...]:
    """Return a few other topics of the type `wanted` that another node publishes, the ones named alike first."""
    word = topic.rpartition("/")[2]
    names = topics_of_type(node, wanted) - {topic}
    # What a depth camera makes is the last to be meant.
    return tuple(sorted(names, key=lambda name: ("/depth/" in name, word not in name, name))[:SUGGESTED])


def topics_of_type(node: Node, wanted: str) -> set[str]:
    """Return the topics of the type `wanted` that other nodes publish, without what nodes of depth make."""
    # Not by topic: rclpy would remap the names of the topics as it does our own.
    found = {name for other in _others(node) for name, types in _published(node, *other) if wanted in types}
    return {name for name in found if not OUTPUT.search(name)}


def depth_nodes(node: Node) -> set[str]:
    """Return the names of the nodes that publish what a node of depth does."""
    return {
        _full_name(namespace, name)
        for name, namespace in _others(node)
        if any(OUTPUT.search(topic) for topic, _ in _published(node, name, namespace))
    }


def other_nodes(node: Node) -> int:
    """Return the number of nodes that are seen besides `node`."""
    return len(_others(node))


def clocks(node: Node) -> Clocks:
    """Return what the node's clock and the machine's say now."""
    simulated = bool(node.get_parameter("use_sim_time").value)
    return Clocks(node.get_clock().now().nanoseconds, time_ns(), simulated)


def large_lost() -> bool:
    """Tell whether the middleware, as it comes, loses large best-effort messages: Fast DDS does."""
    return bool(get_rmw_implementation_identifier().startswith("rmw_fastrtps"))


def _others(node: Node) -> set[tuple[str, str]]:
    return set(node.get_node_names_and_namespaces()) - {(node.get_name(), node.get_namespace())}


def _published(node: Node, name: str, namespace: str) -> list[tuple[str, list[str]]]:
    try:
        return list(node.get_publisher_names_and_types_by_node(name, namespace))
    except RuntimeError:  # the node has just gone
        return []


def _publisher(info: Any) -> Publisher:
    offer = info.qos_profile
    return Publisher(
        _full_name(info.node_namespace, info.node_name),
        info.topic_type,
        "best_effort" if offer.reliability == ReliabilityPolicy.BEST_EFFORT else "reliable",
        offer.durability == DurabilityPolicy.TRANSIENT_LOCAL,
    )


def _full_name(namespace: str, name: str) -> str:
    # So the graph calls an endpoint whose node has not been discovered yet.
    return "a publisher" if "_UNKNOWN_" in name else f"{namespace.rstrip('/')}/{name}"
