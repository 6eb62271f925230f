"""A drive through a procedural street as a bag: camera, LiDAR, transforms and the exact depth."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from depth_ros.bags.writer import BagWriter, bag_factory
from depth_ros.geometry import rigid
from depth_ros.geometry.camera import Camera
from depth_ros.messages.encode import (
    encode_camera,
    encode_cloud,
    encode_depth,
    encode_header,
    encode_image,
    encode_transform,
)
from depth_ros.synthetic.capture import FRAME_NS, SCAN_LEAD_NS, START_NS, Capture, DriveConfig, capture_drive
from depth_ros.synthetic.trajectory import T_BASE_CAMERA, T_BASE_LIDAR

IMAGE_TOPIC, INFO_TOPIC, POINTS_TOPIC = "/camera/image_raw", "/camera/camera_info", "/lidar/points"
TRUTH_TOPIC, TF_TOPIC = "/camera/depth_truth", "/tf_static"
MOVING_TF_TOPIC, ODOMETRY_TOPIC, ODOM_FRAME = "/tf", "/odom", "odom"
BASE_FRAME, CAMERA_FRAME, LIDAR_FRAME = "base_link", "camera_optical_frame", "lidar"

IMAGE_LATENCY_NS = 25_000_000
POSE_NS, POSE_LATENCY_NS = 20_000_000, 5_000_000
# So far the poses go beyond the first and the last image.
MARGIN_NS = 200_000_000

Watch = Callable[[Iterable[Any], int], Iterable[Any]]


class SyntheticDrive(NamedTuple):
    """What was written: frames, their size in pixels, LiDAR points in all, metres driven."""

    frames: int
    width: int
    height: int
    points: int
    metres: float


def write_synthetic_bag(
    path: str | Path,
    seconds: float = 10.0,
    seed: int = 0,
    *,
    width: int = 640,
    height: int = 360,
    lidar: str = "spin32",
    storage: str = "mcap",
    overwrite: bool = False,
    turn: float | None = None,
    speed: float | None = None,
    workers: int | None = None,
    watch: Watch | None = None,
) -> SyntheticDrive:
    """Drive through the street of `seed` and record what the sensors see, 10 images and 10 scans per second.

    Topics: /camera/image_raw (rgb8), /camera/camera_info (D = 0), /lidar/points (x y z intensity t ring; not
    deskewed, as drivers give it), /tf_static (base_link to camera_optical_frame and lidar) and /camera/depth_truth
    (32FC1 metres, NaN = sky), the exact depth of the same image. Messages are recorded when they would arrive: an image
    25 ms after its stamp, a scan at its end. With `turn` (rad/s) or `speed` (m/s) it is a robot that weaves, see
    `trajectory.weave`, and its exact poses are recorded too, 50 per second, on /tf (odom to base_link) and on /odom
    (nav_msgs/Odometry). The same arguments give the same messages, whatever `workers` (processes;
    None = one per core; a script that uses several needs an `if __name__ == "__main__"` guard). watch: wraps the
    captures, whose number it gets too, for a progress bar.

    Raises SyntheticError on settings out of range, BagError when the bag cannot be written.
    """
    config = DriveConfig(seconds, seed, width, height, lidar, turn, speed)
    captures: Iterable[Capture] = capture_drive(config, workers)
    points = 0
    with BagWriter(path, storage, overwrite) as bag:
        _write_transforms(bag, START_NS - SCAN_LEAD_NS)
        for capture in captures if watch is None else watch(captures, config.frames):
            messages = _messages(capture, config.camera)
            if config.knows_poses:
                messages += _pose_messages(config, capture.stamp_ns)
            for message in sorted(messages, key=lambda message: message.arrival_ns):
                bag.write(*message)
            points += len(capture.cloud)
    return SyntheticDrive(config.frames, width, height, points, config.metres((config.frames - 1) * FRAME_NS / 1e9))


class _Message(NamedTuple):
    topic: str
    type_name: str
    message: Any
    arrival_ns: int


def _messages(capture: Capture, camera: Camera) -> list[_Message]:
    stamp, arrival = capture.stamp_ns, capture.stamp_ns + IMAGE_LATENCY_NS
    info = encode_camera(bag_factory, stamp, CAMERA_FRAME, camera)
    image = encode_image(bag_factory, stamp, CAMERA_FRAME, capture.rgb, "rgb8")
    truth = encode_depth(bag_factory, stamp, CAMERA_FRAME, capture.depth)
    cloud = encode_cloud(bag_factory, capture.scan_stamp_ns, LIDAR_FRAME, capture.cloud)
    return [
        _Message(INFO_TOPIC, "sensor_msgs/msg/CameraInfo", info, arrival),
        _Message(IMAGE_TOPIC, "sensor_msgs/msg/Image", image, arrival),
        _Message(TRUTH_TOPIC, "sensor_msgs/msg/Image", truth, arrival),
        _Message(POINTS_TOPIC, "sensor_msgs/msg/PointCloud2", cloud, capture.scan_stamp_ns + FRAME_NS),
    ]


def _pose_messages(config: DriveConfig, image_ns: int) -> list[_Message]:
    """Return the robot's poses from half a frame before an image to half a frame after it; more at the drive's ends."""
    street = config.scene.street
    first, last = image_ns - FRAME_NS // 2, image_ns + FRAME_NS // 2
    first -= MARGIN_NS if image_ns == START_NS else 0
    last += MARGIN_NS if image_ns == START_NS + (config.frames - 1) * FRAME_NS else 0
    T_odom_world = rigid.invert(config.pose(street, 0.0))
    messages = []
    for stamp in range(first, last, POSE_NS):
        T = rigid.compose(T_odom_world, config.pose(street, (stamp - START_NS) / 1e9))
        transform = encode_transform(bag_factory, stamp, ODOM_FRAME, BASE_FRAME, T)
        tf, arrival = bag_factory("tf2_msgs/msg/TFMessage", transforms=[transform]), stamp + POSE_LATENCY_NS
        messages.append(_Message(MOVING_TF_TOPIC, "tf2_msgs/msg/TFMessage", tf, arrival))
        messages.append(_Message(ODOMETRY_TOPIC, "nav_msgs/msg/Odometry", _odometry(stamp, T), arrival))
    return messages


def _odometry(stamp_ns: int, T: NDArray[np.float64]) -> Any:
    xyz, quat = rigid.to_xyz_quat(T)
    zero = [bag_factory("geometry_msgs/msg/Vector3", x=0.0, y=0.0, z=0.0) for _ in range(2)]
    twist = bag_factory("geometry_msgs/msg/Twist", linear=zero[0], angular=zero[1])
    pose = bag_factory(
        "geometry_msgs/msg/Pose",
        position=bag_factory("geometry_msgs/msg/Point", **dict(zip("xyz", xyz.tolist(), strict=True))),
        orientation=bag_factory("geometry_msgs/msg/Quaternion", **dict(zip("xyzw", quat.tolist(), strict=True))),
    )
    return bag_factory(
        "nav_msgs/msg/Odometry",
        header=encode_header(bag_factory, stamp_ns, ODOM_FRAME),
        child_frame_id=BASE_FRAME,
        pose=bag_factory("geometry_msgs/msg/PoseWithCovariance", pose=pose, covariance=np.zeros(36)),
        twist=bag_factory("geometry_msgs/msg/TwistWithCovariance", twist=twist, covariance=np.zeros(36)),
    )


def _write_transforms(bag: BagWriter, stamp_ns: int) -> None:
    transforms = [
        encode_transform(bag_factory, stamp_ns, BASE_FRAME, child, T)
        for child, T in ((CAMERA_FRAME, T_BASE_CAMERA), (LIDAR_FRAME, T_BASE_LIDAR))
    ]
    message = bag_factory("tf2_msgs/msg/TFMessage", transforms=transforms)
    bag.write(TF_TOPIC, "tf2_msgs/msg/TFMessage", message, stamp_ns)
