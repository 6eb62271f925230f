"""sensor_msgs/Image and CompressedImage to arrays."""

from __future__ import annotations

import math
import re
import struct
import sys
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_ros.errors import MessageError
from depth_ros.messages.payload import brief, payload, require, whole

# OpenCV names a Bayer pattern by the second row's second and third pixel, ROS by the first two rows' first two.
_BAYER_TO_RGB = {
    "rggb": cv2.COLOR_BayerBG2RGB,
    "bggr": cv2.COLOR_BayerRG2RGB,
    "gbrg": cv2.COLOR_BayerGR2RGB,
    "grbg": cv2.COLOR_BayerGB2RGB,
}
_TO_RGB = {
    **dict.fromkeys(("mono8", "mono16", "8UC1", "16UC1"), cv2.COLOR_GRAY2RGB),
    **dict.fromkeys(("bgr8", "bgr16", "8UC3", "16UC3"), cv2.COLOR_BGR2RGB),
    **dict.fromkeys(("bgra8", "bgra16", "8UC4", "16UC4"), cv2.COLOR_BGRA2RGB),
    **dict.fromkeys(("rgba8", "rgba16"), cv2.COLOR_RGBA2RGB),
    **{f"bayer_{pattern}{bits}": code for pattern, code in _BAYER_TO_RGB.items() for bits in (8, 16)},
    **dict.fromkeys(("yuv422", "uyvy"), cv2.COLOR_YUV2RGB_UYVY),
    **dict.fromkeys(("yuv422_yuy2", "yuyv"), cv2.COLOR_YUV2RGB_YUYV),
    "nv12": cv2.COLOR_YUV2RGB_NV12,
    "nv21": cv2.COLOR_YUV2RGB_NV21,
}
_CHANNELS = {"rgb": 3, "bgr": 3, "rgba": 4, "bgra": 4}
_YUV_422 = ("yuv422", "uyvy", "yuv422_yuy2", "yuyv")
_YUV_420 = ("nv12", "nv21")
_OPENCV_TYPE = re.compile(r"(8U|8S|16U|16S|32S|32F|64F)C?(\d*)")
_OPENCV_KINDS = {"U": "u", "S": "i", "F": "f"}
_FILE_MARKS = ((b"\xff\xd8", b"\xff\xd9"), (b"\x89PNG", b"IEND"))
# Start of frame: marker, length, bits, height and width, channels. Entropy-coded data cannot look like it.
_JPEG_SIZE = re.compile(rb"\xff[\xc0-\xc3\xc5-\xc7\xc9-\xcb\xcd-\xcf]..[\x08\x0c](.{4})[\x01-\x04]", re.DOTALL)
MOST_PIXELS = 1 << 27
PICTURES = "rgb8, bgr8, rgba8, bgra8, mono8, mono16, bayer_*8, bayer_*16, yuv422, yuv422_yuy2, nv12 or nv21"


class Layout(NamedTuple):
    """How an encoding lies in memory; rows_x2: stored rows per two image rows (3 for YUV 4:2:0, else 2)."""

    dtype: np.dtype[Any]
    channels: int
    rows_x2: int = 2


def layout(encoding: str) -> Layout:
    """Return how `encoding` (a name of sensor_msgs' image_encodings) lies in memory; MessageError when unknown."""
    if encoding in _YUV_420:
        return Layout(np.dtype(np.uint8), 1, 3)
    if encoding in _YUV_422:
        return Layout(np.dtype(np.uint8), 2)
    if match := re.fullmatch(r"(rgba|bgra|rgb|bgr|mono|bayer_(?:rggb|bggr|gbrg|grbg))(8|16)", encoding):
        return Layout(np.dtype(f"u{int(match[2]) // 8}"), _CHANNELS.get(match[1], 1))
    if (match := _OPENCV_TYPE.fullmatch(encoding)) and 1 <= int(match[2] or 1) <= 512:
        return Layout(np.dtype(f"{_OPENCV_KINDS[match[1][-1]]}{int(match[1][:-1]) // 8}"), int(match[2] or 1))
    raise MessageError(f"image encoding {encoding[:60]!r} is unknown: publish {PICTURES}")


def decode_array(msg: Any) -> NDArray[Any]:
    """View an Image's pixels as an array [H,W] or [H,W,C] in native byte order, channels as they are stored.

    Nothing is copied unless the bytes must be swapped; the view may have padded rows (`step`), shares the message's
    memory and is read-only where that is. yuv422 comes as [H,W,2], nv12 and nv21 as [H*3/2,W] (Y above UV).
    Raises MessageError on an unknown encoding, an empty image, or data that is not `step` x rows.
    """
    require(msg, "Image", "encoding", "height", "width", "step", "is_bigendian", "data")
    kind, step, data = layout(str(msg.encoding)), whole(msg, "step"), payload(msg.data)
    rows, width = _checked_size(msg, kind, len(data)), whole(msg, "width")
    shape = (rows, width) if kind.channels == 1 else (rows, width, kind.channels)
    strides = (step, kind.channels * kind.dtype.itemsize, kind.dtype.itemsize)[: len(shape)]
    swapped = bool(msg.is_bigendian) != (sys.byteorder == "big")
    stored = kind.dtype.newbyteorder() if swapped else kind.dtype
    return np.ndarray(shape, stored, data, strides=strides).astype(kind.dtype, copy=False)


def _checked_size(msg: Any, kind: Layout, length: int) -> int:
    """Return the number of stored rows after checking that size, step and data length agree."""
    height, width, step = (whole(msg, name) for name in ("height", "width", "step"))
    what = f"{msg.encoding} image of {width}x{height}"
    if height <= 0 or width <= 0:
        raise MessageError(f"{what} is empty: check that the camera driver streams")
    if kind.rows_x2 == 3 and (height % 2 or width % 2):
        raise MessageError(f"{what}: 4:2:0 pixels come in blocks of 2x2, publish an even width and height")
    rows, row_bytes = height * kind.rows_x2 // 2, width * kind.channels * kind.dtype.itemsize
    if step < row_bytes:
        raise MessageError(f"{what} has step {step}, a row takes {row_bytes} bytes: correct the publisher's step")
    if length != step * rows:
        raise MessageError(
            f"{what} holds {length} bytes, step {step} x {rows} rows is {step * rows}: "
            "the message is truncated or the publisher's size is wrong"
        )
    return rows


def decode_image(msg: Any) -> NDArray[np.uint8]:
    """Return the picture of an Image or CompressedImage (jpeg, png) as uint8 [H,W,3], RGB.

    rgb8 is a view as `decode_array` gives it, all others are new arrays. 16-bit pictures keep their upper byte;
    YUV is BT.601 in studio range; 8UC3 and 8UC4 count as bgr, as OpenCV has them. Raises MessageError on all that
    `decode_array` refuses, on encodings that are no picture (32FC1 is depth) and on a broken jpeg or png. Encodings
    beyond these go to cv_bridge, where it is installed.
    """
    if hasattr(msg, "format") and not hasattr(msg, "encoding"):
        return _to_rgb(*_decompress(msg))
    require(msg, "Image or CompressedImage", "encoding")
    encoding = str(msg.encoding)
    if encoding == "32FC1":
        raise MessageError("32FC1 is a depth encoding, not a picture: point the image topic at the camera's picture")
    if encoding not in _TO_RGB and encoding not in ("rgb8", "rgb16"):
        return _bridge(msg, encoding)
    return _to_rgb(decode_array(msg), encoding)


def _bridge(msg: Any, encoding: str) -> NDArray[np.uint8]:
    """Let cv_bridge decode what is outside of our table."""
    what = repr(encoding[:60])
    try:
        from cv_bridge import CvBridge
    except Exception as error:  # one built for another NumPy raises what it likes
        raise MessageError(
            f"image encoding {what} is unknown: publish {PICTURES}; or install cv_bridge "
            f"(ros-$ROS_DISTRO-cv-bridge), which did not import: {brief(error)}"
        ) from error
    try:
        rgb = np.asarray(CvBridge().imgmsg_to_cv2(msg, desired_encoding="rgb8"))
    except Exception as error:
        raise MessageError(f"cv_bridge makes no picture of {what} ({brief(error)}): publish {PICTURES}") from error
    if rgb.dtype != np.uint8 or rgb.shape != (msg.height, msg.width, 3):
        raise MessageError(f"cv_bridge made {rgb.dtype.name} {list(rgb.shape)} of {what}: publish {PICTURES}")
    return rgb


def _to_rgb(array: NDArray[Any], encoding: str) -> NDArray[np.uint8]:
    if encoding in _YUV_422 and array.shape[1] % 2:
        raise MessageError(
            f"{encoding} image is {array.shape[1]} pixels wide: 4:2:2 pixels come in pairs, publish an even width"
        )
    if array.dtype == np.uint16:
        array = np.right_shift(array, 8, out=np.empty(array.shape, np.uint8), casting="unsafe")
    if encoding in _TO_RGB:
        array = cv2.cvtColor(array, _TO_RGB[encoding])
    return array


def _decompress(msg: Any) -> tuple[NDArray[Any], str]:
    """Return the picture as it was compressed and its encoding; `format` is "jpeg" or "rgb8; jpeg compressed bgr8"."""
    require(msg, "CompressedImage", "data")
    data, described = payload(msg.data), str(msg.format)
    if "compresseddepth" in described.lower():
        raise MessageError(
            f"CompressedImage of format {described[:60]!r} is depth, not a picture: subscribe to compressed"
        )
    pixels = _claimed_pixels(data)
    picture = None if pixels > MOST_PIXELS or not _is_whole(data) else _read_file(data)
    if picture is None:
        raise MessageError(
            f"CompressedImage of format {described[:60]!r} with {len(data)} bytes, which claims {pixels} pixels, is "
            f"broken: publish whole jpeg or png files of at most {MOST_PIXELS} pixels"
        )
    original = described.split(";")[0].strip()
    if picture.ndim == 2:
        return picture, original if original.startswith("bayer_") and original in _TO_RGB else "mono8"
    # image_transport writes "compressed rgb8" when the file's first channel is red although OpenCV calls it blue.
    order = "rgb" if "compressed rgb" in described else "bgr"
    return picture, f"{order}8" if picture.shape[2] == 3 else f"{order}a8"


def _claimed_pixels(data: NDArray[np.uint8]) -> int:
    """Return width x height as a png or jpeg states them: a few bytes can claim gigabytes."""
    if data[:4].tobytes() == _FILE_MARKS[1][0]:
        return math.prod(struct.unpack(">II", data[16:24].tobytes().ljust(8, b"\0")))
    return max((math.prod(struct.unpack(">HH", found[1])) for found in _JPEG_SIZE.finditer(data.data)), default=0)


def _is_whole(data: NDArray[np.uint8]) -> bool:
    """Tell whether a jpeg or png has its end mark near the end (drivers may pad): decoders fill the rest with grey."""
    head, tail = bytes(data[:8]), bytes(data[-1024:])
    return any(head.startswith(first) and last in tail for first, last in _FILE_MARKS)


def _read_file(data: NDArray[np.uint8]) -> NDArray[Any] | None:
    try:
        return cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if len(data) else None
    except cv2.error:
        return None
