"""Deskew of a bag by its own poses; the figure that issue 4 asks for."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from depth_ros.bags.bag_file import BagFile, decode_recorded
from depth_ros.bags.reader import PointTime
from depth_ros.bags.sample import Sample
from depth_ros.bags.source import open_source
from depth_ros.bags.transforms import MovingTransforms, StaticTransforms
from depth_ros.bags.writer import BagWriter, bag_factory
from depth_ros.errors import BagError, GeometryError
from depth_ros.frame import Frame, PointCloud
from depth_ros.geometry import rigid
from depth_ros.messages.encode import encode_header
from depth_ros.synthetic.bag import write_synthetic_bag
from depth_ros.synthetic.capture import START_NS, DriveConfig
from depth_ros.synthetic.trajectory import T_BASE_CAMERA, T_BASE_LIDAR

TURN, SPEED = 0.5, 10.0
CONFIG = DriveConfig(0.3, 3, 96, 64, "spin16", TURN, SPEED)
MS = 1_000_000


@pytest.fixture(scope="module")
def turning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bag") / "turning"
    write_synthetic_bag(path, 0.3, 3, width=96, height=64, lidar="spin16", turn=TURN, speed=SPEED, workers=1)
    return path


def samples(path: Path, motion: str, **more: Any) -> list[Sample]:
    return list(open_source(path, motion=motion, **more).samples())


def pixel_errors(frame: Frame, raw: PointCloud) -> NDArray[np.float64]:
    """Return how far the points fall from where they are, in pixels, by the poses in closed form."""
    street = CONFIG.scene.street
    assert frame.points is not None
    assert frame.T_cam_lidar is not None
    assert frame.scan_stamp_ns is not None
    assert raw.time_ns is not None
    T_world_cam = rigid.compose(CONFIG.pose(street, (frame.stamp_ns - START_NS) / 1e9), T_BASE_CAMERA)
    seconds = (frame.scan_stamp_ns - START_NS + raw.time_ns) / 1e9
    poses = {at: rigid.compose(CONFIG.pose(street, at), T_BASE_LIDAR) for at in set(seconds.tolist())}
    T = np.stack([rigid.invert(T_world_cam) @ poses[at] for at in seconds.tolist()])
    exact = np.einsum("nij,nj->ni", T[:, :3, :3], raw.xyz) + T[:, :3, 3]
    found = rigid.apply(frame.T_cam_lidar, frame.points.xyz.astype(np.float64))
    ahead = (exact[:, 2] > 0.5) & (found[:, 2] > 0.5)
    there, here = (xyz[ahead] @ frame.camera.K.T for xyz in (exact, found))
    there, here = there[:, :2] / there[:, 2:], here[:, :2] / here[:, 2:]
    inside = ((there >= 0) & (there < frame.camera.size)).all(axis=1)
    return np.asarray(np.linalg.norm(there - here, axis=1)[inside])


@pytest.mark.parametrize("motion", ["tf", "odometry", "auto"])
def test_deskew_makes_the_error_of_projected_points_at_least_five_times_smaller(turning: Path, motion: str) -> None:
    raw, moved = samples(turning, "none"), samples(turning, motion)
    assert len(raw) == len(moved) == 3
    without, with_deskew = (
        np.concatenate(
            [
                pixel_errors(sample.frame, unmoved.frame.points)
                for sample, unmoved in zip(run, raw, strict=True)
                if unmoved.frame.points is not None
            ]
        ).mean()
        for run in (raw, moved)
    )
    assert with_deskew < without / 5
    assert without > 0.3


def test_only_the_points_change(turning: Path) -> None:
    for one, two in zip(samples(turning, "none"), samples(turning, "auto"), strict=True):
        a, b = one.frame.points, two.frame.points
        assert a is not None
        assert b is not None
        assert (one.frame.stamp_ns, one.frame.scan_stamp_ns) == (two.frame.stamp_ns, two.frame.scan_stamp_ns)
        np.testing.assert_array_equal(a.time_ns, b.time_ns)
        np.testing.assert_array_equal(a.ring, b.ring)
        assert a.xyz.shape == b.xyz.shape
        assert 0.1 < np.abs(a.xyz - b.xyz).max() < 5


def test_the_times_of_the_points_are_read_as_the_node_reads_them(turning: Path) -> None:
    for one, two in zip(
        samples(turning, "none"), samples(turning, "none", point_time=PointTime("us", "end")), strict=True
    ):
        assert one.frame.points is not None
        assert two.frame.points is not None
        start, end = one.frame.points.time_ns, two.frame.points.time_ns
        np.testing.assert_array_equal(end, 1000 * (start - start.max()))  # type: ignore[union-attr]


def test_two_runs_are_equal(turning: Path) -> None:
    for one, two in zip(samples(turning, "auto"), samples(turning, "auto"), strict=True):
        np.testing.assert_array_equal(one.frame.points.xyz, two.frame.points.xyz)  # type: ignore[union-attr]


def test_a_bag_without_poses_is_read_as_before(tmp_path: Path, drive: Any) -> None:
    path = drive.write(tmp_path / "bag")
    for one, two in zip(samples(path, "none"), samples(path, "auto"), strict=True):
        np.testing.assert_array_equal(one.frame.points.xyz, two.frame.points.xyz)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("motion", "said"),
    [
        ("tf", "no /tf"),
        ("odometry", "odometry is missing"),
        ("imu", "give auto, none"),
        ("odometry:x", "give auto, none"),
    ],
)
def test_what_is_asked_for_by_name_must_be_there(tmp_path: Path, drive: Any, motion: str, said: str) -> None:
    with pytest.raises(BagError, match=said):
        samples(drive.write(tmp_path / "bag"), motion)


def with_poses(
    path: Path,
    drive: Any,
    make_tf: Any,
    poses: list[tuple[str, str, int]],
    odometries: tuple[str, ...],
    place: Callable[[int], NDArray[np.float64]] = lambda _: np.eye(4),
) -> Path:
    """Write the drive's bag again with poses (parent, child, stamp) on /tf, and odometry topics at every stamp."""
    drive.write(path / "plain")
    with BagFile(path / "plain") as bag, BagWriter(path / "bag") as out:
        for recorded in bag.messages():
            out.write(recorded.topic, recorded.type_name, decode_recorded(recorded), recorded.arrival_ns)
        for parent, child, stamp in poses:
            message = make_tf([(parent, child, place(stamp))])
            message.transforms[0].header = encode_header(bag_factory, stamp, parent)
            out.write("/tf", "tf2_msgs/msg/TFMessage", message, stamp)
        for topic in odometries:
            out.write(topic, "nav_msgs/msg/Odometry", _odometry(drive.stamps[0]), drive.stamps[0])
    return path / "bag"


def _odometry(stamp: int) -> Any:
    vector = bag_factory("geometry_msgs/msg/Vector3", x=0.0, y=0.0, z=0.0)
    point = bag_factory("geometry_msgs/msg/Point", x=0.0, y=0.0, z=0.0)
    turn = bag_factory("geometry_msgs/msg/Quaternion", x=0.0, y=0.0, z=0.0, w=0.0)
    twist = bag_factory("geometry_msgs/msg/Twist", linear=vector, angular=vector)
    pose = bag_factory("geometry_msgs/msg/Pose", position=point, orientation=turn)
    return bag_factory(
        "nav_msgs/msg/Odometry",
        header=encode_header(bag_factory, stamp, "odom"),
        child_frame_id="base_link",
        pose=bag_factory("geometry_msgs/msg/PoseWithCovariance", pose=pose, covariance=np.zeros(36)),
        twist=bag_factory("geometry_msgs/msg/TwistWithCovariance", twist=twist, covariance=np.zeros(36)),
    )


def test_a_tf_without_the_fixed_frame_is_told_and_auto_reads_on(
    tmp_path: Path, drive: Any, make_tf: Any, caplog: pytest.LogCaptureFixture
) -> None:
    bag = with_poses(tmp_path, drive, make_tf, [("arm", "hand", stamp) for stamp in drive.stamps], ())
    with caplog.at_level(logging.INFO, "depth_ros"):
        assert len(samples(bag, "auto")) == 4
    assert len([line for line in caplog.messages if "without deskew" in line and "'lidar' to 'odom'" in line]) == 1
    with caplog.at_level(logging.WARNING, "depth_ros"):
        assert len(samples(bag, "tf:map")) == 4
    assert "4 scans are not deskewed" in caplog.text


def test_poses_that_end_too_early_are_counted(
    tmp_path: Path, drive: Any, make_tf: Any, caplog: pytest.LogCaptureFixture
) -> None:
    early = [("odom", "base_link", drive.stamps[0] + k * 10 * MS) for k in (-1, 0, 1, 2)]
    with caplog.at_level(logging.WARNING, "depth_ros"):
        assert len(samples(with_poses(tmp_path, drive, make_tf, early, ()), "auto")) == 4
    assert "3 scans are not deskewed; first: poses are missing" in caplog.text


@pytest.mark.parametrize("motion", ["auto", "none"])
def test_a_camera_that_pans_is_where_it_was_at_its_image(tmp_path: Path, drive: Any, make_tf: Any, motion: str) -> None:
    def pan(stamp: int) -> NDArray[np.float64]:
        return rigid.from_xyz_quat(
            (1, 0, 2), Rotation.from_rotvec([0, 0, (stamp - drive.stamps[0]) / 1e9]).as_quat().tolist()
        )

    lens = rigid.from_xyz_quat((0, 0, 0.1), (0.5, -0.5, 0.5, -0.5))
    bag = with_poses(tmp_path, drive, make_tf, [("base_link", "pan", s) for s in pan_stamps(drive)], (), pan)
    statics = [("pan", "camera_optical_frame", lens), ("base_link", "lidar", at(1.0))]
    found = samples(with_statics(bag, tmp_path / "out", make_tf(statics)), motion)
    assert len(found) == 4
    for sample in found:
        expected = rigid.compose(rigid.invert(rigid.compose(pan(sample.frame.stamp_ns), lens)), at(1.0))
        np.testing.assert_allclose(sample.frame.T_cam_lidar, expected, atol=1e-6)  # type: ignore[arg-type]


def test_images_without_a_transform_are_left_out_and_counted(
    tmp_path: Path, drive: Any, make_tf: Any, caplog: pytest.LogCaptureFixture
) -> None:
    poses = [("base_link", "pan", stamp) for stamp in pan_stamps(drive) if stamp < drive.stamps[1]]
    statics = make_tf([("pan", "camera_optical_frame", at(0.0)), ("base_link", "lidar", at(1.0))])
    with caplog.at_level(logging.WARNING, "depth_ros"):
        found = samples(
            with_statics(with_poses(tmp_path, drive, make_tf, poses, ()), tmp_path / "out", statics), "none"
        )
    assert [sample.frame.stamp_ns for sample in found] == drive.stamps[:1]
    assert "3 messages cannot be used; first: no transform joins" in caplog.text
    assert "/tf lacks pan" in caplog.text


def pan_stamps(drive: Any) -> list[int]:
    """Return stamps 70 ms apart around all images, none of which is an image's."""
    return [drive.stamps[0] - 105 * MS + k * 70 * MS for k in range(10)]


def with_statics(bag: Path, out: Path, statics: Any) -> Path:
    """Write a bag again with another /tf_static."""
    with BagFile(bag) as read, BagWriter(out) as writer:
        for recorded in read.messages():
            message = statics if recorded.topic == "/tf_static" else decode_recorded(recorded)
            writer.write(recorded.topic, recorded.type_name, message, recorded.arrival_ns)
    return out


def test_of_several_odometries_one_must_be_named(tmp_path: Path, drive: Any, make_tf: Any) -> None:
    bag = with_poses(tmp_path, drive, make_tf, [], ("/a", "/b"))
    assert len(samples(bag, "auto")) == 4
    with pytest.raises(BagError, match=r"could be /a, /b: .*--topic odometry=/a"):
        samples(bag, "odometry")
    assert len(samples(bag, "odometry", topics={"odometry": "/b"})) == 4
    with pytest.raises(BagError, match="must be nav_msgs/msg/Odometry"):
        samples(bag, "auto", topics={"odometry": "/lidar/points"})


def stamped(parent: str, child: str, stamp_ns: int, T: Any) -> Any:
    xyz, quat = rigid.to_xyz_quat(T)
    return SimpleNamespace(
        transforms=[
            SimpleNamespace(
                header=SimpleNamespace(
                    frame_id=parent, stamp=SimpleNamespace(sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
                ),
                child_frame_id=child,
                transform=SimpleNamespace(
                    translation=SimpleNamespace(**dict(zip("xyz", xyz.tolist(), strict=True))),
                    rotation=SimpleNamespace(**dict(zip("xyzw", quat.tolist(), strict=True))),
                ),
            )
        ]
    )


def at(x: float) -> Any:
    return rigid.from_rotation(np.eye(3), [x, 0, 0])


def test_two_links_that_move_are_chained_over_a_static_one() -> None:
    statics = StaticTransforms()
    statics.add("mast", "lidar", at(100.0))
    moving = MovingTransforms(statics)
    for k in range(11):
        moving.add_message(stamped("/odom", "base", START_NS + k * 20 * MS, at(k)))
        moving.add_message(stamped("base", "mast", START_NS + 5 * MS + k * 20 * MS, at(0.1 * k)))
    found = moving.trajectory("odom", "/lidar", START_NS + 50 * MS, START_NS + 100 * MS)
    np.testing.assert_allclose(found.at(np.array([START_NS + 85 * MS]))[0, 0, 3], 100 + 4.25 + 0.4, atol=1e-9)
    assert moving.reaches(START_NS + 200 * MS)
    assert not moving.reaches(START_NS + 201 * MS)


def test_a_loop_an_unknown_frame_and_a_lidar_at_rest() -> None:
    statics = StaticTransforms()
    statics.add("odom", "lidar", at(1.0))
    moving = MovingTransforms(statics)
    np.testing.assert_array_equal(moving.trajectory("odom", "lidar", 0, 10).at(np.array([5])), np.eye(4)[None])
    moving.add_message(stamped("a", "b", START_NS, at(0)))
    moving.add_message(stamped("b", "a", START_NS, at(0)))
    for frame in ("a", "radar"):
        with pytest.raises(BagError, match=f"'{frame}' to 'odom'"):
            moving.trajectory("odom", frame, 0, 10)


def test_what_is_no_transform_is_counted_and_a_new_parent_starts_anew() -> None:
    moving = MovingTransforms(StaticTransforms())
    moving.add_message(stamped("odom", "lidar", START_NS, at(0)))
    broken = stamped("odom", "lidar", START_NS + MS, at(0))
    broken.transforms[0].transform.rotation.w = np.nan
    moving.add_message(broken)
    assert moving.bad == 1
    moving.add_message(stamped("map", "lidar", START_NS + 9000 * MS, at(0)))
    with pytest.raises(BagError, match="'map' has no parent"):
        moving.trajectory("odom", "lidar", START_NS, START_NS)
    with pytest.raises(GeometryError, match="missing"):
        moving.trajectory("map", "lidar", START_NS, START_NS).at(np.array([START_NS]))
