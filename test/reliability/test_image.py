"""Faults of the camera's driver: what comes on the topic image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from depth_ros.geometry.camera import Camera
from depth_ros.messages.encode import encode_image
from depth_ros.nodes.factory import make

pytestmark = pytest.mark.live
fault = pytest.mark.fault
HOUR = 36_000
RGB = NDArray[np.uint8]


def as_big_endian_mono16(stamp: int, rgb: RGB) -> Any:
    message = encode_image(make, stamp, "camera", rgb[..., 0].astype(np.uint16) << 8, "mono16")
    message.is_bigendian = 1
    message._data = np.ascontiguousarray(message._data.view(np.uint16).byteswap()).view(np.uint8)
    return message


@fault(
    "image",
    broken="camera lost and back: silent for 3 s",
    sees="'no output (input_stopped): /image has stopped'; nothing comes out",
    recovers="with the first image",
    quick=True,
)
def test_silent(robot: Any) -> None:
    robot.until_said("no output (input_stopped): /image has stopped", lambda: robot.send_scan(robot.tick()))
    robot.recovers()
    robot.expect()


@fault(
    "image",
    broken="all sensors silent for 3 s",
    sees="'no output (input_over): nothing on /image and /points'",
    recovers="with the first frame",
)
def test_all_silent(robot: Any) -> None:
    robot.until_said("no output (input_over): nothing on /image and /points")
    robot.recovers()
    robot.expect()


@fault(
    "image",
    broken="comes half a second after its scan",
    sees="older depth; age in /diagnostics",
    recovers="nothing is lost",
)
def test_late(robot: Any) -> None:
    late = [robot.tick() for _ in range(5)]
    for stamp in late:
        robot.send_scan(stamp)
        robot.index += 1
    robot.index -= 5
    for stamp in late:
        robot.send_image(stamp)
        robot.index += 1
    robot.expect_output(late[-1])
    robot.recovers()
    robot.expect()


@fault(
    "image",
    broken="comes 4 s after its scan, which is forgotten by then",
    sees="dropped (scan_too_far)",
    recovers="with the first image in time",
)
def test_too_late(robot: Any) -> None:
    late = robot.tick()
    for _ in range(40):
        robot.send_scan(robot.tick())
    robot.send_image(late)
    robot.recovers()
    robot.expect("no scan within sync_slop", scan_too_far=1)


@fault("image", broken="8 frames at once", sees="nothing", recovers="nothing is lost")
def test_bursty(robot: Any) -> None:
    stamps = [robot.tick() for _ in range(8)]
    for stamp in stamps:
        robot.send_scan(stamp)
    robot.burst(lambda: [robot.send_image(stamp) for stamp in stamps])
    robot.expect_output()
    robot.recovers()
    robot.expect()


@fault(
    "image",
    broken="two images change places",
    sees="dropped (image_out_of_order)",
    recovers="at once; stamps never fall",
)
def test_out_of_order(robot: Any) -> None:
    first, second = robot.tick(), robot.tick()
    robot.send_scan(first)
    robot.send_scan(second)
    robot.send_image(second)
    robot.expect_output(second)
    robot.send("image", robot.image_message(first))
    robot.recovers()
    robot.expect("a later image has been settled already", image_out_of_order=1)


@fault("image", broken="one is stamped an hour ahead", sees="dropped (image_time_jump)", recovers="with the next image")
def test_from_the_future(robot: Any) -> None:
    robot.send("image", robot.image_message(robot.stamp + HOUR * 100_000_000))
    robot.recovers()
    robot.expect("time jumped back", image_time_jump=1)


@fault(
    "image",
    broken="its size changes, and CameraInfo with it",
    sees="nothing",
    recovers="nothing is lost; depth has the new size",
    quick=True,
)
def test_resized(robot: Any) -> None:
    robot.send_info(robot.tick(), Camera.from_focal(80, 48, 50, 50, 39.5, 23.5))
    robot.recovers()
    robot.expect()


@fault(
    "image",
    broken="its size changes, and CameraInfo does not",
    sees="dropped (bad_image): both sizes",
    recovers="with the right CameraInfo",
)
def test_resized_without_its_camera_info(robot: Any) -> None:
    robot.send("image", encode_image(make, robot.tick(), "camera", np.zeros((48, 80, 3), np.uint8), "rgb8"))
    robot.recovers()
    robot.expect("image is 80x48, its CameraInfo 160x96", bad_image=1)


@pytest.mark.parametrize(
    "encode",
    [
        pytest.param(
            lambda stamp, rgb, kind=kind: encode_image(make, stamp, "camera", rgb[..., ::-1], kind),
            id=kind,
            marks=fault("image", broken=f"its encoding changes to {kind}", sees="nothing", recovers="nothing is lost"),
        )
        for kind in ("bgr8",)
    ]
    + [
        pytest.param(
            lambda stamp, rgb: encode_image(make, stamp, "camera", rgb[..., 0], "mono8"),
            id="mono8",
            marks=fault("image", broken="its encoding changes to mono8", sees="nothing", recovers="nothing is lost"),
        ),
        pytest.param(
            as_big_endian_mono16,
            id="big endian",
            marks=fault(
                "image", broken="its encoding changes to mono16, big endian", sees="nothing", recovers="nothing is lost"
            ),
        ),
    ],
)
def test_encoded_anew(robot: Any, encode: Callable[[int, RGB], Any]) -> None:
    for _ in range(3):
        stamp = robot.tick()
        robot.send_scan(stamp)
        robot.send_image(stamp, encode=encode)
    robot.expect_output()
    robot.recovers()
    robot.expect()


BROKEN = {
    "truncated: 1000 bytes of 46080": ({"data": np.zeros(1000, np.uint8)}, "1000"),
    "of an unknown encoding": ({"encoding": "smell8"}, "smell8"),
    "2 billion rows high, without data": ({"height": 2**31, "data": np.zeros(0, np.uint8)}, "image"),
    "of size 0 x 0": ({"height": 0, "width": 0, "step": 0, "data": np.zeros(0, np.uint8)}, "image"),
    "of a step shorter than its rows": ({"step": 7}, "step"),
}


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        pytest.param(
            *how,
            id=name,
            marks=fault(
                "image",
                broken=f"one is {name}",
                sees="dropped (bad_image): what is wrong with it",
                recovers="with the next image",
                quick=name.startswith("truncated"),
            ),
        )
        for name, how in BROKEN.items()
    ],
)
def test_broken(robot: Any, fields: dict[str, Any], word: str) -> None:
    message = robot.image_message(robot.tick())
    for name, value in fields.items():
        setattr(message, f"_{name}", value)
    robot.send("image", message)
    robot.recovers()
    robot.expect("dropped (bad_image", word, bad_image=1)


@fault(
    "image",
    broken="starts before its CameraInfo",
    sees="'no output (no_camera_info)'; up to 40 images wait for it",
    recovers="with the first CameraInfo",
)
def test_without_camera_info(make_robot: Callable[..., Any]) -> None:
    robot = make_robot(started=False)
    robot.subject.start()
    robot.wait_until_connected()

    def drive_without_info() -> None:
        stamp = robot.tick()
        robot.send_scan(stamp)
        robot.send_image(stamp)
        robot.spin(0.2)

    robot.until_said("no output (no_camera_info)", drive_without_info)
    robot.send_info(robot.stamp)
    robot.expect_output()
    robot.recovers()
    robot.expect()
