"""completion_node in a process of its own: bad input is counted and logged, and the next good pair is served."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from depth_ros.geometry.camera import Camera
from depth_ros.messages.decode import decode_array
from depth_ros.nodes.counts import MISSED
from depth_ros.nodes.factory import make
from depth_ros.nodes.inputs import WAITING_IMAGES
from depth_ros.nodes.outputs import KINDS

pytestmark = pytest.mark.live
NODE = "depth_ros.nodes.completion"
TICK = 100_000_000
START = 1_700_000_000_000_000_000
LIDAR_AHEAD = [
    *("-p", "extrinsics.lidar.parent:=camera", "-p", "extrinsics.lidar.child:=lidar"),
    *("-p", "extrinsics.lidar.quat:=[0.5, -0.5, 0.5, 0.5]"),
]
PATIENT = ("-p", "lost_after:=0.3", "-p", "queue_size:=10")


class Feed:
    """Counts the stamps up, and expects what the node should make of them."""

    def __init__(self, probe: Any) -> None:
        self.probe, self.stamp = probe, START
        self.expected: dict[str, int] = {}

    def tick(self, steps: int = 1) -> int:
        self.stamp += steps * TICK
        return self.stamp

    def expect_drops(self, **more: int) -> None:
        for reason, count in more.items():
            self.expected[reason] = self.expected.get(reason, 0) + count
        self.probe.spin_for(0.2)  # topics overtake each other: what follows is not to come first

    def good_pair(self) -> None:
        stamp = self.tick(3)
        self.probe.send_info(stamp)
        self.probe.send_scan(stamp)
        self.probe.send_image(stamp)
        self.expect_output(stamp)

    def expect_output(self, stamp: int) -> None:
        self.probe.spin_until(lambda: all(stamp in stamps for stamps in self.probe.stamps().values()))


def test_every_bad_input_is_a_counted_drop_and_the_node_lives_on(probe: Any, start: Callable[..., Any]) -> None:
    process = start(NODE, "--ros-args", *LIDAR_AHEAD, "-p", "queue_policy:=all", *PATIENT)
    probe.wait_for_node()
    feed = Feed(probe)
    for case in (_no_camera_info, _bad_clouds, _bad_images, _no_scan, _no_transform, _scans_out_of_order, _time_jump):
        case(feed)
        feed.good_pair()
    probe.spin_until(lambda: probe.drops() == feed.expected)
    code, output = process.stop()
    assert code == 0
    assert "Traceback" not in output
    for reason in feed.expected.keys() - MISSED:
        assert f"dropped ({reason}," in output
    for text in ("K of zeros", "'elsewhere' to 'camera'"):
        assert text in output


def _no_camera_info(feed: Feed) -> None:
    for _ in range(WAITING_IMAGES + 2):
        feed.probe.send_image(feed.tick())
    feed.expect_drops(no_camera_info=2)
    zero = make("sensor_msgs/msg/CameraInfo", width=160, height=120)
    feed.probe.inputs["camera_info"].publish(zero)
    feed.expect_drops(bad_camera_info=1)
    feed.probe.send_info(feed.stamp)
    feed.expect_drops(image_without_scan=10, image_queue_full=WAITING_IMAGES - 10)
    feed.probe.spin_for(0.5)  # longer than lost_after


def _bad_clouds(feed: Feed) -> None:
    feed.probe.send_scan(feed.tick(), np.empty((0, 3), np.float32))
    feed.probe.send_scan(feed.tick(), np.full((50, 3), np.nan, np.float32))
    no_xyz = make(
        "sensor_msgs/msg/PointCloud2", height=1, width=2, point_step=4, row_step=8, data=np.zeros(8, np.uint8)
    )
    no_xyz.fields = [make("sensor_msgs/msg/PointField", name="intensity", offset=0, datatype=7, count=1)]
    feed.probe.inputs["points"].publish(no_xyz)
    truncated = make("sensor_msgs/msg/PointCloud2", height=1, width=90, point_step=12, row_step=1080)
    truncated.fields = [
        make("sensor_msgs/msg/PointField", name=name, offset=4 * i, datatype=7, count=1) for i, name in enumerate("xyz")
    ]
    truncated.data = make("sensor_msgs/msg/Image", data=np.zeros(100, np.uint8)).data
    feed.probe.inputs["points"].publish(truncated)
    feed.expect_drops(bad_points=4)


def _bad_images(feed: Feed) -> None:
    def image(**fields: Any) -> Any:
        data = np.zeros(160 * 120 * 3, np.uint8)
        return make(
            "sensor_msgs/msg/Image",
            **{"height": 120, "width": 160, "step": 480, "encoding": "rgb8", "data": data, **fields},
        )

    feed.probe.send_image(feed.tick(), image(encoding="smell8"))
    feed.probe.send_image(feed.tick(), image(data=np.zeros(1000, np.uint8)))
    feed.probe.send_image(feed.tick(), image(height=60, data=np.zeros(60 * 480, np.uint8)))
    feed.expect_drops(bad_image=3)


def _no_scan(feed: Feed) -> None:
    feed.probe.send_image(feed.tick(3))
    feed.expect_drops(scan_too_far=1)


def _no_transform(feed: Feed) -> None:
    stamp = feed.tick(3)
    feed.probe.send_scan(stamp, frame="elsewhere")
    feed.probe.send_image(stamp)
    feed.expect_drops(no_transform=1)


def _scans_out_of_order(feed: Feed) -> None:
    first, second = feed.tick(3), feed.tick()
    feed.probe.send_scan(second)
    feed.probe.send_scan(first)
    feed.probe.spin_for(0.3)  # topics overtake each other; the images are to find both scans
    feed.probe.send_image(first)
    feed.probe.send_image(second)
    feed.expect_output(first)
    feed.expect_output(second)


def _time_jump(feed: Feed) -> None:
    feed.stamp = START - 1_000 * TICK


def test_depth_is_that_of_the_wall_on_every_topic(probe: Any, start: Callable[..., Any]) -> None:
    process = start(NODE, "--ros-args", *LIDAR_AHEAD, "-p", "depth_encoding:=16UC1", "-p", "cloud_stride:=2", *PATIENT)
    probe.wait_for_node()
    Feed(probe).good_pair()
    got = {topic: messages[-1] for topic, messages in probe.got.items()}
    assert {message.header.frame_id for message in got.values()} == {"camera"}
    depth = decode_array(got["depth/image_rect"])
    assert got["depth/image_rect"].encoding == "16UC1"
    assert abs(float(np.median(depth[depth > 0])) - 8000) < 10
    assert (got["depth/points"].height, got["depth/points"].width) == (60, 80)
    assert not got["depth/points"].is_dense
    assert (got["depth/camera_info"].width, got["depth/camera_info"].k[0]) == (160, 100)
    source = decode_array(got["depth/source"])
    assert np.array_equal(source > 0, depth > 0)
    assert process.stop(signal.SIGTERM)[0] == 0


@pytest.mark.parametrize(
    ("argument", "text"),
    [
        ("max_depth:=-3.0", "max_depth"),
        ("queue_policy:=newest", "latest, all"),
        ("sync_slop:=fast", "sync_slop"),
    ],
)
def test_a_bad_parameter_is_one_line_and_exit_code_1(start: Callable[..., Any], argument: str, text: str) -> None:
    code, output = start(NODE, "--ros-args", "-p", argument).wait()
    assert code == 1
    assert text in output
    assert len(output.strip().splitlines()) == 1


def test_topics_are_those_of_the_design() -> None:
    assert set(KINDS) == {f"depth/{name}" for name in ("image_rect", "camera_info", "points", "sigma", "source")}
    assert Camera.from_focal(160, 120, 100, 100, 80, 60).is_rectified
