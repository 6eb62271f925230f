"""sensor_msgs/PointCloud2 to PointCloud."""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_ros.errors import MessageError
from depth_ros.frame import PointCloud
from depth_ros.messages.payload import payload, require, stamp_ns, whole

DATATYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 8: "f8"}
_INTENSITY = ("intensity", "i", "reflectivity")
_RING = ("ring", "channel", "line", "laser_id")
_TIME = ("t", "time", "timestamp", "offset_time", "time_stamp")
_UNITS_NS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
# With any stamp added to it an int64 holds it.
_LARGEST_NS = 4e18
_LONGEST_SCAN_NS = 1e12


class Column(NamedTuple):
    """One field of a PointCloud2: its type and its offset in bytes from the point's start."""

    dtype: np.dtype[Any]
    offset: int


@np.errstate(over="ignore", invalid="ignore")
def decode_cloud(msg: Any, time_unit: str = "auto", scan_stamp: str = "start") -> PointCloud:
    """Return the finite points of a PointCloud2 with their intensity, ring and time where the cloud has them.

    Takes any field order, offset, padding and byte order, organised or not; xyz is float32 or float64. A point with NaN
    or inf goes with everything that belongs to it.

    Time comes as nanoseconds from the header's stamp. Integers count nanoseconds from it and float32 seconds; float64
    is absolute nanoseconds above 1e12, absolute seconds above 1e6, else seconds from the stamp. time_unit (auto, s, ms,
    us, ns) overrides the unit, and float64 beyond 1000 s is then absolute. scan_stamp "end" says that the stamp is the
    scan's last moment: times counted from the scan's start are moved before it. Time is None when a point's is not
    finite, ring when one is no int32.

    Raises MessageError on a cloud without x, y, z, on wrong types or lengths, and on a Livox CustomMsg.
    """
    _check_is_cloud(msg)
    if time_unit not in ("auto", *_UNITS_NS) or scan_stamp not in ("start", "end"):
        raise MessageError(
            f"time_unit {time_unit!r}, scan_stamp {scan_stamp!r}: give auto, s, ms, us or ns; start or end"
        )
    points = _points(msg)
    if not points.size:
        return PointCloud(np.empty((0, 3), np.float32))
    axes = [points[name].astype(np.float32) for name in "xyz"]
    keep = np.isfinite(axes[0]) & np.isfinite(axes[1]) & np.isfinite(axes[2])
    kept = None if keep.all() else np.flatnonzero(keep)
    if kept is not None:
        axes = [values.take(kept) for values in axes]
    intensity, ring, time = (_first(points, names, kept) for names in (_INTENSITY, _RING, _TIME))
    return PointCloud(
        _interleaved(axes),
        None if intensity is None else intensity.astype(np.float32),
        None if ring is None else _integers(ring, np.int32),
        _time_ns(time, stamp_ns(msg.header.stamp), time_unit, scan_stamp),
    )


def _check_is_cloud(msg: Any) -> None:
    if hasattr(msg, "lidar_id") and not hasattr(msg, "fields"):
        raise MessageError("a Livox CustomMsg is no PointCloud2: set the Livox driver's xfer_format to 0")
    require(msg, "PointCloud2", "fields", "height", "width", "point_step", "row_step", "is_bigendian", "data", "header")
    require(msg.header, "Header", "stamp")


def _points(msg: Any) -> NDArray[Any]:
    """View the cloud as a flat structured array of the fields that are used (one copy when rows are padded)."""
    height, width, step = (whole(msg, name) for name in ("height", "width", "point_step"))
    row_step, data = whole(msg, "row_step") or width * step, payload(msg.data)
    if len(data) != row_step * height or row_step < width * step or min(height, width, step) < 0:
        raise MessageError(
            f"PointCloud2 of {width}x{height} points holds {len(data)} bytes, row_step is {row_step}, "
            f"point_step {step}: the message is truncated or the publisher's sizes are wrong"
        )
    if not height * width:
        return np.empty(0)
    columns = _columns(msg, step)
    dtype = np.dtype(
        {
            "names": list(columns),
            "formats": [column.dtype for column in columns.values()],
            "offsets": [column.offset for column in columns.values()],
            "itemsize": step,
        }
    )
    return np.ndarray((height, width), dtype, data, strides=(row_step, step)).reshape(-1)


def _columns(msg: Any, step: int) -> dict[str, Column]:
    """Return the fields that a PointCloud takes, checked."""
    columns, fields = {}, _fields(msg)
    for field in fields:
        if field.name not in ("x", "y", "z", *_INTENSITY, *_RING, *_TIME):
            continue
        kind, offset = whole(field, "datatype"), whole(field, "offset")
        if kind not in DATATYPES:
            raise MessageError(f"PointCloud2 field {field.name} has datatype {kind}: give 1 (INT8) to 8 (FLOAT64)")
        dtype = np.dtype(DATATYPES[kind]).newbyteorder(">" if msg.is_bigendian else "<")
        if offset < 0 or offset + dtype.itemsize > step:
            raise MessageError(
                f"PointCloud2 field {field.name} at offset {offset} leaves the point of {step} bytes: "
                "correct the publisher's offsets or point_step"
            )
        columns[field.name] = Column(dtype, offset)
    for name in "xyz":
        if name not in columns:
            names = ", ".join(str(field.name)[:20] for field in fields[:20]) or "none"
            raise MessageError(f"PointCloud2 has no field {name} (fields: {names}): publish x, y and z")
        if columns[name].dtype.kind != "f":
            raise MessageError(f"PointCloud2 field {name} is {columns[name].dtype.name}: publish float32 or float64")
    return columns


def _fields(msg: Any) -> list[Any]:
    try:
        fields = list(msg.fields)
    except TypeError as error:
        raise MessageError(f"PointCloud2 fields are a {type(msg.fields).__name__}: publish PointField[]") from error
    for field in fields:
        require(field, "PointField", "name", "offset", "datatype")
    return fields


def _interleaved(columns: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return float32 [N,3] of three columns [N]."""
    rows = cv2.merge(columns) if len(columns[0]) else np.empty(0)
    return np.asarray(rows, dtype=np.float32).reshape(-1, 3)


def _first(points: NDArray[Any], names: tuple[str, ...], kept: NDArray[np.intp] | None) -> NDArray[Any] | None:
    """Return the kept values of the first field of `names` that there is."""
    present = points.dtype.names or ()
    values = next((points[name] for name in names if name in present), None)
    return values if values is None or kept is None else values.take(kept)


def _integers(values: NDArray[Any], dtype: Any) -> NDArray[Any] | None:
    """Round to integers of `dtype`; None when a value does not fit."""
    if values.dtype.kind == "f":
        values = np.rint(values.astype(np.float64))
    limits = np.iinfo(dtype)
    fits = np.can_cast(values.dtype, dtype) or not len(values)
    if not fits and not (values.min() >= limits.min and values.max() <= limits.max):
        return None
    return values.astype(dtype)


def _time_ns(values: NDArray[Any] | None, stamp: int, time_unit: str, scan_stamp: str) -> NDArray[np.int64] | None:
    """Return per-point time as nanoseconds from `stamp` (ns), by the rules that `decode_cloud` states."""
    if values is None or not len(values) or (values.dtype.kind == "f" and not np.isfinite(values).all()):
        return None
    earliest, latest = float(values.min()), float(values.max())
    unit, absolute = _time_rule(values.dtype, latest, time_unit)
    scale, origin = _UNITS_NS[unit], stamp if absolute else 0
    if max(abs(latest), abs(earliest)) * scale > _LARGEST_NS:
        return None
    # Whole units and fractions apart: float64 cannot hold today's time to the nanosecond.
    whole: NDArray[np.int64] = values.astype(np.int64)
    offsets = (whole - origin // scale) * scale - origin % scale if origin or scale != 1 else whole
    if values.dtype.kind == "f":
        offsets = offsets + np.rint((values - whole) * float(scale)).astype(np.int64)
    if scan_stamp == "end" and not absolute and (last := offsets.max()) > 0:
        offsets -= last
    return offsets


def _time_rule(dtype: np.dtype[Any], latest: float, time_unit: str) -> tuple[str, bool]:
    """Return the unit of per-point time and whether it is absolute; only float64 can hold absolute time."""
    may_be_absolute = dtype.kind == "f" and dtype.itemsize == 8
    if time_unit != "auto":
        return time_unit, may_be_absolute and latest * _UNITS_NS[time_unit] > _LONGEST_SCAN_NS
    if may_be_absolute and latest > 1e6:
        return "ns" if latest > 1e12 else "s", True
    return "s" if dtype.kind == "f" else "ns", False
