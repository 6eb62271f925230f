"""The grammar of a street scene: what stands where, drawn from a seed."""

from __future__ import annotations

import numpy as np

from depth_ros.errors import SyntheticError
from depth_ros.geometry import rigid
from depth_ros.synthetic import objects
from depth_ros.synthetic.builder import SceneBuilder
from depth_ros.synthetic.houses import add_garden, add_house
from depth_ros.synthetic.palette import Palette
from depth_ros.synthetic.shapes import FloatArray, Street, StreetScene
from depth_ros.synthetic.street import FRONT, KERB, lay_ground, locate, make_street, place

MAX_LENGTH = 4500.0
Rng = np.random.Generator


def make_scene(seed: int, length: float = 80.0) -> StreetScene:
    """Make the street of `seed`, long enough for a drive of `length` metres; the same seed gives the same street.

    Raises SyntheticError on a negative seed or a length outside 0..MAX_LENGTH metres.
    """
    if seed < 0 or not 0 <= length <= MAX_LENGTH:
        raise SyntheticError(f"scene of seed {seed} and length {length:g} m: give a seed >= 0 and 0..{MAX_LENGTH:g} m")
    rng = np.random.default_rng(seed)
    street, builder = make_street(rng, length), SceneBuilder()
    palette = Palette(builder, rng)
    lay_ground(builder, street, palette.road, palette.pavement, palette.yard, palette.kerb)
    storeys = int(rng.integers(1, 5))
    for side in (-1, 1):
        _line_with_houses(builder, palette, rng, street, side, storeys)
        _plant_trees_and_lamps(builder, palette, rng, street, side)
        _park_vehicles(builder, palette, rng, street, side)
        _furnish_pavement(builder, palette, rng, street, side)
    _hang_cables(builder, palette, rng, street)
    _close_end(builder, palette, rng, street)
    elevation, azimuth = np.radians(rng.uniform(32, 58)), rng.uniform(0, 2 * np.pi)
    sun = np.array([np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)])
    scene = builder.build(sun, haze=float(rng.uniform(250, 700)))
    return StreetScene(**vars(scene), street=street)


def _line_with_houses(
    builder: SceneBuilder, palette: Palette, rng: Rng, street: Street, side: int, storeys: int
) -> None:
    s = street.s[0] + 2
    while s < street.s[-1] - 20:
        width, gap = rng.uniform(7, 14), rng.random() < 0.18
        T, reach = _front_frame(street, s, s + width, side, 0.0 if gap else float(rng.choice([0.0, 0.0, 0.4, 0.9])))
        if gap:
            add_garden(builder, palette, rng, T, reach)
        else:
            add_house(builder, palette, rng, T, reach, max(1, storeys + int(rng.integers(-1, 3))))
        s += width


def _front_frame(street: Street, s0: float, s1: float, side: int, setback: float) -> tuple[FloatArray, float]:
    """Frame of the front between two places of the street, x along it, y away from the street, and its width."""
    lateral = side * (FRONT + setback)
    start, end = (locate(street, s, lateral) for s in ((s0, s1) if side > 0 else (s1, s0)))
    along = end - start
    along[2] = 0
    width = float(np.linalg.norm(along))
    x = along / width
    rotation = np.column_stack([x, np.cross((0, 0, 1), x), (0, 0, 1)])
    return rigid.from_rotation(rotation, start), width


def _plant_trees_and_lamps(builder: SceneBuilder, palette: Palette, rng: Rng, street: Street, side: int) -> None:
    spacing, crown = rng.uniform(11, 22), rng.uniform(1.3, 2.0)
    for s in np.arange(street.s[0] + rng.uniform(3, 12), street.s[-1] - 5, spacing):
        if rng.random() < 0.75:
            T = place(street, s, side * (KERB + 0.75), rng.uniform(0, 6))
            objects.add_tree(builder, palette, rng, T, crown * rng.uniform(0.8, 1.25))
    for s in np.arange(street.s[0] + rng.uniform(5, 25), street.s[-1] - 5, 28.0):
        objects.add_lamp(builder, palette, place(street, s, side * (KERB + 0.4), np.pi if side > 0 else 0.0))


def _park_vehicles(builder: SceneBuilder, palette: Palette, rng: Rng, street: Street, side: int) -> None:
    s, share = street.s[0] + 4, rng.uniform(0.45, 0.85)
    while s < street.s[-1] - 10:
        if rng.random() < share:
            yaw = (0.0 if side < 0 else np.pi) + rng.normal(0, 0.02)
            T = place(street, s, side * (KERB - 1.15 + rng.uniform(-0.1, 0.1)), yaw, tilted=True)
            add = objects.add_van if rng.random() < 0.14 else objects.add_car
            add(builder, palette, rng, T)
        s += rng.uniform(6.2, 8.0)
    for s in np.arange(35, street.s[-1], 60):
        if side > 0:
            T = place(street, s + rng.uniform(-12, 12), 1.5, np.pi + rng.normal(0, 0.02), tilted=True)
            objects.add_car(builder, palette, rng, T)


def _furnish_pavement(builder: SceneBuilder, palette: Palette, rng: Rng, street: Street, side: int) -> None:
    for s in np.arange(street.s[0] + 5, street.s[-1] - 5, 9.0):
        s += rng.uniform(-3, 3)
        kind = rng.random()
        if kind < 0.5:
            T = place(
                street, s, side * rng.uniform(KERB + 0.9, FRONT - 0.6), rng.choice([0, np.pi]) + rng.normal(0, 0.3)
            )
            objects.add_person(builder, palette, rng, T)
        elif kind < 0.68:
            yaw = (np.pi if side > 0 else 0.0) + rng.normal(0, 0.15)
            objects.add_sign(builder, palette, rng, place(street, s, side * (KERB + 0.35), yaw))
        elif kind < 0.82:
            objects.add_bin(builder, palette, rng, place(street, s, side * (FRONT - 0.5), rng.normal(0, 0.3)))
        elif kind < 0.92:
            objects.add_bollards(builder, palette, place(street, s, side * (KERB + 0.3)), 4)


def _hang_cables(builder: SceneBuilder, palette: Palette, rng: Rng, street: Street) -> None:
    for s in np.arange(street.s[0] + rng.uniform(10, 30), street.s[-1] - 10, 32.0):
        ends = [
            locate(street, s + shift, lateral, 6.4) for shift, lateral in ((0, -FRONT), (rng.uniform(-4, 4), FRONT))
        ]
        objects.add_cable(builder, palette, ends[0], ends[1], 0.5)


def _close_end(builder: SceneBuilder, palette: Palette, rng: Rng, street: Street) -> None:
    """Put houses and trees across the far end, so that the view stops there as it does in a town."""
    T = place(street, street.s[-1] - 2, 0.0, -np.pi / 2)
    T[:3, 3] -= T[:3, 0] * 26
    for _ in range(4):
        add_house(builder, palette, rng, T, 13.0, int(rng.integers(3, 6)))
        T = T.copy()
        T[:3, 3] += T[:3, 0] * 13
