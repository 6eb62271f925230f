"""What an image went through on its way to a network: resizes, pads and crops that keep the camera, and back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from depth_ros.errors import GeometryError
from depth_ros.geometry.camera import Camera


class _Step(NamedTuple):
    """Resize, or the window whose first pixel is (x, y) of the image before; what lies outside of that is padding."""

    resized: bool
    x: int = 0
    y: int = 0


@dataclass(frozen=True)
class View:
    """An image's size and intrinsics (fx, fy, cx, cy in pixels of this image), and the view it was made of.

    fx = fy = 0 is an unknown focal length and stays unknown. Every step gives a new view; `before` is the view that it
    was made of, untouched, so that what is undone has the very intrinsics that it had. Pixel areas keep their place:
    c' = (c + 0.5) s - 0.5, per axis, with s the ratio of the whole-numbered sizes.

    Raises GeometryError on a size that is not positive, a focal length that is negative or not finite.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    before: View | None = None
    step: _Step | None = None

    def __post_init__(self) -> None:
        if self.width <= 0 or self.height <= 0:
            raise GeometryError(f"view size is {self.width}x{self.height}: both must be positive")
        if not np.isfinite(self.intrinsics).all() or min(self.fx, self.fy) < 0 or (self.fx == 0) != (self.fy == 0):
            raise GeometryError(f"focal lengths {self.fx}, {self.fy} px: give two positive ones, or 0 and 0 if unknown")

    @classmethod
    def of(cls, camera: Camera) -> View:
        """Return the untouched image of a camera."""
        return cls(camera.width, camera.height, *camera.intrinsics)

    @classmethod
    def unknown(cls, width: int, height: int) -> View:
        """Return an untouched image without calibration: no focal length, the principal point in the middle."""
        return cls(width, height, 0.0, 0.0, (width - 1) / 2, (height - 1) / 2)

    @property
    def intrinsics(self) -> tuple[float, float, float, float]:
        """The intrinsics (fx, fy, cx, cy) in pixels of this view: what the contract's graphs take."""
        return self.fx, self.fy, self.cx, self.cy

    @property
    def source(self) -> View:
        """The view that this one began as."""
        return self if self.before is None else self.before.source

    @property
    def scale(self) -> tuple[float, float]:
        """Pixels of this view per pixel of the source, in x and y."""
        x = y = 1.0
        for before, step, after in self._steps():
            if step.resized:
                x, y = x * after.width / before.width, y * after.height / before.height
        return x, y

    def resize(self, width: int, height: int) -> View:
        """Return the view of the image resized to `width` x `height`."""
        if width <= 0 or height <= 0:
            raise GeometryError(f"resize to {width}x{height}: both must be positive")
        sx, sy = width / self.width, height / self.height
        cx, cy = (self.cx + 0.5) * sx - 0.5, (self.cy + 0.5) * sy - 0.5
        return View(width, height, self.fx * sx, self.fy * sy, cx, cy, self, _Step(True))

    def crop(self, x: int, y: int, width: int, height: int) -> View:
        """Return the view of the window of `width` x `height` pixels whose first pixel is (x, y)."""
        if x < 0 or y < 0 or x + width > self.width or y + height > self.height:
            raise GeometryError(f"crop {width}x{height}+{x}+{y} leaves the {self.width}x{self.height} image")
        return self._window(x, y, width, height)

    def pad(self, left: int, top: int, right: int, bottom: int) -> View:
        """Return the view with so many pixels more on each side."""
        if min(left, top, right, bottom) < 0:
            raise GeometryError(f"pads are {left}, {top}, {right}, {bottom}: none may be negative; crop instead")
        return self._window(-left, -top, self.width + left + right, self.height + top + bottom)

    def fit(self, width: int, height: int) -> View:
        """Return the largest view of this aspect that fits `width` x `height`, padded evenly to it (Metric3D).

        Its sizes are rounded down, the odd pixel of a pad goes right and below.
        """
        ratio = min(width / self.width, height / self.height)
        # 1e-9: the side that decides must come out as asked in spite of the quotient's rounding.
        inner = self.resize(max(int(self.width * ratio + 1e-9), 1), max(int(self.height * ratio + 1e-9), 1))
        x, y = width - inner.width, height - inner.height
        return inner.pad(x // 2, y // 2, x - x // 2, y - y // 2)

    def to_focal(self, focal: float) -> View:
        """Return the view resized so that both focal lengths are `focal` px, as nearly as whole pixels allow.

        The image transform of Metric3D (CSTM_image): depth keeps its values. What rounding leaves is in `fx`.
        """
        if self.fx == 0:
            raise GeometryError("an image of unknown focal length cannot be brought to another: give its focal length")
        if not 0 < focal < np.inf:
            raise GeometryError(f"focal length {focal} px: it must be positive")
        sizes = round(self.width * focal / self.fx), round(self.height * focal / self.fy)
        return self.resize(max(sizes[0], 1), max(sizes[1], 1))

    def from_source(self, pixels: ArrayLike) -> NDArray[np.float64]:
        """Map pixel coordinates [N,2] (x, y) of the source into this view; they may come to lie outside of it."""
        xy = np.asarray(pixels, dtype=np.float64).reshape(-1, 2)
        for before, step, after in self._steps():
            ratio = np.array([after.width / before.width, after.height / before.height])
            xy = (xy + 0.5) * ratio - 0.5 if step.resized else xy - step[1:]
        return xy

    def to_source(self, pixels: ArrayLike) -> NDArray[np.float64]:
        """Map pixel coordinates [N,2] (x, y) of this view into the source; inverse of `from_source`."""
        xy = np.asarray(pixels, dtype=np.float64).reshape(-1, 2)
        for before, step, after in reversed(list(self._steps())):
            ratio = np.array([before.width / after.width, before.height / after.height])
            xy = (xy + 0.5) * ratio - 0.5 if step.resized else xy + step[1:]
        return xy

    def apply(
        self, image: NDArray[Any], fill: float | tuple[float, ...] = 0.0, interpolation: int = cv2.INTER_LINEAR
    ) -> NDArray[Any]:
        """Take an image [H,W] or [H,W,C] of the source through the steps; pads hold `fill` (per channel if a tuple)."""
        self.source._check(image)
        for before, step, after in self._steps():
            image = (
                cv2.resize(image, (after.width, after.height), interpolation=interpolation)
                if step.resized
                else _cut(image, step.x, step.y, after, before, fill)
            )
        return image

    def undo(self, image: NDArray[Any], fill: float = np.nan, interpolation: int = cv2.INTER_LINEAR) -> NDArray[Any]:
        """Take an image [h,w] or [h,w,C] of this view back to the source: the steps reversed, last one first.

        What was cropped away comes back as `fill` (NaN: depth unknown, so integers need another). NaN in a resized map
        spreads to what is interpolated from it; cv2.INTER_NEAREST does not spread it.
        """
        self._check(image)
        for before, step, after in reversed(list(self._steps())):
            image = (
                cv2.resize(image, (before.width, before.height), interpolation=interpolation)
                if step.resized
                else _cut(image, -step.x, -step.y, before, after, fill)
            )
        return image

    def _window(self, x: int, y: int, width: int, height: int) -> View:
        return View(width, height, self.fx, self.fy, self.cx - x, self.cy - y, self, _Step(False, x, y))

    def _steps(self) -> Iterator[tuple[View, _Step, View]]:
        """The view before each step, the step, the view after it; first one first."""
        if self.before is not None and self.step is not None:
            yield from self.before._steps()
            yield self.before, self.step, self

    def _check(self, image: NDArray[Any]) -> None:
        if image.ndim not in (2, 3) or image.shape[:2] != (self.height, self.width):
            raise GeometryError(
                f"image of shape {image.shape} where one of {self.height} rows, {self.width} columns is due"
            )


def _cut(image: NDArray[Any], x: int, y: int, to: View, of: View, fill: float | tuple[float, ...]) -> NDArray[Any]:
    """Return the window of size `to` whose first pixel is (x, y) of an image of size `of`; `fill` lies outside."""
    cut = np.empty((to.height, to.width, *image.shape[2:]), image.dtype)
    cut[...] = fill
    x0, x1 = max(x, 0), min(x + to.width, of.width)
    y0, y1 = max(y, 0), min(y + to.height, of.height)
    if x0 < x1 and y0 < y1:
        cut[y0 - y : y1 - y, x0 - x : x1 - x] = image[y0:y1, x0:x1]
    return cut
