"""Things that stand along the street, each in a local frame: x along its length or front, y left, z up, metres."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from depth_ros.geometry import rigid
from depth_ros.synthetic.builder import SceneBuilder
from depth_ros.synthetic.palette import Palette
from depth_ros.synthetic.shapes import FloatArray

Rng = np.random.Generator


def add_car(builder: SceneBuilder, palette: Palette, rng: Rng, T: FloatArray) -> None:
    """Add a parked car: hatchback, saloon or estate, 3.9 to 4.7 m long, nose towards +x."""
    length, width = rng.uniform(3.9, 4.7), rng.uniform(1.68, 1.82)
    x, y, belt, roof = length / 2, width / 2, rng.uniform(0.82, 0.9), rng.uniform(1.40, 1.52)
    paint = palette.paint(rng)
    builder.frustum(T, (0.1 - x, 0.07 - y, 0.22), (x - 0.1, y - 0.07, 0.55), (-0.1, -0.07), (-0.1, -0.07), paint)
    builder.frustum(T, (-x, -y, 0.55), (x, y, belt), (0.06, 0.05), (0.16, 0.05), paint)
    rear, nose = rng.choice([0.12, 0.35, 0.75]), rng.uniform(0.95, 1.15)
    _add_cabin(builder, palette, T, (-x + rear, x - nose), y - 0.06, (belt, roof), paint)
    _add_wheels(builder, palette, T, (-x + 0.75, x - 0.8), y, 0.31)
    _add_lights(builder, palette, T, x, y, 0.64)


def add_van(builder: SceneBuilder, palette: Palette, rng: Rng, T: FloatArray) -> None:
    """Add a delivery van, 5.2 to 6 m long, nose towards +x."""
    length, height = rng.uniform(5.2, 6.0), rng.uniform(2.1, 2.6)
    x, y = length / 2, 0.98
    paint = palette.paint(rng, pale=True)
    builder.box(T, (-x, -y, 0.3), (x - 1.3, y, height), paint)
    builder.frustum(T, (x - 1.3, -y, 0.3), (x, y, 1.15), (0.0, 0.0), (0.05, 0.0), paint)
    builder.frustum(T, (x - 1.3, -y, 1.15), (x - 0.05, y, height - 0.1), (0.0, 0.04), (0.75, 0.04), paint)
    _add_panes(builder, palette, T, (x - 1.3, x - 0.05), (0.0, 0.75), (y, 0.04), (1.15, height - 0.1))
    for side in (-1, 1):
        low_y, high_y = sorted((side * 0.06, side * (y - 0.12)))
        builder.box(T, (-x - 0.01, low_y, height - 1.0), (-x + 0.1, high_y, height - 0.3), palette.glass)
    builder.box(T, (-x - 0.06, 0.02 - y, 0.28), (-x + 0.1, y - 0.02, 0.48), palette.rubber)
    _add_wheels(builder, palette, T, (-x + 1.0, x - 0.9), y, 0.36)
    _add_lights(builder, palette, T, x, y, 0.8)


def add_tree(builder: SceneBuilder, palette: Palette, rng: Rng, T: FloatArray, size: float) -> None:
    """Add a tree with a crown of overlapping ellipsoids; `size` is the crown's radius in metres."""
    trunk, leaves = rng.uniform(1.9, 2.7), palette.leaves(rng)
    builder.cylinder(T, (0, 0, -0.3), (0, 0, trunk + size), 0.07 + 0.05 * size, palette.bark)
    for _ in range(11):
        direction = rng.normal(size=3)
        direction *= size * 0.62 / np.linalg.norm(direction)
        centre = direction * (1, 1, 0.85) + (0, 0, trunk + size)
        builder.ellipsoid(T, centre, size * rng.uniform(0.38, 0.6, 3), leaves)
    for side in (-1, 1):
        builder.cylinder(
            T, (0, 0, trunk - 0.2), (0.4 * side * size, 0.3 * size, trunk + 0.7 * size), 0.05, palette.bark
        )


def add_person(builder: SceneBuilder, palette: Palette, rng: Rng, T: FloatArray) -> None:
    """Add a walking figure of 1.55 to 1.9 m, made of ellipsoids and cylinders."""
    k = rng.uniform(1.55, 1.9) / 1.75
    coat, trousers, skin, hair = (palette.clothes(rng), palette.clothes(rng), palette.skin(rng), palette.hair)
    stride = rng.uniform(0.08, 0.26)
    for side, swing in ((-0.09, stride), (0.09, -stride)):
        builder.cylinder(T, (swing * k, side * k, 0.06), (0, side * k, 0.86 * k), 0.075 * k, trousers)
        builder.ellipsoid(T, (swing * k + 0.06, side * k, 0.05), (0.14, 0.055, 0.055), palette.rubber)
        builder.cylinder(T, (-swing * k, 2.6 * side * k, 0.80 * k), (0, 2.3 * side * k, 1.38 * k), 0.05 * k, coat)
    builder.ellipsoid(T, (0, 0, 1.15 * k), (0.14 * k, 0.21 * k, 0.34 * k), coat)
    builder.ellipsoid(T, (0.01, 0, 1.62 * k), (0.10 * k, 0.085 * k, 0.125 * k), skin)
    builder.ellipsoid(T, (-0.02, 0, 1.66 * k), (0.105 * k, 0.092 * k, 0.11 * k), hair)


def add_lamp(builder: SceneBuilder, palette: Palette, T: FloatArray) -> None:
    """Add a street lamp of 6.2 m whose arm reaches towards +y."""
    builder.cylinder(T, (0, 0, -0.2), (0, 0, 1.0), 0.10, palette.steel)
    builder.cylinder(T, (0, 0, 1.0), (0, 0, 6.2), 0.06, palette.steel)
    builder.cylinder(T, (0, 0, 6.15), (0, 1.6, 6.35), 0.04, palette.steel)
    builder.frustum(T, (-0.14, 1.3, 6.28), (0.14, 2.0, 6.42), (0.0, 0.0), (0.0, 0.0), palette.cream)


def add_sign(builder: SceneBuilder, palette: Palette, rng: Rng, T: FloatArray) -> None:
    """Add a traffic sign that faces -x: a disc, a blue square or a warning triangle on a post."""
    builder.cylinder(T, (0, 0, -0.2), (0, 0, 2.5), 0.032, palette.steel)
    kind = rng.integers(3)
    if kind == 0:
        builder.cylinder(T, (-0.035, 0, 2.3), (-0.055, 0, 2.3), 0.33, palette.disc)
    elif kind == 1:
        builder.plate(T, [(-0.04, 0.3, 2.0), (-0.04, -0.3, 2.0), (-0.04, -0.3, 2.6), (-0.04, 0.3, 2.6)], palette.board)
    else:
        corners = [(-0.04, 0.36, 2.0), (-0.04, -0.36, 2.0), (-0.04, 0, 2.63), (-0.04, 0, 2.63)]
        builder.quad(T, corners, palette.warning)
        builder.quad(T, [corners[i] for i in (2, 1, 0, 0)], palette.steel)


def add_fence(builder: SceneBuilder, palette: Palette, T: FloatArray, length: float) -> None:
    """Add a fence of thin bars and two rails along +x."""
    for z in (0.25, 1.15):
        builder.box(T, (0, -0.02, z), (length, 0.02, z + 0.05), palette.iron)
    for x in np.arange(0.1, length, 0.28):
        builder.box(T, (x, -0.012, 0.0), (x + 0.03, 0.012, 1.3), palette.iron)


def add_bin(builder: SceneBuilder, palette: Palette, rng: Rng, T: FloatArray) -> None:
    """Add a wheeled bin with a coloured lid."""
    builder.frustum(T, (-0.33, -0.3, 0.05), (0.33, 0.3, 1.0), (0.0, 0.0), (0.0, 0.0), palette.rubber)
    builder.frustum(T, (-0.36, -0.33, 1.0), (0.36, 0.33, 1.1), (0.05, 0.05), (0.05, 0.05), palette.clothes(rng))


def add_bollards(builder: SceneBuilder, palette: Palette, T: FloatArray, count: int) -> None:
    """Add a row of red and white posts along +x, 1.4 m apart."""
    for x in 1.4 * np.arange(count):
        builder.cylinder(T, (x, 0, -0.1), (x, 0, 0.95), 0.055, palette.barrier)


def add_cable(builder: SceneBuilder, palette: Palette, start: FloatArray, end: FloatArray, sag: float) -> None:
    """Hang a cable between two points [3], world, in six straight pieces that follow a parabola."""
    share = np.linspace(0, 1, 7)[:, None]
    points = (1 - share) * start + share * end - 4 * sag * share * (1 - share) * (0, 0, 1)
    for a, b in pairwise(points):
        builder.cylinder(np.eye(4), a, b, 0.018, palette.rubber)


def _add_cabin(
    builder: SceneBuilder,
    palette: Palette,
    T: FloatArray,
    x: tuple[float, float],
    y: float,
    z: tuple[float, float],
    paint: int,
) -> None:
    rake = (0.28, 0.62)
    builder.frustum(T, (x[0], -y, z[0]), (x[1], y, z[1]), (rake[0], 0.13), (rake[1], 0.13), paint)
    _add_panes(builder, palette, T, x, rake, (y, 0.13), z)


def _add_panes(
    builder: SceneBuilder,
    palette: Palette,
    T: FloatArray,
    x: tuple[float, float],
    rake: tuple[float, float],
    y: tuple[float, float],
    z: tuple[float, float],
) -> None:
    """Lay glass a few millimetres over the faces of a cabin that narrows by `rake` (x) and y[1] towards its roof."""

    def corner(along: float, across: float, up: float) -> tuple[float, float, float]:
        rear, front = x[0] + rake[0] * up - 0.008, x[1] - rake[1] * up + 0.008
        half = y[0] - y[1] * up + 0.008
        return rear + (front - rear) * along, half * across, z[0] + (z[1] - z[0]) * up

    low, high = 0.08, 0.90
    for a, b in ((0.07, 0.49), (0.53, 0.93)):
        right = [corner(a, -1, low), corner(b, -1, low), corner(b, -1, high), corner(a, -1, high)]
        builder.quad(T, right, palette.glass)
        builder.quad(T, [(p[0], -p[1], p[2]) for p in right[::-1]], palette.glass)
    for end in (0.0, 1.0):
        side = 1 - 2 * end
        across = [
            (end, 0.88 * side, low),
            (end, -0.88 * side, low),
            (end, -0.88 * side, high),
            (end, 0.88 * side, high),
        ]
        builder.quad(T, [corner(*at) for at in across], palette.glass)


def _add_wheels(
    builder: SceneBuilder, palette: Palette, T: FloatArray, x: tuple[float, float], y: float, radius: float
) -> None:
    for along in x:
        for side in (-1, 1):
            inner, outer = (along, side * (y - 0.2), radius), (along, side * (y + 0.02), radius)
            builder.cylinder(T, inner, outer, radius, palette.wheel)


def _add_lights(builder: SceneBuilder, palette: Palette, T: FloatArray, x: float, y: float, z: float) -> None:
    for side in (-1, 1):
        low, high = sorted((side * (y - 0.42), side * (y - 0.1)))
        builder.box(T, (x - 0.1, low, z), (x + 0.015, high, z + 0.12), palette.cream)
        builder.box(T, (-x - 0.015, low, z), (-x + 0.1, high, z + 0.12), palette.tail_light)
    for end in (-1, 1):
        low_x, high_x = sorted((end * (x - 0.05), end * (x + 0.02)))
        builder.box(T, (low_x, -0.26, z - 0.26), (high_x, 0.26, z - 0.15), palette.cream)


def turned(T: FloatArray, yaw: float) -> FloatArray:
    """Return the local frame T turned about its own z by `yaw` radians."""
    cos, sin = np.cos(yaw), np.sin(yaw)
    return rigid.compose(T, rigid.from_rotation(np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1.0]]), np.zeros(3)))
