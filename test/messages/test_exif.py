from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest

from depth_ros.geometry.canonical import focal_from_35mm, focal_from_sensor
from depth_ros.messages.exif import FocalTags, read_focal_tags

TELEPHONE = {0x920A: 4.25, 0xA405: 26, 0xA002: 64, 0xA003: 48}
REFLEX = {0x920A: 50.0, 0xA20E: 4500.0, 0xA210: 2, 0xA002: 64, 0xA003: 48}


def picture(tags: dict[int, Any], form: str = "JPEG", *, rationals: bool = True) -> bytes:
    """A picture whose tags were written by another library."""
    image_module = pytest.importorskip("PIL.Image")
    exif = image_module.Exif()
    exif[0x010F] = "a maker with a name"
    rational = pytest.importorskip("PIL.TiffImagePlugin").IFDRational
    exif.get_ifd(0x8769).update(
        {tag: rational(v) if rationals and isinstance(v, float) else v for tag, v in tags.items()}
    )
    out = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    image_module.fromarray(noise).save(out, form, exif=exif)
    return out.getvalue()


def big_endian() -> bytes:
    """A bare block by hand, most significant byte first: 35-mm equivalent 28."""
    first = struct.pack(">HHHIII", 1, 0x8769, 4, 1, 26, 0)
    return b"MM\0*" + struct.pack(">I", 8) + first + struct.pack(">HHHIHH", 1, 0xA405, 3, 1, 28, 0)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_a_telephone_in_every_container(form: str) -> None:
    tags = read_focal_tags(picture(TELEPHONE, form))
    assert tuple(tags) == pytest.approx((4.25, 26.0, 0.0, 64, 48))
    assert tags.focal_px(640, 480) == pytest.approx(focal_from_35mm(26, 640, 480))


def test_a_block_by_hand() -> None:
    assert read_focal_tags(big_endian()).focal_35mm == 28
    assert read_focal_tags(big_endian()).focal_px(360, 240) == pytest.approx(280)


def test_the_resolution_of_the_sensor_where_there_is_no_equivalent() -> None:
    tags = read_focal_tags(picture(REFLEX))
    sensor_mm = 64 / 4500 * 25.4
    assert tags.focal_px(64, 48) == pytest.approx(focal_from_sensor(50, sensor_mm, 64))
    assert tags.focal_px(128, 96) == pytest.approx(2 * 50 * 4500 / 25.4)
    assert tags.focal_px(96, 128) == pytest.approx(2 * 50 * 4500 / 25.4)  # turned


def test_numbers_that_a_library_wrote_as_double_floats() -> None:
    assert read_focal_tags(picture(REFLEX, rationals=False)) == read_focal_tags(picture(REFLEX))


def test_a_cropped_picture_tells_nothing() -> None:
    tags = read_focal_tags(picture(TELEPHONE))
    assert tags.focal_px(64, 36) is None
    assert tags.focal_px(48, 64) is not None


def test_pictures_without_tags() -> None:
    for tags in ({}, {0xA405: 0}, {0x920A: 4.25}):
        assert read_focal_tags(picture(tags)).focal_px(64, 48) is None
    for nothing in (b"", b"\xff\xd8", b"not a picture at all", b"II*\0", b"II*\0\xff\xff\xff\xff"):
        assert read_focal_tags(nothing) == FocalTags()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_damage_is_no_traceback(form: str) -> None:
    whole, rng = picture(TELEPHONE, form), np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(whole[: rng.integers(0, len(whole))] if rng.random() < 0.5 else whole)
        for place in rng.integers(0, max(min(len(damaged), 400), 1), 5):
            if damaged:
                damaged[place] = rng.integers(0, 256)
        focal = read_focal_tags(bytes(damaged)).focal_px(64, 48)
        assert focal is None or focal > 0
