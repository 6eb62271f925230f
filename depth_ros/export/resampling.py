"""Resizing as libraries do it: where a pixel of the result takes its value from, as matrices; and to which size."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from depth_ros.errors import ExportError
from depth_ros.export.preset import Resize

Weights = NDArray[np.float32]
Pads = tuple[int, int, int, int]
"""Rows at the top and at the bottom, columns at the left and at the right."""
NONE: Pads = (0, 0, 0, 0)
MOST = 16384
"""Pixels along a side of an image above which a size is a slip of the pen."""
ZOE_PAD = 3.0


class Step(NamedTuple):
    """One resize: the filter, and height and width of the result."""

    filter: str
    size: tuple[int, int]


class Plan(NamedTuple):
    """What is done to an image.

    before: pads in pixels of the image. steps: resizes, one after the other. after: pads in pixels of the network.
    inner: height and width between the two. size: height and width that the network gets.
    """

    before: Pads
    steps: tuple[Step, ...]
    after: Pads
    inner: tuple[int, int]
    size: tuple[int, int]

    def padded(self, image: tuple[int, int]) -> tuple[int, int]:
        """Return height and width of an image with the pads that come before the resize."""
        return image[0] + sum(self.before[:2]), image[1] + sum(self.before[2:])


def plan(rule: Resize, image: tuple[int, int], declared: tuple[int | None, int | None]) -> Plan:
    """Return how images of height and width `image` come to the network.

    declared: height and width that the file names, None = free; where it names both, they are taken whatever the rule
    says of the size. Raises ExportError when a size is not positive, above MOST, or does not fit the rule.
    """
    if not 1 <= min(image) <= max(image) <= MOST:
        raise ExportError(f"size {image[0]}x{image[1]}: height and width must be positive, and at most {MOST}")
    rows, columns = declared
    fixed = (rows, columns) if rows and columns else None
    if rule.policy == "inside":
        return _inside(rule, image, fixed or rule.size)
    before = _before(rule, image, fixed)
    padded = (image[0] + before[0] + before[1], image[1] + before[2] + before[3])
    if fixed is not None and rule.policy != "longest":
        return Plan(before, _steps(rule.filter, padded, fixed), NONE, fixed, fixed)
    if rule.policy == "longest":
        return _longest(rule, padded, fixed)
    size = {"stretch": rule.size, "native": padded}.get(rule.policy) or _closest(rule, padded)
    return Plan(before, _steps(rule.filter, padded, size), NONE, size, size)


def matrix(name: str, source: int, target: int) -> Weights:
    """Return the weights [target, source] by which a row of `source` pixels becomes one of `target`.

    nearest, bilinear, bilinear_corners (align_corners), cubic (a = -0.75): as torch and OpenCV; area: as OpenCV;
    pil_bilinear, pil_bicubic (a = -0.5): antialiased, as Pillow.
    """
    if name in SUPPORT:
        return _antialiased(name, source, target)
    if name == "area":
        return _area(source, target)
    return _taps(name, source, target)


def effective(plan: Plan, image: tuple[int, int]) -> tuple[float, float]:
    """Return by what fx and fy of an image of height and width `image` are multiplied at the network's input."""
    rows, columns = plan.padded(image)
    return plan.inner[1] / columns, plan.inner[0] / rows


def _inside(rule: Resize, image: tuple[int, int], size: tuple[int, int]) -> Plan:
    scale = min(size[0] / image[0], size[1] / image[1])
    inner = (max(1, int(image[0] * scale)), max(1, int(image[1] * scale)))
    top, left = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    after = (top, size[0] - inner[0] - top, left, size[1] - inner[1] - left)
    return Plan(NONE, _steps(rule.filter, image, inner), after, inner, size)


def _before(rule: Resize, image: tuple[int, int], fixed: tuple[int, int] | None) -> Pads:
    """Pads that come before the resize: ZoeDepth's margin, or what makes the aspect that of the network."""
    if rule.margin:
        rows, columns = (int(np.sqrt(side / 2) * ZOE_PAD) for side in image)
        return rows, rows, columns, columns
    if rule.policy != "aspect":
        return NONE
    size = fixed or rule.size
    ratio = size[1] / size[0]
    rows, columns = max(image[0], int(image[1] / ratio)), max(image[1], int(image[0] * ratio))
    top, left = (rows - image[0]) // 2, (columns - image[1]) // 2
    return top, rows - image[0] - top, left, columns - image[1] - left


def _closest(rule: Resize, image: tuple[int, int]) -> tuple[int, int]:
    """Keep the aspect, by the scale of the side that changes least, then round to the multiple (MiDaS, DPT)."""
    if rule.policy == "aspect":
        return rule.size
    scales = [wanted / side for wanted, side in zip(rule.size, image, strict=True)]
    scale = scales[1] if abs(1 - scales[1]) < abs(1 - scales[0]) else scales[0]
    rows, columns = (max(1, int(np.round(scale * side / rule.multiple))) * rule.multiple for side in image)
    return rows, columns


def _longest(rule: Resize, image: tuple[int, int], fixed: tuple[int, int] | None) -> Plan:
    """Bring the longest side to a length, then each side to its nearest multiple (Depth Anything 3)."""
    scale = max(rule.size) / max(image)
    first = (max(1, round(image[0] * scale)), max(1, round(image[1] * scale)))
    last = fixed or (_multiple(first[0], rule.multiple), _multiple(first[1], rule.multiple))
    steps: tuple[Step, ...] = ()
    for source, target in ((image, first), (first, last)):
        grows = target[0] > source[0] or target[1] > source[1]
        steps += _steps("cubic" if grows else "area", source, target)
    return Plan(NONE, steps, NONE, last, last)


def _multiple(side: int, multiple: int) -> int:
    below = side // multiple * multiple
    return max(multiple, below + multiple if below + multiple - side <= side - below else below)


def _steps(name: str, source: tuple[int, int], target: tuple[int, int]) -> tuple[Step, ...]:
    return (Step(name, target),) if source != target else ()


def _triangle(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.maximum(1 - np.abs(x), 0), np.float64)


def _keys(x: NDArray[np.float64], a: float) -> NDArray[np.float64]:
    """Keys' cubic convolution (1981)."""
    x = np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * a
    return np.where(x < 1, near, np.where(x < 2, far, 0))


SUPPORT: dict[str, tuple[float, Callable[[NDArray[np.float64]], NDArray[np.float64]]]] = {
    "pil_bilinear": (1.0, _triangle),
    "pil_bicubic": (2.0, lambda x: _keys(x, -0.5)),
}


def _antialiased(name: str, source: int, target: int) -> Weights:
    reach, kernel = SUPPORT[name]
    scale = source / target
    wide = max(scale, 1.0)
    middle = (np.arange(target)[:, None] + 0.5) * scale
    pixel = np.arange(source)[None]
    first = np.maximum((middle - reach * wide + 0.5).astype(int), 0)
    end = np.minimum((middle + reach * wide + 0.5).astype(int), source)
    weights = kernel((pixel - middle + 0.5) / wide) * ((pixel >= first) & (pixel < end))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


def _area(source: int, target: int) -> Weights:
    edge = np.arange(target + 1) * (source / target)
    pixel = np.arange(source)[None]
    shared = np.minimum(edge[1:, None], pixel + 1) - np.maximum(edge[:-1, None], pixel)
    return np.asarray(np.maximum(shared, 0) * (target / source), np.float32)


def _taps(name: str, source: int, target: int) -> Weights:
    index = np.arange(target)
    if name == "nearest":
        return np.eye(source, dtype=np.float32)[index * source // target]
    corners = name == "bilinear_corners"
    where = index * ((source - 1) / max(target - 1, 1)) if corners else (index + 0.5) * (source / target) - 0.5
    offsets, kernel = (range(2), _triangle) if name != "cubic" else (range(-1, 3), lambda x: _keys(x, -0.75))
    first = np.floor(where).astype(int)
    weights = np.zeros((target, source))
    for offset in offsets:
        pixel = first + offset
        np.add.at(weights, (index, np.clip(pixel, 0, source - 1)), kernel(where - pixel))
    return weights.astype(np.float32)
