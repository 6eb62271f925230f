"""What stands along roads. Local frame: x along the road, y left, z up, metres."""

from __future__ import annotations

import numpy as np

from depth_ros.synthetic import objects
from depth_ros.synthetic.builder import SceneBuilder
from depth_ros.synthetic.palette import Palette
from depth_ros.synthetic.shapes import FloatArray, Texture

Rng = np.random.Generator


def add_furniture(builder: SceneBuilder, palette: Palette, rng: Rng, T: FloatArray) -> None:
    """Add one thing that stands on a pavement, of any kind."""
    things = (_add_pole, _add_light, _add_shelter, _add_kiosk, _add_works, _add_rubbish, _add_board)
    kind = rng.random()
    if kind < 0.2:
        objects.add_sign(builder, palette, rng, T)
    elif kind < 0.28:
        objects.add_lamp(builder, palette, T)
    elif kind < 0.36:
        objects.add_bin(builder, palette, rng, T)
    elif kind < 0.42:
        objects.add_bollards(builder, palette, T, int(rng.integers(2, 7)))
    elif kind < 0.5:
        _add_bench(builder, palette, T)
    else:
        things[rng.integers(len(things))](builder, palette, rng, T)


def _add_pole(builder: SceneBuilder, palette: Palette, rng: Rng, T: FloatArray) -> None:
    height, radius = rng.uniform(2, 9), rng.uniform(0.02, 0.16)
    builder.cylinder(T, (0, 0, -0.3), (*rng.normal(0, 0.02 * height, 2), height), radius, palette.bark)
    if height > 5:
        builder.cylinder(T, (0, -0.9, height - 0.4), (0, 0.9, height - 0.4), 0.05, palette.bark)


def _add_light(builder: SceneBuilder, palette: Palette, rng: Rng, T: FloatArray) -> None:
    """Add a traffic light, sometimes on an arm over the road."""
    height, arm = rng.uniform(2.6, 5.5), rng.choice((0.0, 0.0, 3.5)) * rng.choice((-1, 1))
    builder.cylinder(T, (0, 0, -0.2), (0, 0, height), 0.06, palette.steel)
    if arm:
        builder.cylinder(T, (0, 0, height), (0, arm, height + 0.2), 0.05, palette.steel)
    low, high = (-0.12, arm - 0.15, height - 0.5), (0.12, arm + 0.15, height + 0.45)
    builder.box(T, low, high, palette.iron)
    for k, lamp in enumerate((palette.tail_light, palette.warning, palette.hedge)):
        z = height + 0.3 - 0.3 * k
        builder.cylinder(T, (-0.13, arm, z), (-0.16, arm, z), 0.1, lamp)


def _add_shelter(builder: SceneBuilder, palette: Palette, rng: Rng, T: FloatArray) -> None:
    length = rng.uniform(2.5, 5)
    for x in (0.0, length):
        builder.cylinder(T, (x, 0.7, -0.1), (x, 0.7, 2.4), 0.04, palette.steel)
        builder.cylinder(T, (x, -0.6, -0.1), (x, -0.6, 2.4), 0.04, palette.steel)
    builder.plate(T, [(0, 0.7, 0.25), (length, 0.7, 0.25), (length, 0.7, 2.2), (0, 0.7, 2.2)], palette.glass)
    builder.box(T, (-0.2, -0.8, 2.4), (length + 0.2, 0.9, 2.5), palette.steel)
    builder.box(T, (0.4, 0.2, 0.42), (length - 0.4, 0.55, 0.5), palette.bark)


def _add_kiosk(builder: SceneBuilder, palette: Palette, rng: Rng, T: FloatArray) -> None:
    """Add a column with bills, a cabinet or a hut."""
    kind, paint = rng.random(), palette.awning(rng)
    if kind < 0.4:
        builder.cylinder(T, (0, 0, -0.2), (0, 0, rng.uniform(1.2, 3.2)), rng.uniform(0.2, 0.7), paint)
    else:
        x, y, z = rng.uniform((0.2, 0.15, 0.6), (1.3, 0.9, 2.4))
        builder.box(T, (-x, -y, -0.2), (x, y, z), paint if kind < 0.6 else palette.clothes(rng))


def _add_bench(builder: SceneBuilder, palette: Palette, T: FloatArray) -> None:
    for y in np.linspace(-0.2, 0.2, 4):
        builder.box(T, (-0.8, y - 0.04, 0.42), (0.8, y + 0.04, 0.45), palette.bark)
    for z in (0.55, 0.68, 0.81):
        builder.box(T, (-0.8, 0.24, z), (0.8, 0.27, z + 0.08), palette.bark)
    for x in (-0.65, 0.6):
        builder.box(T, (x, -0.22, -0.1), (x + 0.05, 0.27, 0.42), palette.iron)


def _add_works(builder: SceneBuilder, palette: Palette, rng: Rng, T: FloatArray) -> None:
    """Add road works: cones and a striped board on feet."""
    for _ in range(rng.integers(1, 6)):
        x, y = rng.normal(0, 1.2, 2)
        builder.box(T, (x - 0.2, y - 0.2, 0.0), (x + 0.2, y + 0.2, 0.04), palette.rubber)
        builder.frustum(T, (x - 0.15, y - 0.15, 0.0), (x + 0.15, y + 0.15, 0.7), (0, 0), (0.12, 0.12), palette.barrier)
    builder.box(T, (-0.03, -0.8, 0.8), (0.03, 0.8, 1.05), palette.barrier)
    for y in (-0.7, 0.7):
        builder.box(T, (-0.03, y - 0.03, 0.0), (0.03, y + 0.03, 0.9), palette.steel)


def _add_rubbish(builder: SceneBuilder, palette: Palette, rng: Rng, T: FloatArray) -> None:
    for _ in range(rng.integers(2, 9)):
        at, size = np.append(rng.normal(0, 0.7, 2), 0.0), rng.uniform(0.1, 0.45, 3)
        if rng.random() < 0.5:
            turned = objects.turned(T, rng.uniform(0, 6))
            builder.box(turned, list(at - size * (1, 1, 0)), list(at + size * (1, 1, 1.6)), palette.clothes(rng))
        else:
            builder.ellipsoid(T, at + np.array((0, 0, 0.7 * size[2])), size, palette.clothes(rng))


def _add_board(builder: SceneBuilder, palette: Palette, rng: Rng, T: FloatArray) -> None:
    """Add a big board on two posts, across the road's direction."""
    width, low, high = rng.uniform(1.0, 4.0), rng.uniform(0.8, 2.5), rng.uniform(0.8, 2.5)
    look = builder.material(
        rng.uniform(0.02, 0.7, 3), Texture.BLOTS, rng.uniform(0.02, 0.8, 3), tuple(rng.uniform(0.2, 2, 2))
    )
    builder.box(T, (-0.04, -width / 2, low), (0.04, width / 2, low + high), look)
    for y in (-0.35 * width, 0.35 * width):
        builder.cylinder(T, (0.08, y, -0.3), (0.08, y, low + high), 0.05, palette.steel)
