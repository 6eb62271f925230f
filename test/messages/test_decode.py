"""CameraInfo: both ROS versions' names, region of interest, binning, and what is refused."""

from __future__ import annotations

import types
from typing import Any

import numpy as np
import pytest

from depth_ros.errors import MessageError
from depth_ros.geometry.camera import Camera
from depth_ros.messages.decode import decode_camera, is_rectified, stamp_ns

K = [500.0, 0, 319.5, 0, 510.0, 239.5, 0, 0, 1]
D = [-0.3, 0.1, 0.001, 0.002, 0.0]
R = [1.0, 0, 0, 0, 1, 0, 0, 0, 1]
P = [480.0, 0, 320.5, -20, 0, 480.0, 240.5, 0, 0, 0, 1, 0]


def region(x: int = 0, y: int = 0, width: int = 0, height: int = 0) -> Any:
    return types.SimpleNamespace(x_offset=x, y_offset=y, width=width, height=height, do_rectify=False)


def camera_info(**changes: Any) -> Any:
    fields = {
        "width": 640,
        "height": 480,
        "distortion_model": "plumb_bob",
        "k": K,
        "d": D,
        "r": R,
        "p": P,
        "binning_x": 0,
        "binning_y": 0,
        "roi": region(),
    }
    return types.SimpleNamespace(**{**fields, **changes})


def ros1(info: Any) -> Any:
    return types.SimpleNamespace(**{name.upper() if len(name) == 1 else name: v for name, v in vars(info).items()})


@pytest.mark.parametrize("info", [camera_info(), ros1(camera_info())], ids=["ros2", "ros1"])
def test_full_camera(info: Any) -> None:
    camera = decode_camera(info)
    assert camera.size == (640, 480)
    assert camera.distortion_model == "plumb_bob"
    np.testing.assert_array_equal(camera.K, np.reshape(K, (3, 3)))
    np.testing.assert_array_equal(camera.D, D)
    np.testing.assert_array_equal(camera.R, np.eye(3))
    assert camera.P is not None
    np.testing.assert_array_equal(camera.P, np.reshape(P, (3, 4)))


def test_zero_r_and_p_mean_none_and_no_model_is_needed_without_distortion() -> None:
    camera = decode_camera(camera_info(r=[0.0] * 9, p=[0.0] * 12, d=[], distortion_model=""))
    np.testing.assert_array_equal(camera.R, np.eye(3))
    assert camera.P is None
    assert camera.is_rectified
    assert camera.distortion_model == "plumb_bob"


@pytest.mark.parametrize("binning", [0, 1])
@pytest.mark.parametrize("roi", [region(), region(3, 4, 0, 0)])
def test_zero_region_is_the_whole_sensor(binning: int, roi: Any) -> None:
    camera = decode_camera(camera_info(roi=roi, binning_x=binning, binning_y=binning))
    assert camera.size == (640, 480)
    np.testing.assert_array_equal(camera.K, np.reshape(K, (3, 3)))


def test_region_is_cut_then_binned() -> None:
    """A full-sensor pixel (u, v) is pixel ((u - x + 0.5) / bins - 0.5, ...) of the image: areas keep their place."""
    camera = decode_camera(camera_info(roi=region(100, 60, 400, 300), binning_x=2, binning_y=3, d=[0.0] * 5))
    assert camera.size == (200, 100)
    points = np.array([[0.0, 0.0, 2.0], [0.3, -0.2, 1.5]])
    full, _ = decode_camera(camera_info(d=[0.0] * 5)).project(points)
    binned, _ = camera.project(points)
    np.testing.assert_allclose(binned, (full - [100, 60] + 0.5) / [2, 3] - 0.5, atol=1e-9)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"k": [0.0] * 9}, r"K of zeros \(uncalibrated camera\): calibrate it"),
        ({"width": 0}, "CameraInfo of 0x480: .* must be positive"),
        ({"k": K[:8]}, "CameraInfo of 640x480: camera K has 8 values"),
        ({"k": [float("nan"), *K[1:]]}, "holds NaN or inf"),
        ({"roi": region(600, 0, 100, 100)}, "crop 100x100.600.0 leaves the 640x480 image"),
        ({"binning_x": 1000}, "size is 0x480"),
        ({"d": ["a"]}, "CameraInfo D holds no numbers"),
    ],
)
def test_impossible_camera_is_one_line(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(MessageError, match=text) as caught:
        decode_camera(camera_info(**changes))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("topic", "says_so"),
    [
        ("/camera/image_rect", True),
        ("/camera/image_rect_color", True),
        ("/camera/image_rect_color/compressed", True),
        ("/zed/rgb/rect/image", True),
        ("/left/image_rectified", True),
        ("/camera/image_raw", False),
        ("/direct/image_raw", False),
        ("/camera/image_direct", False),
        ("/camera/rectangle_image/compressed", False),
        ("/image", False),
        ("", False),
    ],
)
def test_rectified_by_name_or_by_a_lens_without_distortion(topic: str, says_so: bool) -> None:
    bent = Camera(np.diag([10.0, 10.0, 1.0]), 8, 6, D=np.array([0.1, 0, 0, 0, 0]))
    assert is_rectified(topic, bent) == says_so
    assert is_rectified(topic, Camera(bent.K, 8, 6, D=np.zeros(5)))


def test_another_message_is_refused() -> None:
    with pytest.raises(MessageError, match="no CameraInfo"):
        decode_camera(types.SimpleNamespace(height=1))
    without_k = camera_info()
    del without_k.k
    with pytest.raises(MessageError, match="without K is no CameraInfo"):
        decode_camera(without_k)


@pytest.mark.parametrize(
    ("sec", "nanosec", "expected"),
    [(0, 0, 0), (1, 5, 1_000_000_005), (1_753_000_123, 999_999_999, 1_753_000_123_999_999_999), (-1, 999_999_999, -1)],
)
def test_stamp_is_integer_nanoseconds(sec: int, nanosec: int, expected: int) -> None:
    assert stamp_ns(types.SimpleNamespace(sec=sec, nanosec=nanosec)) == expected
