"""Trees, bushes and hedges: thin wood, and foliage of clumps with gaps. Local frame: z up, metres."""

from __future__ import annotations

import numpy as np

from depth_ros.synthetic.builder import SceneBuilder
from depth_ros.synthetic.shapes import FloatArray, Holes, Texture

Rng = np.random.Generator
_GREENS = ((0.07, 0.17, 0.025), (0.11, 0.20, 0.03), (0.05, 0.13, 0.035), (0.19, 0.18, 0.03), (0.25, 0.14, 0.03))
_CLUMPS = 2


class Flora:
    """The plants' materials of one world: foliage in three sizes of clumps, twigs, bark."""

    def __init__(self, builder: SceneBuilder, rng: Rng) -> None:
        self._builder, add = builder, builder.material
        green = np.array(_GREENS[rng.integers(len(_GREENS))])
        self.sizes = np.array((0.7, 1.2, 2.0))
        self.leaves = [self._foliage(green * rng.uniform(0.7, 1.3), Holes.LEAVES, size) for size in self.sizes]
        self.twigs = [self._foliage(np.array((0.10, 0.08, 0.06)), Holes.TWIGS, size) for size in self.sizes]
        self.bark = add(
            np.array((0.12, 0.085, 0.055)) * rng.uniform(0.5, 2.0), Texture.NOISE, (0.05, 0.04, 0.03), (0.1, 0.3)
        )
        self.dense = add(green * 0.6, Texture.FOLIAGE, green * 0.5)

    def _foliage(self, colour: FloatArray, holes: Holes, size: float) -> int:
        accent = colour * (1.5, 1.4, 1.2)
        return self._builder.material(colour, Texture.FOLIAGE, accent, holes=holes, hole_size=_CLUMPS * float(size))

    def add_clumps(self, rng: Rng, T: FloatArray, centres: FloatArray, size: int, bare: bool = False) -> None:
        """Hang clumps of foliage (flat, seen from both sides, each turned at random) about centres [N,3]."""
        side, count = float(self.sizes[size]), len(centres)
        u = rng.normal(size=(count, 3))
        u /= np.linalg.norm(u, axis=1, keepdims=True)
        v = np.cross(u, rng.normal(size=(count, 3)))
        v /= np.linalg.norm(v, axis=1, keepdims=True)
        square = np.array(((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)))
        at = square - 0.5
        local = centres[:, None] + side * (at[None, :, :1] * u[:, None] + at[None, :, 1:] * v[:, None])
        vertices = local @ T[:3, :3].T + T[:3, 3]
        uv = side * (square + rng.integers(_CLUMPS, size=(count, 1, 2)))
        material = (self.twigs if bare else self.leaves)[size]
        self._builder.quads(np.concatenate([vertices, vertices[:, ::-1]]), material, np.concatenate([uv, uv[:, ::-1]]))


def add_tree(builder: SceneBuilder, flora: Flora, rng: Rng, T: FloatArray, height: float) -> None:
    """Add a tree of `height` metres: leafy, bare, or a conifer."""
    if rng.random() < 0.2:
        _add_conifer(builder, flora, rng, T, height)
        return
    fork, radius = height * rng.uniform(0.2, 0.5), height * rng.uniform(0.007, 0.017)
    lean = np.append(rng.normal(0, 0.04, 2) * height, fork)
    builder.cylinder(T, (0, 0, -0.3), lean, radius, flora.bark)
    bare, reach = rng.random() < 0.2, height * rng.uniform(0.22, 0.38)
    tips = [lean + np.array((0, 0, height - fork))]
    builder.cylinder(T, lean, tips[0], 0.65 * radius, flora.bark)
    for _ in range(rng.integers(4, 8)):
        turn, share = rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 0.8)
        start = lean + share * (tips[0] - lean)
        out = reach * (1.1 - 0.5 * share) * rng.uniform(0.6, 1.1)
        tip = start + np.array((out * np.cos(turn), out * np.sin(turn), out * rng.uniform(0.2, 0.9)))
        builder.cylinder(T, start, tip, 0.35 * radius, flora.bark)
        twig = start + 0.6 * (tip - start)
        end = twig + rng.normal(0, 0.25, 3) * reach + (0, 0, 0.2 * reach)
        builder.cylinder(T, twig, end, max(0.008, 0.18 * radius), flora.bark)
        tips += [tip, end]
    size = int(np.clip(np.searchsorted(flora.sizes, height / 6), 0, 2))
    count = rng.integers(2, 5) if bare else rng.integers(3, 8)
    centres = np.repeat(np.array(tips), count, axis=0)
    flora.add_clumps(rng, T, centres + rng.normal(0, 0.32, centres.shape) * flora.sizes[size], size, bare)


def add_bush(builder: SceneBuilder, flora: Flora, rng: Rng, T: FloatArray, radius: float) -> None:
    """Add a bush: a dense heart in loose foliage."""
    height = radius * rng.uniform(0.6, 1.4)
    builder.ellipsoid(T, (0, 0, 0.45 * height), (0.7 * radius, 0.7 * radius, 0.5 * height), flora.dense)
    centres = rng.normal(size=(14, 3))
    centres *= (radius * 0.75, radius * 0.75, 0.5 * height) / np.linalg.norm(centres, axis=1, keepdims=True)
    flora.add_clumps(rng, T, centres + np.array((0, 0, 0.55 * height)), 0)


def add_hedge(builder: SceneBuilder, flora: Flora, rng: Rng, T: FloatArray, length: float) -> None:
    """Add a hedge along +x: dense inside, ragged outside."""
    height, depth = rng.uniform(0.6, 2.6), rng.uniform(0.3, 0.6)
    builder.box(T, (0, -depth, -0.5), (length, depth, 0.9 * height), flora.dense)
    count = int(min(60, 2.5 * length * height))
    face = rng.uniform((0, -depth, 0.1), (length, depth, height), (count, 3))
    face[:, 1] = np.where(rng.random(count) < 0.7, depth * rng.choice((-1, 1), count), face[:, 1])
    flora.add_clumps(rng, T, face, 0)


def _add_conifer(builder: SceneBuilder, flora: Flora, rng: Rng, T: FloatArray, height: float) -> None:
    builder.cylinder(T, (0, 0, -0.3), (0, 0, height), 0.012 * height + 0.03, flora.bark)
    levels = np.sqrt(rng.random(34))
    turn, out = rng.uniform(0, 2 * np.pi, 34), 0.2 * height * levels * rng.uniform(0.5, 1, 34)
    centres = np.stack([out * np.cos(turn), out * np.sin(turn), height * (1 - 0.85 * levels)], axis=1)
    size = 0 if height < 4 else 1
    flora.add_clumps(rng, T, centres, size)
