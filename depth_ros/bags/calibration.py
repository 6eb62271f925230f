"""Calibration and point files of frame folders: KITTI object, KITTI raw and key-value layouts.

KITTI: Geiger et al., "Vision meets Robotics: The KITTI Dataset", IJRR 2013, and its development kits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from depth_ros.bags.entries import Entries
from depth_ros.errors import BagError, GeometryError
from depth_ros.frame import PointCloud
from depth_ros.geometry import rigid
from depth_ros.geometry.camera import Camera
from depth_ros.geometry.distortion import check_distortion

FloatArray = NDArray[np.float64]

KITTI_FIELDS = ("x", "y", "z", "intensity")
KITTI_OBJECT_KEYS = ("P2", "R0_rect", "Tr_velo_to_cam")
RAW_CAMERA_FILE, RAW_LIDAR_FILE = "calib_cam_to_cam.txt", "calib_velo_to_cam.txt"
_ROTATION_TOLERANCE = 1e-3
_INTENSITY = ("intensity", "reflectance", "i")
_TIME = ("t", "time", "timestamp", "offset_time")


@dataclass(frozen=True, eq=False)
class Calibration:
    """What one camera and one LiDAR know of each other.

    T_cam_lidar: float64 [4,4], maps LiDAR points into the optical frame of `camera`. point_fields: columns of the point
    file. points_path: that file, where the calibration names one. Stamps in nanoseconds, where it states them.
    """

    camera: Camera
    T_cam_lidar: FloatArray
    point_fields: tuple[str, ...] = KITTI_FIELDS
    points_path: Path | None = None
    image_stamp_ns: int | None = None
    scan_stamp_ns: int | None = None


def read_calibration(path: str | Path, size: tuple[int, int] | None = None) -> Calibration:
    """Read a calibration file in KITTI object layout or key-value layout, told apart by their keys.

    size: (width, height) of the image in pixels; KITTI object files do not state it, so they need it.
    Raises BagError on a file that is missing, malformed or of neither layout.
    """
    entries = Entries(Path(path))
    if "P2" in entries:
        if size is None:
            raise BagError(f"{path}: KITTI object layout states no image size: give the image beside it")
        return _kitti_object(entries, size)
    if "T_cam_lidar" in entries:
        return _key_value(entries)
    raise BagError(f"{path}: neither P2 (KITTI object layout) nor T_cam_lidar (key-value layout) is there: add one")


def read_extrinsics(path: str | Path) -> FloatArray:
    """Read T_cam_lidar [4,4] alone, from a file of either layout; raises BagError as `read_calibration` does."""
    entries = Entries(Path(path))
    if "T_cam_lidar" in entries:
        return _motion(entries, "T_cam_lidar", *_split(entries.numbers("T_cam_lidar", 12)))
    return read_calibration(path, size=(1, 1)).T_cam_lidar


def read_camera(path: str | Path, size: tuple[int, int]) -> Camera:
    """Read the camera alone, from a file of either layout, for an image of `size`; raises BagError."""
    entries = Entries(Path(path))
    if "P2" in entries:
        return _camera(entries, entries.numbers("P2", 12).reshape(3, 4)[:, :3], size)
    if "K" in entries:
        return _key_value_camera(entries)
    raise BagError(f"{path}: neither P2 (KITTI object layout) nor K (key-value layout) is there: add one")


def named_points(path: str | Path) -> Path | None:
    """Return the point file that a calibration file names; raises BagError when it cannot be read."""
    entries = Entries(Path(path))
    return entries.path.parent / entries.text("points") if "points" in entries else None


def read_raw_calibration(folder: str | Path) -> Calibration:
    """Read the two calibration files of a KITTI raw date folder for the rectified left colour camera (02)."""
    cam = Entries(Path(folder) / RAW_CAMERA_FILE)
    lidar = Entries(Path(folder) / RAW_LIDAR_FILE)
    T_ref_lidar = _motion(lidar, "R", lidar.numbers("R", 9).reshape(3, 3), lidar.numbers("T", 3))
    return _kitti(cam, "P_rect_02", "R_rect_00", T_ref_lidar, cam.size("S_rect_02"))


def read_points(path: str | Path, fields: Sequence[str]) -> PointCloud:
    """Read a file of float32 rows with columns `fields` (x y z and any of intensity, ring, time in seconds).

    Rows that hold NaN or inf (the intensity aside) are dropped. Raises BagError on a file that is missing or whose size
    is not a multiple of the row.
    """
    path = Path(path)
    missing = {"x", "y", "z"} - set(fields)
    if missing or len(set(fields)) != len(fields):
        raise BagError(f"{path}: point_fields are '{' '.join(fields)}': give x y z and every other column once")
    try:
        values = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise BagError(f"{path}: cannot be read ({error.strerror}): give the scan's point file") from None
    if values.size % (4 * len(fields)):
        raise BagError(
            f"{path}: {values.size} bytes are not whole rows of {len(fields)} float32 ({' '.join(fields)}): "
            "copy the file again, or correct point_fields"
        )
    return _cloud(values.view("<f4").reshape(-1, len(fields)), fields)


def _cloud(rows: NDArray[np.float32], fields: Sequence[str]) -> PointCloud:
    exact = [i for i, name in enumerate(fields) if name not in _INTENSITY]
    rows = rows[np.isfinite(rows[:, exact]).all(axis=1)]

    def column(*names: str) -> NDArray[np.float32] | None:
        index = next((i for i, name in enumerate(fields) if name in names), None)
        return None if index is None else np.ascontiguousarray(rows[:, index])

    ring, time = column("ring"), column(*_TIME)
    return PointCloud(
        xyz=np.ascontiguousarray(rows[:, [fields.index(axis) for axis in "xyz"]]),
        intensity=column(*_INTENSITY),
        ring=None if ring is None else np.rint(ring).astype(np.int32),
        time_ns=None if time is None else np.rint(time.astype(np.float64) * 1e9).astype(np.int64),
    )


def _kitti_object(entries: Entries, size: tuple[int, int]) -> Calibration:
    T_ref_lidar = _motion(entries, "Tr_velo_to_cam", *_split(entries.numbers("Tr_velo_to_cam", 12)))
    return _kitti(entries, "P2", "R0_rect", T_ref_lidar, size)


def _kitti(
    entries: Entries, projection: str, rectification: str, T_ref_lidar: FloatArray, size: tuple[int, int]
) -> Calibration:
    P = entries.numbers(projection, 12).reshape(3, 4)
    K = P[:, :3]
    camera = _camera(entries, K, size)
    # P = K [I | offset]: the rectified colour camera sits beside the reference camera 0 by exactly that offset.
    T_cam_rect = rigid.from_rotation(np.eye(3), np.asarray(np.linalg.solve(K, P[:, 3]), dtype=np.float64))
    T_rect_ref = _motion(entries, rectification, entries.numbers(rectification, 9).reshape(3, 3), np.zeros(3))
    return Calibration(camera, rigid.compose(T_cam_rect, T_rect_ref, T_ref_lidar))


def _key_value_camera(entries: Entries) -> Camera:
    distortion = entries.numbers("D") if "D" in entries else np.zeros(0)
    model = entries.text("distortion_model") if "distortion_model" in entries else "plumb_bob"
    return _camera(entries, entries.numbers("K", 9).reshape(3, 3), entries.size("image_size"), distortion, model)


def _key_value(entries: Entries) -> Calibration:
    camera = _key_value_camera(entries)
    motion = _motion(entries, "T_cam_lidar", *_split(entries.numbers("T_cam_lidar", 12)))
    fields = tuple(entries.text("point_fields").split()) if "point_fields" in entries else KITTI_FIELDS
    points = entries.path.parent / entries.text("points") if "points" in entries else None
    return Calibration(camera, motion, fields, points, _stamp(entries, "image_time"), _stamp(entries, "lidar_time"))


def _camera(
    entries: Entries, K: FloatArray, size: tuple[int, int], D: FloatArray | None = None, model: str = "plumb_bob"
) -> Camera:
    try:
        camera = Camera(K, *size, D=np.zeros(0) if D is None else D, distortion_model=model)
        check_distortion(camera)
    except GeometryError as error:
        raise BagError(f"{entries.path}: {error}") from None
    return camera


def _split(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    matrix = values.reshape(3, 4)
    return matrix[:, :3], matrix[:, 3]


def _motion(entries: Entries, key: str, rotation: FloatArray, translation: FloatArray) -> FloatArray:
    is_orthonormal = np.allclose(rotation @ rotation.T, np.eye(3), atol=_ROTATION_TOLERANCE)
    if not is_orthonormal or np.linalg.det(rotation) < 0:
        raise BagError(f"{entries.path}: key '{key}' holds no rotation: give a right-handed orthonormal matrix")
    return rigid.from_rotation(rotation, translation)


def _stamp(entries: Entries, key: str) -> int | None:
    if key not in entries:
        return None
    entries.number(key)
    # The decimal text is split, for a float64 of seconds since 1970 would be 100 ns coarse.
    whole, _, fraction = entries.text(key).partition(".")
    if not whole.isdigit() or (fraction and not fraction.isdigit()):
        raise BagError(f"{entries.path}: key '{key}' is '{entries.text(key)}': give seconds as 1574859772.561385")
    return int(whole) * 1_000_000_000 + int(fraction[:9].ljust(9, "0"))
