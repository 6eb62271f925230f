"""Fences, walls and rails along +x of a local frame (y left, z up, metres)."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from depth_ros.synthetic.builder import SceneBuilder
from depth_ros.synthetic.palette import Palette
from depth_ros.synthetic.shapes import FloatArray, Holes, Texture

Rng = np.random.Generator
BARRIERS = ("pickets", "link", "mesh", "wires", "rail", "wall", "bars")


def add_barrier(
    builder: SceneBuilder, palette: Palette, rng: Rng, T: FloatArray, length: float, kind: str | None = None
) -> None:
    """Add a barrier of one of BARRIERS (any of them by default)."""
    kind = kind or str(rng.choice(BARRIERS))
    if kind == "wall":
        _add_wall(builder, palette, rng, T, length)
    elif kind == "rail":
        _add_rail(builder, palette, T, length)
    elif kind == "wires":
        _add_wires(builder, palette, rng, T, length)
    else:
        _add_sheet(builder, rng, T, length, kind)


def _add_sheet(builder: SceneBuilder, rng: Rng, T: FloatArray, length: float, kind: str) -> None:
    """Add a perforated sheet between posts."""
    colour = rng.choice(
        ((0.6, 0.6, 0.58), (0.05, 0.12, 0.06), (0.25, 0.15, 0.08), (0.03, 0.03, 0.03), (0.3, 0.32, 0.33))
    )
    holes, height, size = {
        "pickets": (Holes.PICKETS, rng.uniform(0.8, 1.8), rng.uniform(1.2, 2.4)),
        "link": (Holes.LINK, rng.uniform(1.0, 2.6), rng.uniform(0.5, 1.1)),
        "mesh": (Holes.MESH, rng.uniform(0.9, 2.2), rng.uniform(0.6, 1.4)),
        "bars": (Holes.BARS, rng.uniform(0.9, 2.0), rng.uniform(0.8, 1.4)),
    }[kind]
    if kind == "pickets":
        size = max(size, height / 0.97)
    sheet = builder.material(colour, holes=holes, hole_size=size)
    builder.plate(T, [(0, 0, 0.04), (length, 0, 0.04), (length, 0, height), (0, 0, height)], sheet)
    post = builder.material(np.array(colour) * 0.9)
    for x in np.arange(0, length + 0.01, rng.uniform(2.0, 3.2)):
        builder.cylinder(T, (x, 0, -0.2), (x, 0, height + 0.05), rng.uniform(0.025, 0.05), post)
    if rng.random() < 0.6:
        builder.cylinder(T, (0, 0, height), (length, 0, height), 0.022, post)


def _add_wires(builder: SceneBuilder, palette: Palette, rng: Rng, T: FloatArray, length: float) -> None:
    height, posts = rng.uniform(0.9, 1.4), np.arange(0, length + 0.01, rng.uniform(2.5, 4.5))
    for x in posts:
        builder.cylinder(T, (x, 0, -0.3), (x + rng.normal(0, 0.04), rng.normal(0, 0.04), height), 0.05, palette.bark)
    for z in np.linspace(0.3, height - 0.08, rng.integers(2, 5)):
        for x0, x1 in pairwise(posts):
            builder.cylinder(T, (x0, 0, z), (x1, 0, z), 0.006 if rng.random() < 0.6 else 0.03, palette.iron)


def _add_rail(builder: SceneBuilder, palette: Palette, T: FloatArray, length: float) -> None:
    builder.box(T, (0, -0.04, 0.45), (length, 0.04, 0.78), palette.steel)
    for x in np.arange(0.5, length, 2.0):
        builder.box(T, (x, 0.05, -0.3), (x + 0.1, 0.2, 0.78), palette.steel)


def _add_wall(builder: SceneBuilder, palette: Palette, rng: Rng, T: FloatArray, length: float) -> None:
    height, half = rng.uniform(0.5, 2.6), rng.uniform(0.1, 0.25)
    texture = rng.choice((Texture.BRICK, Texture.PLAIN, Texture.NOISE))
    colour = palette.wall(rng)
    wall = builder.material(colour, Texture(texture), colour * 0.6, (rng.uniform(0.2, 0.8), rng.uniform(0.1, 0.4)))
    builder.box(T, (0, -half, -0.6), (length, half, height), wall)
    if rng.random() < 0.5:
        builder.box(T, (0, -half - 0.04, height), (length, half + 0.04, height + 0.08), palette.stone)
