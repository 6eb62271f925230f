"""What indoor things are made of: a few materials of every family, drawn anew for every world."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from depth_ros.synthetic.builder import SceneBuilder
from depth_ros.synthetic.shapes import FloatArray, Holes, Scene, Texture

Rng = np.random.Generator
Range = tuple[float, float]


class Family(NamedTuple):
    """Ranges of a family: hue, saturation and value (HSV, 0..1), textures, their period in metres, and gloss."""

    hue: Range
    saturation: Range
    value: Range
    textures: tuple[Texture, ...] = (Texture.PLAIN,)
    period: Range = (0.1, 0.5)
    gloss: Range = (0.0, 0.0)


_ANY, _PLAIN, _TILED = (0.0, 1.0), Texture.PLAIN, Texture.PAVING
FAMILIES = {
    "wood": Family((0.05, 0.10), (0.3, 0.7), (0.12, 0.55), (_PLAIN, _PLAIN, Texture.STRIPES), (0.03, 0.15), (0, 0.03)),
    "metal": Family(_ANY, (0.0, 0.08), (0.05, 0.5), gloss=(0.03, 0.08)),
    "plastic": Family(_ANY, (0.1, 0.95), (0.05, 0.7), gloss=(0.0, 0.05)),
    "fabric": Family(_ANY, (0.05, 0.8), (0.05, 0.55), (_PLAIN, _PLAIN, Texture.STRIPES, _TILED), (0.03, 0.3)),
    "wall": Family((0.05, 0.6), (0.0, 0.25), (0.45, 0.8), (_PLAIN,) * 5 + (Texture.BRICK, Texture.STRIPES, _TILED)),
    "floor": Family((0.04, 0.14), (0.05, 0.6), (0.12, 0.5), (_PLAIN, Texture.STRIPES, Texture.BRICK, _TILED)),
    "ceiling": Family((0.1, 0.2), (0.0, 0.06), (0.65, 0.85), (_PLAIN, _PLAIN, _TILED), (0.5, 0.8)),
    "paper": Family(_ANY, (0.0, 0.9), (0.1, 0.8), (_PLAIN, _PLAIN, Texture.FRAMED), (0.1, 0.4)),
    "picture": Family(_ANY, (0.0, 0.9), (0.1, 0.8), (Texture.FRAMED, Texture.BRICK, Texture.STRIPES, Texture.FOLIAGE)),
    "leaf": Family((0.2, 0.35), (0.5, 0.9), (0.1, 0.3), (Texture.FOLIAGE,)),
    "dark": Family(_ANY, (0.0, 0.2), (0.01, 0.05), gloss=(0.0, 0.08)),
    "pale": Family((0.05, 0.15), (0.0, 0.15), (0.6, 0.85), gloss=(0.0, 0.06)),
    "glass": Family((0.5, 0.6), (0.0, 0.2), (0.5, 0.95), gloss=(0.05, 0.1)),
    "cardboard": Family((0.06, 0.10), (0.35, 0.65), (0.2, 0.5), (_PLAIN, _PLAIN, Texture.FRAMED), (0.3, 0.6)),
    "concrete": Family((0.05, 0.6), (0.0, 0.1), (0.2, 0.5), (_PLAIN, _PLAIN, _TILED), (0.5, 3.0), (0, 0.02)),
}  # fmt: skip


class Finishes:
    """Four materials of every family; `draw` picks one."""

    def __init__(self, builder: SceneBuilder, rng: Rng) -> None:
        self._rng = rng
        self._numbers = {name: [_add(builder, rng, family) for _ in range(4)] for name, family in FAMILIES.items()}

    def draw(self, family: str) -> int:
        """Draw a material of one of `FAMILIES`."""
        return self._numbers[family][self._rng.integers(4)]


def shuffle_faces(scene: Scene, rng: Rng) -> Scene:
    """Let every face and solid without holes draw any of the scene's materials without holes."""
    solid = scene.materials.holes == Holes.NONE

    def drawn(material: NDArray[np.int32]) -> NDArray[np.int32]:
        others = rng.choice(np.flatnonzero(solid), len(material))
        return np.where(solid[material], others, material).astype(np.int32)

    quads, ellipsoids, cylinders = scene.quads, scene.ellipsoids, scene.cylinders
    return replace(
        scene,
        quads=replace(quads, material=drawn(quads.material)),
        ellipsoids=replace(ellipsoids, material=drawn(ellipsoids.material)),
        cylinders=replace(cylinders, material=drawn(cylinders.material)),
    )


def _add(builder: SceneBuilder, rng: Rng, family: Family) -> int:
    colour = _from_hsv(rng.uniform(*family.hue), rng.uniform(*family.saturation), rng.uniform(*family.value))
    accent = np.clip(colour * rng.uniform(0.4, 1.3) + rng.normal(0, 0.03, 3), 0.01, 0.9)
    if rng.random() < 0.2:
        accent = _from_hsv(rng.random(), rng.uniform(*family.saturation), rng.uniform(0.05, 0.8))
    texture = family.textures[rng.integers(len(family.textures))]
    low, high = np.log(family.period)
    period = np.exp(rng.uniform(low, high, 2))
    return builder.material(colour, texture, accent, (period[0], period[1]), rng.uniform(*family.gloss))


def _from_hsv(hue: float, saturation: float, value: float) -> FloatArray:
    ramp = np.clip(np.abs(np.mod(6 * hue + np.array([0.0, 4.0, 2.0]), 6) - 3) - 1, 0, 1)
    return np.asarray(value * (1 - saturation + saturation * ramp), dtype=np.float64)
