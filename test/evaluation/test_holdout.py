from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from depth_ros.bags.source import open_source
from depth_ros.classical.fill import complete
from depth_ros.errors import EvaluationError
from depth_ros.evaluation import holdout, metrics
from depth_ros.frame import PointCloud
from depth_ros.geometry.camera import Camera

CAMERA = Camera.from_focal(320, 160, 200, 200, 160, 80)
# LiDAR x forward, y left, z up, at the camera's own place
T_CAM_LIDAR = np.array([[0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1.0]])


def wall(beams: int = 16, distance: float = 10.0, *, ring: bool = True) -> PointCloud:
    """A flat wall before the sensor, beam after beam from the top."""
    elevation = np.deg2rad(np.linspace(12, -12, beams))[:, None]
    azimuth = np.deg2rad(np.linspace(35, -35, 400))[None, :]
    direction = np.stack(
        [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation) + 0 * azimuth], -1
    )
    xyz = (direction * distance / direction[..., :1]).reshape(-1, 3).astype(np.float32)
    number = np.repeat(np.arange(beams, dtype=np.int32), 400)
    return PointCloud(xyz, ring=number if ring else None)


@pytest.mark.parametrize("ring", [True, False])
def test_every_beam_is_either_given_or_scored(ring: bool) -> None:
    cloud = wall(ring=ring)
    for phase in range(4):
        split = holdout.split_beams(cloud, T_CAM_LIDAR, CAMERA, 4, phase)
        assert len(split.points) == len(cloud) // 4
        given = holdout.input_depth(split.points, T_CAM_LIDAR, CAMERA)
        assert not ((given > 0) & (split.reference > 0)).any()
        np.testing.assert_allclose(split.reference[split.reference > 0], 10.0, rtol=1e-5)
        assert np.count_nonzero(given) > 500


def test_phases_share_no_beam_and_together_give_all() -> None:
    cloud = wall()
    parts = [holdout.split_beams(cloud, T_CAM_LIDAR, CAMERA, 4, phase).points.ring for phase in range(4)]
    assert sorted(np.concatenate([part for part in parts if part is not None])) == sorted(wall().ring)  # type: ignore[arg-type]


def test_reference_ends_at_80_metres() -> None:
    assert not holdout.split_beams(wall(distance=90.0), T_CAM_LIDAR, CAMERA, 2, 0).reference.any()


@pytest.mark.parametrize(("step", "phase"), [(1, 0), (0, 0), (4, 4), (4, -1)])
def test_a_phase_that_does_not_exist_is_an_error(step: int, phase: int) -> None:
    with pytest.raises(EvaluationError, match="phase"):
        holdout.split_beams(wall(), T_CAM_LIDAR, CAMERA, step, phase)


def test_a_scan_without_rings_is_an_error() -> None:
    xyz = np.random.default_rng(0).uniform(-10, 10, (5000, 3)).astype(np.float32)
    with pytest.raises(EvaluationError, match="no rings"):
        holdout.split_beams(PointCloud(xyz), T_CAM_LIDAR, CAMERA, 4, 0)


def test_random_points_are_given_or_scored_and_repeat_with_the_seed() -> None:
    truth = np.full((40, 50), 3.0, np.float32)
    truth[:5] = np.nan
    truth[5:10] = 0
    split = holdout.split_points(truth, 100, seed=7)
    assert np.count_nonzero(split.sparse) == 100
    assert np.count_nonzero(split.reference) == 30 * 50 - 100
    assert not ((split.sparse > 0) & (split.reference > 0)).any()
    np.testing.assert_array_equal(split.sparse, holdout.split_points(truth, 100, seed=7).sparse)
    assert not np.array_equal(split.sparse, holdout.split_points(truth, 100, seed=8).sparse)


@pytest.mark.parametrize("count", [0, -1, 2000])
def test_more_points_than_are_known_is_an_error(count: int) -> None:
    with pytest.raises(EvaluationError, match="known pixels"):
        holdout.split_points(np.full((40, 50), 3.0, np.float32), count, seed=0)


def test_covered_rows_reach_from_first_to_last_measurement() -> None:
    sparse = np.zeros((10, 6), np.float32)
    assert not holdout.covered_region(sparse).any()
    sparse[3, 1] = sparse[7, 5] = 1.0
    np.testing.assert_array_equal(np.flatnonzero(holdout.covered_region(sparse).all(axis=1)), [3, 4, 5, 6, 7])


def test_nearest_fill_answers_for_gaps_and_the_share_is_told() -> None:
    sparse = np.zeros((4, 4), np.float32)
    sparse[0, 0] = 6.0
    depth = np.full((4, 4), 2.0, np.float32)
    depth[2:] = np.nan
    answer = holdout.answer_everywhere(depth, sparse, np.ones((4, 4), dtype=np.bool_))
    assert answer.nearest_share == 0.5
    np.testing.assert_array_equal(answer.depth[2:], 6.0)
    np.testing.assert_array_equal(answer.depth[:2], 2.0)


@pytest.mark.real
def test_stills_at_a_quarter_of_the_rings(real_data: Path) -> None:
    ours, nearest, inside, share = [], [], [], []
    for sample in open_source(real_data / "kitti" / "object_training").samples():
        frame = sample.frame
        assert frame.points is not None
        assert frame.T_cam_lidar is not None
        split = holdout.split_beams(frame.points, frame.T_cam_lidar, frame.camera, 4, 1)
        sparse = holdout.input_depth(split.points, frame.T_cam_lidar, frame.camera)
        reference = np.where(holdout.covered_region(sparse), split.reference, np.float32(0))
        found = complete(sparse, frame.rgb)
        answer = holdout.answer_everywhere(found.depth, sparse, reference > 0)
        ours.append(metrics.score(answer.depth, reference))
        empty = holdout.answer_everywhere(np.zeros_like(sparse), sparse, reference > 0)
        nearest.append(metrics.score(empty.depth, reference))
        inside.append([metrics.sigma_coverage(found.depth, found.sigma, reference, factor) for factor in (1, 2)])
        share.append(answer.nearest_share)
    a, b = metrics.mean_over_frames(ours), metrics.mean_over_frames(nearest)
    assert a["rmse_mm"] < 0.66 * b["rmse_mm"]
    assert a["mae_mm"] < 0.56 * b["mae_mm"]
    assert np.mean(share) < 0.03
    one, two = np.mean(inside, axis=0)
    assert 0.60 < one < 0.76
    assert two > 0.88
