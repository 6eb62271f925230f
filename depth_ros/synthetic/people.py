"""People on foot and on wheels. Local frame: x the way they face, y left, z up, metres."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from depth_ros.synthetic.builder import SceneBuilder
from depth_ros.synthetic.palette import Palette
from depth_ros.synthetic.shapes import FloatArray

Rng = np.random.Generator


def add_figure(builder: SceneBuilder, palette: Palette, rng: Rng, T: FloatArray, seated: bool = False) -> None:
    """Add a person of 1.1 to 1.95 m, standing, walking or `seated` as on a bicycle."""
    k = rng.uniform(1.5, 1.95) / 1.75 if rng.random() < 0.85 else rng.uniform(1.1, 1.5) / 1.75
    coat, trousers, skin = palette.clothes(rng), palette.clothes(rng), palette.skin(rng)
    wide = rng.uniform(0.85, 1.3)
    lean = rng.uniform(0.2, 0.6) if seated else rng.normal(0, 0.05)
    hip, chest = np.array((0, 0, 0.92 * k)), np.array((lean * 0.5 * k, 0, 1.42 * k - 0.25 * abs(lean)))
    for side in (-1, 1):
        _add_leg(builder, rng, T, hip, side, k, trousers, palette.rubber, seated)
        _add_arm(builder, rng, T, chest, side, k * wide, coat, skin, seated)
    builder.cylinder(T, hip, hip + 0.75 * (chest - hip), 0.135 * k * wide, coat)
    builder.ellipsoid(T, hip + 0.8 * (chest - hip), (0.13 * k * wide, 0.21 * k * wide, 0.2 * k), coat)
    builder.ellipsoid(T, hip, (0.13 * k * wide, 0.17 * k * wide, 0.14 * k), trousers)
    head = chest + np.array((0.03, 0, 0.25 * k))
    builder.cylinder(T, chest, head, 0.055 * k, skin)
    builder.ellipsoid(T, head, (0.10 * k, 0.08 * k, 0.125 * k), skin)
    _add_extras(builder, palette, rng, T, hip, chest, head, k, seated)


def add_cyclist(builder: SceneBuilder, palette: Palette, rng: Rng, T: FloatArray, wheel: int) -> None:
    """Add a rider on a bicycle; `wheel` is a material with Holes.WHEEL of size 0.7 m."""
    for x in (-0.52, 0.52):
        corners = [(x - 0.35, 0, 0), (x + 0.35, 0, 0), (x + 0.35, 0, 0.7), (x - 0.35, 0, 0.7)]
        builder.plate(T, corners, wheel)
    frame = ((-0.52, 0.35), (-0.12, 0.3), (0.38, 0.75), (-0.2, 0.75), (-0.12, 0.3)), ((0.52, 0.35), (0.36, 0.95))
    paint = palette.paint(rng)
    for tube in frame:
        for (x0, z0), (x1, z1) in pairwise(tube):
            builder.cylinder(T, (x0, 0, z0), (x1, 0, z1), 0.02, paint)
    builder.cylinder(T, (0.36, -0.28, 0.98), (0.36, 0.28, 0.98), 0.018, palette.iron)
    there = T.copy()
    there[:3, 3] += T[:3, :3] @ (-0.2, 0, 0)
    add_figure(builder, palette, rng, there, seated=True)


def _add_leg(
    builder: SceneBuilder, rng: Rng, T: FloatArray, hip: FloatArray, side: int, k: float, cloth: int, shoe: int,
    seated: bool,
) -> None:  # fmt: skip
    start = hip + np.array((0, 0.09 * side * k, 0))
    swing = rng.uniform(0.2, 0.9) if seated else rng.normal(0, 0.28)
    bend = swing - (rng.uniform(0.4, 1.0) if seated else max(0.0, rng.normal(0.1, 0.25)))
    knee = start + 0.44 * k * np.array((np.sin(swing), 0, -np.cos(swing)))
    foot = knee + 0.43 * k * np.array((np.sin(bend), 0, -np.cos(bend)))
    builder.cylinder(T, start, knee, 0.078 * k, cloth)
    builder.cylinder(T, knee, foot, 0.058 * k, cloth)
    builder.ellipsoid(T, foot + np.array((0.06, 0, 0)), (0.14 * k, 0.05 * k, 0.05 * k), shoe)


def _add_arm(
    builder: SceneBuilder, rng: Rng, T: FloatArray, chest: FloatArray, side: int, k: float, cloth: int, skin: int,
    seated: bool,
) -> None:  # fmt: skip
    shoulder = chest + np.array((0, 0.2 * side * k, -0.03))
    swing, out = (1.0 if seated else rng.normal(0, 0.35)), abs(rng.normal(0.1, 0.2))
    if rng.random() < 0.12:
        swing = rng.uniform(1.0, 2.8)
    upper = np.array((np.sin(swing), side * out, -np.cos(swing)))
    elbow = shoulder + 0.29 * k * upper / np.linalg.norm(upper)
    swing += rng.uniform(0, 1.2)
    lower = np.array((np.sin(swing), side * out * 0.3, -np.cos(swing)))
    hand = elbow + 0.26 * k * lower / np.linalg.norm(lower)
    builder.cylinder(T, shoulder, elbow, 0.05 * k, cloth)
    builder.cylinder(T, elbow, hand, 0.04 * k, cloth)
    builder.ellipsoid(T, hand, (0.05, 0.05, 0.08), skin)


def _add_extras(
    builder: SceneBuilder, palette: Palette, rng: Rng, T: FloatArray, hip: FloatArray, chest: FloatArray,
    head: FloatArray, k: float, seated: bool,
) -> None:  # fmt: skip
    """Add hair or a hat, and sometimes a rucksack, a bag, an umbrella or a long skirt."""
    builder.ellipsoid(T, head + np.array((-0.02, 0, 0.045)), (0.108 * k, 0.092 * k, 0.10 * k), palette.hair)
    if rng.random() < 0.15:
        builder.cylinder(
            T, head + np.array((0, 0, 0.07)), head + np.array((0, 0, 0.09)), 0.17 * k, palette.clothes(rng)
        )
    if rng.random() < 0.25:
        builder.ellipsoid(T, chest + np.array((-0.2 * k, 0, -0.15)), (0.11, 0.16, 0.23), palette.clothes(rng))
    if seated:
        return
    if rng.random() < 0.2:
        builder.box(
            T, hip + np.array((-0.15, 0.25 * k, -0.45)), hip + np.array((0.15, 0.33 * k, -0.1)), palette.clothes(rng)
        )
    if rng.random() < 0.15:
        builder.frustum(
            T,
            (-0.24 * k, -0.26 * k, 0.25 * k),
            (0.24 * k, 0.26 * k, 0.95 * k),
            (0, 0),
            (0.12, 0.12),
            palette.clothes(rng),
        )
    if rng.random() < 0.06:
        top = head + np.array((0.15, 0, 0.45))
        builder.cylinder(T, chest + np.array((0.2, 0.2, -0.3)), top, 0.012, palette.iron)
        builder.ellipsoid(T, top, (0.5, 0.5, 0.14), palette.clothes(rng))
