"""Tables, seats, beds, lamps, plants and what else stands in rooms; local frames and sizes as `kit.Piece` says."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from depth_ros.geometry import rigid
from depth_ros.synthetic.kit import Kit, Size, add_legs, random_rotation, scatter, shifted
from depth_ros.synthetic.objects import add_person
from depth_ros.synthetic.palette import Palette
from depth_ros.synthetic.shapes import FloatArray


def add_table(kit: Kit, T: FloatArray, size: Size) -> None:
    """Add a table on four legs or one foot, with things on it."""
    (w, d, h), top = size, kit.finishes.draw(kit.rng.choice(["wood", "wood", "pale", "plastic"]))
    thick = kit.rng.uniform(0.015, 0.05)
    kit.builder.box(T, (-w / 2, 0, h - thick), (w / 2, d, h), top)
    leg = top if kit.rng.random() < 0.4 else kit.finishes.draw("metal")
    if kit.rng.random() < 0.15:
        kit.builder.cylinder(T, (0, d / 2, 0.02), (0, d / 2, h - thick), 0.04, leg)
        kit.builder.cylinder(T, (0, d / 2, 0), (0, d / 2, 0.02), min(w, d) * 0.35, leg)
    else:
        add_legs(kit, T, (w, d, h - thick), leg)
    scatter(kit, shifted(T, (0, 0, h)), w, d, int(kit.rng.integers(0, 5)))


def add_desk(kit: Kit, T: FloatArray, size: Size) -> None:
    """Add a desk with monitors, a keyboard and drawers."""
    (w, d, h), top = size, kit.finishes.draw("wood")
    kit.builder.box(T, (-w / 2, 0, h - 0.03), (w / 2, d, h), top)
    add_legs(kit, T, (w, d, h - 0.03), kit.finishes.draw("metal"))
    kit.builder.box(T, (w / 2 - 0.42, 0.06, 0.05), (w / 2 - 0.08, d - 0.08, h - 0.06), kit.finishes.draw("plastic"))
    for x in kit.rng.choice([-0.3, 0.0, 0.3], int(kit.rng.integers(1, 3)), replace=False):
        add_monitor(kit, shifted(T, (x * w, d * 0.7, h), kit.rng.normal(0, 0.2)))
    kit.builder.box(T, (-0.22, 0.1, h), (0.22, 0.24, h + 0.02), kit.finishes.draw("dark"))
    scatter(kit, shifted(T, (0, 0, h)), w, d * 0.5, 2)


def add_monitor(kit: Kit, T: FloatArray) -> None:
    """Add a screen on a thin stand, over its frame's origin."""
    w, h = kit.rng.uniform((0.2, 0.28), (0.35, 0.4))
    dark, screen = kit.finishes.draw("dark"), kit.finishes.draw(kit.rng.choice(["picture", "dark", "glass"]))
    x, y, low, high = w - 0.01, -0.002, 0.11, 0.09 + h
    kit.builder.box(T, (-w, 0, 0.1), (w, 0.03, 0.1 + h), dark)
    kit.builder.quad(T, [(-x, y, low), (x, y, low), (x, y, high), (-x, y, high)], screen)
    kit.builder.cylinder(T, (0, 0.045, 0), (0, 0.045, 0.25), 0.015, dark)
    kit.builder.cylinder(T, (0, 0.04, 0), (0, 0.04, 0.012), 0.11, dark)


def add_chair(kit: Kit, T: FloatArray, size: Size) -> None:
    """Add a chair whose back, at y = depth, has one to three slats."""
    (w, d, h), frame = size, kit.finishes.draw(kit.rng.choice(["wood", "metal"]))
    seat, x = 0.45, w / 2
    kit.builder.box(T, (-x, 0, seat - 0.03), (x, d, seat), kit.finishes.draw(kit.rng.choice(["wood", "fabric"])))
    add_legs(kit, T, (w, d, seat - 0.03), frame, thick=0.03)
    for side in (-1, 1):
        kit.builder.cylinder(T, (side * (x - 0.02), d - 0.02, seat), (side * (x - 0.02), d - 0.02, h), 0.016, frame)
    for z in np.linspace(seat + 0.15, h - 0.1, int(kit.rng.integers(1, 4))):
        kit.builder.box(T, (-x, d - 0.03, z), (x, d - 0.01, z + kit.rng.uniform(0.04, 0.1)), frame)


def add_office_chair(kit: Kit, T: FloatArray, size: Size) -> None:
    """Add a chair on a column with five feet."""
    (_w, d, h), x, y = size, size[0] / 2, size[1] / 2
    dark, cloth = kit.finishes.draw("dark"), kit.finishes.draw("fabric")
    for turn in np.arange(5) * 0.4 * np.pi:
        kit.builder.cylinder(T, (0, y, 0.1), (0.9 * y * np.cos(turn), y + 0.9 * y * np.sin(turn), 0.025), 0.025, dark)
    kit.builder.cylinder(T, (0, y, 0.08), (0, y, 0.42), 0.028, dark)
    kit.builder.box(T, (-x, 0, 0.42), (x, d - 0.04, 0.5), cloth)
    kit.builder.frustum(T, (-x, d - 0.07, 0.58), (x, d, h), (0.04, 0.0), (0.04, 0.0), cloth)
    kit.builder.box(T, (-0.03, d - 0.03, 0.45), (0.03, d, 0.6), dark)


def add_stool(kit: Kit, T: FloatArray, size: Size) -> None:
    """Add a round stool or side table with three splayed legs."""
    (w, d, h), y, wood = size, size[1] / 2, kit.finishes.draw("wood")
    kit.builder.cylinder(T, (0, y, h - 0.03), (0, y, h), w / 2, wood)
    for turn in np.arange(3) * 2 * np.pi / 3 + kit.rng.uniform(0, 2):
        x, out = 0.46 * w * np.cos(turn), 0.46 * d * np.sin(turn)
        kit.builder.cylinder(T, (x, y + out, 0), (0.4 * x, y + 0.4 * out, h - 0.02), 0.015, wood)


def add_sofa(kit: Kit, T: FloatArray, size: Size) -> None:
    """Add a sofa or an armchair with arms and cushions."""
    (w, d, h), cloth, x = size, kit.finishes.draw("fabric"), size[0] / 2
    arm, rest = kit.rng.uniform((0.1, 0.5), (0.22, 0.62))
    kit.builder.box(T, (-x, 0.02, 0.0), (x, d, 0.30), cloth)
    kit.builder.frustum(T, (-x, d - 0.25, 0.30), (x, d, h), (0.0, 0.08), (0.0, 0.0), cloth)
    for low, high in ((-x, arm - x), (x - arm, x)):
        kit.builder.box(T, (low, 0, 0), (high, d - 0.05, rest), cloth)
    for a, b in pairwise(np.linspace(arm - x, x - arm, max(1, round((w - 2 * arm) / 0.65)) + 1)):
        kit.builder.box(T, (a + 0.01, 0, 0.30), (b - 0.01, d - 0.25, 0.44), cloth)
        if kit.rng.random() < 0.4:
            cushion = ((a + b) / 2, d - 0.3, 0.6)
            kit.builder.ellipsoid(T, cushion, (0.2, 0.1, 0.18), kit.finishes.draw("fabric"))


def add_bed(kit: Kit, T: FloatArray, size: Size) -> None:
    """Add a bed with its head at y = depth."""
    (w, d, h), wood, x = size, kit.finishes.draw("wood"), size[0] / 2
    pale = kit.finishes.draw("pale")
    add_legs(kit, T, (w, d, 0.2), wood, thick=0.06)
    kit.builder.box(T, (-x, 0, 0.2), (x, d, 0.3), wood)
    kit.builder.box(T, (0.03 - x, 0.03, 0.3), (x - 0.03, d - 0.05, 0.5), pale)
    kit.builder.box(T, (0.01 - x, 0.01, 0.44), (x - 0.01, d * 0.65, 0.53), kit.finishes.draw("fabric"))
    kit.builder.box(T, (-x, d - 0.04, 0.3), (x, d, h), wood)
    for side in (-1, 1) if w > 1.2 else (0,):
        kit.builder.ellipsoid(T, (side * w / 4, d - 0.3, 0.54), (0.3, 0.2, 0.09), pale)


def add_lamp(kit: Kit, T: FloatArray, size: Size) -> None:
    """Add a standard lamp: foot, thin pole and shade."""
    (w, d, h), metal, y = size, kit.finishes.draw("metal"), size[1] / 2
    kit.builder.cylinder(T, (0, y, 0), (0, y, 0.025), w * 0.45, metal)
    kit.builder.cylinder(T, (0, y, 0), (0, y, h), kit.rng.uniform(0.006, 0.018), metal)
    kit.builder.cylinder(T, (0, y, h - 0.3), (0, y, h), min(w, d) * 0.5, kit.finishes.draw("pale"))


def add_plant(kit: Kit, T: FloatArray, size: Size) -> None:
    """Add a plant in a pot: stems, each with a leaf at its end."""
    (w, d, h), y, leaf = size, size[1] / 2, kit.finishes.draw("leaf")
    pot, foot = min(0.35 * h, 0.4), 0.3 * min(w, d)
    clay = kit.finishes.draw("plastic")
    kit.builder.frustum(T, (-foot, y - foot, 0), (foot, y + foot, pot), (-0.04, -0.04), (-0.04, -0.04), clay)
    for _ in range(int(kit.rng.integers(4, 12))):
        angle, reach = kit.rng.uniform(0, 2 * np.pi), kit.rng.uniform(0.1, 0.45) * w
        tip = (reach * np.cos(angle), y + reach * np.sin(angle), kit.rng.uniform(pot + 0.1, max(h, pot + 0.2)))
        kit.builder.cylinder(T, (0, y, pot * 0.9), tip, 0.006, leaf)
        tilted = T @ rigid.from_rotation(random_rotation(kit.rng), tip)
        kit.builder.ellipsoid(tilted, (0, 0, 0), kit.rng.uniform((0.04, 0.02, 0.004), (0.16, 0.07, 0.03)), leaf)


def add_ladder(kit: Kit, T: FloatArray, size: Size) -> None:
    """Add a stepladder."""
    (w, d, h), metal = size, kit.finishes.draw("metal")
    for side in (-1, 1):
        for y in (0.0, d):
            kit.builder.cylinder(T, (side * w / 2, y, 0), (side * w * 0.4, d / 2, h), 0.018, metal)
    for share in np.arange(0.25 / h, 0.95, 0.28 / h):
        x, y = w / 2 * (1 - 0.2 * share), d / 2 * share
        kit.builder.box(T, (-x, y - 0.03, share * h), (x, y + 0.03, share * h + 0.025), metal)


def add_radiator(kit: Kit, T: FloatArray, size: Size) -> None:
    """Add a radiator of fins between two pipes."""
    (w, d, h), pale, foot = size, kit.finishes.draw("pale"), 0.12
    for x in np.arange(-w / 2, w / 2 - 0.04, max(0.07, w / 14)):
        kit.builder.box(T, (x, 0, foot), (x + 0.045, d - 0.03, h), pale)
    for z in (foot + 0.05, h - 0.05):
        kit.builder.cylinder(T, (-w / 2, d / 2, z), (w / 2, d / 2, z), 0.02, pale)
    kit.builder.cylinder(T, (w / 2 - 0.02, d / 2, 0), (w / 2 - 0.02, d / 2, foot), 0.012, pale)


def add_human(kit: Kit, T: FloatArray, size: Size) -> None:
    """Add a standing person."""
    add_person(kit.builder, Palette(kit.builder, kit.rng), kit.rng, shifted(T, (0, size[1] / 2, 0), -np.pi / 2))
