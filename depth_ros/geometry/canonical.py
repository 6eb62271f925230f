"""Depth that does not depend on the camera: what a network can learn, and the way from it to metres and back.

A surface of S metres at depth Z is S f / Z pixels large, so that pixels alone tell Z / f. Metric3D (Yin et al., ICCV
2023) therefore learns the depth that a camera of one fixed focal length would see; Depth Pro (Bochkovskii et al., ICLR
2025) the inverse depth in units of the image's width. Both need the focal length *of the image that goes in*:
`geometry.view.View` carries it through every resize, pad and crop.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from depth_ros.errors import GeometryError

FloatArray = NDArray[np.floating]

CANONICAL_FOCAL = 1000.0
"""Focal length in pixels of Metric3D's canonical camera, as its published models have it."""
INVERSE_RANGE = (1e-4, 1e4)
"""Least and most inverse depth in 1/m that Depth Pro tells: 0, the sky, becomes 10 km."""
FILM_DIAGONAL_MM = math.hypot(36.0, 24.0)
"""Diagonal of 35 mm film, which the 35-mm equivalent of a focal length refers to."""


def to_canonical(depth: FloatArray, focal: float, canonical: float = CANONICAL_FOCAL) -> FloatArray:
    """Return canonical depth D_c = D f_c / f of a depth map (Metric3D's label transform).

    depth: metres along z, any shape, NaN = unknown (stays). focal: px, of the image that the map belongs to.
    """
    return _scaled(depth, _positive(canonical) / _positive(focal))


def from_canonical(canonical_depth: FloatArray, focal: float, canonical: float = CANONICAL_FOCAL) -> FloatArray:
    """Return metres D = D_c f / f_c of canonical depth; inverse of `to_canonical`.

    focal: px, of the image *that the network saw*: after a resize by r it is r times the camera's.
    """
    return _scaled(canonical_depth, _positive(focal) / _positive(canonical))


def to_canonical_inverse(depth: FloatArray, focal: float, width: int) -> FloatArray:
    """Return canonical inverse depth C = f / (W D) of a depth map (Depth Pro).

    depth: metres along z, positive (+inf: 0), any shape, NaN = unknown (stays). focal: px, and width, px, of one and
    the same image; a resize of both changes nothing, a crop or a pad does.
    """
    return (_positive(focal) / _positive(width) / depth.astype(np.float64)).astype(depth.dtype)


def from_canonical_inverse(
    inverse: FloatArray, focal: float, width: int, limits: tuple[float, float] = INVERSE_RANGE
) -> FloatArray:
    """Return metres D = f / (W C) of canonical inverse depth; inverse of `to_canonical_inverse` within `limits`.

    limits: least and most inverse depth, 1/m; what lies beyond is set to them, as in Depth Pro.
    """
    per_metre = inverse.astype(np.float64) * (_positive(width) / _positive(focal))
    return (1 / np.clip(per_metre, *limits)).astype(inverse.dtype)


def focal_from_fov(fov_deg: float, size: float) -> float:
    """Return the focal length in pixels of a field of view over `size` pixels (horizontal: the width)."""
    if not 0 < fov_deg < 180:
        raise GeometryError(f"field of view {fov_deg} degrees: a pinhole camera's lies between 0 and 180")
    return 0.5 * _positive(size) / math.tan(math.radians(fov_deg) / 2)


def fov_from_focal(focal: float, size: float) -> float:
    """Return the field of view in degrees over `size` pixels; inverse of `focal_from_fov`."""
    return 2 * math.degrees(math.atan2(_positive(size), 2 * _positive(focal)))


def focal_from_35mm(equivalent_mm: float, width: int, height: int) -> float:
    """Return the focal length in pixels of a 35-mm equivalent; the same diagonal angle is what it means (CIPA, Exif).

    width, height: px, of the picture as the camera took it, or resized; a cropped picture gives a wrong answer.
    """
    return _positive(equivalent_mm) * math.hypot(_positive(width), _positive(height)) / FILM_DIAGONAL_MM


def focal_from_sensor(focal_mm: float, sensor_width_mm: float, width: int) -> float:
    """Return the focal length in pixels of a lens of `focal_mm` before a sensor that gives `width` pixels."""
    return _positive(focal_mm) / _positive(sensor_width_mm) * _positive(width)


def _scaled(values: FloatArray, factor: float) -> FloatArray:
    return (values.astype(np.float64) * factor).astype(values.dtype)


def _positive(value: float) -> float:
    if not 0 < value < math.inf:
        raise GeometryError(f"a focal length or size is {value}: it must be positive (0 means unknown: find it first)")
    return float(value)
