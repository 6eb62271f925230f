"""New colours and patterns for a finished world."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from depth_ros.synthetic.shapes import FloatArray, Materials, Texture

Rng = np.random.Generator
_PATTERNS = (Texture.PLAIN, Texture.NOISE, Texture.BLOTS, Texture.CHECKS, Texture.STRIPES, Texture.BRICK)


def recolour(materials: Materials, rng: Rng) -> Materials:
    """Shift the colours of a world: all together (the light's tint), each by itself, a few to any colour at all."""
    count = len(materials.gloss)
    tint = rng.uniform(0.8, 1.15, 3) * rng.uniform(0.7, 1.2)
    own = np.exp(rng.normal(0, 0.18, (count, 3)) + rng.normal(0, 0.2, (count, 1)))
    colour = materials.colour * tint * own
    strange = rng.random(count) < 0.12
    colour[strange] = rng.uniform(0.01, 0.8, (int(strange.sum()), 3))
    accent = materials.accent * tint * own
    return replace(materials, colour=_as_reflectance(colour), accent=_as_reflectance(accent))


def disguise(materials: Materials, rng: Rng) -> Materials:
    """Paint a world with a few patterns that tell nothing of what a thing is or how far it is.

    A pattern has any contrast and a period of 3 cm to 10 m; things before and behind each other may share one.
    """
    looks, count = int(rng.integers(1, 9)), len(materials.gloss)
    colour = rng.uniform(0.01, 0.9, (looks, 1)) * rng.uniform(0.3, 1.0, (looks, 3))
    contrast = rng.uniform(0, 1, (looks, 1)) ** 0.5
    accent = colour + contrast * (rng.uniform(0.01, 0.9, (looks, 3)) - colour)
    texture = rng.choice([int(pattern) for pattern in _PATTERNS], looks)
    period = np.exp(rng.uniform(np.log(0.03), np.log(10.0), (looks, 1))) * rng.uniform(0.7, 1.4, (looks, 2))
    look = rng.integers(looks, size=count)
    return replace(
        materials,
        colour=_as_reflectance(colour[look] * rng.uniform(0.85, 1.1, (count, 1))),
        accent=_as_reflectance(accent[look]),
        texture=texture[look].astype(np.int32),
        period=period[look].astype(np.float32),
    )


def _as_reflectance(colour: FloatArray) -> NDArray[np.float32]:
    return np.clip(colour, 0.004, 0.95).astype(np.float32)
