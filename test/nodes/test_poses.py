"""Poses from TF and from an odometry, how the source is chosen, and what is done without poses."""

from __future__ import annotations

import sys
from collections.abc import Callable
from threading import Thread, Timer
from time import monotonic
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from geometry_msgs.msg import PoseWithCovarianceStamped
from scipy.spatial.transform import Rotation

from depth_ros.errors import ConfigError, NodeError
from depth_ros.frame import PointCloud
from depth_ros.geometry.motion import Trajectory, deskew
from depth_ros.geometry.rigid import compose, from_rotation, from_xyz_quat, to_xyz_quat
from depth_ros.nodes.config import ExtrinsicsConfig, LinkConfig, MotionConfig
from depth_ros.nodes.extrinsics import make_extrinsics
from depth_ros.nodes.odometry import Odometry
from depth_ros.nodes.poses import NoPosesError, deskewed, make_poses

MS = 1_000_000
START = 1_700_000_000_000_000_000
T_BODY_LIDAR = from_xyz_quat([0.5, 0.0, 1.0], [0.0, 0.0, np.sin(0.5), np.cos(0.5)])


def pose(stamp_ns: int) -> Any:
    """Return where the body is: 10 m/s ahead, turning at 0.5 rad/s about where it stands."""
    seconds = (stamp_ns - START) / 1e9
    return from_rotation(Rotation.from_rotvec([0, 0, 0.5 * seconds]).as_matrix(), [10 * seconds, 0, 0])


def lidar_pose(stamp_ns: int) -> Any:
    return compose(pose(stamp_ns), T_BODY_LIDAR)


def message(stamp_ns: int, T: Any = None, fixed: str = "odom", moving: str = "base_link") -> Any:
    xyz, quat = to_xyz_quat(pose(stamp_ns) if T is None else T)
    return raw_message(stamp_ns, xyz.tolist(), quat.tolist(), fixed, moving)


def raw_message(stamp_ns: int, xyz: Any, quat: Any, fixed: str = "odom", moving: str = "base_link") -> Any:
    at = SimpleNamespace(
        position=SimpleNamespace(**dict(zip("xyz", xyz, strict=True))),
        orientation=SimpleNamespace(**dict(zip("xyzw", quat, strict=True))),
    )
    stamp = SimpleNamespace(sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
    header = SimpleNamespace(stamp=stamp, frame_id=fixed)
    return SimpleNamespace(header=header, child_frame_id=moving, pose=SimpleNamespace(pose=at))


@pytest.fixture
def no_tf2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tf2_ros", None)


@pytest.fixture
def no_nav_msgs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nav_msgs", None)
    monkeypatch.setitem(sys.modules, "nav_msgs.msg", None)


@pytest.fixture
def nav_msgs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a message that is everywhere stand for nav_msgs/Odometry; what it holds comes from `feed`."""
    package, messages = ModuleType("nav_msgs"), ModuleType("nav_msgs.msg")
    messages.Odometry = PoseWithCovarianceStamped  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "nav_msgs", package)
    monkeypatch.setitem(sys.modules, "nav_msgs.msg", messages)


def params(node: Any) -> Any:
    xyz, quat = to_xyz_quat(T_BODY_LIDAR)
    link = LinkConfig(parent="base_link", child="lidar", xyz=xyz.tolist(), quat=quat.tolist())
    return make_extrinsics(node, ExtrinsicsConfig(), {"lidar": link})


def odometry_poses(node: Any, reported: list[str] | None = None, **config: Any) -> Any:
    given = MotionConfig(pose_source="odometry", **config)
    return make_poses(node, given, params(node), None if reported is None else reported.append)


def feed(poses: Any, *stamps: int) -> None:
    for stamp in stamps:
        poses._odometry.add(message(stamp))


def expect(trajectory: Trajectory, *stamps: int, truth: Callable[[int], Any] = lidar_pose) -> None:
    np.testing.assert_allclose(trajectory.at(np.array(stamps)), np.stack([truth(s) for s in stamps]), atol=1e-3)


# TF


def tf_poses(node: Any, fake_tf2: Any, newest: int = START + 200 * MS, **config: Any) -> Any:
    fake_tf2.known["odom", "lidar"] = lidar_pose
    fake_tf2.newest["odom", "lidar"] = newest
    extrinsics = make_extrinsics(node, ExtrinsicsConfig(), {})
    return make_poses(node, MotionConfig(pose_source="tf", **config), extrinsics)


def test_tf_is_looked_up_at_few_moments_and_waits_for_the_last_alone(node: Any, fake_tf2: Any) -> None:
    poses = tf_poses(node, fake_tf2, pose_timeout=0.3)
    expect(poses.trajectory("lidar", START, START + 150 * MS), START, START + 33 * MS, START + 150 * MS)
    asked = [stamp for *_, stamp in fake_tf2.asked if stamp]
    assert len(asked) == 16
    assert (min(asked), max(asked)) == (START, START + 150 * MS)
    assert sorted(fake_tf2.waited)[-2:] == [0.0, 0.3]
    fake_tf2.asked.clear()
    poses.trajectory("lidar", START, START)
    assert [stamp for *_, stamp in fake_tf2.asked if stamp] == [START]


def test_where_tf_is_a_little_behind_the_motion_goes_on(node: Any, fake_tf2: Any) -> None:
    poses = tf_poses(node, fake_tf2, START + 120 * MS)
    expect(poses.trajectory("lidar", START, START + 150 * MS), START + 150 * MS)
    with pytest.raises(NodeError, match=r"'lidar' in 'odom'.*30 ms after"):
        poses.trajectory("lidar", START, START + 200 * MS)


def test_nobody_waits_for_a_tf_that_stopped(node: Any, fake_tf2: Any) -> None:
    poses = tf_poses(node, fake_tf2, START)
    with pytest.raises(NodeError, match="2000 ms after"):
        poses.trajectory("lidar", START + 1900 * MS, START + 2000 * MS)
    assert set(fake_tf2.waited) == {0.0}


def test_a_lidar_that_never_moves_is_known_at_any_time(node: Any, fake_tf2: Any) -> None:
    poses = tf_poses(node, fake_tf2, 0)
    fake_tf2.known["odom", "lidar"] = lambda _: T_BODY_LIDAR
    expect(poses.trajectory("lidar", START, START + 5000 * MS), START + 70 * MS, truth=lambda _: T_BODY_LIDAR)


def test_an_unknown_fixed_frame_is_named_with_the_remedy(node: Any, fake_tf2: Any) -> None:
    poses = tf_poses(node, fake_tf2, fixed_frame="world")
    with pytest.raises(NodeError, match=r"from 'lidar' to 'world' in TF.*fixed_frame"):
        poses.trajectory("lidar", START, START + MS)


def test_the_tf_of_the_extrinsics_is_shared(node: Any, fake_tf2: Any) -> None:
    tf_poses(node, fake_tf2).close()
    assert (len(fake_tf2.listeners), fake_tf2.unregistered) == (1, 0)
    make_poses(node, MotionConfig(pose_source="tf"), params(node)).close()  # type: ignore[union-attr]
    assert (len(fake_tf2.listeners), fake_tf2.unregistered) == (2, 1)


# Odometry


def test_odometry_gives_the_poses_of_the_lidar(node: Any, nav_msgs: None) -> None:  # noqa: ARG001
    poses = odometry_poses(node)
    feed(poses, *(START + k * 20 * MS for k in range(11)))
    expect(poses.trajectory("lidar", START + 50 * MS, START + 150 * MS), START + 50 * MS, START + 150 * MS)
    poses.close()


def test_a_cloud_in_the_fixed_frame_does_not_move_with_the_body(node: Any, nav_msgs: None) -> None:  # noqa: ARG001
    poses = odometry_poses(node)
    feed(poses, *(START + k * 20 * MS for k in range(11)))
    found = poses.trajectory("/odom", START, START + 150 * MS)
    expect(found, START, START + 70 * MS, truth=lambda _: np.eye(4))


def test_late_repeated_and_unordered_odometry_is_put_in_its_place(node: Any, nav_msgs: None) -> None:  # noqa: ARG001
    poses = odometry_poses(node)
    feed(poses, *(START + k * 20 * MS for k in (3, 0, 1, 1, 5, 4, 2, 5, 0)))
    expect(poses.trajectory("lidar", START, START + 100 * MS), *(START + k * 10 * MS for k in range(11)))


def test_a_jump_in_time_starts_anew(node: Any, nav_msgs: None) -> None:  # noqa: ARG001
    poses = odometry_poses(node, pose_timeout=0.0)
    feed(poses, START, START + 20 * MS, START + 10_000 * MS)
    with pytest.raises(NodeError, match="poses are missing for"):
        poses.trajectory("lidar", START, START + 20 * MS)
    feed(poses, START, START + 20 * MS)
    expect(poses.trajectory("lidar", START, START + 20 * MS), START + 10 * MS)


def test_a_gap_is_told_in_milliseconds(node: Any, nav_msgs: None) -> None:  # noqa: ARG001
    poses = odometry_poses(node)
    feed(poses, START, START + 10 * MS, START + 800 * MS, START + 810 * MS)
    with pytest.raises(NodeError, match=r"'lidar' in 'odom': .*790 ms apart"):
        poses.trajectory("lidar", START + 100 * MS, START + 200 * MS)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (raw_message(START, [0, 0, np.nan], [0, 0, 0, 1]), "unit quaternion"),
        (raw_message(START, [0, 0, 0], [0, 0, 0, 0]), "unit quaternion"),
        (raw_message(START, [0, 0, 0], [0, 0, 0, 2.0]), "unit quaternion"),
        (raw_message(START, [0, np.inf, 0], [0, 0, 0, 1]), "unit quaternion"),
        (raw_message(START, [0, 0, 0], [0, 0, np.nan, 1]), "unit quaternion"),
        (raw_message(0, [0, 0, 0], [0, 0, 0, 1]), "its stamp is 0"),
        (raw_message(START, [0, 0, 0], [0, 0, 0, 1], moving=""), "'odom' and ''"),
        (raw_message(START, [0, 0, 0], [0, 0, 0, 1], fixed=""), "'' and 'base_link'"),
    ],
)
def test_what_is_no_pose_is_reported_in_one_line(node: Any, nav_msgs: None, wrong: Any, said: str) -> None:  # noqa: ARG001
    reported: list[str] = []
    poses = odometry_poses(node, reported)
    poses._odometry.add(wrong)
    (line,) = reported
    assert said in line
    assert "odometry" in line
    assert "\n" not in line
    with pytest.raises(NodeError, match="no pose has come"):
        poses.trajectory("lidar", START, START)


def test_other_frames_start_anew(node: Any, nav_msgs: None) -> None:  # noqa: ARG001
    poses = odometry_poses(node)
    feed(poses, START, START + 20 * MS)
    for stamp in (START + 40 * MS, START + 60 * MS):
        poses._odometry.add(message(stamp, moving="imu_link"))
    with pytest.raises(NodeError, match=r"from 'lidar' to 'imu_link'.*extrinsics"):
        poses.trajectory("lidar", START + 50 * MS, START + 60 * MS)


def test_a_pose_on_its_way_is_waited_for_and_one_that_is_not_is_not() -> None:
    odometry = Odometry(lambda _: None)
    for k in range(3):
        odometry.add(message(START + k * 10 * MS))
    Timer(0.05, lambda: odometry.add(message(START + 100 * MS))).start()
    assert odometry.between(START, START + 100 * MS, 5.0).span_ns[1] == START + 100 * MS
    start = monotonic()
    assert odometry.between(START + 5000 * MS, START + 5100 * MS, 60.0).span_ns[1] == START + 100 * MS
    assert monotonic() - start < 30
    Timer(0.05, odometry.close).start()
    odometry.between(START, START + 200 * MS, 60.0)
    assert monotonic() - start < 30


def test_it_is_filled_and_read_by_two_threads_and_stays_small() -> None:
    odometry = Odometry(lambda _: None)
    messages = [message(START + k * 5 * MS) for k in range(1500)]

    def write() -> None:
        for each in messages:
            odometry.add(each)

    writer = Thread(target=write)
    odometry.add(message(START))
    writer.start()
    while writer.is_alive():
        assert odometry.between(START, START + 100 * MS, 0.0).span_ns[1] >= START
    writer.join()
    assert len(odometry._buffer) == 1001


# Which source


def test_none_and_auto_without_any_library_say_so_once(node: Any, no_tf2: None, no_nav_msgs: None) -> None:  # noqa: ARG001
    extrinsics = params(node)
    node.lines.clear()
    assert make_poses(node, MotionConfig(pose_source="none"), extrinsics) is None
    assert make_poses(node, MotionConfig(), extrinsics) is None
    assert ["without deskew" in line for line in node.lines] == [True, True]


def test_a_source_that_cannot_be_had_is_an_error_that_names_the_package(
    node: Any,
    no_tf2: None,  # noqa: ARG001
    no_nav_msgs: None,  # noqa: ARG001
) -> None:
    for source, package in (("tf", "tf2-ros-py"), ("odometry", "nav-msgs")):
        with pytest.raises(ConfigError, match=rf"pose_source is {source}.*{package}"):
            make_poses(node, MotionConfig(pose_source=source), params(node))


@pytest.mark.parametrize(
    ("distro", "how"), [("jazzy", "install ros-jazzy-nav-msgs"), ("", "pip install ros-kilted-nav-msgs")]
)
def test_how_nav_msgs_is_installed_here(
    node: Any,
    monkeypatch: pytest.MonkeyPatch,
    no_tf2: None,  # noqa: ARG001
    no_nav_msgs: None,  # noqa: ARG001
    distro: str,
    how: str,
) -> None:
    monkeypatch.setenv("ROS_DISTRO", distro)
    assert make_poses(node, MotionConfig(), params(node)) is None
    assert how in node.lines[-1]


def test_auto_takes_odometry_then_tf_and_says_each_change_once(node: Any, nav_msgs: None, fake_tf2: Any) -> None:  # noqa: ARG001
    extrinsics = params(node)
    poses = make_poses(node, MotionConfig(), extrinsics)
    assert poses is not None
    node.lines.clear()
    for _ in range(3):
        with pytest.raises(NoPosesError, match="without deskew"):
            poses.trajectory("lidar", START, START + 20 * MS)
    fake_tf2.known["odom", "lidar"] = lidar_pose
    for _ in range(3):
        expect(poses.trajectory("lidar", START, START + 20 * MS), START + 10 * MS)
    feed(SimpleNamespace(_odometry=poses._sources[0]._odometry), START, START + 20 * MS)  # type: ignore[attr-defined]
    for _ in range(3):
        expect(poses.trajectory("lidar", START, START + 20 * MS), START + 10 * MS)
    assert len(node.lines) == 3
    for line, word in zip(node.lines, ("without deskew", "TF (fixed frame 'odom')", "/odometry"), strict=True):
        assert word in line
    poses.close()


def test_an_empty_fixed_frame_is_refused() -> None:
    with pytest.raises(ConfigError, match="fixed_frame"):
        MotionConfig(fixed_frame="")


# The scan


def scan() -> PointCloud:
    xyz = np.random.default_rng(0).uniform(-30, 30, (50, 3)).astype(np.float32)
    return PointCloud(xyz, time_ns=np.linspace(0, 100 * MS, 50).astype(np.int64))


def test_a_scan_is_moved_to_the_images_time(node: Any, fake_tf2: Any) -> None:
    reported: list[str] = []
    points, target = scan(), START + 45 * MS
    found = deskewed(tf_poses(node, fake_tf2), "lidar", points, START, target, reported.append)
    stamps = START + np.arange(0, 101, 5) * MS
    exact = Trajectory(stamps, np.stack([lidar_pose(int(s)) for s in stamps]))
    assert points.time_ns is not None
    np.testing.assert_allclose(found.xyz, deskew(points.xyz, START + points.time_ns, target, exact), atol=2e-3)
    assert np.abs(found.xyz - points.xyz).max() > 0.3
    assert not reported


def test_without_a_source_the_scan_is_taken_as_it_is(node: Any, fake_tf2: Any) -> None:  # noqa: ARG001
    reported: list[str] = []
    points = scan()
    assert deskewed(None, "lidar", points, START, START, reported.append) is points
    auto = make_poses(node, MotionConfig(), params(node))
    assert deskewed(auto, "lidar", points, START, START, reported.append) is points
    assert not reported


def test_a_scan_of_the_images_own_moment_waits_for_no_pose(node: Any, fake_tf2: Any) -> None:
    reported: list[str] = []
    points = PointCloud(scan().xyz)
    poses = tf_poses(node, fake_tf2, START - 500 * MS)
    assert deskewed(poses, "lidar", points, START, START, reported.append) is points
    assert not reported
    assert not fake_tf2.asked


def test_without_a_pose_the_scan_is_taken_as_it_is_and_why_is_told(node: Any, fake_tf2: Any) -> None:
    reported: list[str] = []
    points = scan()
    poses = tf_poses(node, fake_tf2, START - 500 * MS)
    assert deskewed(poses, "lidar", points, START, START + 45 * MS, reported.append) is points
    broken = PointCloud(points.xyz, time_ns=np.linspace(0, 10**18, 50).astype(np.int64))
    assert deskewed(tf_poses(node, fake_tf2, 0), "lidar", broken, START, START, reported.append) is broken
    assert "not deskewed: 'lidar' in 'odom': poses are missing" in reported[0]
    assert "point_time_unit" in reported[1]
