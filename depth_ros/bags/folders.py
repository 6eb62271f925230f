"""Folders of frames: KITTI raw, KITTI object, one folder per frame (KITTI or key-value calibration) and RGB-D."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from depth_ros.bags.calibration import Calibration, read_calibration
from depth_ros.bags.entries import Entries
from depth_ros.bags.frame_files import FrameFiles, load_lidar_frame
from depth_ros.bags.kitti_folders import find_object_tree, find_raw_drive, is_object_tree, is_raw_drive
from depth_ros.bags.pictures import find_picture
from depth_ros.bags.rgbd import find_rgbd
from depth_ros.bags.sample import Sample
from depth_ros.errors import BagError

ASSUMED_PERIOD_NS = 100_000_000
_ASSUMED_TIME = "no timestamps: 10 Hz from 0 is assumed"
_DEEPEST = 4
_POINTS, _CALIBRATION = "points.bin", "calib.txt"
_LOOKED_FOR = (
    "looked for a bag (metadata.yaml, .mcap, .db3, .bag), KITTI raw (image_02/data, velodyne_points/data), KITTI "
    "object (image_2, velodyne, calib), frame folders (image, points.bin, calib.txt) and RGB-D (rgb, intrinsics.txt)"
)
_log = logging.getLogger("depth_ros")


class FolderSource:
    """All frames in a folder and below it, sorted by path.

    assumptions: what the folder does not state and was taken for granted; the log says it too, once.
    faults: frames that the last iteration could not read, a sentence each. Raises BagError when nothing known is there.
    """

    def __init__(self, path: Path, sparse: str | None = None) -> None:
        self.path = path
        self.name = path.resolve().name
        self.faults: list[str] = []
        self._frames = find_frames(path, sparse)
        if not self._frames:
            raise BagError(f"{path}: holds no frames: {_LOOKED_FOR}")
        unstamped = any(files.image_stamp_ns is None for files in self._frames)
        found = [text for files in self._frames for text in files.assumed] + [_ASSUMED_TIME] * unstamped
        self.assumptions = tuple(dict.fromkeys(found))
        for text in self.assumptions:
            _log.info("%s: %s", path, text)

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self._frames)

    def samples(self) -> Iterator[Sample]:
        """Read and yield one sample after the other; raises BagError when none can be read."""
        self.faults = []
        for index, files in enumerate(self._frames):
            try:
                frame, truth = files.load()
            except BagError as error:
                self.faults.append(str(error))
                if len(self.faults) == len(self._frames):
                    raise
                continue
            stamp = index * ASSUMED_PERIOD_NS if files.image_stamp_ns is None else files.image_stamp_ns
            scan_stamp = stamp if files.scan_stamp_ns is None else files.scan_stamp_ns
            stamped = replace(frame, stamp_ns=stamp, scan_stamp_ns=None if frame.points is None else scan_stamp)
            yield Sample(files.name, stamped, truth)


def find_frames(path: Path, sparse: str | None = None) -> list[FrameFiles]:
    """Find the frames of every known layout in `path` and up to four folders below it, sorted by path.

    A frame's name is its path below `path` (the folder's own name for a single frame).
    """
    if not path.is_dir():
        raise BagError(f"{path}: is no folder that can be read: {_LOOKED_FOR}")
    try:
        frames = _find(path, path.resolve().name, sparse, 0)
    except OSError as error:
        raise BagError(f"{path}: cannot be listed ({error}): check its permissions") from None
    prefix = f"{path.resolve().name}/"
    return [replace(files, name=files.name.removeprefix(prefix)) for files in frames]


def _find(folder: Path, name: str, sparse: str | None, depth: int) -> list[FrameFiles]:
    if is_raw_drive(folder):
        return find_raw_drive(folder, name)
    if is_object_tree(folder):
        return find_object_tree(folder, name)
    frame = find_rgbd(folder, name, sparse) or _find_lidar_frame(folder, name)
    if frame is not None:
        return [frame]
    below = sorted(child for child in folder.iterdir() if child.is_dir()) if depth < _DEEPEST else []
    return [files for child in below for files in _find(child, f"{name}/{child.name}", sparse, depth + 1)]


def _find_lidar_frame(folder: Path, name: str) -> FrameFiles | None:
    picture = find_picture(folder, "image")
    points = folder / _POINTS
    homes = [home for home in (folder, folder.parent) if (home / _CALIBRATION).is_file()]
    if picture is not None and points.is_file() and not homes:
        raise BagError(f"{folder}: no {_CALIBRATION} here or one folder above: add the calibration of this frame")
    if picture is None or not homes:
        return None
    path = homes[0] / _CALIBRATION
    if not points.is_file() and "points" not in Entries(path):
        return None
    calibration = _stated(path)
    return FrameFiles(
        name,
        partial(load_lidar_frame, picture, points if points.is_file() else None, partial(read_calibration, path)),
        calibration.image_stamp_ns,
        calibration.scan_stamp_ns,
    )


def _stated(path: Path) -> Calibration:
    # Only its stamps matter here; KITTI object layout wants some image size, and states no stamps.
    return read_calibration(path, size=(1, 1))
