"""Faults of the calibration: what comes on the topic camera_info."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from depth_ros.geometry.camera import Camera
from depth_ros.messages.decode import decode_camera
from depth_ros.messages.encode import encode_camera
from depth_ros.nodes.factory import make

pytestmark = pytest.mark.live
fault = pytest.mark.fault
HOUR = 3_600_000_000_000
SMALL = Camera.from_focal(80, 48, 50, 50, 39.5, 23.5)


def info(robot: Any, stamp: int | None = None, **fields: Any) -> Any:
    """Return the robot's CameraInfo with other fields."""
    message = encode_camera(make, robot.stamp if stamp is None else stamp, "camera", robot.camera)
    for name, value in fields.items():
        setattr(message, name, value)
    return message


def drive_without_info(robot: Any, frames: int = 3) -> None:
    for _ in range(frames):
        stamp = robot.tick()
        robot.send_scan(stamp)
        robot.send_image(stamp)
    robot.expect_output()


@fault(
    "camera_info",
    broken="silent from the second frame on",
    sees="nothing: the last one holds",
    recovers="nothing is lost",
)
def test_silent(robot: Any) -> None:
    drive_without_info(robot)
    robot.recovers()
    robot.expect()


@fault("camera_info", broken="comes after its image", sees="nothing: the last one holds", recovers="nothing is lost")
def test_late(robot: Any) -> None:
    for _ in range(3):
        stamp = robot.tick()
        robot.send_scan(stamp)
        robot.send_image(stamp)
        robot.send_info(stamp)
    robot.expect_output()
    robot.recovers()
    robot.expect()


@fault("camera_info", broken="30 at once, each twice", sees="nothing", recovers="nothing is lost")
def test_bursty_and_duplicated(robot: Any) -> None:
    robot.burst(lambda: [robot.send("camera_info", info(robot)) for _ in range(60)])
    robot.recovers()
    robot.expect()


@fault("camera_info", broken="stamps fall", sees="nothing: the newest to come holds", recovers="nothing is lost")
def test_out_of_order(robot: Any) -> None:
    for back in (5, 3, 1):
        robot.send("camera_info", info(robot, robot.stamp - back * 100_000_000))
    drive_without_info(robot)
    robot.recovers()
    robot.expect()


@fault("camera_info", broken="the driver is restarted", sees="nothing", recovers="nothing is lost")
def test_restarted(robot: Any) -> None:
    robot.restart("camera_info")
    drive_without_info(robot)
    robot.recovers()
    robot.expect()


@pytest.mark.parametrize(
    "stamp",
    [
        pytest.param(
            stamp,
            id=name,
            marks=fault(
                "camera_info",
                broken=f"stamped {name}",
                sees="nothing: its stamp is not used",
                recovers="nothing is lost",
            ),
        )
        for name, stamp in {"an hour ahead": 1_700_000_000_000_000_000 + HOUR, "zero": 0}.items()
    ],
)
def test_stamped_wrongly(robot: Any, stamp: int) -> None:
    robot.send("camera_info", info(robot, stamp))
    drive_without_info(robot)
    robot.recovers()
    robot.expect()


@fault(
    "camera_info",
    broken="of another size than the images",
    sees="dropped (bad_image): both sizes",
    recovers="with the right CameraInfo",
)
def test_resized(robot: Any) -> None:
    robot.send("camera_info", encode_camera(make, robot.stamp, "camera", SMALL), 0.1)
    stamp = robot.tick()
    robot.send_scan(stamp)
    robot.send("image", robot.image_message(stamp))
    robot.recovers()
    robot.expect("image is 160x96, its CameraInfo 80x48", bad_image=1)


@fault(
    "camera_info",
    broken="recalibrated: K changes",
    sees="nothing",
    recovers="the next image has the new K, and so has its depth",
    quick=True,
)
def test_recalibrated(robot: Any) -> None:
    robot.send_info(robot.stamp, Camera.from_focal(160, 96, 90, 95, 81, 44))
    robot.recovers()
    robot.expect()


@fault(
    "camera_info",
    broken="recalibrated: the lens gets a distortion",
    sees="'not rectified, so it will be'",
    recovers="the next image is rectified",
)
def test_distorted(robot: Any) -> None:
    message = info(robot, d=[-0.2, 0.05, 0.001, 0.0, 0.0], p=[0.0] * 12)
    robot.send("camera_info", message, 0.1)
    robot.camera = decode_camera(message)
    drive_without_info(robot)
    robot.camera = robot.camera.rectified()
    robot.recovers()
    robot.expect("the image is taken as not rectified, so it will be")


UNUSABLE = {
    "K of zeros": {"k": [0.0] * 9, "p": [0.0] * 12},
    "K of NaN": {"k": [float("nan")] * 9},
    "a size of 0 x 0": {"width": 0, "height": 0},
}


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(
            fields,
            id=name,
            marks=fault(
                "camera_info",
                broken=f"one has {name}",
                sees="dropped (bad_camera_info): what is wrong with it",
                recovers="at once: the last good one holds",
                quick=name == "K of zeros",
            ),
        )
        for name, fields in UNUSABLE.items()
    ],
)
def test_unusable(robot: Any, fields: dict[str, Any]) -> None:
    robot.send("camera_info", info(robot, **fields), 0.1)
    drive_without_info(robot)
    robot.recovers()
    robot.expect("dropped (bad_camera_info", bad_camera_info=1)


@fault(
    "camera_info",
    broken="one has a lens model that nobody knows",
    sees="dropped (bad_camera_info): the models to choose from",
    recovers="with the next CameraInfo",
)
def test_unknown_lens(robot: Any) -> None:
    robot.send("camera_info", info(robot, distortion_model="smell", d=[0.1] * 5), 0.1)
    robot.recovers()
    robot.expect("distortion model 'smell' is unknown", bad_camera_info=1)


@fault(
    "camera_info",
    broken="K of zeros from the start, then right",
    sees="dropped (bad_camera_info): K of zeros",
    recovers="with the first right one; the images that waited are answered",
)
def test_zero_then_right(make_robot: Callable[..., Any]) -> None:
    robot = make_robot(started=False)
    robot.subject.start()
    robot.wait_until_connected()

    def drive_with_zeros() -> None:
        stamp = robot.tick()
        robot.send("camera_info", info(robot, k=[0.0] * 9, p=[0.0] * 12))
        robot.send_scan(stamp)
        robot.send_image(stamp)
        robot.spin(0.2)

    robot.until_said("K of zeros", drive_with_zeros)
    refused = robot.index
    robot.recovers()
    robot.expect("dropped (bad_camera_info", bad_camera_info=refused)
    assert "no output (k_zero)" not in robot.log(), "once is enough"


@fault(
    "camera_info",
    broken="two cameras' CameraInfo on one topic, of two sizes",
    sees="dropped (bad_image): both sizes",
    recovers="when one of them goes",
)
def test_two_publishers(robot: Any) -> None:
    for _ in range(3):
        robot.send("camera_info", encode_camera(make, robot.stamp, "camera", SMALL), 0.1)
        robot.send("image", robot.image_message(robot.tick()))
    robot.recovers()
    robot.expect("its CameraInfo 80x48", bad_image=3)
