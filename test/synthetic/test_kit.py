from __future__ import annotations

import numpy as np

from depth_ros.synthetic.furnishing import AT_WALL, FREE
from depth_ros.synthetic.kit import make_kit, random_rotation, scatter, shifted


def test_random_rotations_are_proper_and_uniform() -> None:
    rng = np.random.default_rng(0)
    rotations = np.stack([random_rotation(rng) for _ in range(400)])
    np.testing.assert_allclose(rotations @ rotations.transpose(0, 2, 1), np.tile(np.eye(3), (400, 1, 1)), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(rotations), 1, atol=1e-12)
    assert np.abs(rotations.mean(axis=0)).max() < 0.12


def test_frames_shift_then_turn() -> None:
    T = shifted(np.eye(4), (1, 2, 3), np.pi / 2)
    np.testing.assert_allclose(T @ (1, 0, 0, 1), (1, 3, 3, 1), atol=1e-12)


def test_pieces_stand_on_the_floor_within_their_size() -> None:
    rng = np.random.default_rng(1)
    for piece in (*AT_WALL, *FREE):
        for size in (piece.least, piece.most):
            kit = make_kit(rng)
            piece.add(kit, np.eye(4), size)
            scene = kit.builder.build(np.zeros(3), 100.0)
            round_, long = scene.ellipsoids, scene.cylinders
            reach = np.linalg.norm(long.axes[:, :, :2], axis=2) + np.abs(long.axes[:, :, 2])
            solids = [(round_.centre, np.linalg.norm(round_.axes, axis=2)), (long.centre, reach)]
            low = np.concatenate([scene.quads.vertices.reshape(-1, 3), *(c - r for c, r in solids)]).min(axis=0)
            high = np.concatenate([scene.quads.vertices.reshape(-1, 3), *(c + r for c, r in solids)]).max(axis=0)
            assert -0.03 < low[2] < 0.01, piece
            assert high[2] < max(size[2] + 0.6, 1.5), piece
            assert low[0] > -size[0] / 2 - 0.25, piece
            assert high[0] < size[0] / 2 + 0.25, piece


def test_scattered_things_stay_on_their_surface() -> None:
    kit = make_kit(np.random.default_rng(2))
    scatter(kit, np.eye(4), 1.0, 0.6, 60)
    scene = kit.builder.build(np.zeros(3), 100.0)
    centres = np.concatenate([scene.ellipsoids.centre, scene.cylinders.centre, scene.quads.vertices.mean(axis=1)])
    assert (np.abs(centres[:, 0]) < 0.6).all()
    assert ((centres[:, 1] > 0) & (centres[:, 1] < 0.6)).all()
    assert centres[:, 2].min() > -0.01
