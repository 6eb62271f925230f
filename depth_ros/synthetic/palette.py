"""The materials of one street; colours are linear reflectances."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from depth_ros.synthetic.builder import SceneBuilder
from depth_ros.synthetic.shapes import Texture

Rng = np.random.Generator

_PAINTS = (
    (0.55, 0.02, 0.02), (0.02, 0.07, 0.28), (0.62, 0.63, 0.64), (0.03, 0.03, 0.035), (0.30, 0.32, 0.34),
    (0.03, 0.18, 0.10), (0.70, 0.42, 0.03), (0.10, 0.28, 0.42), (0.72, 0.70, 0.64), (0.22, 0.03, 0.06),
)  # fmt: skip
_PALE_PAINTS = ((0.75, 0.75, 0.74), (0.70, 0.66, 0.50), (0.45, 0.52, 0.58))
_CLOTHES = (
    (0.40, 0.06, 0.05), (0.05, 0.10, 0.30), (0.06, 0.06, 0.07), (0.45, 0.40, 0.30), (0.08, 0.25, 0.14),
    (0.60, 0.35, 0.05), (0.20, 0.22, 0.26), (0.45, 0.12, 0.25),
)  # fmt: skip
_WALLS = (
    ((0.36, 0.15, 0.09), (0.30, 0.12, 0.07), (0.42, 0.22, 0.14), (0.52, 0.46, 0.36)),
    ((0.66, 0.56, 0.36), (0.62, 0.40, 0.28), (0.44, 0.53, 0.50), (0.70, 0.66, 0.56), (0.42, 0.47, 0.60)),
    ((0.52, 0.48, 0.41), (0.42, 0.40, 0.37), (0.60, 0.56, 0.48), (0.34, 0.22, 0.16)),
)  # fmt: skip
_LEAVES = ((0.07, 0.17, 0.025), (0.11, 0.20, 0.03), (0.05, 0.13, 0.035), (0.19, 0.18, 0.03))


class Palette:
    """Materials that things share, and draws of those that vary from thing to thing."""

    def __init__(self, builder: SceneBuilder, rng: Rng) -> None:
        self._builder = builder
        self._walls = _WALLS[rng.integers(len(_WALLS))]
        self._leaf = rng.permutation(np.array(_LEAVES))[:2]
        self._cache: dict[tuple[float, ...], int] = {}
        add = builder.material
        self.road = add((0.095, 0.095, 0.10), Texture.ASPHALT, (0.62, 0.62, 0.60), (6.0, 60.0))
        self.pavement = add((0.30, 0.29, 0.27), Texture.PAVING, (0.17, 0.165, 0.155), (0.6, 0.6))
        self.yard = add((0.12, 0.19, 0.045), Texture.FOLIAGE, (0.17, 0.19, 0.07))
        self.kerb = add((0.36, 0.35, 0.34))
        self.steel = add((0.23, 0.25, 0.25), gloss=0.05)
        self.iron = add((0.035, 0.04, 0.04))
        self.rubber = add((0.03, 0.03, 0.03))
        self.cream = add((0.72, 0.70, 0.64), gloss=0.08)
        self.tail_light = add((0.45, 0.02, 0.02), gloss=0.08)
        self.glass = add((0.025, 0.03, 0.035), gloss=0.10)
        self.bark = add((0.12, 0.085, 0.055))
        self.hair = add((0.06, 0.04, 0.025))
        self.stone = add((0.48, 0.46, 0.41), Texture.BRICK, (0.36, 0.34, 0.30), (0.8, 0.4))
        self.trim = add((0.66, 0.64, 0.58))
        self.wheel = add((0.38, 0.38, 0.39), Texture.DISC, (0.022, 0.022, 0.022), (0.62, 1.0))
        self.disc = add((0.70, 0.70, 0.68), Texture.DISC, (0.60, 0.02, 0.02), (0.74, 1.0))
        self.board = add((0.02, 0.12, 0.45), Texture.FRAMED, (0.70, 0.70, 0.68), (0.6, 0.6))
        self.warning = add((0.72, 0.62, 0.10))
        self.barrier = add((0.60, 0.04, 0.03), Texture.STRIPES, (0.70, 0.69, 0.66), (0.5, 0.5))
        self.hedge = add(self._leaf[0] * 0.9, Texture.FOLIAGE, self._leaf[1] * 0.8)

    def paint(self, rng: Rng, pale: bool = False) -> int:
        """Draw a car's paint."""
        return self._drawn(rng, _PALE_PAINTS if pale else _PAINTS, gloss=0.07)

    def clothes(self, rng: Rng) -> int:
        """Draw a fabric."""
        return self._drawn(rng, _CLOTHES)

    def skin(self, rng: Rng) -> int:
        """Draw a skin colour."""
        return self._drawn(rng, ((0.55, 0.34, 0.25), (0.30, 0.16, 0.10), (0.12, 0.065, 0.045)))

    def leaves(self, rng: Rng) -> int:
        """Draw a foliage between the two that this street has."""
        colour = self._leaf[0] + rng.uniform(0, 1) * (self._leaf[1] - self._leaf[0])
        return self._builder.material(colour, Texture.FOLIAGE, colour * (1.5, 1.4, 1.2))

    def wall(self, rng: Rng) -> NDArray[np.float64]:
        """Draw the colour [3] of a house."""
        return np.array(self._walls[rng.integers(len(self._walls))]) * rng.uniform(0.85, 1.12)

    def roof(self, rng: Rng) -> int:
        """Draw a roof's tiles."""
        colour = np.array(((0.30, 0.11, 0.07), (0.11, 0.11, 0.12), (0.20, 0.13, 0.10))[rng.integers(3)])
        return self._builder.material(colour, Texture.BRICK, colour * 0.6, (0.45, 0.35))

    def awning(self, rng: Rng) -> int:
        """Draw a striped cloth."""
        colour = np.array(_CLOTHES[rng.integers(len(_CLOTHES))])
        return self._builder.material(colour * 1.2, Texture.STRIPES, (0.68, 0.66, 0.60), (0.7, 0.7))

    def _drawn(self, rng: Rng, colours: tuple[tuple[float, float, float], ...], gloss: float = 0.0) -> int:
        colour = colours[rng.integers(len(colours))]
        key = (*colour, gloss)
        if key not in self._cache:
            self._cache[key] = self._builder.material(colour, gloss=gloss)
        return self._cache[key]
