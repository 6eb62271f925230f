from __future__ import annotations

import numpy as np

from depth_ros.classical.nearest import nearest_fill


def test_every_pixel_gets_its_nearest_measurement() -> None:
    sparse = np.zeros((30, 40), np.float32)
    points = {(3, 4): 2.0, (20, 30): 5.0, (25, 3): 9.0}
    for at, depth in points.items():
        sparse[at] = depth
    near = nearest_fill(sparse)
    grid = np.moveaxis(np.mgrid[:30, :40], 0, -1)
    distances = np.stack([np.linalg.norm(grid - np.array(at), axis=-1) for at in points])
    expected = np.array(list(points.values()))[distances.argmin(axis=0)]
    clear = np.sort(distances, axis=0)[1] - distances.min(axis=0) > 1
    np.testing.assert_array_equal(near.depth[clear], expected[clear])
    np.testing.assert_allclose(near.distance, distances.min(axis=0), atol=0.5, rtol=0.02)


def test_without_a_measurement_there_is_no_depth() -> None:
    near = nearest_fill(np.zeros((4, 5), np.float32))
    assert not near.depth.any()
    assert np.isinf(near.distance).all()
