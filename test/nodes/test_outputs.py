"""What the output parameters make of one depth map; the publishers are stand-ins that keep what they get."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("sensor_msgs.msg")

from depth_ros.frame import DepthMap, Source
from depth_ros.geometry.camera import Camera
from depth_ros.messages.decode import decode_array, decode_cloud
from depth_ros.messages.depth_encoding import decode_depth
from depth_ros.nodes.config import OutputConfig
from depth_ros.nodes.outputs import KINDS, Outputs
from depth_ros.pipelines.base import Stopwatch

WIDTH, HEIGHT = 40, 30
LABELS = {(0, 0): np.nan, (0, 1): np.inf, (0, 2): -np.inf}


class StandInPublisher:
    def __init__(self, listened: bool) -> None:
        self.listened, self.sent = listened, list[Any]()

    def get_subscription_count(self) -> int:
        return int(self.listened)

    def publish(self, message: Any) -> None:
        self.sent.append(message)


class StandInNode:
    def __init__(self, listened: tuple[str, ...]) -> None:
        self._listened = listened
        self.publishers: dict[str, StandInPublisher] = {}

    def create_lifecycle_publisher(self, _kind: Any, topic: str, _qos: Any, **_: Any) -> StandInPublisher:
        self.publishers[topic] = StandInPublisher(topic in self._listened)
        return self.publishers[topic]


def silhouette() -> DepthMap:
    """Return a wall at 3 m, one at 9 m, a ramp of three pixels between them, and the labels of REP 117 in a corner."""
    place = np.clip((np.arange(WIDTH) - 19) / 4, 0, 1)
    depth = np.tile(3 + 6 * place, (HEIGHT, 1)).astype(np.float32)
    sigma = np.full(depth.shape, 0.1, np.float32)
    sigma[10] = 5
    source = np.full(depth.shape, Source.COMPLETED, np.uint8)
    for at, label in LABELS.items():
        depth[at], sigma[at], source[at] = label, np.nan, Source.NONE
    camera = Camera.from_focal(WIDTH, HEIGHT, 30, 30, 20, 15)
    return DepthMap(5_000_000_007, "camera", camera, depth, sigma, source)


def published(config: OutputConfig, listened: tuple[str, ...] = tuple(KINDS)) -> dict[str, Any]:
    """Return the message of every topic that got one."""
    node: Any = StandInNode(listened)
    group: Any = SimpleNamespace(value=config)
    Outputs(node, "", group).publish(silhouette(), Stopwatch())
    assert all(len(publisher.sent) <= 1 for publisher in node.publishers.values())
    return {topic: publisher.sent[0] for topic, publisher in node.publishers.items() if publisher.sent}


@pytest.mark.parametrize("encoding", ["32FC1", "16UC1"])
@pytest.mark.parametrize("rep117", [True, False])
def test_labels_of_rep_117(encoding: str, rep117: bool) -> None:
    messages = published(OutputConfig(depth_encoding=encoding, rep117=rep117))
    depth = decode_depth(messages["depth/image_rect"])
    told = encoding == "32FC1" and rep117
    for at, label in LABELS.items():
        assert decode_array(messages["depth/source"])[at] == Source.NONE
        assert np.isnan(decode_depth(messages["depth/sigma"])[at])
        np.testing.assert_array_equal(depth[at], np.float32(label if told else np.nan))
        if encoding == "16UC1":
            assert decode_array(messages["depth/image_rect"])[at] == 0
    assert len(decode_cloud(messages["depth/points"]).xyz) == WIDTH * HEIGHT - len(LABELS)


@pytest.mark.parametrize(
    ("config", "lost"),
    [
        (OutputConfig(max_sigma=1.0), WIDTH),
        (OutputConfig(max_sigma_ratio=0.02), WIDTH + (HEIGHT - 1) * 21 - len(LABELS)),
        (OutputConfig(flying_pixels=True), 3 * HEIGHT),
        (OutputConfig(max_sigma=1.0, flying_pixels=True), 3 * HEIGHT + WIDTH - 3),
    ],
)
def test_filters_are_of_the_cloud_alone(config: OutputConfig, lost: int) -> None:
    plain, messages = published(OutputConfig()), published(config)
    known = WIDTH * HEIGHT - len(LABELS)
    assert len(decode_cloud(messages["depth/points"]).xyz) == known - lost
    for topic in ("depth/image_rect", "depth/sigma", "depth/source"):
        assert bytes(messages[topic].data) == bytes(plain[topic].data)


def test_every_message_has_the_stamp_of_its_image() -> None:
    for message in published(OutputConfig()).values():
        assert (message.header.stamp.sec, message.header.stamp.nanosec, message.header.frame_id) == (5, 7, "camera")


def test_what_nobody_listens_to_is_not_sent() -> None:
    assert set(published(OutputConfig(), ("depth/points",))) == {"depth/points"}
    assert not published(OutputConfig(), ())
