"""Where furniture goes: along walls, on the free floor, on walls and under the ceiling."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from depth_ros.synthetic import household, storage
from depth_ros.synthetic.building import DOOR_HEAD, Opening, add_leaf, wall_frame
from depth_ros.synthetic.floor import FloorSpace, Rectangle, bounds
from depth_ros.synthetic.kit import Kit, Piece, Size, scatter, shifted
from depth_ros.synthetic.objects import add_person
from depth_ros.synthetic.palette import Palette
from depth_ros.synthetic.shapes import FloatArray

_GAP = 0.09
AT_WALL = (
    Piece(storage.add_shelf, (0.5, 0.22, 0.8), (1.6, 0.4, 2.1)),
    Piece(storage.add_cupboard, (0.5, 0.35, 0.5), (2.0, 0.6, 2.1)),
    Piece(storage.add_cupboard, (0.4, 0.3, 0.4), (1.2, 0.5, 1.0)),
    Piece(household.add_sofa, (0.8, 0.75, 0.7), (2.4, 1.0, 0.95)),
    Piece(household.add_bed, (0.9, 1.9, 0.7), (1.8, 2.1, 1.3)),
    Piece(household.add_desk, (1.0, 0.6, 0.72), (1.8, 0.85, 0.76)),
    Piece(storage.add_kitchen, (1.3, 0.62, 2.1), (3.2, 0.66, 2.2)),
    Piece(household.add_lamp, (0.25, 0.3, 1.3), (0.5, 0.5, 1.9)),
    Piece(household.add_plant, (0.4, 0.4, 0.5), (0.9, 0.9, 1.9)),
    Piece(storage.add_boxes, (0.4, 0.3, 0.3), (0.8, 0.6, 1.5)),
    Piece(storage.add_rail, (0.7, 0.5, 1.4), (1.5, 0.5, 1.7)),
    Piece(household.add_ladder, (0.45, 0.5, 1.0), (0.55, 0.9, 1.9)),
    Piece(household.add_radiator, (0.5, 0.1, 0.5), (1.5, 0.12, 0.75)),
    Piece(household.add_radiator, (0.5, 0.1, 0.5), (1.5, 0.12, 1.6)),
)
FREE = (
    Piece(household.add_table, (0.6, 0.6, 0.35), (2.2, 1.1, 0.78)),
    Piece(household.add_table, (0.8, 0.7, 0.70), (2.2, 1.1, 0.78)),
    Piece(household.add_sofa, (0.8, 0.75, 0.7), (2.2, 0.95, 0.9)),
    Piece(household.add_chair, (0.4, 0.4, 0.8), (0.5, 0.48, 1.05)),
    Piece(household.add_office_chair, (0.45, 0.5, 0.85), (0.55, 0.6, 1.2)),
    Piece(household.add_stool, (0.3, 0.3, 0.4), (0.5, 0.5, 0.7)),
    Piece(household.add_lamp, (0.25, 0.3, 1.3), (0.5, 0.5, 1.9)),
    Piece(household.add_plant, (0.4, 0.4, 0.4), (0.8, 0.8, 1.5)),
    Piece(storage.add_boxes, (0.3, 0.3, 0.2), (0.7, 0.6, 1.0)),
    Piece(household.add_ladder, (0.45, 0.5, 1.0), (0.55, 0.9, 1.9)),
    Piece(household.add_human, (0.6, 0.6, 1.7), (0.6, 0.6, 1.9)),
)


def furnish(kit: Kit, floor: FloorSpace, room: Rectangle, height: float, density: float) -> None:
    """Fill a room: about `density` pieces per 3 square metres, never over each other."""
    x0, y0, x1, y1 = room
    count = min(int(density * (x1 - x0) * (y1 - y0) / 3) + 2, 18)
    for _ in range(count):
        if kit.rng.random() < 0.65:
            put_at_wall(kit, floor, room, height)
        else:
            put_free(kit, floor, room, height)
    hang_on_walls(kit, floor, room, height, int(kit.rng.integers(0, 4) + (x1 - x0 + y1 - y0) / 2))
    _hang_from_ceiling(kit, room, height)
    _lay_rug(kit, room)
    _lay_cable(kit, room)


def put_at_wall(kit: Kit, floor: FloorSpace, room: Rectangle, height: float) -> None:
    """Put one piece with its back to a wall of the room, if there is a place for it."""
    piece = AT_WALL[kit.rng.integers(len(AT_WALL))]
    for _ in range(4):
        size = _draw_size(kit, piece, height)
        T, length = _side(room, int(kit.rng.integers(4)))
        if size[0] > length - 0.3:
            continue
        along = kit.rng.uniform(size[0] / 2 + 0.1, length - size[0] / 2 - 0.1)
        frame = shifted(T, (along, _GAP + size[1], 0), np.pi)
        if _claim(floor, frame, size):
            piece.add(kit, frame, size)
            return


def put_free(kit: Kit, floor: FloorSpace, room: Rectangle, height: float) -> None:
    """Put one piece anywhere on the free floor; tables get chairs."""
    piece = FREE[kit.rng.integers(len(FREE))]
    x0, y0, x1, y1 = room
    for _ in range(4):
        size = _draw_size(kit, piece, height)
        yaw = kit.rng.uniform(0, 2 * np.pi) if kit.rng.random() < 0.5 else 0.5 * np.pi * kit.rng.integers(4)
        frame = shifted(np.eye(4), (kit.rng.uniform(x0, x1), kit.rng.uniform(y0, y1), 0.0), yaw)
        if _claim(floor, frame, size):
            piece.add(kit, frame, size)
            if piece.add is household.add_table and size[2] > 0.6:
                _seat(kit, floor, frame, size)
            return


def hang_on_walls(kit: Kit, floor: FloorSpace, room: Rectangle, height: float, count: int) -> None:
    """Hang pictures, boards with things, clocks and radiators on the walls."""
    for _ in range(count):
        T, length = _side(room, int(kit.rng.integers(4)))
        if length < 1.4:
            continue
        frame = shifted(T, (kit.rng.uniform(0.7, length - 0.7), 0.06, kit.rng.uniform(1.1, max(1.2, height - 0.7))))
        kind, w, h = kit.rng.integers(4), kit.rng.uniform(0.15, 0.5), kit.rng.uniform(0.15, 0.35)
        if not floor.has_wall(bounds(frame, (-w, 0), (w, 0.1))):
            continue
        if kind < 2:
            kit.builder.box(frame, (-w, 0, -h), (w, 0.03, h), kit.finishes.draw("picture"))
        elif kind == 2:
            kit.builder.box(frame, (-w, 0, 0), (w, 0.22, 0.025), kit.finishes.draw("wood"))
            scatter(kit, shifted(frame, (0, 0, 0.025)), 2 * w, 0.2, 4)
        else:
            kit.builder.cylinder(frame, (0, 0, 0), (0, 0.04, 0), 0.15, kit.finishes.draw("pale"))


def line_with_doors(kit: Kit, length: float, y: float, height: float) -> None:
    """Put closed doors, frames and notices along the wall of a corridor at y."""
    T, _ = wall_frame((0, y), (length, y)) if y < 0 else wall_frame((length, y), (0, y))
    head = min(DOOR_HEAD, height - 0.1)
    for x in np.arange(kit.rng.uniform(0.5, 2), length - 1.4, kit.rng.uniform(2.2, 6)):
        frame = shifted(T, (0, 0.03, 0))
        add_leaf(kit, frame, Opening(x, x + 0.9, 0, head), 0.0)
        for edge in (x - 0.06, x + 0.9):
            kit.builder.box(frame, (edge, -0.03, 0), (edge + 0.06, 0.04, head + 0.06), kit.finishes.draw("wood"))


def equip_corridor(kit: Kit, floor: FloorSpace, hall: Rectangle, height: float) -> None:
    """Add pillars, railings, pipes, lights, a flight of stairs, benches and people to a corridor."""
    x0, y0, x1, y1 = hall
    if kit.rng.random() < 0.5:
        _add_stairs(kit, floor, hall, height)
    if kit.rng.random() < 0.5:
        _add_pillars(kit, floor, hall, height)
    if kit.rng.random() < 0.5:
        _add_railing(kit, hall, y1 - 0.1 if kit.rng.random() < 0.5 else y0 + 0.1)
    for x in np.arange(x0 + 1, x1 - 1, kit.rng.uniform(1.5, 4)):
        size = (0.6, 0.08) if kit.rng.random() < 0.5 else (0.15, 0.6)
        middle = (y0 + y1) / 2
        low = (x - size[0], middle - size[1], height - 0.05)
        kit.builder.box(np.eye(4), low, (x + size[0], middle + size[1], height), kit.finishes.draw("pale"))
    for _ in range(int(kit.rng.integers(0, 4))):
        y, radius = kit.rng.uniform(y0 + 0.2, y1 - 0.2), kit.rng.uniform(0.01, 0.12)
        z = height - radius - kit.rng.uniform(0.02, 0.3)
        kit.builder.cylinder(np.eye(4), (x0, y, z), (x1, y, z), radius, kit.finishes.draw("metal"))
    for _ in range(int(kit.rng.integers(0, 5))):
        _add_walker(kit, floor, hall)
    for _ in range(int(kit.rng.integers(0, 6))):
        put_at_wall(kit, floor, hall, height)
    hang_on_walls(kit, floor, hall, height, int(kit.rng.integers(2, 8)))


def _side(room: Rectangle, side: int) -> tuple[FloatArray, float]:
    """Frame of a wall of the room: x along it, y into the room, origin at its right corner; and its length."""
    x0, y0, x1, y1 = room
    corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)]
    return wall_frame(corners[side], corners[side + 1])


def _draw_size(kit: Kit, piece: Piece, height: float) -> Size:
    w, d, h = kit.rng.uniform(piece.least, piece.most)
    return float(w), float(d), float(min(h, height - 0.1))


def _claim(floor: FloorSpace, frame: FloatArray, size: Size) -> bool:
    rectangle = bounds(frame, (-size[0] / 2, 0), (size[0] / 2, size[1]))
    if not floor.is_free(rectangle):
        return False
    floor.take(rectangle)
    return True


def _seat(kit: Kit, floor: FloorSpace, table: FloatArray, size: Size) -> None:
    w, d, _ = size
    places = [(x, -0.45, np.pi) for x in (-w / 4, w / 4)] + [(x, d + 0.05, 0.0) for x in (-w / 4, w / 4)]
    for x, y, yaw in places:
        chair = (0.44, 0.44, float(kit.rng.uniform(0.8, 1.0)))
        shift = kit.rng.uniform(-0.05, 0.05)
        frame = shifted(table, (x, y + (0.44 if yaw else 0) + shift, 0), yaw + kit.rng.normal(0, 0.05))
        if kit.rng.random() < 0.7 and _claim(floor, frame, chair):
            household.add_chair(kit, frame, chair)


def _hang_from_ceiling(kit: Kit, room: Rectangle, height: float) -> None:
    x0, y0, x1, y1 = room
    kind = kit.rng.integers(4)
    x, y = kit.rng.uniform((x0 + 0.3 * (x1 - x0), y0 + 0.3 * (y1 - y0)), (x0 + 0.7 * (x1 - x0), y0 + 0.7 * (y1 - y0)))
    if kind == 0 and height > 2.4:
        drop = kit.rng.uniform(0.3, height - 1.9)
        frame = shifted(np.eye(4), (x, y, height))
        kit.builder.cylinder(frame, (0, 0, -drop), (0, 0, 0), 0.006, kit.finishes.draw("dark"))
        kit.builder.ellipsoid(frame, (0, 0, -drop), kit.rng.uniform(0.08, 0.25, 3), kit.finishes.draw("pale"))
    elif kind == 1:
        for along in np.arange(x0 + 0.5, x1 - 0.3, max(0.9, (x1 - x0) / 5)):
            low = (along, y0, height - kit.rng.uniform(0.1, 0.2))
            kit.builder.box(np.eye(4), low, (along + 0.12, y1, height), kit.finishes.draw("wood"))
    else:
        low = (x - 0.3, y - 0.3, height - 0.06)
        kit.builder.box(np.eye(4), low, (x + 0.3, y + 0.3, height), kit.finishes.draw("pale"))


def _lay_rug(kit: Kit, room: Rectangle) -> None:
    x0, y0, x1, y1 = room
    w, d = kit.rng.uniform(0.2, 0.38, 2) * (x1 - x0, y1 - y0)
    if kit.rng.random() < 0.4:
        frame = shifted(np.eye(4), ((x0 + x1) / 2, (y0 + y1) / 2, 0))
        kit.builder.box(frame, (-w, -d, 0), (w, d, 0.01), kit.finishes.draw("fabric"))


def _lay_cable(kit: Kit, room: Rectangle) -> None:
    """Lay a thin cable over the floor."""
    points = kit.rng.uniform(room[:2], room[2:]) + np.cumsum(kit.rng.normal(0, 0.25, (6, 2)), axis=0)
    points = np.clip(points, np.add(room[:2], 0.1), np.subtract(room[2:], 0.1))
    dark = kit.finishes.draw("dark")
    for a, b in pairwise(points[: int(kit.rng.integers(0, 7))]):
        if np.hypot(*(b - a)) > 0.01:
            kit.builder.cylinder(np.eye(4), (*a, 0.008), (*b, 0.008), 0.008, dark)


def _add_stairs(kit: Kit, floor: FloorSpace, hall: Rectangle, height: float) -> None:
    """Add stairs that rise away from the corridor at its far end."""
    _, y0, x1, y1 = hall
    rise, tread = kit.rng.uniform(0.15, 0.19), kit.rng.uniform(0.26, 0.32)
    count = int(min(height - 0.4, 2.0) / rise)
    wide = kit.rng.uniform(0.5, 1) * (y1 - y0)
    material, start = kit.finishes.draw(kit.rng.choice(["concrete", "wood"])), x1 - count * tread
    for k in range(count):
        low = (start + k * tread, y0, k * rise)
        kit.builder.box(np.eye(4), low, (start + (k + 1) * tread, y0 + wide, (k + 1) * rise), material)
    for k in range(0, count, 2):
        foot = (start + (k + 0.5) * tread, y0 + wide - 0.05)
        top = (k + 1) * rise + 0.9
        kit.builder.cylinder(np.eye(4), (*foot, (k + 1) * rise), (*foot, top), 0.012, kit.finishes.draw("metal"))
    ends = [(start, y0 + wide - 0.05, rise + 0.9), (x1, y0 + wide - 0.05, count * rise + 0.9)]
    kit.builder.cylinder(np.eye(4), ends[0], ends[1], 0.025, kit.finishes.draw("metal"))
    floor.take((start, y0, x1, y0 + wide))


def _add_pillars(kit: Kit, floor: FloorSpace, hall: Rectangle, height: float) -> None:
    x0, y0, x1, y1 = hall
    thick, is_round, material = kit.rng.uniform(0.1, 0.3), kit.rng.random() < 0.5, kit.finishes.draw("concrete")
    for x in np.arange(x0 + kit.rng.uniform(1, 3), x1 - 1, kit.rng.uniform(2.5, 6)):
        for y in (y0 + thick / 2, y1 - thick / 2):
            rectangle = (x - thick / 2, y - thick / 2, x + thick / 2, y + thick / 2)
            if not floor.is_free(rectangle):
                continue
            floor.take(rectangle)
            if is_round:
                kit.builder.cylinder(np.eye(4), (x, y, 0), (x, y, height), thick / 2, material)
            else:
                kit.builder.box(np.eye(4), (*rectangle[:2], 0), (*rectangle[2:], height), material)


def _add_railing(kit: Kit, hall: Rectangle, y: float) -> None:
    metal, x0, x1 = kit.finishes.draw("metal"), hall[0], hall[2] - 3
    for z in (0.45, 0.95)[int(kit.rng.integers(2)) :]:
        kit.builder.cylinder(np.eye(4), (x0, y, z), (x1, y, z), 0.02, metal)
    for x in np.arange(x0 + 0.3, x1, kit.rng.uniform(0.3, 1.6)):
        kit.builder.cylinder(np.eye(4), (x, y, 0), (x, y, 0.95), 0.012, metal)


def _add_walker(kit: Kit, floor: FloorSpace, area: Rectangle) -> None:
    x, y = kit.rng.uniform((area[0] + 0.5, area[1] + 0.4), (area[2] - 0.5, area[3] - 0.4))
    rectangle = (x - 0.3, y - 0.3, x + 0.3, y + 0.3)
    if floor.is_free(rectangle):
        floor.take(rectangle)
        frame = shifted(np.eye(4), (x, y, 0), kit.rng.uniform(0, 2 * np.pi))
        add_person(kit.builder, Palette(kit.builder, kit.rng), kit.rng, frame)
