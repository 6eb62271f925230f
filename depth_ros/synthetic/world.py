"""What every grammar makes, a world with places for a camera, and what a camera is given there."""

from __future__ import annotations

from typing import NamedTuple

from depth_ros.geometry.camera import Camera
from depth_ros.synthetic.shapes import FloatArray, Scene


class World(NamedTuple):
    """A small world.

    kind: one of `worlds.KINDS`. stands: float64 [P,4,4], P >= 1, poses of a robot's base on the floor (x forward into
    open space, y left, z up, metres) over which a camera may be held.
    """

    kind: str
    scene: Scene
    stands: FloatArray


class View(NamedTuple):
    """A camera and the pose `T_world_cam` [4,4] of its optical frame."""

    camera: Camera
    T_world_cam: FloatArray
