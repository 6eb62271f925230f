"""Clutter: things of every form and scale at random poses, the geometry that no other grammar foresees."""

from __future__ import annotations

import numpy as np

from depth_ros.geometry import rigid
from depth_ros.synthetic.finishes import FAMILIES, shuffle_faces
from depth_ros.synthetic.kit import Kit, make_kit, random_rotation
from depth_ros.synthetic.rooms import draw_sun
from depth_ros.synthetic.shapes import FloatArray, Holes
from depth_ros.synthetic.world import World

Rng = np.random.Generator
_SECTOR = np.radians(65)
_NAMES = tuple(FAMILIES)
_HOLES = tuple(hole for hole in Holes if hole != Holes.NONE)


def make_clutter(rng: Rng) -> World:
    """Make 80 to 240 things about a typical distance of 0.5 to 30 m, before walls, over a ground, or in the open."""
    kit = make_kit(rng)
    typical = float(np.exp(rng.uniform(np.log(0.5), np.log(30))))
    add_surroundings(kit, typical)
    for _ in range(int(rng.integers(80, 240))):
        _add_thing(kit, typical)
    for _ in range(int(rng.integers(0, 8))):
        _add_wire(kit, typical)
    haze, texel = float(np.exp(rng.uniform(np.log(150), np.log(3000)))), max(0.03, typical / 60)
    scene = kit.builder.build(draw_sun(rng), haze, _draw_lamps(rng, typical), texel)
    stands = np.stack([_draw_stand(rng) for _ in range(8)])
    return World("clutter", shuffle_faces(scene, rng) if rng.random() < 0.5 else scene, stands)


def add_surroundings(kit: Kit, typical: float) -> None:
    """Add a ground, walls around, a ceiling, or slanted planes far behind; at least one of them."""
    rng = kit.rng
    far = max(1.5, typical) * float(rng.uniform(1.5, 4))
    has_ground, has_walls = rng.random() < 0.7, rng.random() < 0.55
    if has_ground:
        reach = 1.5 * far
        tilt = rigid.from_rotation(_tilted(rng, 0.0 if has_walls else 0.03), np.zeros(3))
        corners = [(-reach, -reach, 0), (reach, -reach, 0), (reach, reach, 0), (-reach, reach, 0)]
        kit.builder.quad(tilt, corners, _any(kit))
    if has_walls:
        _add_walls(kit, far)
    if not (has_walls and has_ground):
        for _ in range(int(rng.integers(2, 6))):
            yaw, size = rng.uniform(-_SECTOR, _SECTOR), far * rng.uniform(0.4, 1.0)
            at = (far * np.cos(yaw), far * np.sin(yaw), rng.normal(1, 0.3 * far))
            frame = rigid.from_rotation(random_rotation(rng), at)
            kit.builder.plate(
                frame, [(-size, -size, 0), (size, -size, 0), (size, size, 0), (-size, size, 0)], _any(kit)
            )


def _add_walls(kit: Kit, far: float) -> None:
    """Add five walls around, seen from inside, each turned a little, and sometimes a ceiling."""
    high, low = max(3.5, far * kit.rng.uniform(0.5, 1.5)), -far
    turns = np.arange(5) * 2 * np.pi / 5 + kit.rng.uniform(-0.3, 0.3, 5)
    corners = [(1.3 * far * np.cos(turn), 1.3 * far * np.sin(turn)) for turn in turns]
    for a, b in zip(corners, corners[1:] + corners[:1], strict=True):
        kit.builder.quad(np.eye(4), [(*b, low), (*a, low), (*a, high), (*b, high)], _any(kit))
    if kit.rng.random() < 0.5:
        reach = 1.4 * far
        top = [(-reach, reach, high), (reach, reach, high), (reach, -reach, high), (-reach, -reach, high)]
        kit.builder.quad(np.eye(4), top, _any(kit))


def _add_thing(kit: Kit, typical: float) -> None:
    """Add a thing whose size is a few to forty degrees as seen from the stands, off the column where cameras are."""
    rng = kit.rng
    distance = typical * float(np.exp(rng.normal(0, 0.6)))
    size = float(np.clip(distance * np.exp(rng.uniform(np.log(0.02), np.log(0.35))), 0.02, 3))
    distance = max(distance, 0.6 + 1.8 * size)
    yaw, height = rng.uniform(-_SECTOR, _SECTOR), rng.uniform(0.2, 2.2) + distance * rng.normal(0, 0.22)
    rotation = random_rotation(rng) if rng.random() < 0.6 else _tilted(rng, 0.0)
    frame = rigid.from_rotation(rotation, (distance * np.cos(yaw), distance * np.sin(yaw), height))
    _FORMS[rng.integers(len(_FORMS))](kit, frame, size)


def _add_box(kit: Kit, T: FloatArray, size: float) -> None:
    half = size * kit.rng.uniform(0.15, 1, 3)
    kit.builder.frustum(T, -half, half, (0, 0), tuple(half[:2] * kit.rng.choice([0, 0, 0.6])), _any(kit))


def _add_ellipsoid(kit: Kit, T: FloatArray, size: float) -> None:
    radii = size if kit.rng.random() < 0.3 else kit.rng.uniform(0.2, 1, 3) * size
    kit.builder.ellipsoid(T, (0, 0, 0), np.broadcast_to(radii, 3), _any(kit))


def _add_cylinder(kit: Kit, T: FloatArray, size: float) -> None:
    radius = size * float(np.exp(kit.rng.uniform(np.log(0.02), 0)))
    kit.builder.cylinder(T, (0, 0, -size), (0, 0, size), radius, _any(kit))


def _add_plate(kit: Kit, T: FloatArray, size: float) -> None:
    """Add a thin plate, some with holes, some a triangle."""
    w, h, material = *(size * kit.rng.uniform(0.4, 1.3, 2)), _any(kit)
    if kit.rng.random() < 0.3:
        holes = kit.rng.choice(_HOLES)
        material = kit.builder.material(kit.rng.uniform(0.02, 0.6, 3), holes=holes, hole_size=size)
    a, b, c, d = (-w, -h, 0), (w, -h, 0), (w, h, 0), (-w, h, 0)
    if kit.rng.random() < 0.8:
        kit.builder.plate(T, [a, b, c, d], material)
    else:
        kit.builder.quad(T, [a, b, c, c], material)
        kit.builder.quad(T, [c, b, a, a], material)


def _add_frame(kit: Kit, T: FloatArray, size: float) -> None:
    """Add the rim of a rectangle: four bars."""
    (w, h), bar, material = size * kit.rng.uniform(0.5, 1.2, 2), size * kit.rng.uniform(0.02, 0.2), _any(kit)
    for side in (-1, 1):
        kit.builder.box(T, (side * w - bar, -h, -bar), (side * w + bar, h, bar), material)
        kit.builder.box(T, (-w, side * h - bar, -bar), (w, side * h + bar, bar), material)


def _add_cage(kit: Kit, T: FloatArray, size: float) -> None:
    """Add the twelve edges of a box as rods."""
    half, rod, material = size * kit.rng.uniform(0.4, 1, 3), size * kit.rng.uniform(0.01, 0.06), _any(kit)
    for axis in range(3):
        for signs in ((-1, -1), (-1, 1), (1, -1), (1, 1)):
            end = np.insert(np.array(signs), axis, 1) * half
            start = end.copy()
            start[axis] = -half[axis]
            kit.builder.cylinder(T, start, end, rod, material)


def _add_grille(kit: Kit, T: FloatArray, size: float) -> None:
    """Add a row of parallel bars, boxes or rods."""
    count, bar, material = int(kit.rng.integers(3, 9)), size * kit.rng.uniform(0.01, 0.08), _any(kit)
    is_round = kit.rng.random() < 0.5
    for x in np.linspace(-size, size, count):
        if is_round:
            kit.builder.cylinder(T, (x, -size, 0), (x, size, 0), bar, material)
        else:
            kit.builder.box(T, (x - bar, -size, -bar), (x + bar, size, bar), material)


def _add_steps(kit: Kit, T: FloatArray, size: float) -> None:
    """Add a flight of steps: a staircase, or a stack that sticks out unevenly."""
    count = int(kit.rng.integers(3, 6))
    for k in range(count):
        z, x = size * k / count, size * (k / count if kit.rng.random() < 0.8 else kit.rng.random())
        kit.builder.box(T, (x - size, -size, z), (x, size * 0.5, z + size / count), _any(kit))


def _add_wire(kit: Kit, typical: float) -> None:
    """Add a thin wire across the view."""
    yaws, z = kit.rng.uniform(-_SECTOR, _SECTOR, 2), kit.rng.uniform(0.3, 2.5, 2)
    away = max(typical, 1.0) * kit.rng.uniform(0.7, 2, 2)
    ends = np.column_stack([away * np.cos(yaws), away * np.sin(yaws), z + away * kit.rng.normal(0, 0.15, 2)])
    if np.linalg.norm(ends[1] - ends[0]) > 0.1:
        kit.builder.cylinder(np.eye(4), ends[0], ends[1], float(kit.rng.uniform(0.002, 0.02)), _any(kit))


def _draw_lamps(rng: Rng, typical: float) -> FloatArray:
    count, reach = int(rng.integers(0, 4)), max(typical, 1.0)
    at = rng.uniform((-reach, -reach, 1), (2 * reach, reach, 2 + reach), (count, 3))
    return np.column_stack([at, rng.uniform(0.2, 1.5, count), reach * rng.uniform(0.5, 2, count)])


def _draw_stand(rng: Rng) -> FloatArray:
    cos, sin = np.cos(angle := rng.uniform(-0.5, 0.5)), np.sin(angle)
    return rigid.from_rotation(np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]]), (*rng.normal(0, 0.08, 2), 0.0))


def _tilted(rng: Rng, tilt: float) -> FloatArray:
    """Draw a rotation by any yaw, leaning by about `tilt` radians."""
    cos, sin = np.cos(angle := rng.uniform(0, 2 * np.pi)), np.sin(angle)
    x, y = rng.normal(0, tilt, 2) if tilt else (0.0, 0.0)
    lean = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    roll = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
    return np.asarray(np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]]) @ lean @ roll, dtype=np.float64)


def _any(kit: Kit) -> int:
    return kit.finishes.draw(_NAMES[kit.rng.integers(len(_NAMES))])


_FORMS = (
    _add_box, _add_box, _add_box, _add_ellipsoid, _add_ellipsoid, _add_cylinder, _add_cylinder, _add_plate, _add_plate,
    _add_frame, _add_cage, _add_grille, _add_steps,
)  # fmt: skip
