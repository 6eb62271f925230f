"""The grammar of warehouses: a hall with racks, aisles, columns, lift trucks, people, and a roof of trusses."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from depth_ros.synthetic import building
from depth_ros.synthetic.floor import FloorSpace, Rectangle
from depth_ros.synthetic.kit import Kit, make_kit, shifted
from depth_ros.synthetic.objects import add_cable, add_person
from depth_ros.synthetic.palette import Palette
from depth_ros.synthetic.rooms import light
from depth_ros.synthetic.shapes import FloatArray, Holes
from depth_ros.synthetic.world import World

Rng = np.random.Generator
_PALLET = (1.2, 0.8)
_MOST_BAYS = 40


class _RackPlan(NamedTuple):
    """What the racks of a hall share.

    bay, depth: metres along and across a rack. levels: heights in metres of its beams' tops. post, beam: materials.
    filled: share of places with goods.
    """

    bay: float
    depth: float
    levels: FloatArray
    post: int
    beam: int
    filled: float


def make_warehouse(rng: Rng) -> World:
    """Make a hall 5 to 60 m long and 3.5 to 12 m high."""
    kit = make_kit(rng)
    length, width = float(np.exp(rng.uniform(np.log(8), np.log(60)))), float(rng.uniform(6, 24))
    height, area = float(rng.uniform(3.5, 12)), (0.0, 0.0, length, width)
    floor = FloorSpace(area)
    palette = Palette(kit.builder, rng)
    _enclose(kit, floor, height)
    _add_columns(kit, floor, height)
    _add_racks(kit, floor, height)
    for _ in range(int(rng.integers(0, 3))):
        _put(kit, floor, (2.6, 1.4), partial(_add_lift_truck, kit, palette))
    for _ in range(int(rng.integers(1, 7))):
        _put(kit, floor, (1.4, 1.4), partial(_add_load, kit))
    for _ in range(int(rng.integers(0, 5))):
        _put(kit, floor, (0.8, 0.8), partial(add_person, kit.builder, palette, rng))
    for _ in range(int(rng.integers(0, 3))):
        _put(kit, floor, (3.0, 3.0), partial(_add_cage, kit, palette))
    _hang_under_roof(kit, palette, area, height)
    return World("warehouse", light(kit, [area], height), floor.stands(rng, 24))


def _enclose(kit: Kit, floor: FloorSpace, height: float) -> None:
    x0, y0, x1, y1 = floor.area
    corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)]
    for start, end in pairwise(corners):
        building.add_outer_wall(kit, floor, start, end, height, int(kit.rng.choice([0, 0, 1, 2, 4])))
    building.add_floor(kit, floor.area, "concrete")
    building.add_ceiling(kit, floor.area, height, str(kit.rng.choice(["ceiling", "metal", "concrete"])))
    building.add_outside(kit, floor.area)
    yellow = kit.builder.material((0.6, 0.45, 0.05))
    for y in kit.rng.uniform(y0, y1, int(kit.rng.integers(0, 5))):
        kit.builder.box(np.eye(4), (x0, y, 0), (x1, y + 0.08, 0.002), yellow)


def _add_columns(kit: Kit, floor: FloorSpace, height: float) -> None:
    _, _, x1, y1 = floor.area
    thick, material = kit.rng.uniform(0.12, 0.5), kit.finishes.draw(kit.rng.choice(["concrete", "metal", "plastic"]))
    for y in np.arange(kit.rng.uniform(0.3, 6), y1 - 0.5, kit.rng.uniform(6, 12)):
        for x in np.arange(kit.rng.uniform(1, 5), x1 - 0.5, max(kit.rng.uniform(4, 9), x1 / 6)):
            rectangle = (float(x), float(y), float(x + thick), float(y + thick))
            floor.take(rectangle)
            kit.builder.box(np.eye(4), (x, y, 0), (x + thick, y + thick, height), material)


def _add_racks(kit: Kit, floor: FloorSpace, height: float) -> None:
    """Add racks along x, single or back to back, with aisles of 1.4 to 4 m between them, until there are enough."""
    x1, y1 = floor.area[2:]
    first = kit.rng.uniform(0.3, 1.0)
    step = kit.rng.uniform(0.9, 2.0) if kit.rng.random() < 0.8 else kit.rng.uniform(0.35, 0.6)
    levels = np.concatenate([[0.12], np.arange(first + step * 0.6, height - 1.0, step)])[: int(kit.rng.integers(2, 6))]
    plan = _RackPlan(
        float(kit.rng.uniform(1.2, 3.0)),
        float(kit.rng.uniform(0.5, 1.1)),
        levels,
        kit.finishes.draw(kit.rng.choice(["plastic", "metal"])),
        kit.finishes.draw("plastic"),
        float(kit.rng.uniform(0.3, 0.95)),
    )
    start, bays, y = kit.rng.uniform(0.5, 3.5), 0, kit.rng.uniform(0.1, 3)
    while y + plan.depth < y1 - 0.1 and bays < _MOST_BAYS:
        end = x1 - kit.rng.uniform(0.5, 3.5)
        bays += _add_rack(kit, floor, plan, (start, end), y, _MOST_BAYS - bays)
        y += plan.depth + (0.15 if kit.rng.random() < 0.3 else kit.rng.uniform(1.4, 4))


def _add_rack(kit: Kit, floor: FloorSpace, plan: _RackPlan, x: tuple[float, float], y: float, most: int) -> int:
    """Add a rack from y to y + depth, broken where a column stands or an aisle crosses; return its number of bays."""
    count, eye, top = 0, np.eye(4), plan.levels[-1] + 0.9
    crossing = int(kit.rng.integers(2, 8))
    for k, at in enumerate(np.arange(x[0], x[1] - plan.bay, plan.bay)):
        rectangle = (float(at), y, float(at + plan.bay), y + plan.depth)
        if k % 8 == crossing or count >= most or not floor.is_free(rectangle, margin=-0.02):
            continue
        count += 1
        floor.take(rectangle)
        for post in (at, at + plan.bay - 0.08):
            for side in (y, y + plan.depth - 0.08):
                kit.builder.box(eye, (post, side, 0), (post + 0.08, side + 0.08, top), plan.post)
            kit.builder.cylinder(eye, (post, y, 0.2), (post, y + plan.depth, 1.2), 0.015, plan.post)
        for z in plan.levels:
            for side in (y, y + plan.depth - 0.05):
                kit.builder.box(eye, (at, side, z - 0.1), (at + plan.bay, side + 0.05, z), plan.beam)
            _fill_bay(kit, plan, shifted(eye, (at + 0.1, y, z)))
    return count


def _fill_bay(kit: Kit, plan: _RackPlan, T: FloatArray) -> None:
    """Stack goods on one level of a bay: boxes, drums or a wrapped pallet, or nothing."""
    wide, gap = plan.bay - 0.2, (plan.levels[1] - plan.levels[0] if len(plan.levels) > 1 else 1.5) - 0.2
    slots = max(1, round(wide / 1.0))
    for k in range(slots):
        if kit.rng.random() > plan.filled:
            continue
        x0, x1 = wide * k / slots + 0.03, wide * (k + 1) / slots - 0.03
        deep, high = plan.depth * kit.rng.uniform(0.7, 1.0), kit.rng.uniform(0.3, 1.0) * gap
        if kit.rng.random() < 0.85:
            family = kit.rng.choice(["cardboard", "cardboard", "plastic", "wood", "paper"])
            frame = shifted(T, ((x0 + x1) / 2, plan.depth / 2, 0), kit.rng.normal(0, 0.03))
            half = (x1 - x0) / 2 * kit.rng.uniform(0.75, 1.0)
            kit.builder.box(frame, (-half, -deep / 2, 0), (half, deep / 2, high), kit.finishes.draw(family))
        else:
            radius = min(x1 - x0, plan.depth) / 2
            middle = ((x0 + x1) / 2, plan.depth / 2)
            kit.builder.cylinder(T, (*middle, 0), (*middle, high), radius, kit.finishes.draw("plastic"))


def _put(kit: Kit, floor: FloorSpace, size: tuple[float, float], add: Callable[[FloatArray], None]) -> None:
    """Put a thing that needs a free rectangle of `size`, whichever way it is turned."""
    reach = float(np.hypot(*size)) / 2
    for _ in range(8):
        x, y = kit.rng.uniform((reach, reach), np.maximum(np.subtract(floor.area[2:], reach), reach + 0.01))
        rectangle = (x - reach, y - reach, x + reach, y + reach)
        if floor.is_free(rectangle):
            floor.take((x - size[0] / 2, y - size[1] / 2, x + size[0] / 2, y + size[1] / 2))
            add(shifted(np.eye(4), (x, y, 0), kit.rng.uniform(0, 2 * np.pi)))
            return


def _add_lift_truck(kit: Kit, palette: Palette, T: FloatArray) -> None:
    """Add a forklift, forks towards +x: body, mast, forks, overhead guard, wheels, driver."""
    paint, dark, steel = kit.finishes.draw("plastic"), palette.rubber, palette.iron
    lift, tall = kit.rng.uniform(0.05, 1.6), kit.rng.uniform(2.0, 2.6)
    kit.builder.frustum(T, (-1.2, -0.5, 0.25), (0.3, 0.5, 0.95), (0.1, 0), (0.3, 0.06), paint)
    kit.builder.box(T, (-1.3, -0.48, 0.3), (-0.9, 0.48, 1.1), dark)
    for side in (-1, 1):
        for x in (-0.9, 0.25):
            kit.builder.cylinder(T, (x, side * 0.38, 0.25), (x, side * 0.55, 0.25), 0.25, palette.wheel)
        for rear, front in (((-0.95, 1.0), (-0.75, 2.05)), ((0.3, 0.9), (0.05, 2.05))):
            ends = [(at[0], side * 0.45, at[1]) for at in (rear, front)]
            kit.builder.cylinder(T, ends[0], ends[1], 0.035, dark)
        low, high = sorted((side * 0.25, side * 0.35))
        kit.builder.box(T, (0.45, low, 0.05), (0.55, high, tall), steel)
        kit.builder.box(T, (0.55, low, lift), (1.6, high, lift + 0.04), steel)
    for y in np.linspace(-0.45, 0.4, 6):
        kit.builder.box(T, (-0.75, y, 2.05), (0.05, y + 0.05, 2.09), dark)
    kit.builder.ellipsoid(T, (-0.35, 0, 1.35), (0.16, 0.22, 0.35), palette.clothes(kit.rng))
    kit.builder.ellipsoid(T, (-0.33, 0, 1.8), (0.1, 0.09, 0.12), palette.skin(kit.rng))
    if kit.rng.random() < 0.6:
        _add_load(kit, shifted(T, (1.15, 0, lift + 0.04)))


def _add_load(kit: Kit, T: FloatArray) -> None:
    """Add a pallet with a few layers of boxes."""
    x, y = _PALLET[0] / 2, _PALLET[1] / 2
    wood = kit.finishes.draw("wood")
    for at in (-y, -0.05, y - 0.1):
        kit.builder.box(T, (-x, at, 0), (x, at + 0.1, 0.12), wood)
    kit.builder.box(T, (-x, -y, 0.12), (x, y, 0.145), wood)
    z = 0.145
    for _ in range(int(kit.rng.integers(0, 4))):
        high, split = kit.rng.uniform(0.2, 0.5), int(kit.rng.integers(1, 4))
        edges = np.linspace(-x, x, split + 1) * kit.rng.uniform(0.8, 1)
        for a, b in pairwise(edges):
            if kit.rng.random() < 0.9:
                kit.builder.box(T, (a, -y, z), (b - 0.01, y, z + high), kit.finishes.draw("cardboard"))
        z += high


def _add_cage(kit: Kit, palette: Palette, T: FloatArray) -> None:
    """Add two sides of a wire fence on posts, with rays passing between its wires."""
    grid = kit.rng.uniform(0.4, 1.0)
    mesh = kit.builder.material((0.2, 0.2, 0.2), holes=kit.rng.choice([Holes.MESH, Holes.LINK]), hole_size=grid)
    high = kit.rng.uniform(1.2, 2.2)
    for start, end in (((-1.4, -1.4), (1.4, -1.4)), ((1.4, -1.4), (1.4, 1.4))):
        corners = [(*start, 0.05), (*end, 0.05), (*end, high), (*start, high)]
        kit.builder.plate(T, corners, mesh)
        for x, y in (start, end):
            kit.builder.cylinder(T, (x, y, 0), (x, y, high), 0.03, palette.steel)


def _hang_under_roof(kit: Kit, palette: Palette, area: Rectangle, height: float) -> None:
    """Add trusses or beams, hanging lamps and sagging cables."""
    _, _, x1, y1 = area
    metal, pale = kit.finishes.draw("metal"), kit.finishes.draw("pale")
    trussed, drop = kit.rng.random() < 0.5, kit.rng.uniform(0.4, 1.0)
    for x in np.arange(2.0, x1 - 0.5, max(3.5, x1 / 8)):
        if not trussed:
            kit.builder.box(np.eye(4), (x, 0, height - 0.35), (x + 0.2, y1, height), metal)
            continue
        kit.builder.cylinder(np.eye(4), (x, 0, height - drop), (x, y1, height - drop), 0.05, metal)
        edges = np.linspace(0, y1, 2 * max(1, round(y1 / 4)) + 1)
        for k, (a, b) in enumerate(pairwise(edges)):
            ends = [(x, a, height - drop * (k % 2)), (x, b, height - drop * (1 - k % 2))]
            kit.builder.cylinder(np.eye(4), ends[0], ends[1], 0.03, metal)
    low = kit.rng.uniform(max(2.4, 0.5 * height), height - 0.4)
    for x in np.arange(1.5, x1, max(3.0, x1 / 7)):
        for y in np.linspace(0, y1, 4)[1:-1]:
            kit.builder.cylinder(np.eye(4), (x, y, low), (x, y, height), 0.01, palette.iron)
            kit.builder.cylinder(np.eye(4), (x, y, low - 0.25), (x, y, low), 0.22, pale)
    for _ in range(int(kit.rng.integers(0, 4))):
        start, end = kit.rng.uniform((0, 0, 0.6 * height), (x1, y1, height), (2, 3))
        add_cable(kit.builder, palette, start, end, 0.4)
