"""Houses and the gardens between them, in the frame of their front: x along the front, y away from it, z up, metres."""

from __future__ import annotations

import numpy as np

from depth_ros.synthetic.builder import SceneBuilder
from depth_ros.synthetic.objects import add_fence, add_tree
from depth_ros.synthetic.palette import Palette
from depth_ros.synthetic.shapes import FloatArray, Texture

Rng = np.random.Generator
_DEPTH = 10.0


def add_house(builder: SceneBuilder, palette: Palette, rng: Rng, T: FloatArray, width: float, floors: int) -> None:
    """Add a house of `floors` storeys: walls, plinth, door, ledges or balconies, a flat or a pitched roof."""
    floor = rng.uniform(2.8, 3.3)
    height = floors * floor
    axes = max(2, round(width / rng.uniform(2.3, 3.2)))
    colour = palette.wall(rng)
    bay = width / axes
    front = builder.material(colour, Texture.FACADE, (0.68, 0.66, 0.60), (bay, floor), gloss=0.08)
    texture = Texture.BRICK if rng.random() < 0.4 else Texture.PLAIN
    side = builder.material(colour * 0.92, texture, colour * 0.7, (0.5, 0.25))
    _add_walls(builder, T, width, height, front, side)
    builder.box(T, (-0.02, -0.05, -1.5), (width + 0.02, 0.3, 0.45), palette.stone)
    if floors <= 3 and rng.random() < 0.75:
        _add_pitched_roof(builder, palette, rng, T, width, height, side)
    else:
        builder.box(T, (-0.06, -0.28, height - 0.25), (width + 0.06, _DEPTH, height + 0.45), palette.trim)
    _add_relief(builder, palette, rng, T, (axes, floors), (bay, floor))


def add_garden(builder: SceneBuilder, palette: Palette, rng: Rng, T: FloatArray, width: float) -> None:
    """Add a gap between houses: a fence or a hedge in front, trees behind it, a tall hedge at the back."""
    if rng.random() < 0.6:
        add_fence(builder, palette, T, width)
    else:
        builder.box(T, (0.1, 0.1, -0.3), (width - 0.1, 0.9, rng.uniform(1.0, 1.7)), palette.hedge)
    for x in np.arange(2.5, width - 1.5, 4.5):
        there = T.copy()
        there[:3, 3] += T[:3, :3] @ (x, rng.uniform(3, 7), 0)
        add_tree(builder, palette, rng, there, rng.uniform(1.6, 2.6))
    builder.box(T, (-1.0, 12.0, -1.5), (width + 1.0, 13.0, rng.uniform(3.5, 6.0)), palette.hedge)


def _add_walls(builder: SceneBuilder, T: FloatArray, width: float, height: float, front: int, side: int) -> None:
    builder.quad(T, [(0, 0, 0), (width, 0, 0), (width, 0, height), (0, 0, height)], front)
    corners = ((0, _DEPTH), (0, 0)), ((width, 0), (width, _DEPTH)), ((width, _DEPTH), (0, _DEPTH))
    for first, last in corners:
        builder.quad(T, [(*first, -1.5), (*last, -1.5), (*last, height), (*first, height)], side)
    builder.quad(T, [(0, 0, height), (width, 0, height), (width, _DEPTH, height), (0, _DEPTH, height)], side)


def _add_pitched_roof(
    builder: SceneBuilder, palette: Palette, rng: Rng, T: FloatArray, width: float, height: float, gable: int
) -> None:
    roof, rise, middle, eave = palette.roof(rng), rng.uniform(2.0, 3.6), _DEPTH / 2, 0.35
    low = height - eave * rise / middle
    builder.quad(
        T,
        [(0, -eave, low), (width, -eave, low), (width, middle, height + rise), (0, middle, height + rise)],
        roof,
    )
    back = _DEPTH + eave
    builder.quad(
        T, [(width, back, low), (0, back, low), (0, middle, height + rise), (width, middle, height + rise)], roof
    )
    for x, (first, last) in ((0.0, (_DEPTH, 0.0)), (width, (0.0, _DEPTH))):
        peak = (x, middle, height + rise)
        builder.quad(T, [(x, first, height), (x, last, height), peak, peak], gable)
    at = rng.uniform(0.2, 0.8) * width
    builder.box(T, (at - 0.35, middle - 1.2, height), (at + 0.35, middle - 0.5, height + rise + 0.7), palette.stone)


def _add_relief(
    builder: SceneBuilder,
    palette: Palette,
    rng: Rng,
    T: FloatArray,
    count: tuple[int, int],
    pitch: tuple[float, float],
) -> None:
    """Add what stands out of a front of count (bays, floors) of pitch (bay, floor) metres."""
    (bays, floors), (bay, floor) = count, pitch
    door = int(rng.integers(bays))
    middle = (door + 0.5) * bay
    builder.box(T, (middle - 0.75, -0.14, 0.0), (middle + 0.75, 0.05, 2.45), palette.trim)
    builder.box(T, (middle - 0.55, -0.17, 0.0), (middle + 0.55, 0.05, 2.2), palette.paint(rng))
    if rng.random() < 0.35:
        _add_awning(builder, palette.awning(rng), T, (0.15, bays * bay - 0.15))
    if rng.random() < 0.3:
        for level in range(1, floors):
            _add_balcony(builder, palette, T, (door + 0.5) * bay, level * floor)
    else:
        for level in range(1, floors):
            builder.box(T, (0.0, -0.07, level * floor + 0.05), (bays * bay, 0.05, level * floor + 0.19), palette.trim)


def _add_awning(builder: SceneBuilder, cloth: int, T: FloatArray, x: tuple[float, float]) -> None:
    builder.plate(T, [(x[0], -1.3, 2.35), (x[1], -1.3, 2.35), (x[1], -0.02, 2.85), (x[0], -0.02, 2.85)], cloth)
    builder.plate(T, [(x[0], -1.3, 2.15), (x[1], -1.3, 2.15), (x[1], -1.3, 2.35), (x[0], -1.3, 2.35)], cloth)


def _add_balcony(builder: SceneBuilder, palette: Palette, T: FloatArray, x: float, z: float) -> None:
    builder.box(T, (x - 1.1, -0.95, z - 0.12), (x + 1.1, 0.0, z + 0.03), palette.trim)
    builder.box(T, (x - 1.1, -0.95, z + 0.95), (x + 1.1, -0.90, z + 1.02), palette.iron)
    for at in np.linspace(x - 1.08, x + 1.06, 12):
        builder.box(T, (at, -0.94, z), (at + 0.025, -0.915, z + 0.97), palette.iron)
