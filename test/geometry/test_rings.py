from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from depth_ros.bags.source import open_source
from depth_ros.geometry.rings import ring_index


def sweep(beams: int, start_deg: float = 0.0, turn: int = 1, jitter_deg: float = 0.0) -> NDArray[np.float32]:
    """One full turn of every beam: float32 [beams, 900, 3]."""
    random = np.random.default_rng(0)
    azimuth = np.deg2rad(start_deg + turn * np.linspace(0, 359.5, 900))[None, :]
    elevation = np.deg2rad(np.linspace(2, -24, beams)[:, None] + jitter_deg * random.normal(size=(beams, 900)))
    distance = random.uniform(3, 60, (beams, 900))
    direction = np.stack(
        [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)], -1
    )
    return (direction * distance[..., None]).astype(np.float32)


@pytest.mark.parametrize("turn", [1, -1])
@pytest.mark.parametrize("start_deg", [0.0, 90.0, 180.0, 270.0])
@pytest.mark.parametrize("beams", [16, 64])
def test_a_file_written_beam_after_beam_is_cut_at_the_seam(beams: int, start_deg: float, turn: int) -> None:
    # returns are missing at random, and the beams overlap in elevation
    cloud = sweep(beams, start_deg + turn * 0.2, turn, jitter_deg=0.1)
    expected = np.broadcast_to(np.arange(beams)[:, None], cloud.shape[:2])
    kept = np.random.default_rng(1).random(cloud.shape[:2]) > 0.3
    np.testing.assert_array_equal(ring_index(cloud[kept]), expected[kept])


@pytest.mark.parametrize("beams", [16, 32, 64])
def test_interleaved_beams_are_told_apart_by_elevation(beams: int) -> None:
    cloud = sweep(beams).transpose(1, 0, 2)
    expected = np.broadcast_to(np.arange(beams)[::-1], cloud.shape[:2])
    np.testing.assert_array_equal(ring_index(cloud.reshape(-1, 3)), expected.ravel())


def test_a_pattern_without_beams_has_none() -> None:
    random = np.random.default_rng(0)
    spread = random.normal(size=(20000, 3)).astype(np.float32) * 10
    assert ring_index(spread) is None
    angle = np.arange(20000) * 0.01
    rosette = np.column_stack([np.full(20000, 10.0), 4 * np.sin(angle) * np.cos(5.3 * angle), 4 * np.sin(5.3 * angle)])
    assert ring_index(rosette.astype(np.float32)) is None


@pytest.mark.parametrize("count", [0, 1, 5])
def test_a_handful_of_points_has_none(count: int) -> None:
    assert ring_index(np.ones((count, 3), np.float32)) is None


def test_equal_and_unknown_points_have_none() -> None:
    assert ring_index(np.ones((500, 3), np.float32)) is None
    assert ring_index(np.zeros((500, 3), np.float32)) is None
    assert ring_index(np.full((500, 3), np.nan, np.float32)) is None


@pytest.mark.real
def test_every_kitti_scan_has_64_rings(real_data: Path) -> None:
    for folder in ("object_testing", "object_training"):
        for sample in open_source(real_data / "kitti" / folder).samples():
            assert sample.frame.points is not None
            ring = ring_index(sample.frame.points.xyz)
            assert ring is not None
            assert np.array_equal(np.unique(ring), np.arange(64))


@pytest.mark.real
def test_rings_found_agree_with_the_drivers(real_data: Path) -> None:
    sample = next(open_source(real_data / "radiate").samples())
    points = sample.frame.points
    assert points is not None
    assert points.ring is not None
    found = ring_index(points.xyz)
    assert found is not None
    agree = [np.unique(found[points.ring == ring], return_counts=True)[1] for ring in np.unique(points.ring)]
    assert sum(counts.max() for counts in agree) > 0.97 * len(points)
