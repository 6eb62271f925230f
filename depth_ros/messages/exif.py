"""Focal length of a picture from its Exif tags (JPEG, PNG, WebP, TIFF), read with the standard library alone.

OpenCV of the oldest supported robots does not hand tags over, and Pillow is no dependency of a robot; what is needed is
a walk over one directory of tags. (Exif 2.32, CIPA DC-008; TIFF 6.0.)
"""

from __future__ import annotations

import math
import struct
from typing import NamedTuple

from depth_ros.geometry.canonical import focal_from_35mm, focal_from_sensor

_EXIF_DIRECTORY = 0x8769
_FOCAL_MM = 0x920A
_FOCAL_35MM = 0xA405
_PIXELS_X, _PIXELS_Y = 0xA002, 0xA003
_PLANE_X, _PLANE_UNIT = 0xA20E, 0xA210
_UNIT_MM = {2: 25.4, 3: 10.0, 4: 1.0, 5: 1e-3}
_FORMATS = {1: "B", 3: "H", 4: "I", 5: "II", 9: "i", 10: "ii", 11: "f", 12: "d", 13: "I"}
_MOST_TAGS = 512


class FocalTags(NamedTuple):
    """What the tags say, 0 = nothing.

    focal_mm: the lens. focal_35mm: its 35-mm equivalent. plane_per_mm: pixels per mm of the sensor, along the picture's
    width as taken. width, height: px, of the picture as taken.
    """

    focal_mm: float = 0.0
    focal_35mm: float = 0.0
    plane_per_mm: float = 0.0
    width: int = 0
    height: int = 0

    def focal_px(self, width: int, height: int) -> float | None:
        """Return the focal length in pixels of the picture at this size; None where the tags do not tell.

        The 35-mm equivalent goes before the sensor's resolution, which some cameras write wrongly. A picture whose
        aspect is not that of the tags was cropped: None.
        """
        long, short = max(self.width, self.height), min(self.width, self.height)
        if short and abs(long / short / (max(width, height) / min(width, height)) - 1) > 0.02:
            return None
        if self.focal_35mm:
            return focal_from_35mm(self.focal_35mm, width, height)
        if self.focal_mm and self.plane_per_mm and long:
            return focal_from_sensor(self.focal_mm, long / self.plane_per_mm, max(width, height))
        return None


def read_focal_tags(picture: bytes) -> FocalTags:
    """Return the focal tags of an encoded picture (a file's bytes); all 0 where there are none or they are damaged."""
    try:
        tiff = _tiff_block(picture)
        return FocalTags() if tiff is None else _focal_tags(tiff)
    except (struct.error, IndexError, ZeroDivisionError):
        return FocalTags()


def _tiff_block(picture: bytes) -> bytes | None:
    """Return the block that is laid out as a TIFF file, from any of the containers."""
    if picture[:4] in (b"II*\0", b"MM\0*"):
        return picture
    if picture[:2] == b"\xff\xd8":
        return _from_jpeg(picture)
    if picture[:8] == b"\x89PNG\r\n\x1a\n":
        return _from_chunks(picture, 8, ">I4s", b"eXIf", 12, 1)
    if picture[:4] == b"RIFF" and picture[8:12] == b"WEBP":
        return _from_chunks(picture, 12, "<4sI", b"EXIF", 8, 2)
    return None


def _from_jpeg(picture: bytes) -> bytes | None:
    at = 2
    while at + 4 <= len(picture):
        marker, size = struct.unpack_from(">HH", picture, at)
        if marker >> 8 != 0xFF or marker in (0xFFDA, 0xFFD9):
            return None
        if marker == 0xFFE1 and picture[at + 4 : at + 10] == b"Exif\0\0":
            return picture[at + 10 : at + 2 + size]
        at += 2 + max(size, 2)
    return None


def _from_chunks(picture: bytes, at: int, layout: str, wanted: bytes, around: int, align: int) -> bytes | None:
    """Find a chunk of PNG or WebP; `around`: bytes that a chunk has besides its content."""
    while at + 8 <= len(picture):
        first, second = struct.unpack_from(layout, picture, at)
        name, size = (first, second) if isinstance(first, bytes) else (second, first)
        if name == wanted:
            content = picture[at + 8 : at + 8 + size]
            return content.removeprefix(b"Exif\0\0")
        at += around + -(-size // align) * align
    return None


def _focal_tags(tiff: bytes) -> FocalTags:
    order = "<" if tiff[:2] == b"II" else ">"
    (first,) = struct.unpack_from(order + "I", tiff, 4)
    tags = _directory(tiff, order, first)
    if _EXIF_DIRECTORY in tags:
        tags = _directory(tiff, order, int(tags[_EXIF_DIRECTORY]))
    unit = _UNIT_MM.get(int(tags.get(_PLANE_UNIT, 2)), 0.0)
    return FocalTags(
        tags.get(_FOCAL_MM, 0.0),
        tags.get(_FOCAL_35MM, 0.0),
        tags.get(_PLANE_X, 0.0) / unit if unit else 0.0,
        int(tags.get(_PIXELS_X, 0)),
        int(tags.get(_PIXELS_Y, 0)),
    )


def _directory(tiff: bytes, order: str, at: int) -> dict[int, float]:
    """Return the first value of each numeric tag that is finite and not negative."""
    (count,) = struct.unpack_from(order + "H", tiff, at)
    tags = {}
    for entry in range(min(count, _MOST_TAGS)):
        place = at + 2 + 12 * entry
        tag, kind, _ = struct.unpack_from(order + "HHI", tiff, place)
        if kind not in _FORMATS:
            continue
        layout = order + _FORMATS[kind]
        inside = struct.calcsize(layout) <= 4
        where = place + 8 if inside else struct.unpack_from(order + "I", tiff, place + 8)[0]
        value = struct.unpack_from(layout, tiff, where)
        number = value[0] if len(value) == 1 else value[0] / value[1] if value[1] else 0.0
        if math.isfinite(number) and number >= 0:
            tags[tag] = float(number)
    return tags
