"""PointCloud2: any layout against struct, what is dropped, per-point time, and what is refused."""

from __future__ import annotations

import math
import struct
import types
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depth_ros.errors import MessageError
from depth_ros.messages.decode import decode_cloud

CODES = {1: "b", 2: "B", 3: "h", 4: "H", 5: "i", 6: "I", 7: "f", 8: "d"}
FLOAT32, FLOAT64, UINT32, UINT16 = 7, 8, 6, 4
SECOND = 1_000_000_000
STAMP = 1_753_000_123 * SECOND + 456_789_012
Layout = list[tuple[str, int, int]]
XYZ: Layout = [("x", 0, FLOAT32), ("y", 4, FLOAT32), ("z", 8, FLOAT32)]


def cloud_message(
    fields: Layout,
    rows: list[list[dict[str, float]]],
    point_step: int,
    row_padding: int = 0,
    is_bigendian: bool = False,
    stamp: int = STAMP,
) -> Any:
    """Write points (one dict of values each) value by value from the definition of sensor_msgs/PointCloud2."""
    width = len(rows[0]) if rows else 0
    row_step = width * point_step + row_padding
    data = bytearray(b"\xab" * (row_step * len(rows)))
    for v, row in enumerate(rows):
        for u, point in enumerate(row):
            for name, offset, datatype in fields:
                code = (">" if is_bigendian else "<") + CODES[datatype]
                struct.pack_into(code, data, v * row_step + u * point_step + offset, point[name])
    return types.SimpleNamespace(
        header=types.SimpleNamespace(
            stamp=types.SimpleNamespace(sec=stamp // SECOND, nanosec=stamp % SECOND), frame_id="lidar"
        ),
        height=len(rows),
        width=width,
        fields=[types.SimpleNamespace(name=n, offset=o, datatype=d, count=1) for n, o, d in fields],
        is_bigendian=is_bigendian,
        point_step=point_step,
        row_step=row_step,
        data=bytes(data),
        is_dense=True,
    )


def line(fields: Layout, points: list[dict[str, float]], **changes: Any) -> Any:
    """An unorganised cloud without padding."""
    step = max(offset + struct.calcsize(CODES[datatype]) for _, offset, datatype in fields)
    return cloud_message(fields, [points], step, **changes)


def with_field(name: str, datatype: int, values: list[float], **changes: Any) -> Any:
    points = [{"x": 1.0, "y": 2.0, "z": 3.0, name: value} for value in values]
    return line([*XYZ, (name, 12, datatype)], points, **changes)


@st.composite
def layouts(draw: st.DrawFn) -> tuple[Layout, int]:
    """Fields in any order with gaps before each, and the point's step."""
    chosen = [(name, draw(st.sampled_from([FLOAT32, FLOAT64]))) for name in "xyz"]
    if draw(st.booleans()):
        chosen.append((draw(st.sampled_from(["intensity", "i", "reflectivity"])), draw(st.integers(1, 8))))
    if draw(st.booleans()):
        chosen.append((draw(st.sampled_from(["ring", "channel", "line", "laser_id"])), draw(st.integers(1, 8))))
    if draw(st.booleans()):
        chosen.append(("rgb", FLOAT32))
    fields, offset = [], 0
    for name, datatype in draw(st.permutations(chosen)):
        offset += draw(st.integers(0, 5))
        fields.append((name, offset, datatype))
        offset += struct.calcsize(CODES[datatype])
    return fields, offset + draw(st.integers(0, 9))


COORDINATE = st.floats(-1e4, 1e4, width=32) | st.sampled_from([math.nan, math.inf, -math.inf])


@settings(max_examples=150, deadline=None)
@given(
    layout=layouts(),
    size=st.tuples(st.integers(1, 4), st.integers(1, 5)),
    row_padding=st.integers(0, 7),
    is_bigendian=st.booleans(),
    data=st.data(),
)
def test_any_layout_gives_the_points_back(
    layout: tuple[Layout, int], size: tuple[int, int], row_padding: int, is_bigendian: bool, data: st.DataObject
) -> None:
    fields, point_step = layout
    small = st.integers(0, 100)
    rows = [
        [{name: data.draw(COORDINATE if name in "xyz" else small) for name, _, _ in fields} for _ in range(size[1])]
        for _ in range(size[0])
    ]
    cloud = decode_cloud(cloud_message(fields, rows, point_step, row_padding, is_bigendian))
    kept = [p for row in rows for p in row if all(math.isfinite(p[name]) for name in "xyz")]
    assert cloud.xyz.dtype == np.float32
    assert cloud.xyz.flags.c_contiguous
    np.testing.assert_array_equal(
        cloud.xyz, np.array([[p["x"], p["y"], p["z"]] for p in kept], np.float32).reshape(-1, 3)
    )
    names = {name for name, _, _ in fields}
    for values, dtype, known in (
        (cloud.intensity, np.float32, {"intensity", "i", "reflectivity"}),
        (cloud.ring, np.int32, {"ring", "channel", "line", "laser_id"}),
    ):
        if not names & known:
            assert values is None
            continue
        assert values is not None
        assert values.dtype == dtype
        np.testing.assert_array_equal(values, [p[(names & known).pop()] for p in kept])


def test_plain_native_cloud_shares_nothing_with_the_message() -> None:
    message = line(XYZ, [{"x": 1.0, "y": 2.0, "z": 3.0}])
    buffer = np.frombuffer(message.data, np.uint8).copy()
    message.data = buffer
    cloud = decode_cloud(message)
    buffer[:] = 0
    np.testing.assert_array_equal(cloud.xyz, [[1, 2, 3]])


def test_what_belongs_to_a_dropped_point_goes_with_it() -> None:
    fields: Layout = [*XYZ, ("intensity", 12, FLOAT32), ("ring", 16, UINT16), ("t", 18, UINT32)]
    points = [
        {"x": bad if k % 2 else float(k), "y": 0.0, "z": 1.0, "intensity": k, "ring": k + 10, "t": k + 100}
        for k, bad in enumerate([0, math.nan, 0, math.inf, 0, -math.inf])
    ]
    cloud = decode_cloud(line(fields, points))
    assert cloud.intensity is not None
    assert cloud.ring is not None
    assert cloud.time_ns is not None
    np.testing.assert_array_equal(cloud.xyz[:, 0], [0, 2, 4])
    np.testing.assert_array_equal(cloud.intensity, [0, 2, 4])
    np.testing.assert_array_equal(cloud.ring, [10, 12, 14])
    np.testing.assert_array_equal(cloud.time_ns, [100, 102, 104])


def test_a_float64_that_float32_cannot_hold_is_dropped() -> None:
    fields: Layout = [("x", 0, FLOAT64), ("y", 8, FLOAT64), ("z", 16, FLOAT64)]
    cloud = decode_cloud(line(fields, [{"x": 1e300, "y": 0, "z": 0}, {"x": 0.1, "y": 0.2, "z": 0.3}]))
    np.testing.assert_array_equal(cloud.xyz, np.array([[0.1, 0.2, 0.3]], np.float32))


@pytest.mark.filterwarnings("error")
def test_values_that_float32_cannot_hold_make_no_warning() -> None:
    intensity = decode_cloud(with_field("intensity", FLOAT64, [1e300, math.nan, 2.0])).intensity
    np.testing.assert_array_equal(intensity, [math.inf, math.nan, 2.0])


@pytest.mark.parametrize("rows", [[], [[]], [[], []]])
def test_empty_cloud(rows: list[list[dict[str, float]]]) -> None:
    cloud = decode_cloud(cloud_message([], rows, 12))
    assert cloud.xyz.shape == (0, 3)
    assert cloud.xyz.dtype == np.float32


def test_cloud_of_nan_alone_has_no_points() -> None:
    nan = [{"x": math.nan, "y": math.nan, "z": math.nan, "t": 5}] * 3
    cloud = decode_cloud(line([*XYZ, ("t", 12, UINT32)], nan))
    assert len(cloud) == 0
    assert cloud.xyz.shape == (0, 3)


def test_row_step_of_zero_means_no_padding() -> None:
    message = line(XYZ, [{"x": 1.0, "y": 2.0, "z": 3.0}] * 4)
    message.row_step = 0
    assert len(decode_cloud(message)) == 4


@pytest.mark.parametrize("name", ["t", "time", "timestamp", "offset_time", "time_stamp"])
def test_time_is_found_under_its_names(name: str) -> None:
    times = decode_cloud(with_field(name, UINT32, [0, 50_000_000])).time_ns
    assert times is not None
    assert times.dtype == np.int64
    np.testing.assert_array_equal(times, [0, 50_000_000])


LATER = 100_000_000
RESOLUTION = {"exact": 0, "float32": 8, "float64 s": 250, "float64 ns": 257}


@pytest.mark.parametrize(
    ("datatype", "values", "time_unit", "tolerance"),
    [
        (UINT32, [0, LATER], "auto", "exact"),
        (UINT32, [0, LATER], "ns", "exact"),
        (UINT32, [0, LATER // 1000], "us", "exact"),
        (UINT16, [0, 100], "ms", "exact"),
        (FLOAT32, [0.0, 0.1], "auto", "float32"),
        (FLOAT32, [0.0, 0.1], "s", "float32"),
        (FLOAT32, [0.0, 1e8], "ns", "float32"),
        (FLOAT32, [0.0, 1e5], "us", "float32"),
        (FLOAT64, [0.0, 0.1], "auto", "exact"),
        (FLOAT64, [0.0, 1e8], "ns", "exact"),
        (FLOAT64, [0.0, 100.0], "ms", "exact"),
        (FLOAT64, [STAMP / 1e9, (STAMP + LATER) / 1e9], "auto", "float64 s"),
        (FLOAT64, [STAMP / 1e9, (STAMP + LATER) / 1e9], "s", "float64 s"),
        (FLOAT64, [STAMP / 1e6, (STAMP + LATER) / 1e6], "ms", "float64 s"),
        (FLOAT64, [float(STAMP), float(STAMP + LATER)], "auto", "float64 ns"),
        (FLOAT64, [float(STAMP), float(STAMP + LATER)], "ns", "float64 ns"),
    ],
)
def test_time_units(datatype: int, values: list[float], time_unit: str, tolerance: str) -> None:
    times = decode_cloud(with_field("time", datatype, values), time_unit=time_unit).time_ns
    assert times is not None
    np.testing.assert_allclose(times, [0, LATER], rtol=0, atol=RESOLUTION[tolerance])


def test_scan_stamp_end_counts_back_from_the_stamp() -> None:
    def times(datatype: int, values: list[float]) -> list[int]:
        found = decode_cloud(with_field("time", datatype, values), scan_stamp="end").time_ns
        assert found is not None
        return [int(value) for value in found]

    assert times(UINT32, [0, 40, LATER]) == [-LATER, 40 - LATER, 0]
    assert times(FLOAT64, [-0.1, -0.05, 0.0]) == [-LATER, -LATER // 2, 0]
    start, end = times(FLOAT64, [float(STAMP - LATER), float(STAMP)])
    assert abs(start + LATER) < 300
    assert abs(end) < 300


@pytest.mark.parametrize("bad", [math.nan, math.inf, 1e300])
def test_time_that_is_no_time_is_none(bad: float) -> None:
    cloud = decode_cloud(with_field("time", FLOAT64, [0.0, bad]))
    assert len(cloud) == 2
    assert cloud.time_ns is None


def test_time_with_its_stamp_fits_into_64_bits() -> None:
    assert decode_cloud(with_field("time", FLOAT32, [0.0, 9e9])).time_ns is None


@pytest.mark.parametrize("bad", [math.nan, 3e9, -3e9])
def test_ring_that_is_no_number_is_none(bad: float) -> None:
    assert decode_cloud(with_field("ring", FLOAT64, [0.0, bad])).ring is None


@pytest.mark.parametrize(("time_unit", "scan_stamp"), [("hours", "start"), ("auto", "middle")])
def test_wrong_parameters(time_unit: str, scan_stamp: str) -> None:
    with pytest.raises(MessageError, match="give auto, s, ms, us or ns; start or end"):
        decode_cloud(line(XYZ, [{"x": 1.0, "y": 2.0, "z": 3.0}]), time_unit, scan_stamp)


def test_livox_custom_message_is_refused_by_name() -> None:
    custom = types.SimpleNamespace(points=[], lidar_id=0, timebase=0, point_num=0)
    with pytest.raises(MessageError, match=r"Livox CustomMsg .* xfer_format to 0"):
        decode_cloud(custom)


GOOD = line(XYZ, [{"x": 1.0, "y": 2.0, "z": 3.0}] * 4)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"data": GOOD.data[:-1]}, "4x1 points holds 47 bytes, row_step is 48, point_step 12: .*truncated"),
        ({"data": GOOD.data + b"\0"}, "holds 49 bytes"),
        ({"data": b""}, "holds 0 bytes"),
        ({"height": -1, "row_step": -48}, "4x-1 points holds 48 bytes"),
        ({"width": 5}, "5x1 points holds 48 bytes"),
        ({"width": 0, "row_step": 0}, "0x1 points holds 48 bytes, row_step is 0"),
        ({"width": 4_000_000_000, "row_step": 48_000_000_000}, "holds 48 bytes"),
        ({"fields": GOOD.fields[:2]}, r"no field z \(fields: x, y\): publish x, y and z"),
        ({"fields": []}, r"no field x \(fields: none\)"),
        ({"point_step": 8}, "field z at offset 8 leaves the point of 8 bytes"),
        ({"point_step": 0}, "field x at offset 0 leaves the point of 0 bytes"),
    ],
)
def test_bad_cloud_is_one_line(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(MessageError, match=text) as caught:
        decode_cloud(types.SimpleNamespace(**{**vars(GOOD), **changes}))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("datatype", "text"), [(5, "field y is int32: publish float32"), (9, "datatype 9"), (0, "datatype 0")]
)
def test_wrong_type_of_xyz(datatype: int, text: str) -> None:
    message = line(XYZ, [{"x": 1.0, "y": 2.0, "z": 3.0}])
    message.fields[1].datatype = datatype
    with pytest.raises(MessageError, match=text):
        decode_cloud(message)


def test_another_message_is_refused() -> None:
    with pytest.raises(MessageError, match=r"without fields, .* is no PointCloud2"):
        decode_cloud(types.SimpleNamespace(height=1, width=1, encoding="mono8", data=b""))
