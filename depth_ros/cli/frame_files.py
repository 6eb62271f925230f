"""One frame from files: an image, its calibration, its scan; or the image alone, with what is known of its lens."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from depth_ros.errors import BagError, GeometryError

if TYPE_CHECKING:
    from depth_ros.frame import Frame, PointCloud
    from depth_ros.geometry.camera import Camera


def read_frame(args: argparse.Namespace) -> tuple[Frame, str]:
    """Return the frame of `--image`, `--points`, `--monocular`, `--calib`, `--focal`, and where its lens is from.

    Without a scan there are no points, and where from is `given`, `EXIF`, or empty where the focal length is unknown.
    Raises BagError.
    """
    from depth_ros.bags.calibration import named_points

    if args.points and args.monocular:
        raise BagError("--points and --monocular exclude each other: leave one out")
    if args.calib and args.focal:
        raise BagError("--calib states the focal length: leave --focal out")
    points = Path(args.points) if args.points else None
    if points is None and args.calib and not args.monocular:
        points = named_points(args.calib)
    if points is None:
        return _image_alone(Path(args.image), args.calib, args.focal)
    if not args.calib:
        raise BagError("points need to be placed in the image: give --calib")
    return _with_points(Path(args.image), points, Path(args.calib)), "given"


def _with_points(image: Path, points: Path, calib: Path) -> Frame:
    from depth_ros.bags.calibration import read_calibration
    from depth_ros.bags.pictures import read_picture
    from depth_ros.frame import Frame

    rgb = read_picture(image)
    calibration = read_calibration(calib, (rgb.shape[1], rgb.shape[0]))
    _check_size(image, calib, rgb.shape[:2], calibration.camera)
    cloud = _read_cloud(points, calibration.point_fields)
    return Frame(0, "camera_optical_frame", rgb, calibration.camera, points=cloud, T_cam_lidar=calibration.T_cam_lidar)


def _image_alone(image: Path, calib: str | None, focal: float | None) -> tuple[Frame, str]:
    from depth_ros.bags.calibration import read_camera
    from depth_ros.bags.pictures import read_picture
    from depth_ros.frame import Frame
    from depth_ros.geometry.camera import Camera

    rgb = read_picture(image)
    height, width = rgb.shape[:2]
    if calib:
        camera, focal_from = read_camera(calib, (width, height)), "given"
        _check_size(image, Path(calib), rgb.shape[:2], camera)
    else:
        found = focal or _exif_focal(image, width, height)
        focal_from = "" if not found else "given" if focal else "EXIF"
        camera = Camera.uncalibrated(width, height)
        if found:
            camera = Camera.from_focal(width, height, found, found, (width - 1) / 2, (height - 1) / 2)
    return Frame(0, "camera_optical_frame", rgb, camera), focal_from


def _exif_focal(image: Path, width: int, height: int) -> float | None:
    from depth_ros.messages.exif import read_focal_tags

    try:
        return read_focal_tags(image.read_bytes()).focal_px(width, height)
    except GeometryError as error:
        raise BagError(f"{image}: its EXIF tags: {error}: give --focal") from error


def _check_size(image: Path, calib: Path, shape: tuple[int, ...], camera: Camera) -> None:
    if camera.size != (shape[1], shape[0]):
        stated = "{}x{}".format(*camera.size)
        raise BagError(f"{image} is {shape[1]}x{shape[0]}, {calib} says {stated}: give the calibration of this image")


def _read_cloud(path: Path, fields: tuple[str, ...]) -> PointCloud:
    import numpy as np

    from depth_ros.bags.calibration import read_points
    from depth_ros.frame import PointCloud

    if path.suffix not in (".bin", ".npy"):
        raise BagError(f"{path}: point files are .bin (float32 rows) or .npy ([N,3] x y z): convert it")
    if path.suffix == ".bin":
        return read_points(path, fields)
    try:
        rows = np.load(path)
    except (OSError, ValueError, EOFError) as error:
        raise BagError(f"{path} cannot be read ({error}): give a .npy file of numbers") from error
    if rows.ndim != 2 or rows.shape[1] < 3 or rows.dtype.kind not in "fiu":
        raise BagError(f"{path} holds {rows.dtype} {list(rows.shape)}: give numbers [N,3] or more columns, x y z first")
    xyz = rows[:, :3].astype(np.float32)
    return PointCloud(np.ascontiguousarray(xyz[np.isfinite(xyz).all(axis=1)]))
