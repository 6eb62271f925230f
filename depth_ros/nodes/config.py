"""Settings of the live nodes: what they read, what they publish, where the extrinsics come from."""

from __future__ import annotations

import re
from dataclasses import dataclass

from depth_ros.config import check, setting
from depth_ros.errors import ConfigError

RELIABILITIES = ("auto", "reliable", "best_effort")
NAMESPACE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(/[A-Za-z_][A-Za-z0-9_]*)*")


@dataclass(frozen=True)
class CameraConfig:
    """Which cameras there are. A name is the namespace of its topics; the empty one stands for none."""

    cameras: list[str] = setting(
        [""], "cameras: front reads front/image and writes front/depth/image_rect; empty: image", read_only=True
    )

    def __post_init__(self) -> None:
        check(self)
        _check_names("cameras", self.cameras)


@dataclass(frozen=True)
class SensorConfig(CameraConfig):
    """Which sensors there are. A name is the namespace of its topics; the empty one stands for none."""

    lidars: list[str] = setting([""], "LiDARs: top reads top/points; empty: points", read_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_names("lidars", self.lidars)


@dataclass(frozen=True)
class ImageInputConfig:
    """How the image topics are read."""

    image_transport: str = setting(
        "raw", "raw: the topic image; compressed: its image/compressed", choices=("raw", "compressed"), read_only=True
    )
    image_is_rectified: str = setting(
        "auto",
        "true, false, or auto: the topic's name says rect (image_rect), or D is all zero",
        choices=("auto", "true", "false"),
    )
    input_reliability: str = setting(
        "auto",
        "auto adopts what the publishers offer (best_effort loses large messages under stock Fast DDS)",
        choices=RELIABILITIES,
        read_only=True,
    )
    input_depth: int = setting(10, "messages of each input that are kept at most", low=1, high=100, read_only=True)

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class MonocularInputConfig(ImageInputConfig):
    """How the input topics are read."""

    calibration: str = setting(
        "camera_info",
        "camera_info: the topic (a K of zeros there: unknown), or none: not read; what is unknown, a model with a "
        "focal head finds",
        choices=("camera_info", "none"),
        read_only=True,
    )


@dataclass(frozen=True)
class InputConfig(ImageInputConfig):
    """How the input topics are read."""

    point_time_unit: str = setting(
        "auto",
        "unit of the points' time field; auto: integers ns, float32 s, float64 s or ns by its size",
        choices=("auto", "s", "ms", "us", "ns"),
    )
    scan_stamp: str = setting(
        "start", "whether a scan's stamp is its first or its last moment", choices=("start", "end")
    )


@dataclass(frozen=True)
class OutputConfig:
    """How the output topics are written."""

    depth_encoding: str = setting(
        "32FC1", "depth/image_rect as 32FC1 (m, NaN unknown) or 16UC1 (mm, 0 unknown)", choices=("32FC1", "16UC1")
    )
    rep117: bool = setting(
        True, "32FC1 tells depth beyond max_depth (+Inf) or under min_depth (-Inf) from NaN; false: NaN for all"
    )
    cloud_stride: int = setting(1, "depth/points takes every n-th row and column", low=1, high=64)
    max_sigma: float = setting(
        0.0, "depth/points leaves out points of a larger sigma, or of none (m; 0: off)", low=0.0, high=1000.0
    )
    max_sigma_ratio: float = setting(
        0.0,
        "depth/points leaves out points of a larger sigma relative to depth, or of none (0: off)",
        low=0.0,
        high=1.0,
    )
    flying_pixels: bool = setting(
        False, "depth/points leaves out flying pixels: completed ones that hang between two surfaces"
    )
    output_reliability: str = setting(
        "reliable", "what the output topics offer", choices=("reliable", "best_effort"), read_only=True
    )
    output_depth: int = setting(10, "messages of each output that are kept at most", low=1, high=100, read_only=True)

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class ExtrinsicsConfig:
    """Where the motion between LiDAR and camera comes from."""

    extrinsics_source: str = setting(
        "auto",
        "params, file, tf, or auto: the first of these that is given or installed",
        choices=("auto", "params", "file", "tf"),
        read_only=True,
    )
    extrinsics_file: str = setting(
        "", "YAML file with the key extrinsics, as in this node's parameters", read_only=True
    )
    extrinsics_links: list[str] = setting(["lidar"], "names of the transforms extrinsics.<name>", read_only=True)
    extrinsics_timeout: float = setting(
        0.05, "how long to wait for a transform of TF at the image's stamp (s)", low=0.0, high=5.0, read_only=True
    )

    def __post_init__(self) -> None:
        check(self)
        _refuse_twice("extrinsics_links", self.extrinsics_links)
        if "" in self.extrinsics_links:
            raise ConfigError("extrinsics_links has an empty name: give names such as lidar")


@dataclass(frozen=True)
class MotionConfig:
    """Where the robot's own motion comes from, by which every point is moved to the image's time (deskew)."""

    pose_source: str = setting(
        "auto",
        "odometry (the topic odometry), tf (fixed_frame), none, or auto: odometry if it is published, else tf",
        choices=("auto", "none", "tf", "odometry"),
        read_only=True,
    )
    fixed_frame: str = setting("odom", "frame of TF in which the world stands still", read_only=True)
    pose_timeout: float = setting(
        0.1, "how long a frame waits for the pose at its stamp (s)", low=0.0, high=5.0, read_only=True
    )

    def __post_init__(self) -> None:
        check(self)
        if not self.fixed_frame:
            raise ConfigError("fixed_frame is empty: name a frame such as odom, or set pose_source to none")


@dataclass(frozen=True)
class LinkConfig:
    """One transform as TF gives it: p_parent = T p_child."""

    parent: str = setting("", "frame into which points are mapped, such as the camera's optical frame", read_only=True)
    child: str = setting("", "frame that is mapped, such as the LiDAR's; both empty: not given", read_only=True)
    # A change of these is refused when the extrinsics come from a file or tf.
    xyz: list[float] = setting([0.0, 0.0, 0.0], "origin of the child in the parent (m)")
    quat: list[float] = setting([0.0, 0.0, 0.0, 1.0], "attitude of the child in the parent (x y z w)")


@dataclass(frozen=True)
class LifecycleConfig:
    """How the node starts."""

    autostart: bool = setting(True, "configure and activate without a lifecycle manager", read_only=True)


def _check_names(setting_name: str, names: list[str]) -> None:
    _refuse_twice(setting_name, names)
    wrong = [name for name in names if name and not NAMESPACE.fullmatch(name)]
    if wrong or not names:
        raise ConfigError(
            f"{setting_name} has '{wrong[0] if wrong else ''}': give names such as front (letters, digits, _)"
        )


def _refuse_twice(setting_name: str, names: list[str]) -> None:
    repeated = [name for name in names if names.count(name) > 1]
    if repeated:
        raise ConfigError(f"{setting_name} has '{repeated[0]}' twice: give each a name of its own")
