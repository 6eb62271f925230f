"""The folder layouts of the KITTI web site: raw drives and the object benchmark.

Geiger et al., "Vision meets Robotics: The KITTI Dataset", IJRR 2013, and the readme files of both development kits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from functools import partial
from pathlib import Path

from depth_ros.bags.calibration import RAW_CAMERA_FILE, Calibration, read_calibration, read_raw_calibration
from depth_ros.bags.frame_files import FrameFiles, load_lidar_frame
from depth_ros.bags.pictures import find_picture
from depth_ros.errors import BagError

_NS = 1_000_000_000


def is_raw_drive(folder: Path) -> bool:
    """Tell whether `folder` is a drive of KITTI raw (2011_09_26_drive_0005_sync)."""
    return (folder / "image_02" / "data").is_dir() and (folder / "velodyne_points" / "data").is_dir()


def is_object_tree(folder: Path) -> bool:
    """Tell whether `folder` is a split of KITTI object (training, testing)."""
    return all((folder / name).is_dir() for name in ("image_2", "velodyne", "calib"))


def find_raw_drive(drive: Path, name: str) -> list[FrameFiles]:
    """Return the frames of a raw drive: images that have a scan of the same number (some drives lack scans)."""
    homes = [folder for folder in (drive, drive.parent) if (folder / RAW_CAMERA_FILE).is_file()]
    if not homes:
        raise BagError(f"{drive}: no {RAW_CAMERA_FILE} here or one folder above: copy the drive's calibration there")

    calibrate = partial(_raw_calibration, homes[0])
    image_stamps = read_timestamps(drive / "image_02" / "timestamps.txt")
    scan_stamps = read_timestamps(drive / "velodyne_points" / "timestamps.txt")
    return _matched(
        drive / "image_02" / "data",
        drive / "velodyne_points" / "data",
        name,
        lambda _stem: calibrate,
        lambda stem: (_stamp_of(stem, image_stamps), _stamp_of(stem, scan_stamps)),
    )


def find_object_tree(split: Path, name: str) -> list[FrameFiles]:
    """Return the frames of an object split: images that have a scan and a calibration of the same number."""
    return _matched(
        split / "image_2",
        split / "velodyne",
        name,
        lambda stem: partial(read_calibration, split / "calib" / f"{stem}.txt"),
        lambda _stem: (None, None),
    )


def read_timestamps(path: Path) -> list[int]:
    """Read a timestamps.txt of KITTI raw (lines as 2011-09-26 13:02:25.951199337) as nanoseconds; [] if it is absent.

    The clock's zone is not stated by KITTI; it is read as UTC.
    """
    if not path.is_file():
        return []
    stamps = []
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        whole, _, fraction = line.strip().partition(".")
        try:
            seconds = datetime.strptime(whole, "%Y-%m-%d %H:%M:%S").replace(tzinfo=timezone.utc).timestamp()
            stamps.append(int(seconds) * _NS + int((fraction or "0")[:9].ljust(9, "0")))
        except ValueError:
            raise BagError(
                f"{path}: line {number} is no time as 2011-09-26 13:02:25.951199337: copy the file again"
            ) from None
    return stamps


def _raw_calibration(home: Path, _size: tuple[int, int]) -> Calibration:
    return read_raw_calibration(home)


def _matched(
    images: Path,
    scans: Path,
    name: str,
    calibration_of: Callable[[str], Callable[[tuple[int, int]], Calibration]],
    stamps_of: Callable[[str], tuple[int | None, int | None]],
) -> list[FrameFiles]:
    stems = sorted({path.stem for path in images.iterdir() if path.suffix in (".png", ".jpg")})
    frames = []
    for stem in stems:
        image, points = find_picture(images, stem), scans / f"{stem}.bin"
        if image is None or not points.is_file():
            continue
        load = partial(load_lidar_frame, image, points, calibration_of(stem))
        frames.append(FrameFiles(f"{name}/{stem}", load, *stamps_of(stem)))
    left_out = len(stems) - len(frames)
    if frames and left_out:
        note = f"{left_out} of {len(stems)} images in {images} have no scan of the same number and are left out"
        frames[0] = replace(frames[0], assumed=(note,))
    return frames


def _stamp_of(stem: str, stamps: list[int]) -> int | None:
    if not stamps:
        return None
    if not stem.isdigit() or int(stem) >= len(stamps):
        raise BagError(f"frame {stem}: timestamps.txt has {len(stamps)} lines: it must have one for every frame number")
    return stamps[int(stem)]
