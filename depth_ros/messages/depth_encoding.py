"""Depth in messages and files: 32FC1 metres, 16UC1 millimetres (REP 118), .npy metres, .png metres x 256."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_ros.errors import MessageError
from depth_ros.messages.images import decode_array

Depth = NDArray[np.float32]
_PNG_PER_METRE = 256


def decode_depth(msg: Any) -> Depth:
    """Return an Image of depth as float32 [H,W], metres along z, NaN = unknown.

    32FC1 is metres; +inf (beyond range) and -inf (too near) stay as REP 117 means them, finite values that are not
    positive become NaN. 16UC1 and mono16 are millimetres, 0 = unknown. Raises MessageError on any other encoding.
    """
    array, encoding = decode_array(msg), str(msg.encoding)
    if encoding == "32FC1":
        depth: Depth = array.copy()
        with np.errstate(invalid="ignore"):
            depth[(depth <= 0) & (depth > -np.inf)] = np.nan
        return depth
    if encoding in ("16UC1", "mono16"):
        return _from_uint16(array, 1000)
    raise MessageError(f"image encoding {encoding} is no depth: publish 32FC1 (metres) or 16UC1 (millimetres)")


def depth_to_uint16_mm(depth: Depth) -> NDArray[np.uint16]:
    """Return depth (float32 [H,W], metres) as 16UC1 millimetres; 0 for NaN, inf, negatives and beyond 65.535 m."""
    return _to_uint16(depth, 1000)


def write_depth(path: str | Path, depth: Depth) -> None:
    """Write depth (float32 [H,W], metres, NaN = unknown) to a file of the form that its suffix names.

    .npy: the array as it is, +Inf and -Inf of REP 117 with it. .png: 16 bit, value = metres x 256 (KITTI), 0 = unknown,
    out of range or beyond 255.99 m. Raises MessageError on another suffix or a path that cannot be written.
    """
    path = Path(path)
    try:
        if _suffix(path) == ".npy":
            with path.open("wb") as file:
                np.save(file, np.asarray(depth, np.float32))
        else:
            path.write_bytes(cv2.imencode(".png", _to_uint16(depth, _PNG_PER_METRE))[1].tobytes())
    except OSError as error:
        raise MessageError(f"cannot write depth to {path}: {error.strerror or error}") from error


def read_depth(path: str | Path) -> Depth:
    """Read depth as float32 [H,W], metres, NaN = unknown, from a file that `write_depth` or KITTI wrote.

    An .npy file may hold the +Inf and -Inf of REP 117.
    """
    path = Path(path)
    suffix = _suffix(path)
    try:
        stored = np.load(path) if suffix == ".npy" else _read_png(path)
    except (OSError, ValueError, EOFError) as error:
        raise MessageError(f"cannot read depth from {path}: {error}") from error
    if stored.ndim != 2 or (stored.dtype.kind != "f" if suffix == ".npy" else stored.dtype != np.uint16):
        raise MessageError(
            f"{path} holds {stored.dtype.name} {list(stored.shape)}: give float32 [H,W] metres (.npy) or 16-bit (.png)"
        )
    return _from_uint16(stored, _PNG_PER_METRE) if suffix == ".png" else stored.astype(np.float32, copy=False)


def _suffix(path: Path) -> str:
    if path.suffix not in (".npy", ".png"):
        raise MessageError(f"depth file {path}: name it .npy (float32 metres) or .png (16-bit, metres x 256)")
    return path.suffix


def _read_png(path: Path) -> NDArray[Any]:
    data = np.frombuffer(path.read_bytes(), np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if len(data) else None
    if picture is None:
        raise ValueError("no whole png")
    return picture


def _to_uint16(depth: Depth, per_metre: int) -> NDArray[np.uint16]:
    with np.errstate(invalid="ignore", over="ignore"):
        units = np.rint(np.asarray(depth, np.float32) * np.float32(per_metre))
        units[~((units > 0) & (units <= 65535))] = 0
    stored: NDArray[np.uint16] = units.astype(np.uint16)
    return stored


def _from_uint16(stored: NDArray[np.uint16], per_metre: int) -> Depth:
    depth: Depth = np.divide(stored, np.float32(per_metre), dtype=np.float32)
    depth[stored == 0] = np.nan
    return depth
