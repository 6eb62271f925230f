"""RGB-D folders: rgb (or image), depth (or depth_gt), optional lowres_depth and sparse_*, intrinsics.txt."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from depth_ros.bags.entries import Entries
from depth_ros.bags.frame_files import FRAME_ID, Content, FrameFiles
from depth_ros.bags.pictures import find_picture, read_16bit, read_picture
from depth_ros.errors import BagError, GeometryError
from depth_ros.frame import Frame
from depth_ros.geometry.camera import Camera

ASSUMED_FIELD_DEG = 60.0
INTRINSICS_FILE = "intrinsics.txt"
_LOW_RESOLUTION = "lowres_depth.png"
_ASSUMED_FOCAL = f"intrinsics without fx: a horizontal field of {ASSUMED_FIELD_DEG:.0f} degrees is assumed"
_FOCAL_KEYS = ("fx", "fy", "cx", "cy")


@dataclass(frozen=True, eq=False)
class Intrinsics:
    """What intrinsics.txt says.

    depth_scale: metres = value / depth_scale. invalid: values that mean no measurement. largest: the largest value
    that is one. focal_assumed: the file gives no focal length and `ASSUMED_FIELD_DEG` stands in.
    """

    camera: Camera
    depth_scale: float
    invalid: tuple[int, ...]
    largest: int
    focal_assumed: bool

    def metres(self, stored: NDArray[np.uint16]) -> NDArray[np.float32]:
        """Return stored depth [H,W] as float32 metres, NaN = unknown."""
        unknown = np.isin(stored, self.invalid) | (stored > self.largest)
        return np.where(unknown, np.float32(np.nan), stored / np.float32(self.depth_scale)).astype(np.float32)


def read_intrinsics(path: Path) -> Intrinsics:
    """Read intrinsics.txt; raises BagError on a missing or malformed entry.

    Its `note` may say in words that another value is invalid too, or above which value all are outliers.
    """
    entries = Entries(path)
    width, height = entries.size("width", "height")
    given = [key in entries for key in _FOCAL_KEYS]
    focal = [entries.number(key) for key in _FOCAL_KEYS] if any(given) else _assumed_focal(width, height)
    try:
        camera = Camera.from_focal(width, height, *focal)
    except GeometryError as error:
        raise BagError(f"{path}: {error}") from None
    scale = entries.number("depth_scale")
    if scale <= 0:
        raise BagError(f"{path}: depth_scale is {scale}: give the stored value of one metre")
    note = entries.text("note") if "note" in entries else ""
    noted = [int(value) for value in re.findall(r"(\d+) is invalid", note)]
    limit = re.search(r"values above (\d+) are outliers", note)
    largest = int(limit.group(1)) if limit else np.iinfo(np.uint16).max
    return Intrinsics(camera, scale, (int(entries.number("invalid")), *noted), largest, not any(given))


def find_rgbd(folder: Path, name: str, sparse: str | None) -> FrameFiles | None:
    """Return the RGB-D frame of a folder, or None when the folder is none."""
    picture = find_picture(folder, "rgb") or find_picture(folder, "image")
    if picture is None or not (folder / INTRINSICS_FILE).is_file():
        return None
    intrinsics = read_intrinsics(folder / INTRINSICS_FILE)
    assumed = (_ASSUMED_FOCAL,) if intrinsics.focal_assumed else ()
    return FrameFiles(name, partial(_load, folder, picture, sparse), assumed=assumed)


def spread(depth: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Draw each known pixel of a depth image of the same view into an image of `size` (width, height), 0 = none."""
    rows, columns = np.nonzero(np.isfinite(depth) & (depth > 0))
    height, width = depth.shape
    sparse = np.zeros((size[1], size[0]), np.float32)
    sparse[(2 * rows + 1) * size[1] // (2 * height), (2 * columns + 1) * size[0] // (2 * width)] = depth[rows, columns]
    return sparse


def _load(folder: Path, picture: Path, sparse: str | None) -> Content:
    intrinsics = read_intrinsics(folder / INTRINSICS_FILE)
    rgb, camera = read_picture(picture), intrinsics.camera
    if rgb.shape[:2] != (camera.height, camera.width):
        raise BagError(
            f"{picture}: is {rgb.shape[1]} x {rgb.shape[0]}, {INTRINSICS_FILE} says {camera.size}: correct it"
        )
    depth = find_picture(folder, "depth") or find_picture(folder, "depth_gt")
    truth = None if depth is None else intrinsics.metres(read_16bit(depth))
    if truth is not None and truth.shape != rgb.shape[:2]:
        raise BagError(f"{depth}: is not of the picture's size: name a smaller depth {_LOW_RESOLUTION}")
    # Where no reference depth is there, the low-resolution sensor is all that the frame has.
    chosen = sparse or (_LOW_RESOLUTION if truth is None else None)
    measured = None if chosen is None else spread(intrinsics.metres(read_16bit(folder / chosen)), camera.size)
    return Frame(0, FRAME_ID, rgb, camera, sparse_depth=measured), truth


def _assumed_focal(width: int, height: int) -> list[float]:
    focal = width / 2 / math.tan(math.radians(ASSUMED_FIELD_DEG / 2))
    return [focal, focal, (width - 1) / 2, (height - 1) / 2]
