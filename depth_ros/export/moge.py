"""From MoGe's affine point map to depth: the shift along z and the focal length, solved in the graph."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from depth_ros.export.layers import Layers
from depth_ros.export.preset import Preset

GRID, ROUNDS = 64, 12
"""Shift and focal length are found on so many rows and columns of points, in so many rounds of Gauss-Newton."""


def add_moge(layers: Layers, preset: Preset, camera: Sequence[str], image: tuple[int, int]) -> tuple[str, str]:
    """Return depth [1,1,H,W] and focal length [1] (pixels) of an affine point map [1,H,W,3].

    A shift along z, and the focal length where `intrinsics` has none, make the points project to where they were seen,
    in the least squares: Gauss-Newton, the focal length eliminated (variable projection).
    """
    rows, columns = image
    half = np.hypot(rows, columns) / 2
    picked = [np.arange(GRID) * side // GRID for side in image]
    value = layers.to_float(layers.net + "points")
    z_all = layers.shape(layers.cut(value, 3, 2, 3), 1, 1, rows, columns)
    for axis, index in enumerate(picked, start=1):
        value = layers("Gather", value, layers.constant(index, np.int64), axis=axis)
    u, v = ((index + 0.5 - side / 2) / half for index, side in zip(picked[::-1], image[::-1], strict=True))
    uv = layers.constant(np.stack(np.meshgrid(u, v), -1)[None], np.float32)
    xy, z = layers.cut(value, 3, 0, 2), layers.cut(value, 3, 2, 3)
    counts = _counts(layers, preset, picked)
    known = layers("Cast", layers("Greater", camera[0], 0.0), to=1)
    given = layers("Div", camera[0], half)
    shift = layers.constant([0.0], np.float32)
    focal = given
    for _ in range(ROUNDS):
        focal, p, near = _projected(layers, xy, z, shift, uv, counts, given, known)
        error = layers("Mul", layers("Sub", layers("Mul", focal, p), uv), counts)
        slope = layers("Mul", layers("Neg", layers("Div", layers("Mul", focal, p), near)), counts)
        along = _ratio(layers, layers.total(layers("Mul", p, slope)), _square(layers, p, counts))
        free = layers("Mul", along, layers("Sub", 1.0, known))
        slope = layers("Mul", layers("Sub", slope, layers("Mul", free, p)), counts)
        step = _ratio(layers, layers.total(layers("Mul", slope, error)), layers.total(layers("Mul", slope, slope)))
        shift = layers("Sub", shift, step)
    focal, _, _ = _projected(layers, xy, z, shift, uv, counts, given, known)
    depth = layers("Mul", layers("Add", z_all, shift), layers.to_float(layers.net + preset.scale))
    return depth, layers("Mul", focal, half)


def _projected(
    layers: Layers, xy: str, z: str, shift: str, uv: str, counts: str, given: str, known: str
) -> tuple[str, str, str]:
    """Return the focal length, xy / (z + shift), and z + shift."""
    near = layers("Max", layers("Add", z, shift), 0.001)
    p = layers("Div", xy, near)
    fitted = _ratio(layers, layers.total(layers("Mul", layers("Mul", p, uv), counts)), _square(layers, p, counts))
    return layers("Where", layers("Greater", known, 0.5), given, fitted), p, near


def _square(layers: Layers, p: str, counts: str) -> str:
    return layers.total(layers("Mul", layers("Mul", p, p), counts))


def _ratio(layers: Layers, above: str, below: str) -> str:
    return layers("Div", above, layers("Max", below, 1e-9))


def _counts(layers: Layers, preset: Preset, picked: Sequence[NDArray[np.int64]]) -> str:
    """1 where a point counts, [1,GRID,GRID,1]."""
    value = layers.to_float(layers.net + preset.mask)
    for axis, index in enumerate(picked, start=1):
        value = layers("Gather", value, layers.constant(index, np.int64), axis=axis)
    return layers.shape(layers("Cast", layers("Greater", value, 0.5), to=1), 1, GRID, GRID, 1)
