"""Our conversions and our pairing against the ROS packages that do the same, where those are installed.

With DEPTH_ROS_REQUIRE_ROS=1 (a machine that has a ROS distribution) a missing package is a failure, not a skip.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from depth_ros.config import PairingConfig
from depth_ros.frame import PointCloud
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


def test_pairs_equal_message_filters_where_both_must_find_the_same() -> None:
    """Both sensors at 10 Hz with 30 ms of jitter: every image has a nearest scan that no other image wants."""
    message_filters = pytest.importorskip("message_filters")
    pytest.importorskip("rclpy")
    images = [k * 100 * MS + int(RNG.integers(-15, 15)) * MS for k in range(1, 60)]
    scans = [k * 100 * MS + int(RNG.integers(-15, 15)) * MS for k in range(1, 60)]
    events = sorted([(t, "image") for t in images] + [(t, "scan") for t in scans])

    sources = {name: message_filters.SimpleFilter() for name in ("image", "scan")}
    theirs: list[tuple[int, int]] = []
    synchroniser = message_filters.ApproximateTimeSynchronizer(list(sources.values()), 10, 0.04)
    synchroniser.registerCallback(lambda image, scan: theirs.append((image.stamp_ns, scan.stamp_ns)))
    for stamp, name in events:
        sources[name].signalMessage(Stamped(stamp))

    pairer: Pairer[None, None] = Pairer(PairingConfig(sync_slop=0.04))
    pairs = []
    for stamp, name in events:
        pairs += (pairer.add_image if name == "image" else pairer.add_scan)(stamp, None, stamp)
    pairs += pairer.flush()
    assert sorted((pair.image_stamp_ns, pair.scan_stamp_ns) for pair in pairs) == sorted(theirs)
    assert len(theirs) == 59
