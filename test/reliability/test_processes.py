"""Faults between processes: the node, the player, a recorder and a listener, ended or stopped by signals."""

from __future__ import annotations

import resource
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import rclpy

from depth_ros.bags.bag_file import BagFile
from depth_ros.bags.writer import BagWriter, bag_factory
from depth_ros.frame import PointCloud
from depth_ros.messages.encode import encode_camera, encode_cloud, encode_image

pytestmark = pytest.mark.live
fault = pytest.mark.fault
TICK = 100_000_000
KINDS = {
    "image": "sensor_msgs/msg/Image",
    "camera_info": "sensor_msgs/msg/CameraInfo",
    "points": "sensor_msgs/msg/PointCloud2",
}
# As small as a frame's messages allow: a bag of a few frames does not fit.
DISK_BYTES = 300_000


@pytest.fixture
def node(start: Callable[..., Any], node_arguments: list[str]) -> Any:
    """completion_node, in a process of its own."""
    return start("depth_ros.nodes.completion", "--ros-args", *node_arguments)


@pytest.fixture
def robot(domain: int, node: Any, make_remote: Callable[..., Any]) -> Iterator[Any]:
    """A robot whose node is another process."""
    rclpy.init(domain_id=domain)
    robot = make_remote(node.said)
    try:
        yield robot
        robot.check()
        assert "Traceback" not in robot.log()
    finally:
        robot.close()
        rclpy.try_shutdown()


@pytest.fixture
def bag(robot: Any, tmp_path: Path) -> Path:
    """Twenty frames as the robot sees them, of which it takes as many laps as a player plays."""
    path = tmp_path / "bag"
    frames = []
    with BagWriter(path) as writer:
        for _ in range(20):
            stamp = robot.tick()
            xyz = robot.scan()
            messages = {
                "camera_info": encode_camera(bag_factory, stamp, "camera", robot.camera),
                "points": encode_cloud(bag_factory, stamp, "lidar", PointCloud(xyz)),
                "image": encode_image(bag_factory, stamp, "camera", robot.shoot(), "rgb8"),
            }
            for place, (topic, message) in enumerate(messages.items()):
                writer.write(f"/{topic}", KINDS[topic], message, stamp + place * TICK // 4)
            frames.append((stamp, messages["image"], xyz))
    robot.plays(frames, laps=100)
    return path


@pytest.mark.parametrize(
    ("number", "code"),
    [
        pytest.param(
            number,
            code,
            id=number.name,
            marks=fault(
                "process",
                broken=f"the node gets {number.name} at work, and is started again",
                sees=sees,
                recovers="with its first frame; sensors and listeners go on",
            ),
        )
        for number, code, sees in (
            (signal.SIGINT, 0, "it ends with 0"),
            (signal.SIGTERM, 0, "it ends with 0"),
            (signal.SIGKILL, -9, "its death, by whoever started it"),
        )
    ],
)
def test_node_ends(robot: Any, node: Any, number: signal.Signals, code: int) -> None:
    robot.start()
    robot.drive(2)
    assert node.end(number) == code
    robot.drive(3)
    node.start()
    robot.returns()


@fault(
    "process",
    broken="the node stands still for a second (SIGSTOP, SIGCONT)",
    sees="age in /diagnostics",
    recovers="with the newest frames that its queues hold",
)
def test_node_stands_still(robot: Any, node: Any) -> None:
    robot.start()
    node.send(signal.SIGSTOP)
    robot.drive(15)
    node.send(signal.SIGCONT)
    robot.recovers()


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(
            number,
            id=number.name,
            marks=fault(
                "process",
                broken=f"the player gets {number.name} in the middle of a bag, and is started again",
                sees=sees,
                recovers="with the first frame; its stamps start again",
            ),
        )
        for number, sees in (
            (signal.SIGINT, "no output; the player ends with 0"),
            (signal.SIGTERM, "no output; the player ends with 0"),
            (signal.SIGKILL, "no output"),
        )
    ],
)
def test_player_ends(robot: Any, start: Callable[..., Any], bag: Path, number: signal.Signals) -> None:
    player = start("depth_ros.nodes.player", str(bag), "--loop", "--wait-for", "/image", "/points")
    robot.expect_more(5)
    assert player.end(number) == (-9 if number == signal.SIGKILL else 0)
    player.start()
    robot.expect_more(25)


@fault(
    "process",
    broken="the player stands still for a second (SIGSTOP, SIGCONT)",
    sees="no output",
    recovers="with the first frame",
)
def test_player_stands_still(robot: Any, start: Callable[..., Any], bag: Path) -> None:
    player = start("depth_ros.nodes.player", str(bag), "--loop", "--wait-for", "/image", "/points")
    robot.expect_more(5)
    player.send(signal.SIGSTOP)
    robot.spin(1.0)
    player.send(signal.SIGCONT)
    robot.expect_more(25)


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(
            signal.SIGKILL,
            id="SIGKILL",
            marks=fault(
                "process",
                broken="a listener (recorder) is killed",
                sees="nothing; its bag is readable up to the last whole record",
                recovers="nothing is lost for the others",
            ),
        ),
        pytest.param(
            signal.SIGSTOP,
            id="SIGSTOP",
            marks=fault(
                "process",
                broken="a listener (recorder) stands still and reads no more (SIGSTOP)",
                sees="nothing",
                recovers="nothing is lost for the others",
            ),
        ),
    ],
)
def test_listener_ends(robot: Any, start: Callable[..., Any], tmp_path: Path, number: signal.Signals) -> None:
    recorder = start("depth_ros", "bag", "record", "/depth/image_rect", "--out", str(tmp_path / "recorded"))
    robot.start()
    robot.until(lambda: robot.node.count_subscribers("/depth/image_rect") == 2)
    robot.drive(5)
    robot.expect_output()
    recorder.send(number)
    robot.drive(20)
    robot.expect_output()
    robot.recovers(within=1)


@fault(
    "process",
    broken="the disk of the recorder is full",
    sees="the recorder ends with 1 and one line: 'cannot be written (...): check the path, the disk'",
    recovers="nothing is lost for the others",
)
def test_disk_full(robot: Any, start: Callable[..., Any], tmp_path: Path) -> None:
    recorder = start(
        *("depth_ros", "bag", "record", "/depth/image_rect", "--out", str(tmp_path / "recorded")),
        prepare=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (DISK_BYTES, DISK_BYTES)),
    )
    robot.start()
    robot.until(lambda: robot.node.count_subscribers("/depth/image_rect") == 2)
    robot.drive(10)
    robot.drive_until(lambda: recorder.child.poll() is not None)
    assert recorder.wait() == 1
    assert "cannot be written" in recorder.said()
    assert "Traceback" not in recorder.said()
    robot.recovers(within=1)


@fault(
    "process",
    broken="the recorder is killed in the middle of a bag",
    sees="'depth_ros bag info' reads it up to the last whole record",
    recovers="the bag holds what was written",
)
def test_recorder_killed(robot: Any, start: Callable[..., Any], tmp_path: Path) -> None:
    recorder = start("depth_ros", "bag", "record", "/depth/image_rect", "--out", str(tmp_path / "recorded"))
    robot.start()
    robot.until(lambda: robot.node.count_subscribers("/depth/image_rect") == 2)
    robot.drive(40)
    robot.expect_output()
    recorder.end(signal.SIGKILL)
    file = next((tmp_path / "recorded").glob("*.mcap"))
    with BagFile(file) as found:
        assert len(list(found.messages(["/depth/image_rect"]))) > 10
