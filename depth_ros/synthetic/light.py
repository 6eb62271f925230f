"""Daylight of a world."""

from __future__ import annotations

import numpy as np

from depth_ros.synthetic.shapes import FloatArray

_OVERCAST = 0.35


def draw_light(rng: np.random.Generator) -> tuple[FloatArray, float]:
    """Draw the direction to the sun, float64 [3] (all zero = overcast), and the haze in metres (see `Scene`)."""
    haze = float(rng.uniform(150, 900))
    if rng.random() < _OVERCAST:
        return np.zeros(3), haze
    elevation, azimuth = np.radians(rng.uniform(18, 70)), rng.uniform(0, 2 * np.pi)
    flat = np.cos(elevation)
    return np.array([np.cos(azimuth) * flat, np.sin(azimuth) * flat, np.sin(elevation)]), haze
