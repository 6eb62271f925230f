from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from depth_ros.errors import GeometryError
from depth_ros.frame import PointCloud
from depth_ros.geometry.motion import LONGEST_GAP_NS, REACH_NS, PoseBuffer, Trajectory, deskew
from depth_ros.geometry.rigid import apply, compose, from_rotation, from_xyz_quat, invert

MS = 1_000_000
START = 1_700_000_000_000_000_000
SPEED, TURN = 10.0, 0.5


def arc(stamp_ns: int, speed: float = SPEED, turn: float = TURN) -> Any:
    """Return the pose of constant twist in closed form: on a circle of radius speed / turn, facing along it."""
    seconds = (stamp_ns - START) / 1e9
    angle = turn * seconds
    radius = speed / turn
    rotation = Rotation.from_rotvec([0, 0, angle]).as_matrix()
    return from_rotation(rotation, [radius * np.sin(angle), radius * (1 - np.cos(angle)), 0])


def drive(period_ms: int = 10, count: int = 31) -> Trajectory:
    stamps = START + np.arange(count) * period_ms * MS
    return Trajectory(stamps, np.stack([arc(s) for s in stamps.tolist()]))


def has_an_answer(trajectory: Trajectory, stamp_ns: int) -> bool:
    try:
        trajectory.at(np.array([stamp_ns]))
    except GeometryError:
        return False
    return True


def world_points(count: int = 500) -> Any:
    return np.random.default_rng(1).uniform(-60, 60, (count, 3))


def test_poses_between_the_given_are_those_of_the_circle() -> None:
    stamps = START + np.array([0, 3, 15, 137, 300]) * MS
    found = drive().at(stamps)
    np.testing.assert_allclose(found, np.stack([arc(s) for s in stamps.tolist()]), atol=1e-4)
    np.testing.assert_allclose(found[:, :3, :3], np.stack([arc(s) for s in stamps.tolist()])[:, :3, :3], atol=1e-12)
    assert drive().at(np.empty(0, np.int64)).shape == (0, 4, 4)


def test_slerp_takes_the_short_way_at_constant_rate() -> None:
    poses = np.stack([np.eye(4), from_rotation(Rotation.from_rotvec([0, 0, 1.0]).as_matrix(), [1, 0, 0])])
    found = Trajectory(np.array([0, 100 * MS]), poses).at(np.array([25 * MS]))
    np.testing.assert_allclose(Rotation.from_matrix(found[0, :3, :3]).as_rotvec(), [0, 0, 0.25])
    np.testing.assert_allclose(found[0, :3, 3], [0.25, 0, 0])


@pytest.mark.parametrize("axis", [(0, 0, 1.0), (1.0, 0, 0), (0.6, 0, -0.8), (-0.48, 0.6, 0.64)])
def test_half_a_turn_is_turned_evenly_whatever_the_sign_of_its_quaternion(axis: tuple[float, ...]) -> None:
    start = Rotation.from_rotvec([0.3, -0.2, 0.1])
    end = -(start * Rotation.from_rotvec(np.pi * np.array(axis))).as_quat()
    poses = np.stack([from_xyz_quat([0, 0, 0], quat.tolist()) for quat in (start.as_quat(), end)])
    found = Rotation.from_matrix(Trajectory(np.array([0, 100 * MS]), poses).at(np.array([25 * MS, 50 * MS]))[:, :3, :3])
    np.testing.assert_allclose((start.inv() * found).magnitude(), [np.pi / 4, np.pi / 2], atol=1e-9)


def test_where_the_fixed_frame_is_changes_nothing() -> None:
    far = from_rotation(Rotation.from_rotvec([0.1, 2.0, -1.0]).as_matrix(), [1e6, -1e6, 1e3])
    stamps = START + np.arange(31) * 10 * MS
    xyz, at = world_points().astype(np.float32), START + np.linspace(0, 100, 500).astype(np.int64) * MS
    poses = np.stack([arc(s) for s in stamps.tolist()])
    here, there = (deskew(xyz, at, START + 45 * MS, Trajectory(stamps, T @ poses)) for T in (np.eye(4), far))
    np.testing.assert_allclose(there, here, atol=1e-5)


def test_beyond_its_ends_it_goes_on_as_it_moved_and_no_farther_than_it_reaches() -> None:
    trajectory = drive()
    first, last = trajectory.span_ns
    assert (first, last) == (START, START + 300 * MS)
    for stamp in (first - REACH_NS, last + REACH_NS):
        np.testing.assert_allclose(trajectory.at(np.array([stamp]))[0], arc(stamp), atol=0.02)
    for stamp in (first - REACH_NS - 1, last + REACH_NS + 1):
        with pytest.raises(GeometryError, match="missing for"):
            trajectory.at(np.array([stamp]))


def test_a_short_trajectory_reaches_as_far_as_it_is_long() -> None:
    trajectory = drive(10, 2)
    trajectory.at(START + np.array([-10, 20]) * MS)
    with pytest.raises(GeometryError, match="0 ms before and 1 ms after"):
        trajectory.at(np.array([START + 21 * MS]))


def test_a_lone_pose_holds_at_its_own_stamp_only() -> None:
    trajectory = drive(10, 1)
    np.testing.assert_array_equal(trajectory.at(np.array([START, START])), np.stack([arc(START)] * 2))
    with pytest.raises(GeometryError, match="pose source"):
        trajectory.at(np.array([START + 1]))


def test_a_long_gap_is_not_bridged() -> None:
    stamps = START + np.array([0, 10 * MS, 10 * MS + LONGEST_GAP_NS + MS, 30 * MS + LONGEST_GAP_NS])
    trajectory = Trajectory(stamps, np.stack([arc(s) for s in stamps.tolist()]))
    trajectory.at(stamps[:1])
    with pytest.raises(GeometryError, match="501 ms apart"):
        trajectory.at(stamps[:1] + 20 * MS)


@pytest.mark.parametrize(
    ("stamps", "poses", "said"),
    [
        ([0, 10, 10], np.stack([np.eye(4)] * 3), "do not rise"),
        ([0, 20, 10], np.stack([np.eye(4)] * 3), "do not rise"),
        ([], np.empty((0, 4, 4)), "one or more"),
        ([0, 1], np.eye(4)[None], "one or more"),
        ([0], np.full((1, 4, 4), np.nan), "not finite"),
        ([0], np.full((1, 4, 4), np.inf), "not finite"),
    ],
)
def test_what_is_no_trajectory_is_refused(stamps: list[int], poses: Any, said: str) -> None:
    with pytest.raises(GeometryError, match=said):
        Trajectory(np.array(stamps, np.int64), poses)


@pytest.mark.parametrize("target_ms", [100, 145, 200, 230])
def test_points_of_a_moving_lidar_come_to_where_they_are_at_the_target(target_ms: int) -> None:
    # What stands still in the world, each point measured at its own time on the circle (closed form).
    world, target = world_points(), START + target_ms * MS
    stamps = START + np.random.default_rng(2).integers(100 * MS, 200 * MS, len(world))
    measured = np.stack([apply(invert(arc(s)), p[None])[0] for s, p in zip(stamps.tolist(), world, strict=True)])
    exact = apply(invert(arc(target)), world)
    found = deskew(measured.astype(np.float32), stamps, target, drive())
    assert found.dtype == np.float32
    assert np.abs(measured - exact).max() > 0.5
    np.testing.assert_allclose(found, exact, atol=2e-3)


def test_covers_tells_what_at_answers() -> None:
    stamps = START + np.array([0, 10, 600, 610]) * MS
    trajectory = Trajectory(stamps, np.stack([arc(s) for s in stamps.tolist()]))
    asked = START + np.array([-51, -50, 0, 5, 10, 11, 599, 600, 610, 660, 661]) * MS
    answered = [has_an_answer(trajectory, int(stamp)) for stamp in asked]
    assert trajectory.covers(asked).tolist() == answered
    assert answered == [False, True, True, True, False, False, False, True, True, True, False]
    assert drive(10, 1).covers(START + np.array([0, 1])).tolist() == [True, False]


def test_what_sits_on_the_moving_frame_moves_with_it() -> None:
    T = from_rotation(Rotation.from_rotvec([0, 0.2, 0.7]).as_matrix(), [1, 2, 3])
    stamps = START + np.array([0, 40, 300]) * MS
    np.testing.assert_allclose(drive().of(T).at(stamps), drive().at(stamps) @ T, atol=1e-9)


def test_a_buffer_keeps_order_and_the_last_seconds() -> None:
    buffer = PoseBuffer()
    with pytest.raises(GeometryError, match="no pose has come"):
        buffer.around(START, START)
    for ms in (0, 40, 20, 20, 300):
        buffer.add(START + ms * MS, arc(START + ms * MS))
    assert (len(buffer), buffer.newest_ns) == (4, START + 300 * MS)
    assert (
        buffer.around(START, START + 300 * MS).stamps_ns.tolist() == (START + np.array([0, 20, 40, 300]) * MS).tolist()
    )
    assert buffer.around(START - 9000 * MS, START - 8000 * MS).stamps_ns.tolist() == [START]
    assert buffer.around(START + 9000 * MS, START + 9100 * MS).stamps_ns.tolist() == [START + 300 * MS]
    buffer.add(START + 5100 * MS, np.eye(4))
    assert len(buffer) == 2
    buffer.add(START, np.eye(4))
    assert (len(buffer), buffer.newest_ns) == (1, START)


def test_pure_rotation_turns_the_points_back() -> None:
    stamps = START + np.arange(0, 301, 10) * MS
    trajectory = Trajectory(stamps, np.stack([arc(s, 0.0, 2.0) for s in stamps.tolist()]))
    xyz = np.array([[10, 0, 1], [10, 0, 1]], np.float32)
    found = deskew(xyz, START + np.array([100, 200]) * MS, START + 100 * MS, trajectory)
    np.testing.assert_allclose(found[0], xyz[0], atol=1e-5)
    np.testing.assert_allclose(found[1], [10 * np.cos(0.2), 10 * np.sin(0.2), 1], atol=1e-4)


def test_there_and_back_is_where_it_was() -> None:
    xyz = world_points().astype(np.float32)
    there = deskew(xyz, START + 10 * MS, START + 240 * MS, drive())
    np.testing.assert_allclose(deskew(there, START + 240 * MS, START + 10 * MS, drive()), xyz, atol=1e-4)
    assert np.abs(there - xyz).max() > 2


def test_one_stamp_for_all_moves_the_scan_as_one() -> None:
    xyz = world_points().astype(np.float32)
    T = compose(invert(arc(START + 145 * MS)), arc(START + 100 * MS))
    found = deskew(xyz, START + 100 * MS, START + 145 * MS, drive(5, 61))
    np.testing.assert_allclose(found, apply(T, xyz), atol=1e-4)
    stamps = np.full(len(xyz), START + 100 * MS)
    np.testing.assert_array_equal(deskew(xyz, stamps, START + 145 * MS, drive(5, 61)), found)


def test_at_rest_nothing_moves() -> None:
    xyz = world_points().astype(np.float32)
    stamps = START + np.array([0, 400 * MS])
    still = Trajectory(stamps, np.stack([arc(START + 7 * MS)] * 2))
    when = START + np.linspace(0, 100 * MS, len(xyz)).astype(np.int64)
    np.testing.assert_allclose(deskew(xyz, when, START + 50 * MS, still), xyz, atol=1e-4)


def test_an_image_stamp_outside_the_scan_is_reached_and_one_outside_the_poses_is_not() -> None:
    xyz, when = np.ones((2, 3), np.float32), START + np.array([0, 100 * MS])
    assert np.isfinite(deskew(xyz, when, START + 250 * MS, drive())).all()
    with pytest.raises(GeometryError, match="150 ms after"):
        deskew(xyz, when, START + 500 * MS, drive())
    with pytest.raises(GeometryError, match="before"):
        deskew(xyz, when - 100 * MS, START, drive())


def test_stamps_and_points_must_match_and_belong_to_one_scan() -> None:
    xyz = np.ones((3, 3), np.float32)
    with pytest.raises(GeometryError, match="one for each"):
        deskew(xyz, np.zeros(2, np.int64), START, drive())
    with pytest.raises(GeometryError, match="point_time_unit"):
        deskew(xyz, np.array([0, START, START]), START, drive())
    assert deskew(xyz[:0], np.zeros(0, np.int64), START, drive()).shape == (0, 3)


def test_nan_points_stay_nan_alone() -> None:
    xyz = np.array([[1, 2, 3], [np.nan, 2, 3]], np.float32)
    found = deskew(xyz, START, START + 100 * MS, drive())
    assert np.isfinite(found[0]).all()
    assert np.isnan(found[1]).any()


def test_a_cloud_is_deskewed_with_what_belongs_to_it() -> None:
    xyz, time = world_points(4).astype(np.float32), np.array([0, 30, 60, 90]) * MS
    cloud = PointCloud(xyz, np.arange(4, dtype=np.float32), np.arange(4, dtype=np.int32), time)
    assert cloud.span_ns(START) == (START, START + 90 * MS)
    found = cloud.deskewed(START, START + 50 * MS, drive())
    np.testing.assert_array_equal(found.xyz, deskew(xyz, START + time, START + 50 * MS, drive()))
    assert (found.intensity is cloud.intensity, found.ring is cloud.ring, found.time_ns is cloud.time_ns) == (True,) * 3


def test_a_cloud_without_times_or_points_spans_its_stamp() -> None:
    xyz = world_points(4).astype(np.float32)
    assert PointCloud(xyz).span_ns(START) == (START, START)
    np.testing.assert_array_equal(
        PointCloud(xyz).deskewed(START, START + 50 * MS, drive()).xyz, deskew(xyz, START, START + 50 * MS, drive())
    )
    empty = PointCloud(xyz[:0], time_ns=np.empty(0, np.int64))
    assert empty.span_ns(START) == (START, START)
    assert len(empty.deskewed(START, START + 50 * MS, drive())) == 0


def test_impossible_times_are_our_error() -> None:
    cloud = PointCloud(np.ones((2, 3), np.float32), time_ns=np.array([-(9 * 10**18), 9 * 10**18]))
    with pytest.raises(GeometryError):
        cloud.deskewed(START, START, drive())
