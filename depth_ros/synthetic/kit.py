"""What indoor things are made with: a kit of builder, finishes and random numbers, local frames, and small parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from depth_ros.geometry import rigid
from depth_ros.synthetic.builder import SceneBuilder
from depth_ros.synthetic.finishes import Finishes
from depth_ros.synthetic.shapes import FloatArray

Rng = np.random.Generator
Size = tuple[float, float, float]


class Kit(NamedTuple):
    """What a thing is made with."""

    builder: SceneBuilder
    finishes: Finishes
    rng: Rng


class Piece(NamedTuple):
    """A kind of furniture: how to add it, and the least and the greatest width, depth and height in metres.

    It stands on the rectangle |x| <= width / 2, 0 <= y <= depth of its local frame, its front at y = 0 facing -y.
    """

    add: Callable[[Kit, FloatArray, Size], None]
    least: Size
    most: Size


def make_kit(rng: Rng) -> Kit:
    """Return an empty builder with its finishes."""
    builder = SceneBuilder()
    return Kit(builder, Finishes(builder, rng), rng)


def shifted(T: FloatArray, xyz: Size, yaw: float = 0.0) -> FloatArray:
    """Return the frame at `xyz` of the local frame T, turned about its z by `yaw` radians."""
    cos, sin = np.cos(yaw), np.sin(yaw)
    return T @ rigid.from_rotation(np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1.0]]), xyz)


def random_rotation(rng: Rng) -> FloatArray:
    """Draw a rotation [3,3], uniform over all."""
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    q[:, 0] *= np.linalg.det(q)
    return np.asarray(q, dtype=np.float64)


def add_legs(kit: Kit, T: FloatArray, size: Size, material: int, thick: float | None = None) -> None:
    """Add four legs, square or round, at the corners of |x| <= width / 2, 0 <= y <= depth."""
    (w, d, h), a = size, kit.rng.uniform(0.02, 0.07) if thick is None else thick
    is_round = kit.rng.random() < 0.5
    for x in (-w / 2, w / 2 - a):
        for y in (0.0, d - a):
            if is_round:
                kit.builder.cylinder(T, (x + a / 2, y + a / 2, 0), (x + a / 2, y + a / 2, h), a / 2, material)
            else:
                kit.builder.box(T, (x, y, 0), (x + a, y + a, h), material)


def scatter(kit: Kit, T: FloatArray, width: float, depth: float, count: int) -> None:
    """Put `count` small things on a surface |x| <= width / 2, 0 <= y <= depth at z = 0."""
    things = (_add_cup, _add_bottle, _add_bowl, _add_book, _add_book, _add_table_lamp)
    for x, y in kit.rng.uniform((-0.42 * width, 0.25 * depth), (0.42 * width, 0.75 * depth), (count, 2)):
        thing = things[kit.rng.integers(6 if depth > 0.4 else 5)]
        thing(kit, shifted(T, (x, y, 0), kit.rng.uniform(0, 2 * np.pi)), min(0.15, depth / 3))


def _add_cup(kit: Kit, T: FloatArray, reach: float) -> None:
    high, radius = kit.rng.uniform((0.06, 0.03), (0.2, 0.06))
    kit.builder.cylinder(T, (0, 0, 0), (0, 0, high), min(radius, reach), kit.finishes.draw("pale"))


def _add_bottle(kit: Kit, T: FloatArray, reach: float) -> None:
    glass, radius = kit.finishes.draw("glass"), min(0.036, reach)
    kit.builder.cylinder(T, (0, 0, 0), (0, 0, 0.19), radius, glass)
    kit.builder.cylinder(T, (0, 0, 0.19), (0, 0, 0.28), radius * 0.4, glass)


def _add_bowl(kit: Kit, T: FloatArray, reach: float) -> None:
    radii = kit.rng.uniform(0.3, 1, 3) * reach
    kit.builder.ellipsoid(T, (0, 0, radii[2] * 0.9), radii, kit.finishes.draw("plastic"))


def _add_book(kit: Kit, T: FloatArray, reach: float) -> None:
    high = kit.rng.uniform(0.02, 0.25)
    kit.builder.box(T, (-reach, -0.7 * reach, 0), (reach, 0.7 * reach, high), kit.finishes.draw("paper"))


def _add_table_lamp(kit: Kit, T: FloatArray, reach: float) -> None:
    pale = kit.finishes.draw("pale")
    kit.builder.cylinder(T, (0, 0, 0), (0, 0, 0.4), 0.008, kit.finishes.draw("metal"))
    kit.builder.frustum(T, (-reach, -reach, 0.32), (reach, reach, 0.5), (0, 0), (reach / 3, reach / 3), pale)
