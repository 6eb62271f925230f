"""What weather, light and lens do to an image of a world: kept apart from the renderer, which draws a clear day."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_ros.training.corrupt import smooth_noise

Float32Array = NDArray[np.float32]
Image = NDArray[np.uint8]
Rng = np.random.Generator

CLEAN = 0.35
"""How often an image stays as it was rendered."""
FOG = 0.15
FOG_RANGE = (8.0, 150.0)
"""Metres after which fog has taken 63 % of the contrast, log-uniform."""


def degrade(rgb: Image, depth: Float32Array, rng: Rng, *, clean: float = CLEAN) -> Image:
    """Return the image uint8 [H,W,3] with faults of weather, light, lens and camera, or as it is.

    depth: float32 [H,W], metres along z, NaN or 0 where the sky is seen; fog follows it. clean: how often it stays.
    """
    if rng.random() < clean:
        return rgb
    light = rgb.astype(np.float32) * np.float32(1 / 255)
    if rng.random() < FOG:
        light = _fog(light, depth, rng)
    for effect, chance in EFFECTS:
        if rng.random() < chance:
            light = effect(light, rng)
    result = (light * 255 + 0.5).clip(0, 255).astype(np.uint8)
    return _compressed(result, rng) if rng.random() < COMPRESSED else result


def _fog(light: Float32Array, depth: Float32Array, rng: Rng) -> Float32Array:
    """Airlight by Koschmieder's law."""
    visible = np.float32(np.exp(rng.uniform(*np.log(FOG_RANGE))))
    distance = np.where(np.isfinite(depth) & (depth > 0), depth, np.float32(300))
    through = cv2.exp(-distance / visible)[..., None]
    air = (rng.uniform(0.35, 0.95) + rng.normal(0, 0.03, 3)).astype(np.float32)
    return light * through + air * (1 - through)


def _night(light: Float32Array, rng: Rng) -> Float32Array:
    """Little light, a lamp or two with glare, and the noise of a high gain."""
    tint = np.array([1, rng.uniform(0.75, 1), rng.uniform(0.5, 1.1)], np.float32)
    dark = light * (np.float32(rng.uniform(0.03, 0.25)) * tint)
    for _ in range(rng.integers(0, 4)):
        dark += _glow(light.shape[:2], rng)[..., None] * tint
    return dark + _grain(light.shape, rng.uniform(0.01, 0.06), rng)


def _shade(light: Float32Array, rng: Rng) -> Float32Array:
    """A smooth field of light that follows nothing in the scene."""
    height, width = light.shape[:2]
    field = smooth_noise((height, width), rng.uniform(0.15, 0.8) * width, rng)
    return light * (1 + np.float32(rng.uniform(0.3, 1.2)) * (field - np.float32(0.6)))[..., None]


def _shadow(light: Float32Array, rng: Rng) -> Float32Array:
    """Hard shadows of things outside the picture, across all depths."""
    height, width = light.shape[:2]
    mask = np.ones((height, width), np.float32)
    for _ in range(rng.integers(1, 4)):
        corners = rng.normal(0, 0.4, (int(rng.integers(3, 7)), 2)) + rng.random(2)
        shape = cv2.convexHull((corners * (width, height)).astype(np.int32))
        cv2.fillConvexPoly(mask, shape, float(rng.uniform(0.3, 0.75)))
    return light * mask[..., None]


def _wet_lens(light: Float32Array, rng: Rng) -> Float32Array:
    """Drops on the lens: blurred, slightly brighter discs."""
    height, width = light.shape[:2]
    mask = np.zeros((height, width), np.float32)
    for _ in range(rng.integers(3, 40)):
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        axes = (int(rng.uniform(0.008, 0.05) * width), int(rng.uniform(0.008, 0.06) * width))
        cv2.ellipse(mask, centre, axes, float(rng.uniform(0, 180)), 0, 360, 1, -1)
    soft = cv2.blur(mask, (5, 5))[..., None]
    blurred = cv2.blur(light, (2 * int(rng.integers(3, 12)) + 1,) * 2)
    return np.asarray(light + soft * (blurred * np.float32(rng.uniform(0.9, 1.2)) - light), np.float32)


def _blur(light: Float32Array, rng: Rng) -> Float32Array:
    """Motion along a line, or a lens out of focus."""
    size = 2 * int(rng.integers(1, 5)) + 1
    kernel = np.zeros((size, size), np.float32)
    if rng.random() < 0.5:
        reach = (size - 1) / 2 * np.array([np.cos(angle := rng.uniform(0, np.pi)), np.sin(angle)])
        start, end = ((size // 2 + sign * reach).round().astype(int).tolist() for sign in (-1, 1))
        cv2.line(kernel, start, end, 1)
    else:
        cv2.circle(kernel, (size // 2, size // 2), size // 2, 1, -1)
    return np.asarray(cv2.filter2D(light, -1, kernel / kernel.sum()), np.float32)


def _vignette(light: Float32Array, rng: Rng) -> Float32Array:
    height, width = light.shape[:2]
    x, y = np.linspace(-1, 1, width, dtype=np.float32), np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    return light * (1 - np.float32(rng.uniform(0.1, 0.4) / 1.2) * (x * x + y * y))[..., None]


def _colour(light: Float32Array, rng: Rng) -> Float32Array:
    """White balance, saturation (grey in part), and contrast."""
    saturation = 0 if rng.random() < 0.2 else rng.uniform(0.3, 1.5)
    grey = cv2.transform(light, np.full((1, 3), 1 / 3))[..., None]
    balance = rng.uniform(0.8, 1.2, 3).astype(np.float32)
    return (grey + np.float32(saturation) * (light - grey)) * balance


def _exposure(light: Float32Array, rng: Rng) -> Float32Array:
    gain, gamma = np.exp(rng.normal(0, 0.45)), np.exp(rng.normal(0, 0.25))
    steps = np.linspace(0, 1, 256)
    curve = np.minimum(gain * steps**gamma, 1).astype(np.float32)
    return np.asarray(curve[(light * 255).clip(0, 255).astype(np.uint8)], np.float32)


def _noise(light: Float32Array, rng: Rng) -> Float32Array:
    return light + _grain(light.shape, rng.uniform(0.005, 0.04), rng)


EFFECTS: tuple[tuple[Callable[[Float32Array, Rng], Float32Array], float], ...] = (
    (_shade, 0.3),
    (_shadow, 0.2),
    (_night, 0.1),
    (_wet_lens, 0.06),
    (_blur, 0.2),
    (_vignette, 0.2),
    (_colour, 0.4),
    (_exposure, 0.5),
    (_noise, 0.4),
)
"""What may happen to an image that does not stay clean, in this order, and how often."""
COMPRESSED = 0.4


def _compressed(rgb: Image, rng: Rng) -> Image:
    _, data = cv2.imencode(".jpg", rgb, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(15, 90))])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def _grain(shape: tuple[int, ...], sigma: float, rng: Rng) -> Float32Array:
    """Noise of a sensor, float32; a quarter of the numbers is drawn and used at four places."""
    height, width, channels = shape
    tile = rng.standard_normal((height // 2 + 1, width // 2 + 1, channels), dtype=np.float32) * np.float32(sigma)
    rows, columns = (np.concatenate([order, order[::-1]]) for order in (np.arange(n // 2 + 1) for n in (height, width)))
    return np.asarray(tile[rows[:height]][:, columns[:width]], np.float32)


def _glow(shape: tuple[int, int], rng: Rng) -> Float32Array:
    """Brightness of one lamp with its glare [H,W]."""
    height, width = shape
    x, y = (np.arange(n, dtype=np.float32) - np.float32(rng.uniform(0, n)) for n in (width, height))
    squared = np.square(x) + np.square(y)[:, None]
    radius = rng.uniform(0.01, 0.05) * width
    return np.asarray(rng.uniform(0.5, 3) / (1 + squared / radius**2), np.float32)
