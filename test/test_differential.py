"""Our conversions and our pairing against the ROS packages that do the same, where those are installed.

With DEPTH_ROS_REQUIRE_ROS=1 (a machine that has a ROS distribution) a missing package is a failure, not a skip.
"""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from depth_ros.bags.transforms import MovingTransforms, StaticTransforms
from depth_ros.config import PairingConfig
from depth_ros.frame import PointCloud
from depth_ros.geometry import rigid
from depth_ros.messages.decode import decode_cloud, decode_image
from depth_ros.messages.encode import encode_cloud, encode_image
from depth_ros.pairing import Pairer

MS = 1_000_000
RNG = np.random.default_rng(3)


def ros_factory() -> Any:
    pytest.importorskip("rclpy")
    from depth_ros.nodes.factory import make

    return make


def test_clouds_equal_sensor_msgs_py() -> None:
    point_cloud2 = pytest.importorskip("sensor_msgs_py.point_cloud2")
    xyz = RNG.normal(0, 20, (500, 3)).astype(np.float32)
    cloud = PointCloud(xyz, RNG.random(500).astype(np.float32), RNG.integers(0, 64, 500).astype(np.int32))
    message = encode_cloud(ros_factory(), 5, "lidar", cloud)
    theirs = point_cloud2.read_points(message)
    np.testing.assert_array_equal(np.column_stack([theirs[name] for name in "xyz"]), xyz)
    np.testing.assert_array_equal(theirs["intensity"], cloud.intensity)
    made = point_cloud2.create_cloud_xyz32(message.header, xyz.tolist())
    np.testing.assert_array_equal(decode_cloud(made).xyz, xyz)


def test_nan_points_are_dropped_as_by_sensor_msgs_py() -> None:
    point_cloud2 = pytest.importorskip("sensor_msgs_py.point_cloud2")
    xyz = RNG.normal(0, 20, (100, 3)).astype(np.float32)
    xyz[::7, 1] = np.nan
    message = encode_cloud(ros_factory(), 5, "lidar", PointCloud(xyz))
    message.is_dense = False
    theirs = point_cloud2.read_points(message, field_names=["x", "y", "z"], skip_nans=True)
    np.testing.assert_array_equal(decode_cloud(message).xyz, np.column_stack([theirs[name] for name in "xyz"]))


@pytest.mark.parametrize("encoding", ["rgb8", "bgr8", "rgba8", "bgra8", "mono8"])
def test_pictures_equal_cv_bridge(encoding: str) -> None:
    bridge = pytest.importorskip("cv_bridge").CvBridge()
    channels = {"mono8": 0, "rgb8": 3, "bgr8": 3}.get(encoding, 4)
    shape = (20, 30, channels) if channels else (20, 30)
    image: NDArray[np.uint8] = RNG.integers(0, 256, shape, np.uint8)
    message = encode_image(ros_factory(), 5, "camera", image, encoding)
    np.testing.assert_array_equal(decode_image(message), bridge.imgmsg_to_cv2(message, "rgb8"))


class Stamped:
    """What message_filters looks at: a header with a stamp."""

    def __init__(self, stamp_ns: int) -> None:
        from builtin_interfaces.msg import Time
        from std_msgs.msg import Header

        self.stamp_ns = stamp_ns
        self.header = Header(stamp=Time(sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9))


class Sources:
    """Filters of message_filters that the test itself feeds, by the sensor's name."""

    def __init__(self, message_filters: Any) -> None:
        self.image, self.scan = message_filters.SimpleFilter(), message_filters.SimpleFilter()

    def feed(self, events: list[tuple[int, str]]) -> None:
        for stamp, name in events:
            getattr(self, name).signalMessage(Stamped(stamp))


def jittered(count: int, period: int, jitter: int) -> list[int]:
    return [k * period * MS + int(RNG.integers(-jitter, jitter)) * MS for k in range(1, count)]


def test_pairs_equal_message_filters_where_both_must_find_the_same() -> None:
    """Both sensors at 10 Hz with 30 ms of jitter: every image has a nearest scan that no other image wants."""
    message_filters = pytest.importorskip("message_filters")
    pytest.importorskip("rclpy")
    images, scans = jittered(60, 100, 15), jittered(60, 100, 15)
    events = sorted([(t, "image") for t in images] + [(t, "scan") for t in scans])

    sources, theirs = Sources(message_filters), []
    synchroniser = message_filters.ApproximateTimeSynchronizer([sources.image, sources.scan], 10, 0.04)
    synchroniser.registerCallback(lambda image, scan: theirs.append((image.stamp_ns, scan.stamp_ns)))
    sources.feed(events)

    pairer: Pairer[None, None] = Pairer(PairingConfig(sync_slop=0.04))
    pairs = []
    for stamp, name in events:
        pairs += (pairer.add_image if name == "image" else pairer.add_scan)(stamp, None, stamp)
    pairs += pairer.flush()
    assert sorted((pair.image_stamp_ns, pair.scan_stamp_ns) for pair in pairs) == sorted(theirs)
    assert len(theirs) == 59


@pytest.fixture
def node() -> Any:
    rclpy = pytest.importorskip("rclpy")
    rclpy.init(domain_id=20 + os.getpid() % 80)
    node = rclpy.create_node("differential")
    yield node
    node.destroy_node()
    rclpy.try_shutdown()


def test_our_filter_is_one_of_theirs_and_pairs_each_image_with_its_nearest_scan(node: Any) -> None:
    """A camera at 30 Hz on a LiDAR at 10 Hz: theirs uses each scan once and leaves two images of three without."""
    message_filters = pytest.importorskip("message_filters")
    from depth_ros.nodes.filter import PairFilter

    images, scans = jittered(90, 33, 5), jittered(30, 100, 15)
    sources, theirs, ours = Sources(message_filters), [], []
    synchroniser = message_filters.ApproximateTimeSynchronizer([sources.image, sources.scan], 10, 0.06)
    synchroniser.registerCallback(lambda image, scan: theirs.append((image.stamp_ns, scan.stamp_ns)))
    pairs = PairFilter(node, sources.image, sources.scan, PairingConfig(sync_slop=0.06))
    assert isinstance(pairs, message_filters.SimpleFilter)
    pairs.registerCallback(lambda image, scan, more: ours.append((image.stamp_ns, scan.stamp_ns, more)), "more")
    sources.feed(sorted([(t, "image") for t in images] + [(t, "scan") for t in scans]))
    pairs.flush()
    within = [image for image in images if min(abs(scan - image) for scan in scans) <= 60 * MS]
    assert ours == [(image, min(scans, key=lambda scan: abs(scan - image)), "more") for image in within]
    assert pairs.counters["paired"] == len(ours)
    assert len(theirs) < len(ours) / 2


def test_our_filter_chains_between_their_subscribers_and_their_cache(node: Any) -> None:
    message_filters = pytest.importorskip("message_filters")
    from rclpy.executors import SingleThreadedExecutor
    from sensor_msgs.msg import Image, PointCloud2

    from depth_ros.nodes.filter import PairFilter

    kinds = {"image": Image, "points": PointCloud2}
    image = message_filters.Subscriber(node, Image, "image", qos_profile=10)
    points = message_filters.Subscriber(node, PointCloud2, "points", qos_profile=10)
    pairs, scans = PairFilter(node, image, points, PairingConfig(max_wait=0.2)), message_filters.SimpleFilter()
    pairs.registerCallback(lambda _image, scan: scans.signalMessage(scan))
    cache = message_filters.Cache(scans, 10)
    outputs = {name: node.create_publisher(kind, name, 10) for name, kind in kinds.items()}
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    for _ in range(100):
        if all(output.get_subscription_count() for output in outputs.values()):
            break
        executor.spin_once(timeout_sec=0.1)
    stamped = {name: kind() for name, kind in kinds.items()}
    stamped["points"].header.stamp.nanosec, stamped["image"].header.stamp.nanosec = 480 * MS, 500 * MS
    for name, message in stamped.items():
        outputs[name].publish(message)
    for _ in range(100):  # no later scan comes: the timer settles the pair after max_wait
        executor.spin_once(timeout_sec=0.1)
        if pairs.counters["paired"]:
            break
    executor.shutdown()
    assert cache.getLast().header.stamp.nanosec == 480 * MS


def transform(parent: str, child: str, stamp_ns: int, T: NDArray[np.float64]) -> Any:
    from builtin_interfaces.msg import Time
    from geometry_msgs.msg import Quaternion, Transform, TransformStamped, Vector3
    from std_msgs.msg import Header

    xyz, quat = rigid.to_xyz_quat(T)
    return TransformStamped(
        header=Header(frame_id=parent, stamp=Time(sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)),
        child_frame_id=child,
        transform=Transform(
            translation=Vector3(**dict(zip("xyz", xyz.tolist(), strict=True))),
            rotation=Quaternion(**dict(zip("xyzw", quat.tolist(), strict=True))),
        ),
    )


def any_motion() -> NDArray[np.float64]:
    turn = RNG.normal(size=4)
    return rigid.from_xyz_quat(RNG.normal(0, 2, 3).tolist(), (turn / np.linalg.norm(turn)).tolist())


def matrix(stamped: Any) -> NDArray[np.float64]:
    move, turn = stamped.transform.translation, stamped.transform.rotation
    return rigid.from_xyz_quat((move.x, move.y, move.z), (turn.x, turn.y, turn.z, turn.w))


def test_static_transforms_equal_tf2() -> None:
    tf2_ros = pytest.importorskip("tf2_ros")
    from rclpy.time import Time

    tree = [("base", "mast"), ("mast", "camera"), ("base", "roof"), ("roof", "bracket"), ("bracket", "lidar")]
    links = [transform(parent, child, 0, any_motion()) for parent, child in tree]
    theirs, ours = tf2_ros.Buffer(), StaticTransforms()
    ours.add_message(SimpleNamespace(transforms=links))
    for link in links:
        theirs.set_transform_static(link, "test")
    for target, source in (("camera", "lidar"), ("lidar", "camera"), ("mast", "base"), ("base", "lidar")):
        expected = matrix(theirs.lookup_transform(target, source, Time()))
        np.testing.assert_allclose(ours.lookup(target, source), expected, atol=1e-12)


def test_moving_transforms_equal_tf2() -> None:
    """A turning robot at 50 Hz: the poses between two stamps, on the robot and on a sensor 2 m off its middle."""
    tf2_ros = pytest.importorskip("tf2_ros")
    from rclpy.time import Time

    start, stamps = 1_700_000_000 * 10**9, np.arange(0, 1_000 * MS, 20 * MS)
    seconds = stamps / 1e9
    poses = [
        rigid.from_xyz_quat((10 * t, 0.3 * t, 0), (0, 0, float(np.sin(0.25 * t)), float(np.cos(0.25 * t))))
        for t in seconds
    ]
    moving = [transform("odom", "base", start + int(at), T) for at, T in zip(stamps, poses, strict=True)]
    fixed = transform("base", "lidar", 0, rigid.from_xyz_quat((2, 0, 1), (0, 0, 0, 1)))
    theirs, statics = tf2_ros.Buffer(), StaticTransforms()
    statics.add_message(SimpleNamespace(transforms=[fixed]))
    ours = MovingTransforms(statics)
    theirs.set_transform_static(fixed, "test")
    for link in moving:
        theirs.set_transform(link, "test")
        ours.add_message(SimpleNamespace(transforms=[link]))
    asked = start + RNG.integers(0, 980 * MS, 50)
    for frame, tolerance in (("base", 1e-6), ("lidar", 1e-4)):
        trajectory = ours.trajectory("odom", frame, int(asked.min()), int(asked.max()))
        expected = [matrix(theirs.lookup_transform("odom", frame, Time(nanoseconds=int(at)))) for at in asked]
        np.testing.assert_allclose(trajectory.at(asked), np.stack(expected), atol=tolerance)
