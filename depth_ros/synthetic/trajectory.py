"""The drive: a vehicle that follows the right-hand lane of a street, and the sensors on it."""

from __future__ import annotations

import math

import numpy as np

from depth_ros.geometry import rigid
from depth_ros.synthetic.shapes import FloatArray, Street
from depth_ros.synthetic.street import locate, place

SPEED = 7.0
LANE = -1.55
_FORWARD_TO_OPTICAL = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])

# base_link is on the ground below the vehicle's middle (REP 105); both sensors look forward.
T_BASE_CAMERA = rigid.from_rotation(_FORWARD_TO_OPTICAL, (1.20, 0.0, 1.60))
T_BASE_LIDAR = rigid.from_rotation(np.eye(3), (0.90, 0.08, 1.90))


def drive(street: Street, seconds: float) -> FloatArray:
    """Return the pose T_world_base [4,4] after `seconds` of the drive: 5 to 8 m/s, swaying a little in its lane."""
    s = travelled(seconds)
    ahead, here = (locate(street, at, _lane(at), above=0.05) for at in (s + 0.5, s - 0.5))
    x = (ahead - here) / np.linalg.norm(ahead - here)
    y = np.cross((0, 0, 1.0), x)
    y /= np.linalg.norm(y)
    rotation = np.column_stack([x, y, np.cross(x, y)])
    bob = 0.012 * np.sin(2 * np.pi * 1.3 * seconds)
    return rigid.from_rotation(rotation, (ahead + here) / 2 + (0, 0, bob))


def weave(street: Street, seconds: float, speed: float, turn: float) -> FloatArray:
    """Return the pose T_world_base [4,4] of a robot that follows the lane at `speed` (m/s) and looks left and right.

    Its heading swings to both sides of the street's at `turn` (rad/s), one second each way, so that it may go sideways.
    """
    s = speed * seconds
    rotation = place(street, s, LANE)[:3, :3]
    swing = turn * (0.5 - abs((seconds + 0.5) % 2.0 - 1.0))
    cos, sin = math.cos(swing), math.sin(swing)
    turned = rotation @ np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    return rigid.from_rotation(turned, locate(street, s, LANE, above=0.05))


def travelled(seconds: float) -> float:
    """Return the arc length in metres that the vehicle has covered after `seconds`."""
    return SPEED * seconds - 1.2 * math.sin(0.7 * seconds)


def _lane(s: float) -> float:
    return LANE + 0.15 * math.sin(2 * math.pi * s / 37)
