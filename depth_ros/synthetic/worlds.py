"""The worlds that a network learns from: one grammar per kind, and cameras that look into them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module

import numpy as np

from depth_ros.errors import SyntheticError
from depth_ros.geometry import rigid
from depth_ros.geometry.camera import Camera
from depth_ros.synthetic.cast import cast
from depth_ros.synthetic.grid import RayGrid
from depth_ros.synthetic.paint import disguise, recolour
from depth_ros.synthetic.shapes import FloatArray
from depth_ros.synthetic.world import View, World

__all__ = ["KINDS", "View", "World", "choose_view", "make_world"]

Rng = np.random.Generator

# Module and function of each grammar; imported when its kind is first asked for.
_GRAMMARS = {
    "street": ("roads", "make_road"),
    "country": ("country", "make_country"),
    "room": ("rooms", "make_room"),
    "corridor": ("rooms", "make_corridor"),
    "warehouse": ("warehouse", "make_warehouse"),
    "clutter": ("clutter", "make_clutter"),
}
KINDS = tuple(_GRAMMARS)

# Width and height in pixels of images that cameras give.
_IMAGES = ((1242, 375), (1600, 900), (1280, 720), (640, 480), (1920, 1080), (848, 480), (1280, 960))
DISGUISED = 1 / 3
"""Share of the worlds that are painted at random, where nothing else is asked for."""
_TRIES = 4
_LEAST_FOCAL, _MOST_FOCAL = 350.0, 1400.0
_WHOLE_DEG = (40.0, 105.0)
_WHOLE_ABOVE = (1.2, 1.9)
_OFF_CENTRE = 0.02
_FORWARD_TO_OPTICAL = rigid.from_rotation(np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]]), np.zeros(3))


def make_world(kind: str, seed: int, *, disguised: float = DISGUISED) -> World:
    """Make the world of `seed`; the same kind and seed give the same world.

    disguised: share of the worlds whose paint tells nothing of what a thing is.

    Raises SyntheticError on an unknown kind or a negative seed.
    """
    if kind not in KINDS or seed < 0:
        raise SyntheticError(f"world of kind '{kind}' and seed {seed}: give one of {', '.join(KINDS)} and a seed >= 0")
    module, function = _GRAMMARS[kind]
    grammar: Callable[[Rng], World] = getattr(import_module(f"depth_ros.synthetic.{module}"), function)
    rng = np.random.default_rng((KINDS.index(kind), seed))
    world = grammar(rng)
    paint = disguise if rng.random() < disguised else recolour
    return world._replace(scene=replace(world.scene, materials=paint(world.scene.materials, rng)))


def choose_view(world: World, rng: Rng, width: int, height: int, *, whole: bool = False) -> View:
    """Draw a camera of `width` x `height` pixels 0.2 to 3 m over one of the world's stands, nearly level.

    The image is a window of a bigger virtual one, 50 to 120 degrees wide, as a training crop is: its principal point
    may lie outside it. whole: it is all that the camera sees, 40 to 105 degrees wide, with its principal point near the
    middle, and the camera is 1.2 to 1.9 m over its stand, as on a car or in a hand: a picture alone tells metres only
    to those who know how high cameras are. Of a few draws the first is taken that sees some variety; if none does, the
    last one.
    """
    for _ in range(_TRIES):
        view = _draw_view(world, rng, width, height, whole)
        if _is_varied(world, view):
            break
    return view


def _draw_view(world: World, rng: Rng, width: int, height: int, whole: bool) -> View:
    intrinsics = (_draw_whole if whole else _draw_window)(rng, width, height)
    T_world_base = world.stands[rng.integers(len(world.stands))]
    if whole:
        above = rng.uniform(*_WHOLE_ABOVE)
    else:
        above = rng.uniform(1.2, 2.0) if rng.random() < 0.5 else rng.uniform(0.2, 3.0)
    above = min(above, 0.9 * _headroom(world, T_world_base))
    yaw, pitch, roll = np.radians(rng.normal((0.0, 2.0, 0.0), (25.0, 5.0, 2.5)))
    T_base_cam = rigid.compose(rigid.from_rotation(_turn(yaw, pitch, roll), (0.0, 0.0, above)), _FORWARD_TO_OPTICAL)
    return View(Camera.from_focal(width, height, *intrinsics), rigid.compose(T_world_base, T_base_cam))


def _headroom(world: World, T_world_base: FloatArray) -> float:
    """Metres from the floor up to a ceiling or whatever else is over a stand."""
    upward = RayGrid(np.zeros(1), np.zeros(1), np.ones(1))
    return float(cast(world.scene, T_world_base, upward).t[0, 0])


def _is_varied(world: World, view: View) -> bool:
    """Tell, from every 16th pixel, whether depth is known in 30 % of the view and four materials or more are in it."""
    grid = RayGrid.from_camera(view.camera)
    hits = cast(world.scene, view.T_world_cam, RayGrid(grid.x[::16], grid.y[::16], grid.z[::16]))
    known = hits.shape >= 0
    return bool(known.mean() > 0.3 and len(np.unique(world.scene.shape_material[hits.shape[known]])) >= 4)


def _draw_window(rng: Rng, width: int, height: int) -> tuple[float, float, float, float]:
    """Intrinsics fx, fy, cx, cy of a window of a virtual image; it lies low more often than high."""
    focal = 0.0
    while not _LEAST_FOCAL <= focal <= _MOST_FOCAL:
        full_width, full_height = np.maximum(_IMAGES[rng.integers(len(_IMAGES))], (width, height))
        focal = float(full_width / 2 / np.tan(np.radians(rng.uniform(50, 120)) / 2))
    left, top = rng.uniform(0, full_width - width), rng.beta(4.5, 4.0) * (full_height - height)
    return focal, focal, float((full_width - 1) / 2 - left), float((full_height - 1) / 2 - top)


def _draw_whole(rng: Rng, width: int, height: int) -> tuple[float, float, float, float]:
    """Intrinsics fx, fy, cx, cy of a whole camera."""
    focal = float(width / 2 / np.tan(np.radians(rng.uniform(*_WHOLE_DEG)) / 2))
    x, y = rng.normal(0, _OFF_CENTRE, 2)
    return focal, focal, float((width - 1) / 2 + x * width), float((height - 1) / 2 + y * height)


def _turn(yaw: float, pitch: float, roll: float) -> FloatArray:
    """Rotation (x forward, y left, z up) by roll about x, then pitch about y (down is positive), then yaw about z."""
    (cr, cp, cy), (sr, sp, sy) = np.cos((roll, pitch, yaw)), np.sin((roll, pitch, yaw))
    about_x = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    about_y = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
    return np.asarray(np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]]) @ about_y @ about_x, dtype=np.float64)
