"""Malformed messages into every decoder: only our own error comes out, soon, and without much memory."""

from __future__ import annotations

import array
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from depth_ros.bags.transforms import MovingTransforms, StaticTransforms
from depth_ros.errors import BagError, MessageError
from depth_ros.messages.decode import decode_array, decode_camera, decode_cloud, decode_image, stamp_ns
from depth_ros.messages.depth_encoding import decode_depth
from depth_ros.nodes.odometry import Odometry

FUZZ = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
WRONG = st.one_of(
    st.none(), st.text(max_size=4), st.floats(), st.binary(max_size=4), st.just({}), st.just(object()), st.just(2**70)
)
COUNTS = st.one_of(st.integers(0, 9), st.sampled_from([-1, 255, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**63, 2**64]))
NUMBERS = st.one_of(st.floats(), st.sampled_from([0.0, 1.0, 500.0, 1e308, -1e308, 1e-320, np.nan, np.inf]))
PICTURES = ["rgb8", "bgr8", "rgba8", "bgra16", "mono8", "mono16", "bayer_rggb8", "bayer_gbrg16", "yuv422", "nv12"]
OTHERS = ["8UC1", "8UC3", "8SC1", "16UC1", "32FC1", "32FC3", "64FC512", "32FC513", "nv21", "nv24", "rgb", ""]
ENCODINGS = st.sampled_from(PICTURES + OTHERS)
BYTES = st.one_of(st.binary(max_size=300), st.binary(max_size=300).map(lambda data: array.array("B", data)))
STAMPS = st.builds(SimpleNamespace, sec=COUNTS | WRONG, nanosec=COUNTS | WRONG)
HEADERS = st.one_of(st.builds(SimpleNamespace, stamp=STAMPS, frame_id=st.text(max_size=3)), WRONG)
IMAGE_FIELDS = {
    "header": HEADERS,
    "height": COUNTS,
    "width": COUNTS,
    "encoding": ENCODINGS,
    "is_bigendian": st.sampled_from([0, 1, True]),
    "step": COUNTS,
    "data": BYTES,
}
FIELDS = st.builds(
    SimpleNamespace,
    name=st.sampled_from(["x", "y", "z", "intensity", "ring", "t", "time", "timestamp", "other"]) | WRONG,
    offset=st.integers(0, 12) | COUNTS,
    datatype=st.integers(0, 9) | WRONG,
    count=COUNTS,
)
ROI = st.builds(SimpleNamespace, x_offset=COUNTS, y_offset=COUNTS, width=COUNTS, height=COUNTS)


def messages(fields: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    """Draw messages, now and then with one attribute of a wrong type or without one."""

    def spoilt(values: dict[str, Any], name: str | None, wrong: Any) -> SimpleNamespace:
        if name is not None:
            values = {**values, name: wrong} if wrong != "missing" else {n: v for n, v in values.items() if n != name}
        return SimpleNamespace(**values)

    names = st.none() | st.sampled_from(sorted(fields))
    return st.builds(spoilt, st.fixed_dictionaries(fields), names, WRONG | st.just("missing"))


def only_our_error(decode: Callable[[Any], Any], message: Any) -> Any:
    """Decode; None when it was refused with one line."""
    try:
        return decode(message)
    except MessageError as error:
        text = str(error)
    assert "\n" not in text
    assert len(text) < 1000
    return None


@FUZZ
@given(messages(IMAGE_FIELDS), st.sampled_from([decode_array, decode_image, decode_depth]))
def test_image(message: Any, decode: Callable[[Any], Any]) -> None:
    only_our_error(decode, message)


@st.composite
def consistent_images(draw: st.DrawFn) -> Any:
    """Draw images whose size, step and data agree more often than not, padded or cut."""
    encoding, height, width = draw(ENCODINGS), draw(st.integers(1, 6)), draw(st.integers(1, 6))
    step = width * draw(st.sampled_from([1, 2, 3, 4, 6, 8])) + draw(st.sampled_from([0, 0, 1, 5]))
    length = step * height * draw(st.sampled_from([2, 3])) // 2 * draw(st.sampled_from([1, 2])) // 2
    return SimpleNamespace(
        encoding=encoding,
        height=height,
        width=width,
        step=step,
        is_bigendian=draw(st.booleans()),
        data=draw(st.binary(min_size=length, max_size=length)),
    )


def test_image_of_matching_size() -> None:
    taken: list[bool] = []

    @FUZZ
    @given(consistent_images(), st.sampled_from([decode_array, decode_image, decode_depth]))
    def check(message: Any, decode: Callable[[Any], Any]) -> None:
        found = only_our_error(decode, message)
        taken.append(found is not None)
        if found is not None:
            rows = message.height * 3 // 2 if decode is decode_array and message.encoding in ("nv12", "nv21") else None
            assert found.shape[:2] == (rows or message.height, message.width)

    check()
    assert sum(taken) >= 5, "all but all are refused"


def png_header(width: int, height: int) -> bytes:
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))


FILES = [
    cv2.imencode(suffix, np.arange(48, dtype=np.uint8).reshape(4, 4, 3))[1].tobytes() for suffix in (".png", ".jpg")
]


@st.composite
def damaged_files(draw: st.DrawFn) -> bytes:
    """Draw a png or jpeg with some bytes replaced, or cut."""
    data = bytearray(draw(st.sampled_from(FILES)))
    for _ in range(draw(st.integers(0, 4))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data)


@FUZZ
@given(
    messages(
        {
            "header": HEADERS,
            "format": st.text(max_size=6)
            | st.sampled_from(["jpeg", "png", "rgb8; jpeg compressed bgr8", "bayer_rggb8;"]),
            "data": BYTES | damaged_files() | st.builds(png_header, st.integers(0, 2**32 - 1), st.integers(0, 2**31)),
        }
    )
)
def test_compressed_image(message: Any) -> None:
    found = only_our_error(decode_image, message)
    assert found is None or (found.ndim == 3 and found.dtype == np.uint8)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_few_bytes_that_claim_gigabytes_are_refused_before_anything_is_allocated(suffix: str) -> None:
    data = bytearray(cv2.imencode(suffix, np.zeros((8, 8, 3), np.uint8))[1].tobytes())
    if suffix == ".png":
        data[: len(png_header(0, 0))] = png_header(30000, 30000)
    else:
        at = data.index(b"\xff\xc0") + 5
        data[at : at + 4] = struct.pack(">HH", 30000, 30000)
    with pytest.raises(MessageError, match="claims 900000000 pixels"):
        decode_image(SimpleNamespace(format="jpeg", data=bytes(data)))


CLOUD_FIELDS = {
    "header": HEADERS,
    "height": COUNTS,
    "width": COUNTS,
    "fields": st.lists(FIELDS, max_size=6),
    "is_bigendian": st.booleans(),
    "point_step": st.integers(0, 40) | COUNTS,
    "row_step": COUNTS,
    "data": BYTES,
    "is_dense": st.booleans(),
}


@FUZZ
@given(messages(CLOUD_FIELDS))
def test_cloud(message: Any) -> None:
    only_our_error(decode_cloud, message)


@st.composite
def consistent_clouds(draw: st.DrawFn) -> Any:
    """Draw clouds whose sizes agree, with fields that may overlap, of every type, over random bytes."""
    names = ["x", "y", "z", *draw(st.lists(st.sampled_from(["intensity", "ring", "t", "time"]), max_size=3))]
    fields = []
    for name in draw(st.permutations(names)):
        kind = draw(st.sampled_from([7, 8]) if name in "xyz" else st.integers(1, 8))
        fields.append(SimpleNamespace(name=name, offset=draw(st.integers(0, 16)), datatype=kind, count=1))
    height, width, step = draw(st.integers(0, 3)), draw(st.integers(0, 5)), draw(st.integers(20, 28))
    row_step = width * step + draw(st.sampled_from([0, 0, 3]))
    data = draw(st.binary(min_size=height * row_step, max_size=height * row_step))
    stamp = SimpleNamespace(sec=draw(st.sampled_from([0, 1_700_000_000, 2**31 - 1])), nanosec=5)
    return SimpleNamespace(
        header=SimpleNamespace(stamp=stamp, frame_id="lidar"),
        height=height,
        width=width,
        fields=fields,
        is_bigendian=draw(st.booleans()),
        point_step=step,
        row_step=row_step,
        data=data,
        is_dense=draw(st.booleans()),
    )


def test_cloud_of_matching_size() -> None:
    sizes: list[int] = []

    @FUZZ
    @given(consistent_clouds(), st.sampled_from(["auto", "s", "ms", "us", "ns"]), st.sampled_from(["start", "end"]))
    def check(message: Any, unit: str, scan_stamp: str) -> None:
        found = only_our_error(lambda msg: decode_cloud(msg, unit, scan_stamp), message)
        sizes.append(0 if found is None else len(found))
        if found is not None:
            parts = [part for part in (found.intensity, found.ring, found.time_ns) if part is not None]
            assert np.isfinite(found.xyz).all()
            assert all(len(part) == len(found) for part in parts)
            if found.time_ns is not None:
                assert max(abs(int(time) + stamp_ns(message.header.stamp)) for time in found.time_ns) < 2**63

    check()
    assert np.count_nonzero(sizes) >= 5, "all but all are refused, or empty"


INFO_FIELDS = {
    "header": HEADERS,
    "height": st.integers(1, 2000) | COUNTS,
    "width": st.integers(1, 2000) | COUNTS,
    "distortion_model": st.sampled_from(["plumb_bob", "rational_polynomial", "equidistant", "", "other"]) | WRONG,
    **{name: st.lists(NUMBERS, max_size=14) | WRONG for name in ("d", "p")},
    "k": st.lists(NUMBERS, min_size=9, max_size=9) | st.just([500.0, 0, 320, 0, 500, 240, 0, 0, 1]),
    "r": st.lists(NUMBERS, min_size=9, max_size=9) | st.just(np.eye(3).ravel()),
    "binning_x": COUNTS,
    "binning_y": COUNTS,
    "roi": ROI | WRONG,
}


GOOD_INFO = {
    "header": SimpleNamespace(stamp=SimpleNamespace(sec=1, nanosec=0), frame_id="camera"),
    "height": 480,
    "width": 640,
    "distortion_model": "plumb_bob",
    "d": [0.1, -0.01, 0.0, 0.0, 0.0],
    "k": [500.0, 0.0, 320.0, 0.0, 500.0, 240.0, 0.0, 0.0, 1.0],
    "r": list(np.eye(3).ravel()),
    "p": [500.0, 0.0, 320.0, 0.0, 0.0, 500.0, 240.0, 0.0, 0.0, 0.0, 1.0, 0.0],
    "binning_x": 0,
    "binning_y": 0,
    "roi": SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0),
}


@st.composite
def camera_infos(draw: st.DrawFn) -> Any:
    """Draw a good CameraInfo in which up to three fields are drawn at random."""
    message = SimpleNamespace(**GOOD_INFO)
    for name in draw(st.lists(st.sampled_from(sorted(INFO_FIELDS)), unique=True, max_size=3)):
        setattr(message, name, draw(INFO_FIELDS[name]))
    return message


def test_camera_info() -> None:
    taken: list[bool] = []

    @FUZZ
    @given(messages(INFO_FIELDS) | camera_infos())
    def check(message: Any) -> None:
        camera = only_our_error(decode_camera, message)
        taken.append(camera is not None)
        if camera is not None:
            assert np.isfinite(camera.rectified().K).all()
            assert min(camera.size) > 0

    check()
    assert sum(taken) >= 5, "all but all are refused"


@FUZZ
@given(STAMPS | WRONG)
def test_stamp(stamp: Any) -> None:
    only_our_error(stamp_ns, stamp)


VECTORS = st.builds(SimpleNamespace, x=NUMBERS, y=NUMBERS, z=NUMBERS)
QUATERNIONS = st.builds(SimpleNamespace, x=NUMBERS, y=NUMBERS, z=NUMBERS, w=NUMBERS) | st.just(
    SimpleNamespace(x=0.0, y=0.0, z=0.0, w=1.0)
)
FRAMES = st.sampled_from(["odom", "base_link", "/lidar", "/", ""]) | st.text(max_size=3)
TF_HEADERS = st.builds(
    SimpleNamespace,
    stamp=st.builds(SimpleNamespace, sec=st.integers(-(2**31), 2**31 - 1), nanosec=st.integers(0, 2**32 - 1)),
    frame_id=FRAMES,
)
TRANSFORMS = st.builds(
    SimpleNamespace,
    header=TF_HEADERS,
    child_frame_id=FRAMES,
    transform=st.builds(SimpleNamespace, translation=VECTORS, rotation=QUATERNIONS),
)
ODOMETRIES = st.builds(
    SimpleNamespace,
    header=TF_HEADERS,
    child_frame_id=FRAMES,
    pose=st.builds(
        SimpleNamespace, pose=st.builds(SimpleNamespace, position=VECTORS, orientation=QUATERNIONS), covariance=NUMBERS
    ),
)


@FUZZ
@given(st.builds(SimpleNamespace, transforms=st.lists(TRANSFORMS, max_size=4)))
def test_transforms(message: Any) -> None:
    statics = StaticTransforms()
    with suppress(BagError):
        statics.add_message(message)
    MovingTransforms(statics).add_message(message)


@FUZZ
@given(st.lists(ODOMETRIES, min_size=1, max_size=4))
def test_odometry(messages: list[Any]) -> None:
    told: list[str] = []
    live, recorded = Odometry(told.append), MovingTransforms(StaticTransforms())
    for message in messages:
        live.add(message)
        recorded.add_odometry(message)
    assert all("\n" not in text for text in told)


@pytest.mark.parametrize(
    ("height", "width", "step"), [(2**32 - 1, 1, 24), (1, 2**32 - 1, 24), (2**32 - 1, 2**32 - 1, 0), (2**32, 0, 0)]
)
def test_a_claim_of_four_billion_rows_takes_no_memory(height: int, width: int, step: int) -> None:
    fields = [SimpleNamespace(name=name, offset=4 * n, datatype=7, count=1) for n, name in enumerate("xyz")]
    header = SimpleNamespace(stamp=SimpleNamespace(sec=0, nanosec=0), frame_id="")
    cloud = SimpleNamespace(
        header=header, height=height, width=width, fields=fields, point_step=step, row_step=0, is_bigendian=0, data=b""
    )
    image = SimpleNamespace(height=height, width=width, step=step, encoding="mono8", is_bigendian=0, data=b"\0" * 24)
    tracemalloc.start()
    for decode, message in ((decode_cloud, cloud), (decode_image, image), (decode_depth, image)):
        only_our_error(decode, message)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000
