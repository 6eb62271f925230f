"""Sparse depth that is measured from the camera's own place: points, key points, zones, RGB-D, random masks."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_ros.training.corrupt import add_outliers, hide_parts, smooth_noise

Float32Array = NDArray[np.float32]
Mask = NDArray[np.bool_]
Rng = np.random.Generator

POINTS = (100, 2000)
"""Points per 640 x 480 pixels, log-uniform."""
HANDFUL = 0.05
"""How often there are only 1 to 30 points in the whole image."""
ZONES = ((8, 8), (16, 16), (24, 32), (48, 64))
ZONE_RANGE = (4.0, 12.0)
RGBD_RANGE = (4.0, 60.0)
RELATIVE_NOISE = (0.0, 0.02)
"""Error of a triangulated depth, as a share of it."""


def points(truth: Float32Array, rng: Rng) -> Float32Array:
    """Measure 100 to 2000 points per VGA area; float32 [H,W] metres, 0 = none, as all functions here."""
    valid = np.flatnonzero(np.isfinite(truth))
    count = int(rng.integers(1, 31)) if rng.random() < HANDFUL else _count(truth.shape, rng)
    chosen = rng.choice(valid, min(count, len(valid)), replace=False)
    picked = np.zeros(truth.shape, bool)
    picked.flat[chosen] = True
    return add_outliers(hide_parts(_noisy(truth, picked, rng), rng), rng)


def keypoints(truth: Float32Array, rgb: NDArray[np.uint8], rng: Rng) -> Float32Array:
    """Measure the corners of the image, as visual odometry gives them."""
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    found = cv2.goodFeaturesToTrack(grey, _count(truth.shape, rng), 0.005, rng.uniform(2, 8))
    picked = np.zeros(truth.shape, bool)
    if found is not None:
        column, row = np.asarray(found).reshape(-1, 2).round().astype(int).T
        picked[row, column] = True
    return add_outliers(_noisy(truth, picked, rng), rng)


def zones(truth: Float32Array, rng: Rng) -> Float32Array:
    """Measure 8x8 to 48x64 zones: each gives one depth from among its surfaces, drawn at its middle."""
    height, width = truth.shape
    rows, columns = ZONES[rng.integers(len(ZONES))]
    reach = rng.uniform(0.7, 1.05, 2)
    v, u = (
        _cells(length, count, part) for length, count, part in zip((height, width), (rows, columns), reach, strict=True)
    )
    v, u = v[(v >= 0) & (v < height)], u[(u >= 0) & (u < width)]
    half = max(1, int(0.4 * height * reach[0] / rows)), max(1, int(0.4 * width * reach[1] / columns))
    beyond = np.where(np.isfinite(truth), truth, np.float32(np.inf))
    seen = [beyond[_near(v, half[0], height)[:, None], _near(u, half[1], width)] for half in _spots(half, rng)]
    depth = np.sort(np.stack(seen), axis=0)[int(rng.integers(len(seen) // 2 + 1))]
    depth = np.where(depth < rng.uniform(*ZONE_RANGE), depth, 0) * (1 + rng.normal(0, 0.01, depth.shape))
    sparse = np.zeros_like(truth)
    sparse[v[:, None], u] = depth.clip(0)
    return add_outliers(sparse, rng)


def rgbd(truth: Float32Array, rgb: NDArray[np.uint8], rng: Rng) -> Float32Array:
    """Measure nearly every pixel in range, with holes: at edges, in the dark, in glare and in blobs."""
    longest = np.exp(rng.uniform(*np.log(RGBD_RANGE)))
    with np.errstate(invalid="ignore"):
        picked = truth < longest
    depth = np.where(picked, truth, np.float32(0))
    brightness = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    for hole, chance in ((_shadows(depth, rng), 0.8), (brightness < rng.uniform(5, 35), 0.5), (brightness > 250, 0.5)):
        if rng.random() < chance:
            picked &= ~hole
    picked &= smooth_noise(truth.shape, rng.uniform(15, 60), rng) > rng.uniform(0, 0.45)
    if rng.random() < 0.4:
        step = int(rng.integers(2, 6))
        on_grid = np.zeros_like(picked)
        on_grid[int(rng.integers(step)) :: step, int(rng.integers(step)) :: step] = True
        picked &= on_grid
    quantum = rng.uniform(0, 0.01) / longest
    noise = quantum * np.square(depth) * rng.standard_normal(truth.shape, dtype=np.float32)
    return add_outliers(np.where(picked, np.maximum(depth + noise, 0.02), 0).astype(np.float32), rng)


def masks(truth: Float32Array, rng: Rng) -> Float32Array:
    """Keep what random strokes, discs, squares and random samples leave, after DepthLab (Liu et al. 2024)."""
    height, width = truth.shape
    drawn = np.zeros((height, width), np.uint8)
    size = min(height, width)
    for _ in range(rng.integers(2, 12)):
        place = tuple(int(x) for x in rng.integers(0, (width, height)))
        shape = rng.choice(["stroke", "disc", "square"])
        if shape == "stroke":
            path = np.cumsum(np.vstack([[place], rng.normal(0, size / 5, (int(rng.integers(2, 8)), 2))]), axis=0)
            cv2.polylines(drawn, [path.astype(np.int32)], False, 1, int(rng.uniform(0.02, 0.15) * size) + 1)
        elif shape == "disc":
            cv2.circle(drawn, place, int(rng.uniform(0.03, 0.25) * size), 1, -1)
        else:
            corner = tuple(int(x) for x in place + rng.uniform(0.05, 0.4, 2) * size)
            cv2.rectangle(drawn, place, corner, 1, -1)
    picked = drawn.astype(bool) ^ (rng.random() < 0.6)
    if rng.random() < 0.5:
        picked &= rng.random((height, width)) < np.exp(rng.uniform(np.log(0.01), 0))
    return add_outliers(_noisy(truth, picked, rng), rng)


def _count(shape: tuple[int, ...], rng: Rng) -> int:
    per_vga = np.exp(rng.uniform(*np.log(POINTS)))
    return max(8, int(per_vga * shape[0] * shape[1] / (640 * 480)))


def _noisy(truth: Float32Array, picked: Mask, rng: Rng) -> Float32Array:
    """Chosen pixels of the truth with relative noise, 0 elsewhere and in the sky."""
    picked = picked & np.isfinite(truth)
    sigma = rng.uniform(*RELATIVE_NOISE) if rng.random() < 0.7 else 0.0
    error = 1 + np.float32(sigma) * rng.standard_normal(truth.shape, dtype=np.float32)
    return np.where(picked, truth * error, 0).astype(np.float32)


def _cells(length: int, count: int, part: float) -> NDArray[np.int64]:
    """Middles of `count` equal cells that cover `part` of `length` pixels."""
    return ((np.arange(count) + 0.5) / count * part * length + (1 - part) / 2 * length).astype(np.int64)


def _spots(half: tuple[int, int], rng: Rng) -> list[tuple[int, int]]:
    """Offsets (rows, columns) inside a zone at which its surfaces are looked up; the first is its middle."""
    return [(0, 0)] + [
        (int(rng.integers(-half[0], half[0] + 1)), int(rng.integers(-half[1], half[1] + 1))) for _ in range(6)
    ]


def _near(place: NDArray[np.int64], shift: int, length: int) -> NDArray[np.int64]:
    return np.clip(place + shift, 0, length - 1)


def _shadows(depth: Float32Array, rng: Rng) -> Mask:
    """Pixels beside near edges, which one of two lenses does not see; width as the disparity's jump."""
    inverse = np.where(depth > 0, 1 / np.maximum(depth, 0.05), 0).astype(np.float32)
    reach = int(rng.integers(2, 12))
    kernel = np.zeros((1, 2 * reach + 1), np.uint8)
    kernel[0, :reach] = 1
    beside = cv2.dilate(inverse, kernel)
    return np.asarray(beside > 1.1 * inverse + 0.02)
