"""The doctor's look at live topics: real publishers, and what it says about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from time import monotonic, time_ns
from typing import Any

import numpy as np
import pytest
import rclpy
from rclpy.context import Context
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image

from depth_ros.messages.encode import encode_image
from depth_ros.nodes import placing
from depth_ros.nodes.extrinsics import Changes, StaticExtrinsics
from depth_ros.nodes.factory import make
from depth_ros.nodes.inspection import Inspection, Inspector, inspect
from depth_ros.nodes.options import InspectOptions
from depth_ros.nodes.tf import TfMissingError

pytestmark = pytest.mark.live
MS = 1_000_000
LOOKS_AHEAD = "extrinsics: {lidar: {parent: camera, child: lidar, xyz: [0, 0, 0], quat: [0.5, -0.5, 0.5, 0.5]}}"
LOOKS_BACK = "extrinsics: {lidar: {parent: camera, child: lidar, xyz: [0, 0, 0], quat: [0.5, 0.5, -0.5, 0.5]}}"
OPTIONS = InspectOptions()
ALONE = InspectOptions(points="")


class Patient:
    """An Inspector beside a probe that publishes; both spun by the test."""

    def __init__(self, probe: Any, options: InspectOptions) -> None:
        self.probe, self.inspector = probe, Inspector(options)
        probe.executor.add_node(self.inspector)

    def run(self, turn: Callable[[int], None], turns: int = 12) -> Inspection:
        """Wait for the subscriptions, then call `turn` with a stamp again and again; return what was found."""
        self.probe.spin_until(lambda: all(output.get_subscription_count() for output in self.probe.inputs.values()))
        for _ in range(turns):
            turn(time_ns())
            self.probe.spin_for(0.02)
            self.inspector.poll()
            self.inspector.follow_clock()
        return self.inspector.result()

    def close(self) -> None:
        self.probe.executor.remove_node(self.inspector)
        self.inspector.close()
        self.inspector.destroy_node()


@pytest.fixture
def patient(probe: Any) -> Iterator[Callable[..., Patient]]:
    made: list[Patient] = []

    def begin(options: InspectOptions = OPTIONS) -> Patient:
        made.append(Patient(probe, options))
        return made[-1]

    yield begin
    for one in made:
        one.close()


def names(found: Inspection) -> list[str]:
    return [cause.name for cause in found.causes]


def everything(probe: Any) -> Callable[[int], None]:
    def send(stamp: int) -> None:
        probe.send_info(stamp)
        probe.send_scan(stamp)
        probe.send_image(stamp)

    return send


@pytest.mark.parametrize(("content", "causes"), [(LOOKS_AHEAD, []), (LOOKS_BACK, ["outside_image"])])
def test_pairs_are_drawn_into_the_image(
    patient: Callable[..., Patient], tmp_path: Path, content: str, causes: list[str]
) -> None:
    path = tmp_path / "extrinsics.yaml"
    path.write_text(content)
    subject = patient(replace(OPTIONS, extrinsics=str(path)))
    found = subject.run(everything(subject.probe))
    assert names(found) == causes
    assert found.would_output == (not causes)
    assert found.pairs > 5
    assert found.gap_ms == 0
    assert (found.placed == 0) == bool(causes)
    image = next(came for came in found.inputs if came.topic.name == "/image")
    assert 1 < image.rate_hz < 40
    assert image.detail == "160x120 rgb8"
    assert (found.makers, found.listeners) == ([], 1)


def test_without_extrinsics_or_tf2_it_says_what_to_give(
    patient: Callable[..., Patient], monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(*_: object) -> None:
        raise TfMissingError("no tf2_ros")

    monkeypatch.setattr(placing, "make_extrinsics", absent)
    subject = patient()
    found = subject.run(everything(subject.probe))
    assert not found.would_output
    assert names(found) == ["no_transform"]
    assert "from 'lidar' to 'camera'; tf2_ros is not installed: give by --extrinsics FILE" in found.transform


def test_a_missing_transform_is_told_with_both_frames(
    patient: Callable[..., Patient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placing, "make_extrinsics", lambda *_: StaticExtrinsics([], Changes(None)))
    subject = patient()
    found = subject.run(everything(subject.probe))
    assert names(found) == ["no_transform"]
    assert "from 'lidar' to 'camera'" in found.causes[0].text
    assert found.placed == 0


def test_a_gap_beyond_the_slop_is_told_in_milliseconds(patient: Callable[..., Patient]) -> None:
    subject = patient()

    def turn(stamp: int) -> None:
        subject.probe.send_info(stamp)
        subject.probe.send_image(stamp - stamp % (500 * MS))
        subject.probe.send_scan(stamp - stamp % (500 * MS) - 200 * MS)

    found = subject.run(turn, 40)
    assert names(found) == ["stamps_apart"]
    assert "/image and /points are 200 ms apart" in found.causes[0].text


def test_wall_time_against_simulated_time(patient: Callable[..., Patient]) -> None:
    subject = patient()
    clock = subject.probe.node.create_publisher(Clock, "/clock", 1)
    begin = time_ns()

    def turn(stamp: int) -> None:
        clock.publish(Clock())
        subject.probe.send_info(stamp)
        subject.probe.send_image(stamp - begin + 12_000 * MS)
        subject.probe.send_scan(stamp)

    found = subject.run(turn)
    assert names(found) == ["sim_against_wall"]
    assert "/points is stamped with wall time" in found.causes[0].text
    assert subject.inspector.get_parameter("use_sim_time").value


@pytest.mark.parametrize("fault", ["k_zero", "encoding_unknown", "camera_info_size", "cloud_empty", "no_camera_info"])
def test_a_faulty_message_is_named(patient: Callable[..., Patient], fault: str) -> None:
    subject = patient()
    probe = subject.probe

    def turn(stamp: int) -> None:
        if fault == "k_zero":
            probe.inputs["camera_info"].publish(CameraInfo(width=160, height=120))
        elif fault != "no_camera_info":
            probe.send_info(stamp)
        size = (60, 80, 3) if fault == "camera_info_size" else (120, 160, 3)
        picture = encode_image(make, stamp, "camera", np.zeros(size, np.uint8), "rgb8")
        if fault == "encoding_unknown":
            picture.encoding = "octopus9"
        probe.send_scan(stamp, np.full((5, 3), np.nan, np.float32) if fault == "cloud_empty" else None)
        probe.send_image(stamp, picture)

    assert names(subject.run(turn, 40 if fault == "no_camera_info" else 12)) == [fault]


@pytest.mark.parametrize(
    ("fault", "causes"),
    [
        ("", []),
        ("no_camera_info", ["no_camera_info"]),
        ("bad_image", ["bad_image", "stamp_zero"]),
        ("camera_info_size", ["camera_info_size"]),
    ],
)
def test_images_alone_need_no_lidar(patient: Callable[..., Patient], fault: str, causes: list[str]) -> None:
    subject = patient(ALONE)
    probe = subject.probe
    probe.node.destroy_publisher(probe.inputs.pop("points"))

    def turn(stamp: int) -> None:
        if fault != "no_camera_info":
            probe.send_info(stamp)
        size = (60, 80, 3) if fault == "camera_info_size" else (120, 160, 3)
        stamp = 0 if fault == "bad_image" else stamp
        probe.send_image(stamp, encode_image(make, stamp, "camera", np.zeros(size, np.uint8), "rgb8"))

    found = subject.run(turn, 40 if fault == "no_camera_info" else 12)
    assert (found.node, names(found), found.would_output) == ("monocular_node", causes, not causes)
    assert [came.topic.name for came in found.inputs] == ["/camera_info", "/image"]
    assert (found.pairs > 5) == (not causes)
    assert found.focal == ""
    for cause in found.causes:
        assert not any(word in cause.text for word in ("LiDAR", "scan", "points", "transform", "pair")), cause.text


@pytest.mark.parametrize("reads_info", [True, False])
def test_an_unknown_focal_length_is_said_and_is_no_cause(patient: Callable[..., Patient], reads_info: bool) -> None:
    subject = patient(ALONE if reads_info else replace(ALONE, camera_info=""))
    probe = subject.probe
    probe.node.destroy_publisher(probe.inputs.pop("points"))
    info = probe.inputs["camera_info"] if reads_info else probe.inputs.pop("camera_info")

    def turn(stamp: int) -> None:
        info.publish(CameraInfo(width=160, height=120))
        probe.send_image(stamp)

    found = subject.run(turn)
    assert (names(found), found.would_output) == ([], True)
    assert found.focal == (
        "/camera_info has a K of zeros" if reads_info else "the node reads no CameraInfo (calibration: none)"
    )


def test_a_topic_of_another_type(patient: Callable[..., Patient], domain: int) -> None:
    """The publisher is a participant of its own: one participant has one type per topic."""
    context = Context()
    rclpy.init(context=context, domain_id=domain)
    other = rclpy.create_node("other", context=context)
    other.create_publisher(Image, "depth_cloud", 1)
    subject = patient(replace(OPTIONS, points="depth_cloud"))
    end = monotonic() + 10
    while "wrong_type" not in names(found := subject.inspector.result()) and monotonic() < end:
        subject.probe.spin_for(0.1)
    (cause,) = [cause for cause in found.causes if cause.name == "wrong_type"]
    assert "/depth_cloud is published as sensor_msgs/msg/Image, not sensor_msgs/msg/PointCloud2" in cause.text
    other.destroy_node()
    context.try_shutdown()


def test_nothing_there(domain: int, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    monkeypatch.setenv("ROS_DOMAIN_ID", "101")  # where no earlier test's node is still remembered
    found = inspect(replace(OPTIONS, seconds=2.0))
    assert names(found) == ["alone"]
    assert not found.would_output
    assert not rclpy.ok()
