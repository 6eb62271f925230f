"""Images: every encoding against a slow reference, colours against known pictures, and what is refused."""

from __future__ import annotations

import array
import struct
import sys
import types
import zlib
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from depth_ros.errors import MessageError
from depth_ros.messages.decode import decode_array, decode_image

Make = Callable[..., Any]
HEIGHT, WIDTH = 6, 8
# encoding -> (struct code of one value, values per pixel)
LAYOUTS = {
    **dict.fromkeys(("rgb8", "bgr8", "8UC3"), ("B", 3)),
    **dict.fromkeys(("rgba8", "bgra8", "8UC4"), ("B", 4)),
    **dict.fromkeys(("mono8", "8UC1", "8UC"), ("B", 1)),
    **{f"bayer_{pattern}8": ("B", 1) for pattern in ("rggb", "bggr", "gbrg", "grbg")},
    **{f"bayer_{pattern}16": ("H", 1) for pattern in ("rggb", "bggr", "gbrg", "grbg")},
    **dict.fromkeys(("mono16", "16UC1"), ("H", 1)),
    **dict.fromkeys(("rgb16", "bgr16", "16UC3"), ("H", 3)),
    **dict.fromkeys(("rgba16", "bgra16", "16UC4"), ("H", 4)),
    **dict.fromkeys(("yuv422", "uyvy", "yuv422_yuy2", "yuyv"), ("B", 2)),
    "8SC1": ("b", 1),
    "16SC2": ("h", 2),
    "32SC1": ("i", 1),
    "32FC1": ("f", 1),
    "32FC3": ("f", 3),
    "64FC1": ("d", 1),
}
RED, GREEN, BLUE = 200, 120, 40
COLOUR = np.array([RED, GREEN, BLUE], np.uint8)


def image(
    encoding: str, data: Any, height: int = HEIGHT, width: int = WIDTH, step: int = 0, is_bigendian: int = 0
) -> Any:
    step = step or len(data) // max(1, height)
    return types.SimpleNamespace(
        encoding=encoding, height=height, width=width, step=step, is_bigendian=is_bigendian, data=data
    )


def compressed(data: Any, described: str) -> Any:
    return types.SimpleNamespace(format=described, data=data)


def reference(msg: Any, code: str, channels: int) -> list[Any]:
    """Read value by value from the definition of sensor_msgs/Image."""
    order, size = (">" if msg.is_bigendian else "<"), struct.calcsize(code)
    buffer = bytes(msg.data)
    rows = []
    for v in range(msg.height):
        row = []
        for u in range(msg.width):
            at = v * msg.step + u * channels * size
            values = list(struct.unpack_from(f"{order}{channels}{code}", buffer, at))
            row.append(values[0] if channels == 1 else values)
        rows.append(row)
    return rows


def random_bytes(count: int, seed: int = 0) -> bytes:
    return np.random.default_rng(seed).integers(0, 256, count, dtype=np.uint8).tobytes()


@pytest.mark.parametrize("is_bigendian", [0, 1])
@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize("encoding", LAYOUTS)
def test_every_layout_equals_the_reference(encoding: str, padding: int, is_bigendian: int) -> None:
    code, channels = LAYOUTS[encoding]
    step = WIDTH * channels * struct.calcsize(code) + padding
    msg = image(encoding, random_bytes(step * HEIGHT), step=step, is_bigendian=is_bigendian)
    decoded = decode_array(msg)
    assert decoded.dtype.isnative
    np.testing.assert_array_equal(decoded, np.array(reference(msg, code, channels), decoded.dtype))


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview, list, tuple, lambda b: array.array("B", b)])
def test_data_of_every_kind_reads_the_same(wrap: Callable[[bytes], Any]) -> None:
    data = random_bytes(HEIGHT * WIDTH)
    decoded = decode_array(image("mono8", wrap(data)))
    assert decoded.tobytes() == data


@pytest.mark.parametrize("wrap", [bytes, lambda b: array.array("B", b), lambda b: np.frombuffer(b, np.uint8).copy()])
def test_native_layout_is_not_copied(wrap: Callable[[bytes], Any]) -> None:
    data = wrap(random_bytes(HEIGHT * WIDTH * 2 + 12))
    msg = image("16UC1", data, step=WIDTH * 2 + 2)
    assert np.shares_memory(decode_array(msg), np.frombuffer(data, np.uint8))
    picture = decode_image(image("rgb8", wrap(random_bytes(HEIGHT * WIDTH * 3))))
    assert picture.base is not None


def pixels_of(encoding: str) -> NDArray[Any]:
    """One picture of the colour COLOUR in the byte layout of `encoding`."""
    order = {"r": RED, "g": GREEN, "b": BLUE, "a": 255}
    name = {"8UC3": "bgr8", "8UC4": "bgra8", "16UC3": "bgr16", "16UC4": "bgra16"}.get(encoding, encoding)
    letters = name.rstrip("0123456789")
    picture = np.empty((HEIGHT, WIDTH, len(letters)), np.uint8)
    picture[:] = [order[letter] for letter in letters]
    return picture.astype(np.uint16) * 256 + 77 if encoding.startswith("16") or encoding.endswith("16") else picture


@pytest.mark.parametrize(
    "encoding",
    ["rgb8", "bgr8", "rgba8", "bgra8", "8UC3", "8UC4", "rgb16", "bgr16", "rgba16", "bgra16", "16UC3", "16UC4"],
)
@pytest.mark.parametrize("is_bigendian", [False, True])
def test_colour_becomes_rgb(encoding: str, is_bigendian: bool) -> None:
    pixels = pixels_of(encoding)
    data = pixels.astype(pixels.dtype.newbyteorder(">" if is_bigendian else "<")).tobytes()
    picture = decode_image(image(encoding, data, is_bigendian=is_bigendian))
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(picture, np.broadcast_to(COLOUR, (HEIGHT, WIDTH, 3)))


@pytest.mark.parametrize(("encoding", "dtype"), [("mono8", "u1"), ("8UC1", "u1"), ("mono16", "<u2"), ("16UC1", "<u2")])
def test_grey_becomes_three_equal_channels(encoding: str, dtype: str) -> None:
    grey = np.arange(HEIGHT * WIDTH, dtype=np.uint8).reshape(HEIGHT, WIDTH) * 5
    stored = grey.astype(dtype) * (1 if dtype == "u1" else 256)
    picture = decode_image(image(encoding, stored.tobytes()))
    np.testing.assert_array_equal(picture, np.dstack([grey] * 3))


def mosaic(pattern: str, height: int, width: int) -> NDArray[np.uint8]:
    """What a sensor with this pattern (its first 2x2 pixels, row by row) sees of a wall of COLOUR."""
    values = [{"r": RED, "g": GREEN, "b": BLUE}[letter] for letter in pattern]
    return np.tile(np.array(values, np.uint8).reshape(2, 2), (height // 2, width // 2))


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
def test_bayer_pattern_is_the_one_ros_names(pattern: str, bits: int) -> None:
    stored = mosaic(pattern, HEIGHT, WIDTH).astype(np.uint16) << (bits - 8)
    data = stored.astype("<u2" if bits == 16 else "u1").tobytes()
    picture = decode_image(image(f"bayer_{pattern}{bits}", data))
    np.testing.assert_array_equal(picture, np.broadcast_to(COLOUR, (HEIGHT, WIDTH, 3)))


def yuv() -> tuple[int, int, int]:
    """COLOUR by ITU-R BT.601 in studio range."""
    r, g, b = RED / 255, GREEN / 255, BLUE / 255
    y = 0.299 * r + 0.587 * g + 0.114 * b
    return round(16 + 219 * y), round(128 + 224 * (b - y) / 1.772), round(128 + 224 * (r - y) / 1.402)


@pytest.mark.parametrize(
    ("encoding", "order"), [("yuv422", "uyvy"), ("uyvy", "uyvy"), ("yuv422_yuy2", "yuyv"), ("yuyv", "yuyv")]
)
@pytest.mark.parametrize("padding", [0, 6])
def test_yuv_422_has_the_colour(encoding: str, order: str, padding: int) -> None:
    y, u, v = yuv()
    pair = {"uyvy": [u, y, v, y], "yuyv": [y, u, y, v]}[order]
    row = bytes(pair * (WIDTH // 2)) + bytes(padding)
    picture = decode_image(image(encoding, row * HEIGHT, step=len(row)))
    np.testing.assert_allclose(picture, np.broadcast_to(COLOUR, picture.shape), atol=3)


@pytest.mark.parametrize("encoding", ["nv12", "nv21"])
@pytest.mark.parametrize("padding", [0, 6])
def test_yuv_420_has_the_colour(encoding: str, padding: int) -> None:
    y, u, v = yuv()
    chroma = [u, v] if encoding == "nv12" else [v, u]
    rows = (bytes([y] * WIDTH) + bytes(padding)) * HEIGHT + (bytes(chroma * (WIDTH // 2)) + bytes(padding)) * (
        HEIGHT // 2
    )
    picture = decode_image(image(encoding, rows, step=WIDTH + padding))
    assert picture.shape == (HEIGHT, WIDTH, 3)
    np.testing.assert_allclose(picture, np.broadcast_to(COLOUR, picture.shape), atol=3)


def gradient() -> NDArray[np.uint8]:
    v, u = np.mgrid[0:64, 0:96]
    return np.dstack([u * 2, v * 3, 255 - u - v]).astype(np.uint8)


def file_of(suffix: str, bgr: NDArray[Any]) -> bytes:
    return bytes(cv2.imencode(suffix, bgr)[1])


@pytest.mark.parametrize(
    "described", ["jpeg", "jpg", "png", "rgb8; jpeg compressed bgr8", "bgr8; png compressed bgr8", ""]
)
def test_compressed_picture_is_rgb(described: str) -> None:
    rgb = gradient()
    suffix, tolerance = (".png", 0) if "png" in described else (".jpg", 12)
    picture = decode_image(compressed(file_of(suffix, rgb[..., ::-1]), described))
    np.testing.assert_allclose(picture.astype(int), rgb.astype(int), atol=tolerance)


def test_compressed_rgb_keeps_its_order() -> None:
    rgb = gradient()
    picture = decode_image(compressed(file_of(".png", rgb), "rgb8; png compressed rgb8"))
    np.testing.assert_array_equal(picture, rgb)


def test_compressed_grey_alpha_16_bit_and_bayer() -> None:
    grey = gradient()[..., 0]
    np.testing.assert_array_equal(
        decode_image(compressed(file_of(".png", grey), "mono8; png compressed ")), np.dstack([grey] * 3)
    )
    deep = grey.astype(np.uint16) * 256 + 200
    np.testing.assert_array_equal(decode_image(compressed(file_of(".png", deep), "mono16; png")), np.dstack([grey] * 3))
    alpha = np.dstack([gradient()[..., ::-1], grey])
    np.testing.assert_array_equal(decode_image(compressed(file_of(".png", alpha), "png")), gradient())
    raw = file_of(".png", mosaic("grbg", HEIGHT, WIDTH))
    np.testing.assert_array_equal(
        decode_image(compressed(raw, "bayer_grbg8; png compressed ")), np.broadcast_to(COLOUR, (HEIGHT, WIDTH, 3))
    )
    deep_raw = file_of(".png", mosaic("bggr", HEIGHT, WIDTH).astype(np.uint16) * 256)
    np.testing.assert_array_equal(
        decode_image(compressed(deep_raw, "bayer_bggr16; png compressed ")), np.broadcast_to(COLOUR, (HEIGHT, WIDTH, 3))
    )


def test_padded_jpeg_is_whole() -> None:
    data = file_of(".jpg", gradient()) + bytes(500)
    assert decode_image(compressed(data, "jpeg")).shape == (64, 96, 3)


JPEG = file_of(".jpg", gradient())
PNG = file_of(".png", gradient())
HUGE_HEADER = b"IHDR" + struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
HUGE_PNG = PNG[:12] + HUGE_HEADER + struct.pack(">I", zlib.crc32(HUGE_HEADER)) + PNG[33:]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8",
        b"no picture at all",
        JPEG[:-2],
        JPEG[: len(JPEG) // 2],
        JPEG[5:],
        PNG[: len(PNG) // 2],
        PNG[:-8],
        HUGE_PNG,
    ],
)
def test_broken_file_is_one_line(data: bytes) -> None:
    with pytest.raises(MessageError, match=r"CompressedImage of format 'jpeg' .* is broken: publish") as caught:
        decode_image(compressed(data, "jpeg"))
    assert "\n" not in str(caught.value)


def grey_message(**changes: Any) -> Any:
    msg = image("mono8", bytes(HEIGHT * WIDTH))
    vars(msg).update(changes)
    return msg


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"data": bytes(HEIGHT * WIDTH - 1)}, "mono8 image of 8x6 holds 47 bytes, step 8 x 6 rows is 48: .*truncated"),
        ({"data": bytes(HEIGHT * WIDTH + 1)}, "holds 49 bytes"),
        ({"data": b""}, "holds 0 bytes"),
        ({"step": 7}, "step 7, a row takes 8 bytes"),
        ({"step": 0}, "step 0, a row takes 8 bytes"),
        ({"height": 0, "data": b""}, "mono8 image of 8x0 is empty"),
        ({"width": 0, "data": b""}, "mono8 image of 0x6 is empty"),
        ({"encoding": "h264"}, "'h264' is unknown: publish rgb8"),
        ({"encoding": ""}, "'' is unknown"),
        ({"encoding": None}, "'None' is unknown"),
        ({"encoding": "rgb8\n"}, r"'rgb8\\n' is unknown"),
        ({"encoding": "8UC0"}, "'8UC0' is unknown"),
        ({"encoding": "16FC1"}, "'16FC1' is unknown"),
        ({"width": 4_000_000_000, "step": 4_000_000_000}, "holds 48 bytes"),
        ({"encoding": "32FC1", "width": 2}, "32FC1 is a depth encoding"),
        ({"encoding": "8SC1"}, "'8SC1' is unknown"),
        ({"encoding": "8UC2", "width": 4}, "'8UC2' is unknown"),
        ({"encoding": "yuv422", "width": 3}, "yuv422 image is 3 pixels wide: .* even width"),
        ({"encoding": "nv12", "height": 5}, "nv12 image of 8x5: .* even width and height"),
        ({"data": 12}, "data of type int holds no bytes"),
        ({"data": [1, 300]}, "data of type list holds no bytes"),
        ({"data": "text"}, "data of type str holds no bytes"),
    ],
)
def test_bad_image_is_one_line(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(MessageError, match=text) as caught:
        decode_image(grey_message(**changes))
    assert "\n" not in str(caught.value)


def test_another_message_is_refused() -> None:
    with pytest.raises(MessageError, match="no Image"):
        decode_image(types.SimpleNamespace(x=1))
    with pytest.raises(MessageError, match="without step, is_bigendian, data is no Image"):
        decode_array(types.SimpleNamespace(encoding="mono8", height=1, width=1))


class StandInBridge:
    """Stands in for cv_bridge.CvBridge, which this test does not need: what it is asked, and a canned answer."""

    answer: object = None

    def imgmsg_to_cv2(self, msg: Any, desired_encoding: str) -> object:
        assert (msg.encoding, desired_encoding) == ("nv24", "rgb8")
        if isinstance(StandInBridge.answer, Exception):
            raise StandInBridge.answer
        return StandInBridge.answer


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> type[StandInBridge]:
    monkeypatch.setitem(sys.modules, "cv_bridge", types.SimpleNamespace(CvBridge=StandInBridge))
    return StandInBridge


def nv24(height: int = 2, width: int = 3) -> Any:
    data = bytes(height * 3 * width)
    return types.SimpleNamespace(
        encoding="nv24", height=height, width=width, step=width, is_bigendian=0, data=data, header=None
    )


def test_cv_bridge_decodes_what_is_outside_the_table(stand_in: type[StandInBridge]) -> None:
    stand_in.answer = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
    assert decode_image(nv24()) is stand_in.answer


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (
            ValueError("no conversion\nfrom nv24"),
            r"makes no picture of 'nv24' \(no conversion from nv24\): publish rgb8",
        ),
        (np.zeros((2, 3), np.uint8), r"made uint8 \[2, 3\] of 'nv24'"),
        (np.zeros((2, 3, 3), np.uint16), r"made uint16 \[2, 3, 3\] of 'nv24'"),
        (np.zeros((3, 2, 3), np.uint8), r"made uint8 \[3, 2, 3\] of 'nv24'"),
    ],
)
def test_cv_bridge_that_fails_is_one_line(stand_in: type[StandInBridge], answer: object, text: str) -> None:
    stand_in.answer = answer
    with pytest.raises(MessageError, match=text) as caught:
        decode_image(nv24())
    assert "\n" not in str(caught.value)


def test_without_cv_bridge_the_error_names_both_remedies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv_bridge", None)
    with pytest.raises(MessageError, match=r"'nv24' is unknown: publish rgb8, .*; or install cv_bridge"):
        decode_image(nv24())


def test_depth_and_the_table_never_go_to_cv_bridge(stand_in: type[StandInBridge]) -> None:
    stand_in.answer = AssertionError("asked")
    with pytest.raises(MessageError, match="32FC1 is a depth encoding"):
        decode_image(types.SimpleNamespace(encoding="32FC1"))


@pytest.mark.parametrize("encoding", ["rgb8", "bgr8", "rgba8", "bgra8", "mono8", "8UC3", "bayer_rggb8", "yuv422_yuy2"])
def test_the_real_cv_bridge_agrees(encoding: str) -> None:
    bridge = pytest.importorskip("cv_bridge")
    kind = pytest.importorskip("sensor_msgs.msg").Image
    channels = {"rgba8": 4, "bgra8": 4, "mono8": 1, "bayer_rggb8": 1, "yuv422_yuy2": 2}.get(encoding, 3)
    message = kind(height=8, width=12, step=12 * channels, encoding=encoding)
    message.data = np.random.default_rng(0).integers(0, 256, 96 * channels, dtype=np.uint8).tobytes()
    theirs = bridge.CvBridge().imgmsg_to_cv2(message, "passthrough" if encoding == "8UC3" else "rgb8")
    ours = decode_image(message)
    np.testing.assert_array_equal(ours[..., ::-1] if encoding == "8UC3" else ours, theirs)
