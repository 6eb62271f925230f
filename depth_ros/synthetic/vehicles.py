"""Vehicles in traffic. Local frame: x towards the nose, y left, z up, metres."""

from __future__ import annotations

import numpy as np

from depth_ros.synthetic import objects
from depth_ros.synthetic.builder import SceneBuilder
from depth_ros.synthetic.palette import Palette
from depth_ros.synthetic.people import add_cyclist
from depth_ros.synthetic.shapes import FloatArray

Rng = np.random.Generator


def add_vehicle(builder: SceneBuilder, palette: Palette, rng: Rng, T: FloatArray, wheel: int) -> None:
    """Add a car (small to tall), a van, a lorry, a bus or a cyclist (whose wheels are of material `wheel`)."""
    kind = rng.random()
    if kind < 0.66:
        objects.add_car(builder, palette, rng, _scaled(T, (rng.uniform(0.85, 1.12), 1.0, rng.uniform(0.93, 1.2))))
    elif kind < 0.78:
        objects.add_van(builder, palette, rng, _scaled(T, (rng.uniform(0.8, 1.15), 1.0, rng.uniform(0.8, 1.1))))
    elif kind < 0.87:
        _add_lorry(builder, palette, rng, T)
    elif kind < 0.92:
        _add_bus(builder, palette, rng, T)
    else:
        add_cyclist(builder, palette, rng, T, wheel)


def _add_lorry(builder: SceneBuilder, palette: Palette, rng: Rng, T: FloatArray) -> None:
    x, top, paint = rng.uniform(3.0, 6.5), rng.uniform(2.8, 3.9), palette.paint(rng)
    cab = x - 1.9
    builder.frustum(T, (cab, -1.15, 0.5), (x, 1.15, rng.uniform(2.3, 3.0)), (0, 0), (0.15, 0.08), paint)
    builder.quad(
        T, [(x + 0.0, -1.0, 1.3), (x + 0.0, 1.0, 1.3), (x - 0.1, 0.95, 2.1), (x - 0.1, -0.95, 2.1)], palette.glass
    )
    for side in (-1, 1):
        low, high = sorted((side * 1.16, side * 1.12))
        builder.box(T, (x - 1.2, low, 1.4), (x - 0.35, high, 2.1), palette.glass)
        builder.box(T, (x - 0.1, side * 1.35 - 0.08, 1.6), (x, side * 1.35 + 0.08, 2.0), palette.rubber)
    builder.box(T, (-x, -0.5, 0.6), (cab, 0.5, 0.95), palette.iron)
    if rng.random() < 0.75:
        builder.box(
            T,
            (-x, -1.25, 1.0),
            (cab - 0.25, 1.25, top),
            palette.awning(rng) if rng.random() < 0.2 else palette.paint(rng, pale=True),
        )
    else:
        builder.box(T, (-x, -1.22, 0.95), (cab - 0.2, 1.22, 1.1), palette.iron)
        for _ in range(rng.integers(1, 5)):
            at, half = rng.uniform(1 - x, cab - 1.2), rng.uniform(0.2, 0.7)
            builder.box(T, (at - half, -half, 1.1), (at + half, half, 1.1 + 1.5 * half), palette.clothes(rng))
    axles = (-x + 0.8, -x + 1.95, cab + 0.9) if x > 4 else (-x + 1.0, cab + 0.9)
    _add_wheels(builder, palette, T, axles, 1.2, 0.48)
    builder.box(T, (-x - 0.05, -1.2, 0.45), (-x + 0.1, 1.2, 0.6), palette.barrier)


def _add_bus(builder: SceneBuilder, palette: Palette, rng: Rng, T: FloatArray) -> None:
    x, top, paint = rng.uniform(4.5, 6.5), rng.uniform(2.9, 4.2), palette.paint(rng, pale=rng.random() < 0.5)
    builder.frustum(T, (-x, -1.25, 0.35), (x, 1.25, top), (0, 0), (0.12, 0.08), paint)
    for low in (1.3, 2.9)[: 1 + (top > 3.8)]:
        for at in np.arange(0.3 - x, x - 1.4, 1.5):
            for side in (-1, 1):
                edges = sorted((side * 1.2, side * 1.27))
                builder.box(T, (at, edges[0], low), (at + 1.3, edges[1], low + 0.95), palette.glass)
    builder.box(T, (x - 0.2, -1.1, 1.1), (x + 0.01, 1.1, 2.5), palette.glass)
    builder.box(T, (-x - 0.02, -0.95, 1.5), (0.2 - x, 0.95, 2.5), palette.glass)
    _add_wheels(builder, palette, T, (-x + 2.2, x - 2.3), 1.24, 0.48)


def _add_wheels(
    builder: SceneBuilder, palette: Palette, T: FloatArray, axles: tuple[float, ...], y: float, radius: float
) -> None:
    for x in axles:
        for side in (-1, 1):
            builder.cylinder(T, (x, side * (y - 0.3), radius), (x, side * (y + 0.02), radius), radius, palette.wheel)


def _scaled(T: FloatArray, factors: tuple[float, float, float]) -> FloatArray:
    scaled = T.copy()
    scaled[:3, :3] *= factors
    return scaled
