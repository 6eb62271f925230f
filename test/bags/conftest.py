"""Small bags and folders that several tests of this room build."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from depth_ros.bags.writer import BagWriter, bag_factory
from depth_ros.frame import PointCloud
from depth_ros.geometry import rigid
from depth_ros.geometry.camera import Camera
from depth_ros.messages.encode import encode_camera, encode_cloud, encode_depth, encode_header, encode_image

NS = 1_000_000_000
IMAGE, INFO, CLOUD = "sensor_msgs/msg/Image", "sensor_msgs/msg/CameraInfo", "sensor_msgs/msg/PointCloud2"
TF = "tf2_msgs/msg/TFMessage"


class Drive:
    """Random content of a short recording: `count` images at 10 Hz, each with a scan `lag_ns` later."""

    def __init__(self, count: int = 4, lag_ns: int = 10_000_000) -> None:
        rng = np.random.default_rng(7)
        self.camera = Camera.from_focal(16, 12, 20.0, 21.0, 7.5, 5.5)
        self.T_cam_lidar = rigid.from_xyz_quat((0.1, -0.2, 0.3), (0.5, -0.5, 0.5, 0.5))
        self.stamps = [5 * NS + i * 100_000_000 for i in range(count)]
        self.scan_stamps = [stamp + lag_ns for stamp in self.stamps]
        self.images = [rng.integers(0, 255, (12, 16, 3), np.uint8) for _ in self.stamps]
        self.clouds = [_cloud(rng) for _ in self.stamps]

    def transforms(self) -> list[tuple[str, str, NDArray[np.float64]]]:
        """Return (parent, child, T): camera and LiDAR hang on base_link, the camera over one more hop."""
        T_base_link = rigid.from_xyz_quat((1.0, 2.0, 3.0), (0.0, 0.0, 0.6, 0.8))
        T_link_cam = rigid.from_xyz_quat((0.0, 0.0, 0.1), (0.0, 0.6, 0.0, 0.8))
        T_base_lidar = rigid.compose(T_base_link, T_link_cam, self.T_cam_lidar)
        return [
            ("base_link", "camera_link", T_base_link),
            ("camera_link", "camera_optical_frame", T_link_cam),
            ("base_link", "lidar", T_base_lidar),
        ]

    def write(
        self,
        path: Path,
        storage: str = "mcap",
        *,
        without: tuple[str, ...] = (),
        K_is_zero: bool = False,
        encoding: str = "rgb8",
        truth: bool = False,
    ) -> Path:
        """Write the bag, leaving out the topics in `without`."""
        with BagWriter(path, storage) as bag:
            if "/tf_static" not in without:
                bag.write("/tf_static", TF, tf_message(self.transforms()), self.stamps[0])
            for i, stamp in enumerate(self.stamps):
                info = encode_camera(bag_factory, stamp, "camera_optical_frame", self.camera)
                if K_is_zero:
                    info.k[:] = info.p[:] = 0
                image = encode_image(bag_factory, stamp, "camera_optical_frame", self.images[i], "rgb8")
                image.encoding = encoding
                cloud = encode_cloud(bag_factory, self.scan_stamps[i], "lidar", self.clouds[i])
                messages = [("/camera/camera_info", INFO, info, stamp), ("/camera/image_raw", IMAGE, image, stamp)]
                messages.append(("/lidar/points", CLOUD, cloud, max(self.scan_stamps[i], stamp)))
                if truth:
                    depth = np.full((12, 16), i + 1, np.float32)
                    depth[0] = np.inf
                    exact = encode_depth(bag_factory, stamp, "camera_optical_frame", depth)
                    messages.append(("/camera/depth_truth", IMAGE, exact, stamp))
                for topic, kind, message, now in sorted(messages, key=lambda entry: entry[3]):
                    if topic not in without:
                        bag.write(topic, kind, message, now)
        return path

    def write_frame_folder(self, folder: Path, index: int, calibration: str | None) -> Path:
        """Write one frame as image.png, points.bin (x y z intensity) and calib.txt."""
        folder.mkdir(parents=True)
        cv2.imwrite(str(folder / "image.png"), self.images[index][..., ::-1])
        write_points(folder / "points.bin", self.clouds[index])
        if calibration is not None:
            (folder / "calib.txt").write_text(calibration)
        return folder

    def kitti_calibration(self) -> str:
        """Return the drive's calibration in KITTI object layout, part of the translation in P2's 4th column."""
        offset = np.array([0.06, 0.001, 0.003])
        P2 = np.column_stack([self.camera.K, self.camera.K @ offset])
        T_rect_ref = rigid.from_xyz_quat((0, 0, 0), (0.6, 0.0, 0.0, 0.8))
        T_cam_rect = rigid.from_rotation(np.eye(3), offset)
        T_ref_lidar = rigid.invert(rigid.compose(T_cam_rect, T_rect_ref)) @ self.T_cam_lidar
        return "\n".join(
            f"{key}: {' '.join(map(repr, np.ravel(value).tolist()))}"
            for key, value in (("P2", P2), ("R0_rect", T_rect_ref[:3, :3]), ("Tr_velo_to_cam", T_ref_lidar[:3]))
        )


def tf_message(transforms: list[tuple[str, str, NDArray[np.float64]]]) -> Any:
    """Make a TFMessage of (parent, child, T)."""
    return bag_factory(TF, transforms=[_stamped(*entry) for entry in transforms])


def write_points(path: Path, cloud: PointCloud) -> None:
    """Write x y z intensity as float32 rows."""
    assert cloud.intensity is not None
    np.column_stack([cloud.xyz, cloud.intensity]).astype("<f4").tofile(path)


@pytest.fixture
def drive() -> Drive:
    return Drive()


@pytest.fixture
def make_drive() -> Callable[..., Drive]:
    return Drive


@pytest.fixture
def make_tf() -> Callable[..., Any]:
    return tf_message


def _cloud(rng: np.random.Generator) -> PointCloud:
    xyz = rng.uniform(-20, 20, (50, 3)).astype(np.float32)
    return PointCloud(xyz, rng.random(50, dtype=np.float32), rng.integers(0, 32, 50).astype(np.int32))


def _stamped(parent: str, child: str, T: NDArray[np.float64]) -> Any:
    xyz, quat = rigid.to_xyz_quat(T)
    return bag_factory(
        "geometry_msgs/msg/TransformStamped",
        header=encode_header(bag_factory, 0, parent),
        child_frame_id=child,
        transform=bag_factory(
            "geometry_msgs/msg/Transform",
            translation=bag_factory("geometry_msgs/msg/Vector3", **dict(zip("xyz", xyz.tolist(), strict=True))),
            rotation=bag_factory("geometry_msgs/msg/Quaternion", **dict(zip("xyzw", quat.tolist(), strict=True))),
        ),
    )
