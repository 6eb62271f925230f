from pathlib import Path
from typing import Any

import numpy as np
import pytest

from depth_ros.bags.bag_file import BagFile, decode_recorded
from depth_ros.errors import BagError, SyntheticError
from depth_ros.geometry import rigid
from depth_ros.messages.decode import decode_camera, decode_cloud, decode_image, stamp_ns
from depth_ros.messages.depth_encoding import decode_depth
from depth_ros.synthetic.bag import (
    IMAGE_TOPIC,
    INFO_TOPIC,
    MOVING_TF_TOPIC,
    ODOMETRY_TOPIC,
    POINTS_TOPIC,
    TF_TOPIC,
    TRUTH_TOPIC,
    write_synthetic_bag,
)  # fmt: skip
from depth_ros.synthetic.capture import START_NS, DriveConfig, capture_drive
from depth_ros.synthetic.scene import make_scene
from depth_ros.synthetic.trajectory import weave

SIZE = {"width": 96, "height": 64, "lidar": "spin16"}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[int, Any]]]:
    path = tmp_path_factory.mktemp("bag") / "drive"
    made = write_synthetic_bag(path, 0.3, 3, workers=1, **SIZE)  # type: ignore[arg-type]
    assert made.frames == 3
    topics: dict[str, list[tuple[int, Any]]] = {}
    with BagFile(path) as bag:
        for message in bag.messages([IMAGE_TOPIC, INFO_TOPIC, POINTS_TOPIC, TF_TOPIC, TRUTH_TOPIC]):
            topics.setdefault(message.topic, []).append((message.arrival_ns, decode_recorded(message)))
    return topics


def test_topics_and_counts(recorded: dict[str, list[tuple[int, Any]]]) -> None:
    counts = {topic: len(messages) for topic, messages in recorded.items()}
    assert counts == {IMAGE_TOPIC: 3, INFO_TOPIC: 3, POINTS_TOPIC: 3, TF_TOPIC: 1, TRUTH_TOPIC: 3}


def test_messages_hold_what_was_simulated(recorded: dict[str, list[tuple[int, Any]]]) -> None:
    captures = list(capture_drive(DriveConfig(0.3, 3, 96, 64, "spin16"), workers=1))
    for k, capture in enumerate(captures):
        np.testing.assert_array_equal(decode_image(recorded[IMAGE_TOPIC][k][1]), capture.rgb)
        np.testing.assert_array_equal(decode_depth(recorded[TRUTH_TOPIC][k][1]), capture.depth)
        cloud = decode_cloud(recorded[POINTS_TOPIC][k][1])
        np.testing.assert_array_equal(cloud.xyz, capture.cloud.xyz)
        np.testing.assert_array_equal(cloud.time_ns, capture.cloud.time_ns)
        np.testing.assert_array_equal(cloud.ring, capture.cloud.ring)
        camera = decode_camera(recorded[INFO_TOPIC][k][1])
        assert camera.size == (96, 64)
        assert camera.is_rectified


def test_arrival_is_after_the_measurement(recorded: dict[str, list[tuple[int, Any]]]) -> None:
    for topic, latency in ((IMAGE_TOPIC, 25_000_000), (TRUTH_TOPIC, 25_000_000), (POINTS_TOPIC, 100_000_000)):
        for arrival, message in recorded[topic]:
            assert arrival - stamp_ns(message.header.stamp) == latency
    image, scan = (stamp_ns(recorded[topic][1][1].header.stamp) for topic in (IMAGE_TOPIC, POINTS_TOPIC))
    assert image - scan == 45_000_000


def test_transforms_name_both_sensors(recorded: dict[str, list[tuple[int, Any]]]) -> None:
    transforms = recorded[TF_TOPIC][0][1].transforms
    assert [(t.header.frame_id, t.child_frame_id) for t in transforms] == [
        ("base_link", "camera_optical_frame"),
        ("base_link", "lidar"),
    ]


def test_workers_do_not_change_the_drive() -> None:
    config = DriveConfig(0.2, 3, 64, 48, "spin16")
    for one, two in zip(capture_drive(config, workers=1), capture_drive(config, workers=2), strict=True):
        np.testing.assert_array_equal(one.rgb, two.rgb)
        np.testing.assert_array_equal(one.depth, two.depth)
        np.testing.assert_array_equal(one.cloud.xyz, two.cloud.xyz)


@pytest.mark.parametrize(
    "wrong",
    [{"seconds": 0.0}, {"seconds": float("nan")}, {"seconds": 1e9}, {"seed": -1}, {"width": 0}, {"height": 100_000},
     {"lidar": "none"}, {"turn": -0.1}, {"turn": float("nan")}, {"speed": 1e9}],
)  # fmt: skip
def test_settings_out_of_range_are_errors_and_leave_no_bag(wrong: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(SyntheticError):
        write_synthetic_bag(tmp_path / "bag", **wrong)
    assert not (tmp_path / "bag").exists()


def test_a_robot_that_weaves_records_its_exact_poses(tmp_path: Path) -> None:
    made = write_synthetic_bag(tmp_path / "bag", 0.2, 3, workers=1, turn=0.5, speed=10.0, **SIZE)  # type: ignore[arg-type]
    assert made.metres == 1.0
    config = DriveConfig(0.2, 3, 96, 64, "spin16", 0.5, 10.0)
    street = make_scene(3, config.metres(0.2)).street
    T_odom_world = rigid.invert(config.pose(street, 0.0))
    stamps = []
    with BagFile(tmp_path / "bag") as bag:
        arrivals = [message.arrival_ns for message in bag.messages()]
        assert arrivals == sorted(arrivals)
        odometry = [decode_recorded(message) for message in bag.messages([ODOMETRY_TOPIC])]
        moving = [decode_recorded(message) for message in bag.messages([MOVING_TF_TOPIC])]
    for message, tf in zip(odometry, moving, strict=True):
        stamps.append(stamp_ns(message.header.stamp))
        exact = rigid.compose(T_odom_world, config.pose(street, (stamps[-1] - START_NS) / 1e9))
        pose, (link,) = message.pose.pose, tf.transforms
        for move, turn in ((pose.position, pose.orientation), (link.transform.translation, link.transform.rotation)):
            found = rigid.from_xyz_quat((move.x, move.y, move.z), (turn.x, turn.y, turn.z, turn.w))
            np.testing.assert_allclose(found, exact, atol=1e-9)
        assert (message.header.frame_id, message.child_frame_id) == ("odom", "base_link")
        assert (link.header.frame_id, link.child_frame_id) == ("odom", "base_link")
        assert stamp_ns(link.header.stamp) == stamps[-1]
    assert set(np.diff(stamps)) == {20_000_000}
    assert stamps[0] < START_NS - 200_000_000
    assert stamps[-1] >= START_NS + 310_000_000


def test_the_weave_has_the_speed_and_the_turn_that_are_asked_for() -> None:
    street = make_scene(3, 30.0).street
    here, there = (weave(street, at, 10.0, 0.5) for at in (0.1, 0.101))
    step = rigid.compose(rigid.invert(here), there)
    assert np.linalg.norm(step[:3, 3]) == pytest.approx(0.01, rel=0.02)
    assert np.arctan2(step[1, 0], step[0, 0]) == pytest.approx(0.5e-3, rel=0.1)
    swing = [weave(street, at, 0.0, 0.5) for at in (-0.5, 0.5, 1.5)]
    angles = [np.arctan2(T[1, 0], T[0, 0]) for T in swing]
    np.testing.assert_allclose(np.diff(angles), [0.5, -0.5], atol=1e-6)


def test_a_bag_that_is_there_is_kept(tmp_path: Path) -> None:
    with pytest.raises(BagError, match="exists"):
        write_synthetic_bag(tmp_path, 0.1, 0, workers=1)
