"""The grammar of open country: hills, fields, tracks, hedgerows, trees, rocks, barns, animals."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from depth_ros.geometry import rigid
from depth_ros.synthetic import objects
from depth_ros.synthetic.barriers import add_barrier
from depth_ros.synthetic.builder import SceneBuilder
from depth_ros.synthetic.ground import lay_mesh
from depth_ros.synthetic.houses import add_house
from depth_ros.synthetic.light import draw_light
from depth_ros.synthetic.palette import Palette
from depth_ros.synthetic.people import add_figure
from depth_ros.synthetic.plants import Flora, add_bush, add_hedge, add_tree
from depth_ros.synthetic.shapes import FloatArray, Holes, Texture
from depth_ros.synthetic.vehicles import add_vehicle
from depth_ros.synthetic.world import World

Rng = np.random.Generator
_EDGE = 170.0
_REACH = 70.0


class _Land:
    """Hills (a sum of waves, metres), what to build with, and where cameras will stand (around the origin)."""

    def __init__(self, rng: Rng) -> None:
        self.rng, self.builder = rng, SceneBuilder()
        self.palette, self.flora = Palette(self.builder, rng), Flora(self.builder, rng)
        length = np.exp(rng.uniform(np.log(6), np.log(150), 7))
        turn = rng.uniform(0, 2 * np.pi, 7)
        self._waves = 2 * np.pi / length * np.stack([np.cos(turn), np.sin(turn)])
        self._phases = rng.uniform(0, 2 * np.pi, 7)
        self._heights = length * rng.uniform(0, 0.016, 7) * rng.uniform(0, 1.3)
        self.stands = np.stack(
            [self.place(rng.normal(0, 8), rng.normal(0, 8), rng.uniform(-0.6, 0.6)) for _ in range(6)]
        )

    def height(self, x: ArrayLike, y: ArrayLike) -> FloatArray:
        """Height of the ground in metres."""
        xy = np.stack(np.broadcast_arrays(np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)), axis=-1)
        return np.asarray(np.sin(xy @ self._waves + self._phases) @ self._heights, dtype=np.float64)

    def place(self, x: float, y: float, yaw: float, sunk: float = 0.0) -> FloatArray:
        """Return the frame (4x4, local to world) of an upright thing on the ground."""
        T = rigid.from_rotation(np.eye(3), (x, y, float(self.height(x, y)) - sunk))
        return objects.turned(T, yaw)

    def at(self, xy: FloatArray, yaw: float) -> FloatArray:
        """Return the frame of an upright thing at xy [2]."""
        return self.place(float(xy[0]), float(xy[1]), yaw)

    def somewhere(self, apart: float, near: float = 3.0) -> FloatArray | None:
        """Draw a place ahead of the cameras and `apart` metres or more from each, frame 4x4; None where one stands."""
        out, side = near + (_REACH - near) * self.rng.random() ** 1.6, self.rng.uniform(-0.9, 0.9)
        x, y = out * np.cos(side), out * np.sin(side)
        if (np.hypot(*(self.stands[:, :2, 3] - (x, y)).T) < apart).any():
            return None
        return self.place(x, y, self.rng.uniform(0, 2 * np.pi), sunk=0.05)


def make_country(rng: Rng) -> World:
    """Make a stretch of open country of about 100 m, with hills behind it."""
    land = _Land(rng)
    _lay_fields(land)
    _plant(land)
    _line(land)
    _settle(land)
    _strew(land)
    sun, haze = draw_light(rng)
    return World("country", land.builder.build(sun, haze, shadow_texel=0.22), land.stands)


def _lay_fields(land: _Land) -> None:
    """Lay the height field, finer near the middle, in fields of different ground with a track across."""
    rng, axis = land.rng, np.linspace(-1, 1, 45)
    places = _EDGE * (0.28 * axis + 0.72 * axis**3)
    track = rng.normal(0, 3, 3) * (1, 0.3, 0.1)
    y, x = np.meshgrid(places, places, indexing="ij")
    vertices = np.stack(
        [x, y + track[0] + track[1] * np.sin(x / 15), land.height(x, y + track[0] + track[1] * np.sin(x / 15))], axis=-1
    )
    grounds = [_draw_ground(land) for _ in range(4)]
    starts = np.sort(rng.choice(np.arange(1, len(axis) - 1), 3, replace=False))
    for first, last, ground in zip((0, *starts), (*starts, len(axis) - 1), grounds, strict=True):
        lay_mesh(land.builder, vertices[first : last + 1], ground)


def _draw_ground(land: _Land) -> int:
    rng = land.rng
    soil = np.array(
        ((0.12, 0.19, 0.045), (0.30, 0.26, 0.10), (0.16, 0.11, 0.07), (0.42, 0.36, 0.24), (0.6, 0.62, 0.65))
    )
    colour = soil[rng.integers(len(soil))] * rng.uniform(0.7, 1.2)
    texture = rng.choice((Texture.FOLIAGE, Texture.NOISE, Texture.BLOTS, Texture.STRIPES))
    period = (rng.uniform(0.3, 3), rng.uniform(0.3, 3))
    return land.builder.material(colour, Texture(texture), colour * rng.uniform(0.5, 1.4, 3), period)


def _plant(land: _Land) -> None:
    rng = land.rng
    for _ in range(rng.integers(3, 26)):
        T = land.somewhere(2.5)
        if T is not None:
            add_tree(land.builder, land.flora, rng, T, rng.uniform(2.5, 16))
    for _ in range(rng.integers(2, 20)):
        T = land.somewhere(2.0)
        if T is not None:
            add_bush(land.builder, land.flora, rng, T, rng.uniform(0.3, 2.0))
    tufts = rng.uniform((1.5, -12), (25, 12), (rng.integers(0, 90), 2))
    centres = np.column_stack([tufts, land.height(*tufts.T) + 0.15])
    land.flora.add_clumps(rng, np.eye(4), centres, 0, bare=rng.random() < 0.5)


def _line(land: _Land) -> None:
    """Draw lines over the land: fences, walls and hedgerows that follow the ground, poles with wires."""
    rng = land.rng
    for _ in range(rng.integers(1, 5)):
        at, turn = rng.uniform((4, -20), (45, 20)), rng.uniform(0, np.pi)
        kind, piece = rng.choice(("wires", "wires", "pickets", "link", "wall", "hedge", "poles")), 6.0
        step = piece * np.array((np.cos(turn), np.sin(turn)))
        for k in range(-5, 6):
            T, end = land.at(at + k * step, turn), at + (k + 1) * step
            if np.hypot(*(land.stands[:, :2, 3] - (T[:2, 3] + end) / 2).T).min() < 4.5:
                continue
            if kind == "hedge":
                add_hedge(land.builder, land.flora, rng, T, piece)
            elif kind != "poles":
                add_barrier(land.builder, land.palette, rng, T, piece, str(kind))
            elif k % 4 == 0:
                _add_wire_pole(land, T, land.at(at + (k + 4) * step, turn))


def _add_wire_pole(land: _Land, T: FloatArray, following: FloatArray) -> None:
    land.builder.cylinder(T, (0, 0, -0.5), (0, 0, 7.5), 0.13, land.palette.bark)
    land.builder.cylinder(T, (0, -0.8, 7.1), (0, 0.8, 7.1), 0.05, land.palette.bark)
    for y in (-0.7, 0.0, 0.7):
        start, end = (pose[:3, :3] @ (0, y, 7.2) + pose[:3, 3] for pose in (T, following))
        objects.add_cable(land.builder, land.palette, start, end, 0.6)


def _settle(land: _Land) -> None:
    """Put barns, machines, people and animals."""
    rng = land.rng
    wheel = land.builder.material((0.04, 0.04, 0.04), holes=Holes.WHEEL, hole_size=0.7)
    for _ in range(rng.integers(0, 4)):
        T = land.somewhere(16.0, near=18.0)
        if T is not None:
            add_house(land.builder, land.palette, rng, T, rng.uniform(5, 16), int(rng.integers(1, 3)))
    for _ in range(rng.integers(0, 4)):
        T = land.somewhere(5.0)
        if T is not None:
            add_vehicle(land.builder, land.palette, rng, T, wheel)
    for _ in range(rng.integers(0, 9)):
        T = land.somewhere(2.0)
        if T is not None:
            add = add_figure if rng.random() < 0.5 else _add_animal
            add(land.builder, land.palette, rng, T)


def _strew(land: _Land) -> None:
    """Strew rocks, bales and logs."""
    rng = land.rng
    rock = land.builder.material(
        rng.uniform(0.1, 0.5) * rng.uniform(0.8, 1, 3), Texture.NOISE, (0.1, 0.1, 0.09), (0.5, 0.5)
    )
    straw = land.builder.material((0.5, 0.4, 0.18), Texture.STRIPES, (0.35, 0.27, 0.1), (0.05, 0.05))
    for _ in range(rng.integers(0, 40)):
        T = land.somewhere(2.0, near=1.0)
        if T is not None:
            size = np.exp(rng.normal(-1.5, 0.6)) * rng.uniform(0.6, 1.3, 3)
            land.builder.ellipsoid(T, (0, 0, 0.3 * size[2]), size, rock)
    for _ in range(rng.integers(0, 9)):
        T = land.somewhere(3.0)
        if T is not None and rng.random() < 0.5:
            land.builder.cylinder(T, (0, -0.6, 0.65), (0, 0.6, 0.65), 0.7, straw)
        elif T is not None:
            land.builder.cylinder(T, (-2, 0, 0.2), (2, 0, 0.2), rng.uniform(0.1, 0.35), land.flora.bark)


def _add_animal(builder: SceneBuilder, palette: Palette, rng: Rng, T: FloatArray) -> None:
    """Add a four-legged animal from the size of a dog to that of a horse."""
    k, coat = rng.uniform(0.35, 1.3), palette.clothes(rng)
    builder.ellipsoid(T, (0, 0, 1.0 * k), (0.8 * k, 0.3 * k, 0.35 * k), coat)
    for x in (-0.5, 0.5):
        for y in (-0.15, 0.15):
            foot = x + rng.normal(0, 0.1)
            builder.cylinder(T, (foot * k, y * k, 0), (x * k, y * k, 0.9 * k), 0.07 * k, coat)
    head = np.array((1.15, 0, rng.choice((0.5, 1.5)))) * k
    builder.cylinder(T, (0.6 * k, 0, 1.1 * k), head, 0.12 * k, coat)
    builder.ellipsoid(T, head, (0.28 * k, 0.11 * k, 0.13 * k), coat)
    builder.cylinder(T, (-0.78 * k, 0, 1.1 * k), (-0.95 * k, 0, 0.6 * k), 0.03 * k, palette.hair)
