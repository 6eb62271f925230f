from __future__ import annotations

import numpy as np

from depth_ros.synthetic.finishes import FAMILIES, shuffle_faces
from depth_ros.synthetic.kit import make_kit
from depth_ros.synthetic.shapes import Holes


def test_every_family_gives_reflectances() -> None:
    kit = make_kit(np.random.default_rng(0))
    drawn = [kit.finishes.draw(name) for name in FAMILIES]
    kit.builder.ellipsoid(np.eye(4), (0, 0, 0), (1, 1, 1), drawn[0])
    materials = kit.builder.build(np.zeros(3), 100.0).materials
    assert len(set(drawn)) == len(FAMILIES)
    for colour in (materials.colour, materials.accent):
        assert ((colour >= 0) & (colour < 1)).all()
    assert (materials.period > 0).all()


def test_shuffled_faces_keep_geometry_and_holes() -> None:
    kit = make_kit(np.random.default_rng(1))
    mesh = kit.builder.material((0.2, 0.2, 0.2), holes=Holes.MESH, hole_size=0.5)
    for _ in range(40):
        kit.builder.box(np.eye(4), (0, 0, 0), (1, 1, 1), kit.finishes.draw("wood"))
    kit.builder.plate(np.eye(4), [(0, 0, 2), (1, 0, 2), (1, 1, 2), (0, 1, 2)], mesh)
    scene = kit.builder.build(np.zeros(3), 100.0)
    shuffled = shuffle_faces(scene, np.random.default_rng(2))
    assert shuffled.quads.vertices is scene.quads.vertices
    np.testing.assert_array_equal(shuffled.quads.material == mesh, scene.quads.material == mesh)
    assert len(np.unique(shuffled.quads.material)) > 20
