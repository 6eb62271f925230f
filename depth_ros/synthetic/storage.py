"""Shelves, cupboards, kitchens, boxes and clothes rails; local frames and sizes as `kit.Piece` says."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from depth_ros.synthetic.kit import Kit, Size, scatter, shifted
from depth_ros.synthetic.shapes import FloatArray


def add_shelf(kit: Kit, T: FloatArray, size: Size) -> None:
    """Add an open shelf with rows of books, boxes and gaps, with or without a back."""
    (w, d, h), wood, x = size, kit.finishes.draw(kit.rng.choice(["wood", "wood", "pale", "metal"])), size[0] / 2
    for low, high in ((-x, 0.02 - x), (x - 0.02, x)):
        kit.builder.box(T, (low, 0, 0), (high, d, h), wood)
    if kit.rng.random() < 0.6:
        kit.builder.box(T, (0.02 - x, d - 0.01, 0), (x - 0.02, d, h), wood)
    levels = np.linspace(0.06, h - 0.02, max(2, round(h / kit.rng.uniform(0.3, 0.5))))
    for z in levels:
        kit.builder.box(T, (0.02 - x, 0, z), (x - 0.02, d, z + 0.02), wood)
    for z, above in pairwise(levels):
        _fill_board(kit, shifted(T, (0, 0, z + 0.02)), (w - 0.06, d - 0.02, above - z - 0.04))


def add_cupboard(kit: Kit, T: FloatArray, size: Size) -> None:
    """Add a cupboard, wardrobe or chest: a body with doors or drawers proud of it, and handles."""
    (w, d, h), body = size, kit.finishes.draw(kit.rng.choice(["wood", "pale"]))
    front, metal = kit.finishes.draw(kit.rng.choice(["wood", "pale"])), kit.finishes.draw("metal")
    kit.builder.box(T, (-w / 2, 0.02, 0), (w / 2, d, h), body)
    columns, rows = max(1, round(w / 0.5)), (1 if h > 1.2 else int(kit.rng.integers(1, 4)))
    for x0, x1 in pairwise(np.linspace(-w / 2, w / 2, columns + 1)):
        for z0, z1 in pairwise(np.linspace(0.06, h, rows + 1)):
            kit.builder.box(T, (x0 + 0.01, 0, z0), (x1 - 0.01, 0.02, z1 - 0.015), front)
            low, high = (x1 - 0.06, -0.02, (z0 + z1) / 2), (x1 - 0.06, -0.02, (z0 + z1) / 2 + 0.1)
            kit.builder.cylinder(T, low, high, 0.008, metal)
    if h < 1.4:
        scatter(kit, shifted(T, (0, 0, h)), w, d, int(kit.rng.integers(0, 4)))


def add_kitchen(kit: Kit, T: FloatArray, size: Size) -> None:
    """Add a row of kitchen units: base, worktop with a sink and a tap, and wall cupboards."""
    (w, d, h), metal, front = size, kit.finishes.draw("metal"), kit.finishes.draw("pale")
    add_cupboard(kit, shifted(T, (0, 0.03, 0)), (w, d - 0.03, 0.86))
    kit.builder.box(T, (-w / 2, 0, 0.86), (w / 2, d, 0.9), kit.finishes.draw(kit.rng.choice(["wood", "concrete"])))
    x = 0.2 * w
    kit.builder.cylinder(T, (x, d - 0.1, 0.9), (x, d - 0.1, 1.2), 0.015, metal)
    kit.builder.cylinder(T, (x, d - 0.1, 1.2), (x, d - 0.3, 1.18), 0.012, metal)
    kit.builder.cylinder(T, (x, d / 2, 0.9), (x, d / 2, 0.905), 0.2, metal)
    for x in np.arange(-w / 2, w / 2 - 0.6, 0.62):
        if kit.rng.random() < 0.7 and h > 1.7:
            kit.builder.box(T, (x, d - 0.35, 1.45), (x + 0.6, d, h), front)
    scatter(kit, shifted(T, (0, 0, 0.9)), w, d, 4)


def add_boxes(kit: Kit, T: FloatArray, size: Size) -> None:
    """Add a small pile of boxes, each turned a little."""
    (w, d, h), z = size, 0.0
    while z < h - 0.1:
        high, share = kit.rng.uniform((0.1, 0.25), (0.4, 0.4))
        frame = shifted(T, (0, d / 2, z), kit.rng.normal(0, 0.25))
        kit.builder.box(
            frame, (-w * share, -d * share, 0), (w * share, d * share, high), kit.finishes.draw("cardboard")
        )
        z += high


def add_rail(kit: Kit, T: FloatArray, size: Size) -> None:
    """Add a clothes rail: a frame of thin tubes with a few garments."""
    (w, d, h), metal, y = size, kit.finishes.draw("metal"), size[1] / 2
    for x in (-w / 2, w / 2):
        kit.builder.cylinder(T, (x, y, 0), (x, y, h), 0.012, metal)
        kit.builder.cylinder(T, (x, 0, 0.02), (x, d, 0.02), 0.012, metal)
    kit.builder.cylinder(T, (-w / 2, y, h), (w / 2, y, h), 0.012, metal)
    for x in kit.rng.uniform(-0.45, 0.45, int(kit.rng.integers(0, 7))) * w:
        long, cloth = kit.rng.uniform(0.6, 1.1), kit.finishes.draw("fabric")
        frame = shifted(T, (x, y, h - 0.05 - long), kit.rng.normal(0, 0.2))
        kit.builder.frustum(frame, (-0.03, -d * 0.45, 0), (0.03, d * 0.45, long), (0, 0), (0, d * 0.2), cloth)


def _fill_board(kit: Kit, T: FloatArray, size: Size) -> None:
    """Fill a board with a box, a row of books, small things or nothing, from one end to the other."""
    (w, d, h), x = size, -size[0] / 2
    while x < w / 2 - 0.1:
        run, kind = min(kit.rng.uniform(0.1, 0.4), w / 2 - x), kit.rng.integers(5)
        if kind < 2:
            deep, high = kit.rng.uniform((0.5 * d, 0.5 * h), (d, h))
            kit.builder.box(T, (x, d - deep, 0), (x + run, d, high), kit.finishes.draw("paper"))
        elif kind == 2:
            for start in np.arange(x, x + run - 0.04, 0.05):
                high, proud = kit.rng.uniform((0.55 * h, 0), (0.95 * h, 0.3 * d))
                kit.builder.box(T, (start, proud, 0), (start + 0.04, d, high), kit.finishes.draw("paper"))
        elif kind == 3:
            scatter(kit, shifted(T, (x + run / 2, 0, 0)), run, d, 1)
        x += run + 0.01
