"""Walls, doors, windows, floors and ceilings of a storey that is divided into rectangular rooms."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from depth_ros.geometry import rigid
from depth_ros.synthetic.floor import FloorSpace, Rectangle, bounds
from depth_ros.synthetic.kit import Kit, shifted
from depth_ros.synthetic.shapes import FloatArray

THICK = 0.12
_REVEAL = 0.25
DOOR_HEAD = 2.05


class Opening(NamedTuple):
    """A hole in a wall: where along it, and between which heights, in metres."""

    start: float
    end: float
    sill: float
    head: float


class Side(NamedTuple):
    """A free stretch of wall: its frame (x along it, y into the wall, z up; origin at its middle) and its length."""

    T: FloatArray
    length: float


def wall_frame(start: tuple[float, float], end: tuple[float, float]) -> tuple[FloatArray, float]:
    """Return the frame at `start` with x towards `end` and y to the left of it, and the distance."""
    along = np.subtract(end, start)
    length = float(np.hypot(*along))
    cos, sin = along / length
    rotation = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1.0]])
    return rigid.from_rotation(rotation, (*start, 0.0)), length


def add_partition(
    kit: Kit, floor: FloorSpace, start: tuple[float, float], end: tuple[float, float], height: float, doors: int
) -> None:
    """Add a wall of `THICK` between two rooms with doorways in it, open or with a leaf that is ajar."""
    T, length = wall_frame(start, end)
    openings = _draw_doors(kit, length, min(height - 0.1, DOOR_HEAD), doors)
    material = kit.finishes.draw("wall")
    for x0, x1, z0, z1 in _pieces(length, height, openings):
        kit.builder.box(T, (x0, -THICK / 2, z0), (x1, THICK / 2, z1), material)
        if z0 == 0:
            floor.take(bounds(T, (x0, -THICK / 2), (x1, THICK / 2)))
            add_skirting(kit, T, x0, x1)
    for opening in openings:
        floor.keep_clear(bounds(T, (opening.start - 0.1, -0.8), (opening.end + 0.1, 0.8)))
        floor.open_wall(bounds(T, (opening.start, -0.2), (opening.end, 0.2)))
        _add_frame(kit, T, opening, (-THICK / 2 - 0.012, THICK / 2 + 0.012))
        if kit.rng.random() < 0.6:
            add_leaf(kit, T, opening, kit.rng.uniform(0.1, 2.0) * kit.rng.choice([-1, 1]))


def add_outer_wall(
    kit: Kit, floor: FloorSpace, start: tuple[float, float], end: tuple[float, float], height: float, windows: int
) -> None:
    """Add a wall that is seen from its left only, which lets the sun through; some windows have panes."""
    T, length = wall_frame(start, end)
    openings = _draw_windows(kit, length, height, windows)
    material = kit.finishes.draw("wall")
    for x0, x1, z0, z1 in _pieces(length, height, openings):
        kit.builder.quad(T, [(x1, 0, z0), (x0, 0, z0), (x0, 0, z1), (x1, 0, z1)], material)
        if z0 == 0:
            add_skirting(kit, T, x0, x1)
    for opening in openings:
        floor.open_wall(bounds(T, (opening.start, -_REVEAL), (opening.end, 0.15)))
        _add_frame(kit, T, opening, (-_REVEAL, 0.012))
        _add_window(kit, T, opening)


def add_skirting(kit: Kit, T: FloatArray, x0: float, x1: float) -> None:
    """Add a board along the foot of a wall, seen from both of its sides."""
    kit.builder.box(T, (x0, -THICK / 2 - 0.012, 0), (x1, THICK / 2 + 0.012, 0.08), kit.finishes.draw("pale"))


def add_leaf(kit: Kit, T: FloatArray, opening: Opening, angle: float) -> None:
    """Hang a door leaf in an opening, `angle` radians open."""
    hinge = shifted(T, (opening.start + 0.04, 0, 0), angle)
    wide = opening.end - opening.start - 0.08
    kit.builder.box(hinge, (0, -0.02, 0.01), (wide, 0.02, opening.head - 0.04), kit.finishes.draw("wood"))
    for side in (-1, 1):
        grip = (wide - 0.07, side * 0.06, 1.02)
        kit.builder.cylinder(hinge, grip, (wide - 0.2, side * 0.06, 1.02), 0.011, kit.finishes.draw("metal"))
        kit.builder.cylinder(hinge, grip, (wide - 0.07, 0, 1.02), 0.011, kit.finishes.draw("metal"))


def add_floor(kit: Kit, area: Rectangle, family: str = "floor") -> None:
    """Cover a rectangle at z = 0."""
    x0, y0, x1, y1 = area
    kit.builder.quad(np.eye(4), [(x0, y0, 0), (x1, y0, 0), (x1, y1, 0), (x0, y1, 0)], kit.finishes.draw(family))


def add_ceiling(kit: Kit, area: Rectangle, height: float, family: str = "ceiling") -> None:
    """Cover a rectangle from above, seen from below only: the sun shines through it."""
    x0, y0, x1, y1 = area
    corners = [(x0, y1, height), (x1, y1, height), (x1, y0, height), (x0, y0, height)]
    kit.builder.quad(np.eye(4), corners, kit.finishes.draw(family))


def add_outside(kit: Kit, area: Rectangle) -> None:
    """Add what is seen through windows: ground, and blocks and crowns at some distance."""
    middle, reach = ((area[0] + area[2]) / 2, (area[1] + area[3]) / 2), max(area[2] - area[0], area[3] - area[1])
    z = -kit.rng.uniform(0.3, 6.0)
    # Solids, unlike quads, do not widen the map of the sun's shadows.
    ground = kit.finishes.draw(kit.rng.choice(["leaf", "concrete"]))
    kit.builder.ellipsoid(np.eye(4), (*middle, z - 3), (200, 200, 3), ground)
    for turn in np.arange(9) * 0.7 + kit.rng.uniform(0, 0.4, 9):
        away = reach + kit.rng.uniform(3, 45)
        at = (middle[0] + away * np.cos(turn), middle[1] + away * np.sin(turn), z)
        w, d, h = kit.rng.uniform((2, 2, 3), (8, 6, 14))
        if kit.rng.random() < 0.5:
            top = (at[0], at[1], z + h)
            kit.builder.cylinder(
                np.eye(4), at, top, d / 2 if kit.rng.random() < 0.7 else 0.1, kit.finishes.draw("wall")
            )
        else:
            kit.builder.ellipsoid(
                np.eye(4), (at[0], at[1], z + h / 2), (w / 3, w / 3, h / 2), kit.finishes.draw("leaf")
            )


def _pieces(length: float, height: float, openings: list[Opening]) -> list[tuple[float, float, float, float]]:
    """Rectangles (x0, x1, z0, z1) of a wall around its openings, which are sorted and apart."""
    pieces, x = [], 0.0
    for opening in openings:
        pieces.append((x, opening.start, 0.0, height))
        if opening.sill > 0:
            pieces.append((opening.start, opening.end, 0.0, opening.sill))
        if opening.head < height:
            pieces.append((opening.start, opening.end, opening.head, height))
        x = opening.end
    return [*pieces, (x, length, 0.0, height)]


def _draw_doors(kit: Kit, length: float, head: float, count: int) -> list[Opening]:
    """Draw doorways, one in each equal share of the wall that is wide enough."""
    openings = []
    share = length / max(count, 1)
    for k in range(count):
        wide = kit.rng.uniform(0.75, 1.0) if kit.rng.random() < 0.75 else kit.rng.uniform(1.2, 2.4)
        if share > wide + 0.3:
            start = k * share + kit.rng.uniform(0.12, share - wide - 0.12)
            openings.append(Opening(start, start + wide, 0.0, head))
    return openings


def _draw_windows(kit: Kit, length: float, height: float, count: int) -> list[Opening]:
    share, sill = length / max(count, 1), kit.rng.choice([0.1, 0.5, 0.8, 1.0, 1.2])
    head = kit.rng.uniform(max(sill + 0.5, 0.8 * height), height - 0.1) if height - 0.15 > sill + 0.5 else height - 0.1
    wide = kit.rng.uniform(0.35, 0.8) * share
    if wide < 0.4 or head - sill < 0.4:
        return []
    starts = (np.arange(count) + 0.5) * share - wide / 2
    return [Opening(float(start), float(start + wide), float(sill), float(head)) for start in starts]


def _add_frame(kit: Kit, T: FloatArray, opening: Opening, y: tuple[float, float]) -> None:
    start, end, sill, head = opening
    material = kit.finishes.draw("pale")
    for x in (start, end - 0.04):
        kit.builder.box(T, (x, y[0], sill), (x + 0.04, y[1], head), material)
    kit.builder.box(T, (start, y[0], head - 0.04), (end, y[1], head), material)
    if sill > 0:
        kit.builder.box(T, (start - 0.03, y[0], sill - 0.02), (end + 0.03, y[1] + 0.1, sill + 0.02), material)


def _add_window(kit: Kit, T: FloatArray, opening: Opening) -> None:
    start, end, sill, head = opening
    frame = kit.finishes.draw("pale")
    for x in np.linspace(start, end, int(kit.rng.integers(2, 5)))[1:-1]:
        kit.builder.box(T, (x - 0.02, -0.2, sill), (x + 0.02, -0.16, head), frame)
    if kit.rng.random() < 0.5:
        kit.builder.box(T, (start, -0.2, (sill + head) / 2), (end, -0.16, (sill + head) / 2 + 0.04), frame)
    style = kit.rng.random()
    if style < 0.5:
        corners = [(end, -0.18, sill), (start, -0.18, sill), (start, -0.18, head), (end, -0.18, head)]
        kit.builder.quad(T, corners, kit.finishes.draw("glass"))
    elif style < 0.6:
        for z in np.arange(sill + 0.05, head, max(0.07, (head - sill) / 16)):
            kit.builder.box(T, (start, -0.1, z), (end, -0.05, z + 0.008), frame)
    if kit.rng.random() < 0.3:
        _hang_curtain(kit, T, opening)


def _hang_curtain(kit: Kit, T: FloatArray, opening: Opening) -> None:
    cloth, foot = kit.finishes.draw("fabric"), kit.rng.choice([0.05, max(opening.sill - 0.1, 0.05)])
    for edge, inward in ((opening.start, 1), (opening.end, -1)):
        for k in range(int(kit.rng.integers(2, 7))):
            x = edge + inward * 0.08 * k
            kit.builder.cylinder(T, (x, 0.08, foot), (x, 0.08, opening.head + 0.05), 0.045, cloth)
