"""Inputs without a graph: the callbacks are called as the executor would."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import rclpy
from rclpy.parameter import Parameter

from depth_ros.config import PairingConfig
from depth_ros.frame import PointCloud
from depth_ros.geometry.camera import Camera
from depth_ros.messages.encode import encode_cloud, encode_image
from depth_ros.nodes.config import InputConfig
from depth_ros.nodes.counts import Statistics
from depth_ros.nodes.factory import make
from depth_ros.nodes.inputs import CameraInput, LidarInput
from depth_ros.nodes.pairs import Pairs
from depth_ros.nodes.parameters import ParameterGroup, watch

MS = 1_000_000
START = 10**18


class Fed:
    """Inputs of a node of its own, fed by hand; what came out and what was logged is kept."""

    def __init__(self, *remaps: str) -> None:
        arguments = ["--ros-args", *(word for remap in remaps for word in ("-r", remap))]
        self.node = rclpy.create_node("subject", cli_args=arguments)
        group = ParameterGroup(self.node, InputConfig())
        self.statistics = Statistics(self.node.get_logger())
        self.pairs: list[Any] = []
        self.pairing = Pairs(self.node, PairingConfig(), [""], 0.0, self.statistics, self.pairs.append)
        self.camera_input = CameraInput(self.node, "", group, self.statistics, self.pairing.add_image)
        self.lidar = LidarInput(self.node, "", group, self.statistics, self.pairing.add_scan)
        watch(self.node, [group], lambda _changed: self.camera_input.choose_camera())

    def info(self, k1: float = 0.1) -> None:
        info = make(
            "sensor_msgs/msg/CameraInfo", width=8, height=6, distortion_model="plumb_bob", d=[k1, 0.0, 0.0, 0.0]
        )
        info.k = [30.0, 0.0, 4.0, 0.0, 30.0, 3.0, 0.0, 0.0, 1.0]
        info.p = [20.0, 0.0, 4.0, 0.0, 0.0, 20.0, 3.0, 0.0, 0.0, 0.0, 1.0, 0.0]
        self.camera_input._on_camera_info(info)

    def image(self, milliseconds: int) -> None:
        picture = np.zeros((6, 8, 3), np.uint8)
        self.camera_input._on_image(encode_image(make, START + milliseconds * MS, "camera", picture, "rgb8"))

    def scan(self, milliseconds: int) -> None:
        cloud = PointCloud(np.ones((5, 3), np.float32))
        self.lidar._on_points(encode_cloud(make, START + milliseconds * MS, "lidar", cloud))

    def camera(self, milliseconds: int) -> Camera:
        self.scan(milliseconds)
        self.image(milliseconds)
        camera: Camera = self.pairs[-1].image.camera
        return camera


@pytest.fixture
def feed(ros: None) -> Iterator[Callable[..., Fed]]:  # noqa: ARG001 (a fixture used for what it does)
    made: list[Fed] = []

    def begin(*remaps: str) -> Fed:
        made.append(Fed(*remaps))
        return made[-1]

    yield begin
    for fed in made:
        for part in (fed.camera_input, fed.lidar, fed.pairing):
            part.close()
        fed.node.destroy_node()


@pytest.mark.parametrize(
    ("topic", "k1", "rectified"),
    [
        ("/camera/image_rect_color", 0.1, True),
        ("/camera/image_raw", 0.1, False),
        ("/camera/image_raw", 0.0, True),
        ("/direct/image_raw", 0.1, False),
    ],
)
def test_auto_is_as_for_a_bag(feed: Callable[..., Fed], topic: str, k1: float, rectified: bool) -> None:
    fed = feed(f"image:={topic}")
    fed.info(k1)
    camera = fed.camera(0)
    assert camera.intrinsics[0] == (20 if rectified else 30)
    assert camera.D.any() != rectified


def test_image_is_rectified_takes_effect_at_once_and_each_change_is_said(
    feed: Callable[..., Fed], capfd: pytest.CaptureFixture[str]
) -> None:
    fed = feed()
    fed.info()
    assert fed.camera(0).D.any()
    fed.node.set_parameters([Parameter("image_is_rectified", value="true")])
    assert not fed.camera(100).D.any()
    fed.info()
    fed.node.set_parameters([Parameter("image_is_rectified", value="auto")])
    assert fed.camera(200).D.any()
    said = capfd.readouterr().err
    assert said.count("not rectified, so it will be (image_is_rectified: auto)") == 2
    assert said.count("rectified already (image_is_rectified: true)") == 1


def test_images_that_wait_when_the_pairing_changes_are_settled(feed: Callable[..., Fed]) -> None:
    fed = feed()
    fed.info()
    fed.scan(0)
    for milliseconds in (20, 500):
        fed.image(milliseconds)
    assert not fed.pairs
    fed.pairing.configure(PairingConfig(sync_slop=0.5), 0.0)
    assert [pair.image_stamp_ns for pair in fed.pairs] == [START + 20 * MS]
    assert fed.statistics.dropped == {"scan_too_far": 1}
    fed.camera(600)
    assert fed.statistics.dropped == {"scan_too_far": 1}


def test_settings_that_are_no_news_leave_what_waits_alone(feed: Callable[..., Fed]) -> None:
    """As when another setting of the guard changes."""
    fed = feed()
    fed.info()
    fed.scan(0)
    fed.image(50)
    fed.pairing.configure(PairingConfig(), 0.0)
    assert not fed.pairs
    fed.scan(60)
    assert [pair.scan_stamp_ns for pair in fed.pairs] == [START + 60 * MS]


def test_images_that_wait_for_a_camera_info_at_the_end_are_counted(feed: Callable[..., Fed]) -> None:
    fed = feed()
    fed.image(0)
    fed.image(100)
    fed.camera_input.close()
    assert fed.statistics.dropped == {"no_camera_info": 2}
