"""Pinhole camera (REP 104): pixel centres at whole numbers, x right, y down, z forward."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from depth_ros.errors import GeometryError

FloatArray = NDArray[np.float64]


def _no_distortion() -> FloatArray:
    return np.zeros(0)


def _identity() -> FloatArray:
    return np.eye(3)


def _is_close(found: FloatArray, wanted: FloatArray, relative: float, absolute: float) -> bool:
    """Tell what np.allclose does, of finite values, in a tenth of its time."""
    return bool((np.abs(found - wanted) <= absolute + relative * np.abs(wanted)).all())


@dataclass(frozen=True, eq=False)
class Camera:
    """A camera's calibration.

    K: float64 [3,3], pixels, of the raw image. width, height: pixels. D: float64 [n], coefficients of
    `distortion_model` (plumb_bob, rational_polynomial, equidistant). R: float64 [3,3], rectifying rotation.
    P: float64 [3,4] of the rectified image, or None when none was given. calibrated: False when the focal length was
    not measured: it stands in for an unknown one, or a model has found it.

    Raises GeometryError on a size that is not positive, a K that is not finite or has no focal length.
    """

    K: FloatArray
    width: int
    height: int
    D: FloatArray = field(default_factory=_no_distortion)
    distortion_model: str = "plumb_bob"
    R: FloatArray = field(default_factory=_identity)
    P: FloatArray | None = None
    calibrated: bool = True

    def __post_init__(self) -> None:
        for name, shape in (("K", (3, 3)), ("R", (3, 3)), ("P", (3, 4)), ("D", None)):
            value = getattr(self, name)
            if value is None:
                continue
            array = np.array(value, dtype=np.float64).ravel()
            if shape is not None and array.size != shape[0] * shape[1]:
                raise GeometryError(f"camera {name} has {array.size} values: give {shape[0]}x{shape[1]}")
            if not np.isfinite(array).all():
                raise GeometryError(f"camera {name} holds NaN or inf: calibrate the camera again")
            object.__setattr__(self, name, array if shape is None else array.reshape(shape))
        if self.width <= 0 or self.height <= 0:
            raise GeometryError(f"camera size is {self.width}x{self.height}: both must be positive")
        if self.K[0, 0] <= 0 or self.K[1, 1] <= 0:
            raise GeometryError("camera K has no focal length (uncalibrated camera?): calibrate it, or publish K")
        if not self.R.any():
            object.__setattr__(self, "R", np.eye(3))
        if self.P is not None and not self.P.any():
            object.__setattr__(self, "P", None)
        elif self.P is not None and (self.P[0, 0] <= 0 or self.P[1, 1] <= 0):
            raise GeometryError("camera P has no focal length: publish a whole P, or all zero for none")

    @classmethod
    def from_focal(cls, width: int, height: int, fx: float, fy: float, cx: float, cy: float) -> Camera:
        """Make an undistorted camera from its four intrinsics in pixels."""
        return cls(np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]]), width, height)

    @classmethod
    def uncalibrated(cls, width: int, height: int, focal: float = 0.0) -> Camera:
        """Make the camera of an image about which nothing is known, square pixels and a centred lens assumed.

        focal: as a model found it (px); 0: unknown, the image's width stands in.
        """
        f = focal or float(width)
        K = np.array([[f, 0, (width - 1) / 2], [0, f, (height - 1) / 2], [0, 0, 1.0]])
        return cls(K, width, height, calibrated=False)

    @property
    def intrinsics(self) -> tuple[float, float, float, float]:
        """Focal lengths and principal point (fx, fy, cx, cy) of K in pixels."""
        return float(self.K[0, 0]), float(self.K[1, 1]), float(self.K[0, 2]), float(self.K[1, 2])

    @property
    def size(self) -> tuple[int, int]:
        """Image size (width, height) in pixels."""
        return self.width, self.height

    @property
    def is_rectified(self) -> bool:
        """True when the raw image is already the rectified one: no distortion and no rectifying rotation."""
        same_lens = self.P is None or _is_close(self.P[:, :3], self.K, 1e-9, 1e-9)
        return not self.D.any() and same_lens and _is_close(self.R, _identity(), 1e-5, 1e-8)

    def rectified(self) -> Camera:
        """Return the camera of the rectified image: K = P[:3,:3] if P is given, else K; no distortion."""
        K = self.K if self.P is None else self.P[:, :3]
        return Camera(K, self.width, self.height, calibrated=self.calibrated)

    def crop(self, x: int, y: int, width: int, height: int) -> Camera:
        """Return the camera of the window of `width` x `height` pixels whose first pixel is (x, y)."""
        if x < 0 or y < 0 or x + width > self.width or y + height > self.height:
            raise GeometryError(f"crop {width}x{height}+{x}+{y} leaves the {self.width}x{self.height} image")
        return self._mapped(np.array([[1, 0, -x], [0, 1, -y], [0, 0, 1.0]]), width, height)

    def resize(self, width: int, height: int) -> Camera:
        """Return the camera of the image resized to `width` x `height` (pixel areas keep their place)."""
        sx, sy = width / self.width, height / self.height
        return self._mapped(np.array([[sx, 0, (sx - 1) / 2], [0, sy, (sy - 1) / 2], [0, 0, 1.0]]), width, height)

    def binned(self, x: int, y: int) -> Camera:
        """Return the camera of the image whose pixels are the sums of x by y pixels (CameraInfo binning)."""
        sx, sy = 1 / x, 1 / y
        affine = np.array([[sx, 0, (sx - 1) / 2], [0, sy, (sy - 1) / 2], [0, 0, 1.0]])
        return self._mapped(affine, self.width // x, self.height // y)

    def project(self, xyz: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Project points [N,3] in the optical frame through K alone: pixels [N,2] and z [N] in metres.

        Points at or behind the camera plane get NaN pixels.
        """
        points = np.asarray(xyz, dtype=np.float64).reshape(-1, 3)
        z = points[:, 2]
        depth = np.where(z > 0, z, np.nan)
        homogeneous = points @ self.K.T
        return homogeneous[:, :2] / depth[:, None], z

    def unproject(self, pixels: ArrayLike, z: ArrayLike) -> FloatArray:
        """Lift pixels [N,2] with z [N] in metres to points [N,3] in the optical frame; inverse of `project`."""
        uv = np.asarray(pixels, dtype=np.float64).reshape(-1, 2)
        rays = np.column_stack([uv, np.ones(len(uv))]) @ np.linalg.inv(self.K).T
        return rays * np.asarray(z, dtype=np.float64).reshape(-1, 1)

    def _mapped(self, affine: FloatArray, width: int, height: int) -> Camera:
        projection = None if self.P is None else affine @ self.P
        return replace(self, K=affine @ self.K, P=projection, width=width, height=height)
