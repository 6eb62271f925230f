"""Every message that we publish, through plain objects, rosbags and rclpy, and back."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from depth_ros.errors import MessageError
from depth_ros.frame import DepthMap, PointCloud, Source
from depth_ros.geometry import rigid
from depth_ros.geometry.camera import Camera
from depth_ros.geometry.cloud import CloudFilter, depth_to_points
from depth_ros.messages.decode import decode_array, decode_camera, decode_cloud, decode_image, stamp_ns
from depth_ros.messages.depth_encoding import decode_depth
from depth_ros.messages.encode import (
    encode_camera,
    encode_cloud,
    encode_depth,
    encode_depth_cloud,
    encode_header,
    encode_image,
    encode_transform,
)

STAMP = 1_753_000_123_456_789_012
FRAME = "camera_optical_frame"
HEIGHT, WIDTH = 6, 8
# encoding -> (dtype, shape)
ARRAYS: dict[str, tuple[str, tuple[int, ...]]] = {
    **dict.fromkeys(("mono8", "8UC1"), ("u1", (HEIGHT, WIDTH))),
    **dict.fromkeys(("mono16", "16UC1"), ("u2", (HEIGHT, WIDTH))),
    **dict.fromkeys(("rgb8", "bgr8", "8UC3"), ("u1", (HEIGHT, WIDTH, 3))),
    **dict.fromkeys(("rgba8", "bgra8", "8UC4"), ("u1", (HEIGHT, WIDTH, 4))),
    **{f"bayer_{pattern}8": ("u1", (HEIGHT, WIDTH)) for pattern in ("rggb", "bggr", "gbrg", "grbg")},
    **{f"bayer_{pattern}16": ("u2", (HEIGHT, WIDTH)) for pattern in ("rggb", "bggr", "gbrg", "grbg")},
    **dict.fromkeys(("yuv422", "uyvy", "yuv422_yuy2", "yuyv"), ("u1", (HEIGHT, WIDTH, 2))),
    **dict.fromkeys(("nv12", "nv21"), ("u1", (HEIGHT * 3 // 2, WIDTH))),
    "32FC1": ("f4", (HEIGHT, WIDTH)),
}


def noise(dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    return np.random.default_rng(0).integers(0, 256, shape).astype(dtype)


def check_header(header: Any) -> None:
    assert (stamp_ns(header.stamp), header.frame_id) == (STAMP, FRAME)


@pytest.mark.parametrize("encoding", ARRAYS)
def test_every_encoding_comes_back(library: Any, encoding: str) -> None:
    array = noise(*ARRAYS[encoding])
    msg = library.send("sensor_msgs/msg/Image", encode_image(library.make, STAMP, FRAME, array, encoding))
    check_header(msg.header)
    assert (msg.height, msg.width, msg.encoding) == (HEIGHT, WIDTH, encoding)
    np.testing.assert_array_equal(decode_array(msg), array)
    if encoding != "32FC1":
        assert decode_image(msg).shape == (HEIGHT, WIDTH, 3)


def test_layout_of_the_array_does_not_matter(library: Any) -> None:
    rgb = noise("u1", (HEIGHT, WIDTH, 3))
    deep = noise("u2", (HEIGHT, WIDTH))
    for array, encoding in ((rgb[..., ::-1], "bgr8"), (rgb[::2, ::3], "rgb8"), (deep.astype(">u2"), "mono16")):
        msg = library.send("sensor_msgs/msg/Image", encode_image(library.make, STAMP, FRAME, array, encoding))
        np.testing.assert_array_equal(decode_array(msg), array)


@pytest.mark.parametrize(
    ("array", "encoding", "text"),
    [
        (np.zeros((2, 2), np.uint8), "rgb8", r"uint8 array \[2, 2\] is no rgb8 image: give uint8 \[H,W,3\]"),
        (np.zeros((2, 2, 3), np.float32), "rgb8", "float32 array"),
        (np.zeros((2, 2), np.uint8), "mono16", r"give uint16 \[H,W\]"),
        (np.zeros((0, 2), np.uint8), "mono8", r"\[0, 2\] is no mono8"),
        (np.zeros(4, np.uint8), "mono8", r"\[4\] is no mono8"),
        (np.zeros((4, 2), np.uint8), "nv12", r"\[4, 2\] is no nv12 image: give uint8 \[H\*3/2,W\]"),
        (np.zeros((2, 2), np.uint8), "grey", "encoding 'grey' is unknown"),
    ],
)
def test_wrong_array_is_one_line(make: Callable[..., Any], array: NDArray[Any], encoding: str, text: str) -> None:
    with pytest.raises(MessageError, match=text):
        encode_image(make, STAMP, FRAME, array, encoding)


@pytest.mark.parametrize("stamp", [0, 1, -1, 2**31 * 1_000_000_000 - 1, -(2**31) * 1_000_000_000])
def test_stamp_survives(library: Any, stamp: int) -> None:
    header = library.send("std_msgs/msg/Header", encode_header(library.make, stamp, FRAME))
    assert stamp_ns(header.stamp) == stamp


@pytest.mark.parametrize("stamp", [2**31 * 1_000_000_000, -(2**31) * 1_000_000_000 - 1, 10**30])
def test_stamp_beyond_int32_seconds_is_refused(make: Callable[..., Any], stamp: int) -> None:
    with pytest.raises(MessageError, match="is beyond what builtin_interfaces/Time holds"):
        encode_header(make, stamp, FRAME)


DEPTH = np.array([[1.5, np.nan, 0.25], [70.0, np.inf, 65.5], [-np.inf, 2.0, 3.0]], np.float32)


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("32FC1", DEPTH),
        ("16UC1", np.array([[1.5, np.nan, 0.25], [np.nan, np.nan, 65.5], [np.nan, 2.0, 3.0]], np.float32)),
    ],
)
def test_depth_comes_back(library: Any, encoding: str, expected: NDArray[np.float32]) -> None:
    sent = encode_depth(library.make, STAMP, FRAME, DEPTH, encoding)
    msg = library.send("sensor_msgs/msg/Image", sent)
    check_header(msg.header)
    assert msg.encoding == encoding
    np.testing.assert_array_equal(decode_depth(msg), expected)


@pytest.mark.parametrize("encoding", ["32FC1", "16UC1"])
def test_consumers_that_want_nan_only(library: Any, encoding: str) -> None:
    before = DEPTH.copy()
    sent = encode_depth(library.make, STAMP, FRAME, DEPTH, encoding, rep117=False)
    found = decode_depth(library.send("sensor_msgs/msg/Image", sent))
    assert not np.isinf(found).any()
    kept = np.isfinite(DEPTH) & (DEPTH < 65.5 if encoding == "16UC1" else True)
    np.testing.assert_allclose(found[kept], DEPTH[kept], atol=5e-4)
    np.testing.assert_array_equal(DEPTH, before)


def test_unknown_depth_encoding(make: Callable[..., Any]) -> None:
    with pytest.raises(MessageError, match="'mono8' is unknown: give 32FC1 or 16UC1"):
        encode_depth(make, STAMP, FRAME, DEPTH, "mono8")


def test_camera_comes_back_rectified(library: Any) -> None:
    camera = Camera.from_focal(640, 480, 500.25, 510.5, 319.5, 239.5)
    msg = library.send("sensor_msgs/msg/CameraInfo", encode_camera(library.make, STAMP, FRAME, camera))
    check_header(msg.header)
    assert msg.distortion_model == "plumb_bob"
    np.testing.assert_array_equal(msg.d, np.zeros(5))
    np.testing.assert_array_equal(msg.r, np.eye(3).ravel())
    np.testing.assert_array_equal(np.reshape(msg.p, (3, 4)), np.column_stack([camera.K, np.zeros(3)]))
    decoded = decode_camera(msg)
    assert decoded.size == camera.size
    assert decoded.is_rectified
    np.testing.assert_array_equal(decoded.K, camera.K)


def test_camera_with_distortion_is_refused(make: Callable[..., Any]) -> None:
    raw = Camera(np.diag([500.0, 500.0, 1.0]), 640, 480, D=np.array([-0.3, 0.1, 0, 0, 0]))
    with pytest.raises(MessageError, match=r"encode camera\.rectified\(\)"):
        encode_camera(make, STAMP, FRAME, raw)


def random_cloud(count: int) -> PointCloud:
    rng = np.random.default_rng(1)
    return PointCloud(
        rng.normal(0, 20, (count, 3)).astype(np.float32),
        rng.random(count).astype(np.float32),
        rng.integers(0, 65536, count).astype(np.int32),
        rng.integers(-(2**31), 2**31, count),
    )


@pytest.mark.parametrize("count", [0, 1, 500])
@pytest.mark.parametrize("parts", [(), ("intensity",), ("ring", "time_ns"), ("intensity", "ring", "time_ns")])
def test_cloud_comes_back(library: Any, parts: tuple[str, ...], count: int) -> None:
    whole = random_cloud(count)
    cloud = PointCloud(whole.xyz, **{name: getattr(whole, name) for name in parts})
    msg = library.send("sensor_msgs/msg/PointCloud2", encode_cloud(library.make, STAMP, FRAME, cloud))
    check_header(msg.header)
    assert (msg.height, msg.width, msg.is_dense) == (1, count, True)
    decoded = decode_cloud(msg)
    np.testing.assert_array_equal(decoded.xyz, cloud.xyz)
    for name in ("intensity", "ring", "time_ns"):
        expected, found = getattr(cloud, name), getattr(decoded, name)
        if expected is None or not count:
            assert found is None
        else:
            assert found.dtype == expected.dtype
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(("name", "value"), [("ring", -1), ("ring", 65536), ("time_ns", 2**31), ("time_ns", -(2**40))])
def test_cloud_that_its_types_cannot_hold(make: Callable[..., Any], name: str, value: int) -> None:
    cloud = PointCloud(np.zeros((2, 3), np.float32), **{name: np.array([0, value])})
    with pytest.raises(MessageError, match=f"of the points runs from .*{value}"):
        encode_cloud(make, STAMP, FRAME, cloud)


def depth_map(rgb: bool = True) -> DepthMap:
    rng = np.random.default_rng(2)
    depth = rng.uniform(1, 80, (HEIGHT, WIDTH)).astype(np.float32)
    depth[1, 2] = depth[3, 4] = np.nan
    source = np.where(np.isfinite(depth), Source.COMPLETED, Source.NONE).astype(np.uint8)
    camera = Camera.from_focal(WIDTH, HEIGHT, 10.0, 11.0, 3.5, 2.5)
    colour = rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8) if rgb else None
    return DepthMap(STAMP, FRAME, camera, depth, (depth / 10).astype(np.float32), source, colour)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("rgb", [True, False])
def test_depth_cloud_read_value_by_value(library: Any, stride: int, rgb: bool) -> None:
    sent = depth_map(rgb)
    msg = library.send("sensor_msgs/msg/PointCloud2", encode_depth_cloud(library.make, sent, stride))
    check_header(msg.header)
    assert (msg.height, msg.width) == (math.ceil(HEIGHT / stride), math.ceil(WIDTH / stride))
    assert (msg.point_step, msg.row_step, msg.is_dense, msg.is_bigendian) == (24, 24 * msg.width, False, False)
    described = [(field.name, field.offset, field.datatype, field.count) for field in msg.fields]
    names = ("x", "y", "z", "rgb", "sigma")
    assert described == [(name, 4 * place, 7, 1) for place, name in enumerate(names)] + [("source", 20, 2, 1)]
    xyz = depth_to_points(sent.depth, sent.camera, stride)
    for row in range(msg.height):
        for column in range(msg.width):
            v, u = row * stride, column * stride
            at = row * msg.row_step + column * 24
            x, y, z, colour, sigma, source = struct.unpack_from("<fffIfBxxx", bytes(msg.data), at)
            np.testing.assert_array_equal([x, y, z], xyz[row, column])
            np.testing.assert_array_equal(sigma, sent.sigma[v, u])
            assert source == sent.source[v, u]
            red, green, blue = (int(value) for value in sent.rgb[v, u]) if sent.rgb is not None else (0, 0, 0)
            assert colour == red << 16 | green << 8 | blue


def test_depth_cloud_decodes_to_its_known_points(library: Any) -> None:
    sent = depth_map()
    cloud = decode_cloud(library.send("sensor_msgs/msg/PointCloud2", encode_depth_cloud(library.make, sent)))
    known = np.isfinite(sent.depth)
    np.testing.assert_array_equal(cloud.xyz, depth_to_points(sent.depth, sent.camera)[known])


@pytest.mark.parametrize("stride", [1, 2])
def test_points_that_are_left_out_of_the_cloud(library: Any, stride: int) -> None:
    sent = depth_map()
    sent.depth[0, 0], sent.depth[2, 2] = np.inf, -np.inf
    sent.sigma[2, 4] = 50.0
    messages = [
        library.send("sensor_msgs/msg/PointCloud2", encode_depth_cloud(library.make, sent, stride, *chosen))
        for chosen in ((), (CloudFilter(max_sigma=20.0),))
    ]
    whole, filtered = (np.frombuffer(bytes(msg.data), "<f4").reshape(msg.height, msg.width, 6) for msg in messages)
    assert np.isnan(whole[0, 0, :3]).all()
    assert np.isnan(whole[2 // stride, 2 // stride, :3]).all()
    changed = np.zeros(whole.shape[:2], np.bool_)
    changed[2 // stride, 4 // stride] = True
    assert np.isnan(filtered[changed][:, :3]).all()
    np.testing.assert_array_equal(filtered[~changed], whole[~changed])


def test_transform_says_what_tf_says(library: Any) -> None:
    T = rigid.from_xyz_quat([1.0, -2.0, 3.0], [0.5, -0.5, 0.5, 0.5])
    kind = "geometry_msgs/msg/TransformStamped"
    message = library.send(kind, encode_transform(library.make, STAMP, FRAME, "lidar", T))
    check_header(message.header)
    assert message.child_frame_id == "lidar"
    move, turn = message.transform.translation, message.transform.rotation
    again = rigid.from_xyz_quat([move.x, move.y, move.z], [turn.x, turn.y, turn.z, turn.w])
    np.testing.assert_allclose(again, T, atol=1e-12)
