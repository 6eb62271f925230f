"""Where the inputs are looked for that nobody named: at a running node, then in the graph."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.context import Context
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2

from depth_ros.nodes.completion import CompletionNode
from depth_ros.nodes.inspection import inspect
from depth_ros.nodes.monocular import MonocularNode
from depth_ros.nodes.options import InspectOptions
from depth_ros.nodes.scout import Scout

pytestmark = pytest.mark.live
KINDS = {"/cam/rgb": Image, "/cam/info": CameraInfo, "/top/cloud": PointCloud2}


@pytest.fixture
def scout(ros: None) -> Iterator[Scout]:  # noqa: ARG001 (a fixture used for what it does)
    scout = Scout()
    yield scout
    scout.destroy_node()


@pytest.fixture
def driver(ros: None) -> Iterator[Any]:  # noqa: ARG001
    driver = rclpy.create_node("driver")
    yield driver
    driver.destroy_node()


def hear(scout: Scout, topics: dict[str, str], *others: Any, turns: int = 100) -> str:
    """Spin until the scout finds `topics`; return its words."""
    for _ in range(turns):
        for node in (scout, *others):
            rclpy.spin_once(node, timeout_sec=0.02)
        if scout.inputs().topics == topics:
            return scout.inputs().text
    raise AssertionError(f"found {scout.inputs()}")


def test_the_only_ones_that_are_published_are_taken(scout: Scout, driver: Any) -> None:
    for topic, kind in KINDS.items():
        driver.create_publisher(kind, topic, 1)
    for topic in ("/robot/depth/image_rect", "/cam/aligned_depth"):
        driver.create_publisher(Image, topic, 1)
    text = hear(scout, dict(zip(("image", "camera_info", "points"), KINDS, strict=True)))
    assert text == "the only image, CameraInfo and cloud that are published"


def test_a_compressed_image_will_do_where_there_is_no_other(scout: Scout, driver: Any) -> None:
    for topic, kind in (KINDS | {"/cam/rgb": CompressedImage}).items():
        driver.create_publisher(kind, topic, 1)
    hear(scout, {"image": "/cam/rgb", "camera_info": "/cam/info", "points": "/top/cloud"})


def test_among_several_none_is_chosen(scout: Scout, driver: Any) -> None:
    for topic, kind in (KINDS | {"/rear/rgb": Image}).items():
        driver.create_publisher(kind, topic, 1)
    for _ in range(20):
        rclpy.spin_once(scout, timeout_sec=0.02)
    assert scout.inputs().topics == {}
    assert "2 images, 1 CameraInfos and 1 clouds" in scout.inputs().text


def test_a_running_node_is_asked_first(scout: Scout, driver: Any) -> None:
    for topic, kind in KINDS.items():
        driver.create_publisher(kind, topic, 1)
    remaps = [f"{name}:={topic}" for name, topic in {"image": "/front/rgb", "points": "/left/cloud"}.items()]
    arguments = ["--ros-args", *(word for remap in remaps for word in ("-r", remap))]
    given = [Parameter("image_transport", value="compressed"), Parameter("autostart", value=False)]
    node = CompletionNode(cli_args=arguments, parameter_overrides=given, namespace="robot")
    try:
        node.start()
        topics = {"image": "/front/rgb/compressed", "camera_info": "/robot/camera_info", "points": "/left/cloud"}
        assert hear(scout, topics, node) == "those of the running robot/completion_node, which says: not active"
        node.trigger_configure()  # what makes it seen in the graph
        for _ in range(100):
            rclpy.spin_once(scout, timeout_sec=0.02)
            if scout.is_done:
                break
        assert scout.is_done
    finally:
        node.destroy_node()


def told(name: str, *topics: str) -> DiagnosticStatus:
    values = [KeyValue(key=f"{topic}_topic", value=f"/{name}/{topic}") for topic in topics]
    return DiagnosticStatus(name=name, message="all is well", values=values)


def test_of_nodes_with_and_without_lidar_the_one_is_asked_that_is_meant(ros: None) -> None:  # noqa: ARG001
    both = DiagnosticArray(status=[told("a", "image", "camera_info"), told("b", "image", "camera_info", "points")])
    for lidar, name in ((None, "b"), (True, "b"), (False, "a")):
        scout = Scout(lidar=lidar)
        scout._hear(both)
        inputs = scout.inputs()
        assert (inputs.running, inputs.lidar) == (name, name == "b")
        assert inputs.topics["image"] == f"/{name}/image"
        assert ("points" in inputs.topics) == inputs.lidar
        scout.destroy_node()


def test_a_node_without_lidar_is_not_asked_where_one_is_meant(ros: None, driver: Any) -> None:  # noqa: ARG001
    for topic, kind in KINDS.items():
        driver.create_publisher(kind, topic, 1)
    scout = Scout(lidar=True)
    scout._hear(DiagnosticArray(status=[told("mono", "image")]))
    assert hear(scout, dict(zip(("image", "camera_info", "points"), KINDS, strict=True))).startswith("the only")
    assert not scout.is_done
    scout.destroy_node()


def test_a_running_monocular_node_is_asked(scout: Scout, driver: Any) -> None:
    for topic, kind in KINDS.items():
        driver.create_publisher(kind, topic, 1)
    given = {"calibration": "none", "cameras": ["left"], "autostart": False}
    parameters = [Parameter(name, value=value) for name, value in given.items()]
    node = MonocularNode(parameter_overrides=parameters, namespace="robot")
    try:
        text = hear(scout, {"image": "/robot/left/image"}, node)
        assert text == "those of the running robot/monocular_node: left, which says: not active"
        inputs = scout.inputs()
        assert (inputs.lidar, inputs.running) == (False, "robot/monocular_node")
        assert inputs.output == "/robot/left/depth/image_rect"
    finally:
        node.destroy_node()


def test_where_no_cloud_is_published_a_camera_is_looked_at_alone(scout: Scout, driver: Any) -> None:
    driver.create_publisher(CompressedImage, "/cam/rgb/compressed", 1)
    text = hear(scout, {"image": "/cam/rgb/compressed", "camera_info": "/cam/camera_info"})
    assert "no cloud is published, so monocular_node is meant" in text
    driver.create_publisher(CameraInfo, "/info", 1)
    hear(scout, {"image": "/cam/rgb/compressed", "camera_info": "/info"})
    driver.create_publisher(CompressedImage, "/right/compressed", 1)
    hear(scout, {})
    assert "2 images and 1 CameraInfos are here, not one of each" in scout.inputs().text
    assert not scout.inputs().lidar


def test_where_nothing_is_published_a_lidar_is_looked_for(scout: Scout) -> None:
    assert scout.inputs().lidar


def test_who_asks_for_no_lidar_gets_none(domain: int) -> None:
    context = Context()
    rclpy.init(context=context, domain_id=domain)
    driver = rclpy.create_node("driver", context=context)
    try:
        for topic, kind in KINDS.items():
            driver.create_publisher(kind, topic, 1)
        found = inspect(InspectOptions(input="none", seconds=2.0), {"input"})
        assert [came.topic.name for came in found.inputs] == ["/cam/info", "/cam/rgb"]
        assert (found.node, found.running, found.output) == ("monocular_node", "", "/depth/image_rect")
        assert found.chosen.endswith("(no LiDAR is asked for)")
    finally:
        driver.destroy_node()
        rclpy.try_shutdown(context=context)


def test_what_is_named_is_looked_at(domain: int) -> None:
    context = Context()
    rclpy.init(context=context, domain_id=domain)
    driver = rclpy.create_node("driver", context=context)
    try:
        for topic, kind in KINDS.items():
            driver.create_publisher(kind, topic, 1)
        found = inspect(InspectOptions(image="/mine", seconds=2.0), {"image"})
        assert found.chosen.startswith("the only"), found.chosen
        assert [came.topic.name for came in found.inputs] == ["/cam/info", "/mine", "/top/cloud"]
        found = inspect(InspectOptions(seconds=2.0))
        assert [came.topic.name for came in found.inputs] == ["/camera_info", "/image", "/points"]
        assert found.chosen == ""
    finally:
        driver.destroy_node()
        rclpy.try_shutdown(context=context)
