"""Settings of the live nodes: what they read, what they publish, where the extrinsics come from."""

from __future__ import annotations

from dataclasses import dataclass

from depth_ros.config import check, setting

RELIABILITIES = ("auto", "reliable", "best_effort")


@dataclass(frozen=True)
class InputConfig:
    """How the input topics are read."""

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
class OutputConfig:
    """How the output topics are written."""

    depth_encoding: str = setting(
        "32FC1", "depth/image_rect as 32FC1 (m, NaN unknown) or 16UC1 (mm, 0 unknown)", choices=("32FC1", "16UC1")
    )
    cloud_stride: int = setting(1, "depth/points takes every n-th row and column", low=1, high=64)
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

    def __post_init__(self) -> None:
        check(self)


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
