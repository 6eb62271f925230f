"""The street: a gently turning centreline, where things stand along it, and the ground around it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from depth_ros.geometry import rigid
from depth_ros.synthetic.builder import SceneBuilder
from depth_ros.synthetic.shapes import FloatArray, Street

BEHIND = 45.0
AHEAD = 150.0
KERB = 5.2
FRONT = 8.0
KERB_HEIGHT = 0.13
_STEP = 0.5
_SECTION = 6.0
_EDGE = 70.0


def make_street(rng: np.random.Generator, length: float) -> Street:
    """Draw a street for a drive of `length` metres: two slow turns and a gentle rise laid over each other."""
    s = np.arange(-BEHIND, length + AHEAD + _STEP, _STEP)
    waves, phases = rng.uniform((110, 60), (190, 95)), rng.uniform(0, 2 * np.pi, 2)
    turns = rng.uniform((0.10, 0.02), (0.24, 0.05))
    heading = sum(a * np.sin(2 * np.pi * s / w + p) for a, w, p in zip(turns, waves, phases, strict=True))
    rise = rng.uniform(-0.012, 0.012) * s + rng.uniform(0.2, 0.6) * np.sin(2 * np.pi * s / rng.uniform(120, 200))
    xy = np.cumsum(_STEP * np.column_stack([np.cos(heading), np.sin(heading)]), axis=0)
    start = int(np.argmin(np.abs(s)))
    return Street(s, xy - xy[start], np.asarray(heading), rise - rise[start])


def ground_height(lateral: float) -> float:
    """Height in metres over the centreline's level at `lateral` metres to the left of it."""
    if abs(lateral) > KERB:
        return KERB_HEIGHT
    return 0.06 * (1 - abs(lateral) / KERB)


def locate(street: Street, s: float, lateral: float, above: float | None = None) -> FloatArray:
    """Return the point [3], world, at arc length s and `lateral` metres to the left; on the ground by default."""
    heading = np.interp(s, street.s, street.heading)
    x, y = (np.interp(s, street.s, street.xy[:, axis]) for axis in (0, 1))
    z = np.interp(s, street.s, street.height) + (ground_height(lateral) if above is None else above)
    return np.array([x - lateral * np.sin(heading), y + lateral * np.cos(heading), z])


def place(street: Street, s: float, lateral: float, yaw: float = 0.0, tilted: bool = False) -> FloatArray:
    """Return the frame (4x4, local to world) of a thing on the ground: x along the street turned by `yaw`, z up.

    A `tilted` thing follows the slope of the street, as a vehicle does.
    """
    heading = float(np.interp(s, street.s, street.heading)) + yaw
    rise = np.interp([s - 1, s + 1], street.s, street.height)
    pitch = -np.arctan((rise[1] - rise[0]) / 2) * np.cos(yaw) if tilted else 0.0
    cos, sin, cp, sp = np.cos(heading), np.sin(heading), np.cos(pitch), np.sin(pitch)
    rotation = np.array([[cos * cp, -sin, cos * sp], [sin * cp, cos, sin * sp], [-sp, 0, cp]])
    return rigid.from_rotation(rotation, locate(street, s, lateral))


def lay_ground(builder: SceneBuilder, street: Street, road: int, pavement: int, yard: int, kerb: int) -> None:
    """Cover the ground with triangles, section by section: road, kerbs, pavements and what lies behind the fronts."""
    sections = np.arange(street.s[0], street.s[-1], _SECTION)
    strips = (
        (-_EDGE, -FRONT, yard),
        (-FRONT, -KERB, pavement),
        (-KERB, 0.0, road),
        (0.0, KERB, road),
        (KERB, FRONT, pavement),
        (FRONT, _EDGE, yard),
    )
    for s0, s1 in pairwise(sections):
        for right, left, material in strips:
            _lay_patch(builder, street, (s0, s1), (right, left), material)
        for lateral in (-KERB, KERB):
            _lay_kerb(builder, street, (s0, s1), lateral, kerb)


def _lay_patch(
    builder: SceneBuilder, street: Street, s: tuple[float, float], lateral: tuple[float, float], material: int
) -> None:
    inner = (lateral[0] + lateral[1]) / 2
    heights = [KERB_HEIGHT if abs(inner) > KERB else ground_height(edge) for edge in lateral]
    corners = [(s[0], 0), (s[1], 0), (s[1], 1), (s[0], 1)]
    points = np.array([locate(street, at, lateral[side], heights[side]) for at, side in corners])
    uv = np.array([(at, lateral[side]) for at, side in corners])
    for triangle in ((0, 1, 2, 2), (0, 2, 3, 3)):
        builder.quad(np.eye(4), points[list(triangle)], material, uv[list(triangle)])


def _lay_kerb(builder: SceneBuilder, street: Street, s: tuple[float, float], lateral: float, material: int) -> None:
    first, last = s if lateral > 0 else s[::-1]
    ends = [(first, 0.0), (last, 0.0), (last, KERB_HEIGHT), (first, KERB_HEIGHT)]
    builder.quad(np.eye(4), [locate(street, at, lateral, above) for at, above in ends], material)
