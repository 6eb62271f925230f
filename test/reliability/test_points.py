"""Faults of the LiDAR's driver: what comes on the topic points."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from depth_ros.frame import PointCloud
from depth_ros.messages.encode import encode_cloud
from depth_ros.nodes.factory import make

pytestmark = pytest.mark.live
fault = pytest.mark.fault
HOUR = 3_600_000_000_000
XYZ = NDArray[np.float32]
FLOAT32, FLOAT64 = 7, 8


def as_cloud(stamp: int, xyz: XYZ, frame: str = "lidar") -> Any:
    return encode_cloud(make, stamp, frame, PointCloud(xyz))


def as_columns(stamp: int, xyz: XYZ, kind: str, datatype: int, gap: int = 0) -> Any:
    """Encode points whose x y z are of `kind`, `gap` bytes after each."""
    size = np.dtype(kind).itemsize
    step = 3 * (size + gap)
    records = np.dtype(
        {"names": list("xyz"), "formats": [kind] * 3, "offsets": [i * (size + gap) for i in range(3)], "itemsize": step}
    )
    data = np.zeros(len(xyz), records)
    for i, name in enumerate("xyz"):
        data[name] = xyz[:, i]
    message = as_cloud(stamp, xyz)
    message.fields = [
        make("sensor_msgs/msg/PointField", name=name, offset=i * (size + gap), datatype=datatype, count=1)
        for i, name in enumerate("xyz")
    ]
    message.is_bigendian = kind.startswith(">")
    message.point_step, message.row_step = step, step * len(xyz)
    message._data = data.view(np.uint8)
    return message


def drive_without_scans(robot: Any, frames: int) -> None:
    for _ in range(frames):
        stamp = robot.tick()
        robot.send_info(stamp)
        robot.send("image", robot.image_message(stamp))
    robot.spin(1.3)  # longer than lost_after


@fault(
    "points",
    broken="LiDAR lost and back: silent for 3 s",
    sees="'no output (input_stopped): /points has stopped'; dropped (scan_too_far)",
    recovers="with the first scan",
    quick=True,
)
def test_silent(robot: Any) -> None:
    before = robot.index
    robot.until_said("no output (input_stopped): /points has stopped", lambda: drive_without_scans(robot, 3))
    lost = robot.index - before
    robot.recovers()
    robot.expect(scan_too_far=lost)


@fault(
    "points",
    broken="not there when the node starts",
    sees="'no output (publisher_silent): nothing has arrived on /points'; dropped (image_without_scan)",
    recovers="with the first scan",
)
def test_not_there(make_robot: Callable[..., Any]) -> None:
    robot = make_robot(started=False)
    robot.subject.start()
    robot.wait_until_connected()
    robot.until_said(
        "no output (publisher_silent): nothing has arrived on /points", lambda: drive_without_scans(robot, 3)
    )
    lost = robot.index
    robot.recovers()
    robot.expect(image_without_scan=lost)


@fault(
    "points", broken="comes 0.1 s after its image", sees="nothing: latency in /diagnostics", recovers="nothing is lost"
)
def test_late(robot: Any) -> None:
    for _ in range(3):
        stamp = robot.tick()
        robot.send_image(stamp)
        robot.spin(0.1)
        robot.send_scan(stamp)
    robot.expect_output()
    robot.recovers()
    robot.expect()


@fault(
    "points",
    broken="comes when its image has been given up",
    sees="dropped (scan_too_far)",
    recovers="with the first scan in time",
)
def test_too_late(robot: Any) -> None:
    stamp = robot.tick()
    robot.send("image", robot.image_message(stamp))
    robot.spin(1.8)
    robot.send_scan(stamp)
    robot.recovers()
    robot.expect("no scan within sync_slop", scan_too_far=1)


@fault("points", broken="8 scans at once, before their images", sees="nothing", recovers="nothing is lost")
def test_bursty(robot: Any) -> None:
    stamps = [robot.tick() for _ in range(8)]
    robot.burst(lambda: [robot.send_scan(stamp) for stamp in stamps])
    robot.spin(0.2)
    for stamp in stamps:
        robot.send_image(stamp)
    robot.expect_output()
    robot.recovers()
    robot.expect()


@fault(
    "points", broken="two scans change places", sees="nothing", recovers="nothing is lost: each image finds its scan"
)
def test_out_of_order(robot: Any) -> None:
    first, second = robot.tick(), robot.tick()
    robot.send_scan(second)
    robot.send_scan(first)
    robot.send_image(first)
    robot.send_image(second)
    robot.expect_output()
    robot.recovers()
    robot.expect()


@fault(
    "points",
    broken="one is stamped an hour ahead",
    sees="nothing: it belongs to no image",
    recovers="with the next scan",
)
def test_from_the_future(robot: Any) -> None:
    robot.send("points", robot.scan_message(1_700_000_000_000_000_000 + HOUR))
    robot.recovers()
    robot.expect()


@fault(
    "points",
    broken="its clock is 10 s off",
    sees="'no output (clocks_differ)': by how much, and what to do; dropped (scan_too_far)",
    recovers="when the clocks agree again",
)
def test_clock_apart(robot: Any) -> None:
    def drive_apart() -> None:
        stamp = robot.tick()
        robot.send("points", robot.scan_message(stamp + 10_000_000_000))
        robot.send("image", robot.image_message(stamp))
        robot.spin(0.1)

    before = robot.index
    robot.until_said("no output (clocks_differ)", drive_apart)
    lost = robot.index - before
    robot.spin(1.3)
    robot.recovers()
    robot.expect(scan_too_far=lost)


@pytest.mark.parametrize(
    "encode",
    [
        pytest.param(
            encode,
            id=name,
            marks=fault("points", broken=f"its layout changes: {name}", sees="nothing", recovers="nothing is lost"),
        )
        for name, encode in {
            "half as many points": None,
            "float64 coordinates": lambda stamp, xyz: as_columns(stamp, xyz, "<f8", FLOAT64),
            "bytes between the fields": lambda stamp, xyz: as_columns(stamp, xyz, "<f4", FLOAT32, gap=5),
            "big endian": lambda stamp, xyz: as_columns(stamp, xyz, ">f4", FLOAT32),
        }.items()
    ],
)
def test_encoded_anew(robot: Any, encode: Callable[[int, XYZ], Any] | None) -> None:
    for _ in range(3):
        stamp = robot.tick()
        robot.send_scan(stamp, robot.scan()[::2], encode=encode)
        robot.send_image(stamp)
    robot.expect_output()
    robot.recovers()
    robot.expect()


SIZES: dict[str, tuple[int, Callable[[XYZ], XYZ]]] = {
    "1 point": (1, lambda xyz: xyz[len(xyz) // 2 :][:1]),
    "10 points": (10, lambda xyz: xyz[:: len(xyz) // 10][:10]),
    "2 million points": (2_000_000, lambda xyz: np.tile(xyz, (2_000_000 // len(xyz) + 1, 1))[:2_000_000]),
    "NaN in nine points of ten": (
        128,
        lambda xyz: np.where((np.arange(len(xyz)) % 10 == 0)[:, None], xyz, np.float32(np.nan)),
    ),
}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(
            change,
            id=name,
            marks=fault(
                "points",
                broken=f"a scan of {name}, min_points 0",
                sees="depth only where points are near",
                recovers="nothing is lost",
            ),
        )
        for name, (_, change) in SIZES.items()
    ],
)
def test_of_every_size(make_robot: Callable[..., Any], change: Callable[[XYZ], XYZ]) -> None:
    robot = make_robot(min_points=0)
    robot.guard(min_points=0)
    stamp = robot.tick()
    robot.send_scan(stamp, change(robot.scan()))
    robot.send_image(stamp)
    robot.expect_output()
    robot.recovers()
    robot.expect()


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(
            change,
            id=name,
            marks=fault(
                "points",
                broken=f"a scan of {name}",
                sees="dropped (too_sparse): how many points it leaves in the image",
                recovers="with the next scan",
            ),
        )
        for name, (count, change) in SIZES.items()
        if count < 100
    ],
)
def test_too_sparse(robot: Any, change: Callable[[XYZ], XYZ]) -> None:
    stamp = robot.tick()
    robot.send("points", as_cloud(stamp, change(robot.scan())))
    robot.send("image", robot.image_message(stamp))
    robot.recovers()
    robot.expect("points in the image, fewer than min_points 100", too_sparse=1)


UNUSABLE: dict[str, Callable[[int, XYZ], Any]] = {
    "of 0 points": lambda stamp, xyz: as_cloud(stamp, xyz[:0]),
    "of NaN only": lambda stamp, xyz: as_cloud(stamp, np.full_like(xyz, np.nan)),
    "of infinity only": lambda stamp, xyz: as_cloud(stamp, np.full_like(xyz, np.inf)),
    "of 100 bytes where it says 15360": lambda stamp, xyz: _truncated(as_cloud(stamp, xyz)),
    "without the field x": lambda stamp, xyz: _without_x(as_cloud(stamp, xyz)),
    "of 4 billion points, without data": lambda stamp, xyz: _boasting(as_cloud(stamp, xyz)),
}


def _truncated(message: Any) -> Any:
    message._data = message._data[:100]
    return message


def _without_x(message: Any) -> Any:
    message.fields = message.fields[1:]
    return message


def _boasting(message: Any) -> Any:
    message.width, message._data = 2**32 - 1, np.zeros(0, np.uint8)
    return message


@pytest.mark.parametrize(
    "encode",
    [
        pytest.param(
            encode,
            id=name,
            marks=fault(
                "points",
                broken=f"a scan {name}",
                sees="dropped (bad_points): what is wrong with it; its image: scan_too_far",
                recovers="with the next scan",
                quick=name == "of 0 points",
            ),
        )
        for name, encode in UNUSABLE.items()
    ],
)
def test_unusable(robot: Any, encode: Callable[[int, XYZ], Any]) -> None:
    stamp = robot.tick()
    robot.send("points", encode(stamp, robot.scan()))
    robot.send("image", robot.image_message(stamp))
    robot.recovers()
    robot.expect("dropped (bad_points", bad_points=1, scan_too_far=1)


@fault(
    "transform",
    broken="a scan in a frame that nobody knows",
    sees="dropped (no_transform): both frames, the known ones, the remedy",
    recovers="with the next scan of a known frame",
)
def test_unknown_frame(robot: Any) -> None:
    stamp = robot.tick()
    robot.send("points", as_cloud(stamp, robot.scan(), "elsewhere"))
    robot.send("image", robot.image_message(stamp))
    robot.recovers()
    robot.expect("'elsewhere' to 'camera'", no_transform=1)
