"""Lens distortion of REP 104 cameras and the rectification of their images; OpenCV does the mathematics."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_ros.errors import GeometryError
from depth_ros.geometry.camera import Camera, FloatArray

MODELS = ("plumb_bob", "rational_polynomial", "equidistant")
_COEFFICIENTS = {"plumb_bob": (0, 4, 5), "rational_polynomial": (0, 8, 12, 14), "equidistant": (0, 4)}
Maps = tuple[NDArray[np.int16], NDArray[np.uint16]]


def check_distortion(camera: Camera) -> None:
    """Raise GeometryError when the camera's model is unknown or has the wrong number of coefficients."""
    counts = _COEFFICIENTS.get(camera.distortion_model)
    if not camera.D.any():
        return
    if counts is None:
        raise GeometryError(
            f"distortion model '{camera.distortion_model}' is unknown: calibrate as one of {', '.join(MODELS)}"
        )
    if len(camera.D) not in counts:
        raise GeometryError(f"{camera.distortion_model} has {len(camera.D)} coefficients: give {counts[-1]}")


def distort(camera: Camera, xyz: FloatArray) -> FloatArray:
    """Project points [N,3] in the optical frame into the raw, distorted image: pixels [N,2]."""
    check_distortion(camera)
    points = np.asarray(xyz, dtype=np.float64).reshape(-1, 1, 3)
    zero = np.zeros(3)
    if camera.distortion_model == "equidistant":
        pixels, _ = cv2.fisheye.projectPoints(points, zero, zero, camera.K, _coefficients(camera))
    else:
        pixels, _ = cv2.projectPoints(points, zero, zero, camera.K, _coefficients(camera))
    return np.asarray(pixels, dtype=np.float64).reshape(-1, 2)


def rectify_image(image: NDArray[np.uint8], camera: Camera) -> NDArray[np.uint8]:
    """Return `image` (uint8 [H,W] or [H,W,C]) as `camera.rectified()` sees it; black where the lens saw nothing.

    Raises GeometryError on an unknown distortion model or an image of another size than the camera's.
    """
    if image.shape[:2] != (camera.height, camera.width):
        raise GeometryError(
            f"image is {image.shape[1]}x{image.shape[0]}, its camera {camera.width}x{camera.height}: "
            "publish the CameraInfo of this image mode"
        )
    if camera.is_rectified:
        return image
    check_distortion(camera)
    maps = _rectify_maps(
        camera.distortion_model,
        camera.size,
        *(tuple(a.ravel().tolist()) for a in (camera.K, camera.D, camera.R, camera.rectified().K)),
    )
    return np.asarray(cv2.remap(image, *maps, interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


@lru_cache(maxsize=8)
def _rectify_maps(
    model: str,
    size: tuple[int, int],
    K: tuple[float, ...],
    D: tuple[float, ...],
    R: tuple[float, ...],
    new_K: tuple[float, ...],
) -> Maps:
    camera = Camera(np.array(K), *size, D=np.array(D), distortion_model=model)
    rotation, target = np.reshape(R, (3, 3)), np.reshape(new_K, (3, 3))
    lens = cv2.fisheye if model == "equidistant" and len(D) else cv2
    first, second = lens.initUndistortRectifyMap(camera.K, _coefficients(camera), rotation, target, size, cv2.CV_16SC2)
    return first, second


def _coefficients(camera: Camera) -> FloatArray:
    least = 4 if camera.distortion_model == "equidistant" else 5
    return np.pad(camera.D, (0, max(0, least - len(camera.D))))
