"""The grammar of homes and offices: a storey of furnished rooms that are joined by doors, and long corridors."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from depth_ros.synthetic import building, furnishing
from depth_ros.synthetic.finishes import shuffle_faces
from depth_ros.synthetic.floor import FloorSpace, Rectangle
from depth_ros.synthetic.kit import Kit, make_kit
from depth_ros.synthetic.shapes import FloatArray, Scene
from depth_ros.synthetic.world import World

Rng = np.random.Generator
SHUFFLED = 0.15


def make_room(rng: Rng) -> World:
    """Make one to three furnished rooms, 2.8 to 12 m wide in all and 2.2 to 3.5 m high, joined by doorways."""
    kit = make_kit(rng)
    width, depth = np.exp(rng.uniform(np.log(2.8), np.log(12), 2))
    height, area = rng.uniform(2.2, 3.5), (0.0, 0.0, float(width), float(depth))
    floor = FloorSpace(area)
    rooms = _divide(kit, floor, area, height, int(rng.integers(0, 3)))
    _enclose(kit, floor, height)
    for room in rooms:
        building.add_floor(kit, room)
        building.add_ceiling(kit, room, height)
        furnishing.furnish(kit, floor, room, height, rng.uniform(0.6, 2.0))
    return World("room", light(kit, rooms, height), floor.stands(rng, 24))


def make_corridor(rng: Rng) -> World:
    """Make a corridor 8 to 40 m long and 1.2 to 4 m wide, with doors, open rooms, pillars, railings and stairs."""
    kit = make_kit(rng)
    length, width, height = rng.uniform(8, 40), rng.uniform(1.2, 4), rng.uniform(2.2, 3.8)
    hall = (0.0, -width / 2, length, width / 2)
    left, right = (float(rng.uniform(2.5, 5)) if rng.random() < 0.6 else 0.0 for _ in range(2))
    area = (0.0, -width / 2 - right, length, width / 2 + left)
    floor = FloorSpace(area)
    rooms = [hall]
    for y, far in ((width / 2, area[3]), (-width / 2, area[1])):
        if far != y:
            rooms += _line_with_rooms(kit, floor, length, (y, far), height)
        else:
            furnishing.line_with_doors(kit, length, y, height)
    _enclose(kit, floor, height)
    for room in rooms:
        building.add_floor(kit, room)
        building.add_ceiling(kit, room, height)
    furnishing.equip_corridor(kit, floor, hall, height)
    for room in rooms[1:]:
        furnishing.furnish(kit, floor, room, height, 0.25)
    return World("corridor", light(kit, rooms, height), _in_hall(floor, rng, hall))


def light(kit: Kit, rooms: list[Rectangle], height: float) -> Scene:
    """Build the scene under at most three lamps, the sun (which outer walls and ceilings let through), or both."""
    rng, count = kit.rng, int(kit.rng.integers(0, 4))
    areas = np.array(rooms)[rng.integers(len(rooms), size=count)]
    at = areas[:, :2] + rng.uniform(0.2, 0.8, (count, 2)) * (areas[:, 2:] - areas[:, :2])
    lamps = np.column_stack([at, np.full(count, height - 0.3), rng.uniform((0.3, 0.8), (1.8, 4), (count, 2))])
    scene = kit.builder.build(draw_sun(rng), float(rng.uniform(300, 2000)), lamps)
    return shuffle_faces(scene, rng) if rng.random() < SHUFFLED else scene


def draw_sun(rng: Rng) -> FloatArray:
    """Draw the direction of the sun, or none for half of the worlds."""
    if rng.random() < 0.5:
        return np.zeros(3)
    elevation, azimuth = np.radians(rng.uniform(25, 80)), rng.uniform(0, 2 * np.pi)
    return np.array([np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)])


def _divide(kit: Kit, floor: FloorSpace, area: Rectangle, height: float, times: int) -> list[Rectangle]:
    """Split the largest room again and again by a wall across its longer side, with one or two doorways."""
    rooms = [area]
    for _ in range(times):
        rooms.sort(key=lambda room: (room[2] - room[0]) * (room[3] - room[1]))
        x0, y0, x1, y1 = rooms[-1]
        if max(x1 - x0, y1 - y0) < 4.5:
            break
        share, doors = kit.rng.uniform(0.35, 0.65), int(kit.rng.integers(1, 3))
        if x1 - x0 > y1 - y0:
            at = x0 + share * (x1 - x0)
            building.add_partition(kit, floor, (at, y0), (at, y1), height, doors)
            rooms[-1:] = [(x0, y0, at, y1), (at, y0, x1, y1)]
        else:
            at = y0 + share * (y1 - y0)
            building.add_partition(kit, floor, (x0, at), (x1, at), height, doors)
            rooms[-1:] = [(x0, y0, x1, at), (x0, at, x1, y1)]
    return rooms


def _enclose(kit: Kit, floor: FloorSpace, height: float) -> None:
    x0, y0, x1, y1 = floor.area
    corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)]
    for start, end in pairwise(corners):
        length = abs(end[0] - start[0]) + abs(end[1] - start[1])
        most = max(1, min(5, int(length / 1.5)))
        building.add_outer_wall(kit, floor, start, end, height, int(kit.rng.integers(0, most + 1)))
    building.add_outside(kit, floor.area)


def _line_with_rooms(
    kit: Kit, floor: FloorSpace, length: float, y: tuple[float, float], height: float
) -> list[Rectangle]:
    """Add the wall between a corridor and the rooms beside it, from y[0] to y[1]."""
    count = max(1, round(length / kit.rng.uniform(3.5, 9)))
    edges = np.linspace(0, length, count + 1)
    for a, b in pairwise(edges):
        building.add_partition(kit, floor, (a, y[0]), (b, y[0]), height, 1)
    for at in edges[1:-1]:
        building.add_partition(kit, floor, (at, min(y)), (at, max(y)), height, 0)
    return [(float(a), min(y), float(b), max(y)) for a, b in pairwise(edges)]


def _in_hall(floor: FloorSpace, rng: Rng, hall: Rectangle) -> FloatArray:
    """Poses of which most are in the corridor and look along it."""
    stands = floor.stands(rng, 24)
    y = stands[:, 1, 3]
    inside = (y > hall[1] + 0.25) & (y < hall[3] - 0.25)
    return stands[inside] if inside.any() else stands
