"""What the reference page of each node says in words; `describe` adds what the code says of itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from rclpy.node import Node

from depth_ros.nodes.settings import CompletionSettings, MonocularSettings, Settings

INPUTS = {
    "image": ("sensor_msgs/msg/Image", "with `image_transport: compressed`: CompressedImage on `image/compressed`"),
    "camera_info": ("sensor_msgs/msg/CameraInfo", "of that image; of any lens model of ROS"),
    "points": ("sensor_msgs/msg/PointCloud2", "of the LiDAR; any layout that has x, y, z; a time per point for deskew"),
    "odometry": ("nav_msgs/msg/Odometry", "the robot's motion, for deskew (`pose_source`)"),
}
OUTPUTS = {
    "depth/image_rect": "depth along the optical axis (REP 118): 32FC1 in m, or 16UC1 in mm (`depth_encoding`)",
    "depth/camera_info": "the rectified camera that the depth is in: D is zero, P from K",
    "depth/points": "organised cloud: x, y, z, rgb, sigma, source; 24 bytes a point, NaN where there is none",
    "depth/sigma": "32FC1, m: half-width of the central 68 % interval of the depth, NaN where there is none",
    "depth/source": "mono8, where a pixel's depth comes from: 0 none, 1 measured, 2 completed, 3 monocular, 4 outdated "
    "(`lidar_lost: last_scan`)",
}
FIGURES = {
    "model": "what completes; of a learned one also `engine`; `domain`, the images that it is good for, where its card "
    "says so; and `metres`, what those of a monocular model rest on",
    "image_topic`, `camera_info_topic": "these inputs by their full names, remaps included",
    "points_topic": "the scans likewise, of several LiDARs with commas between",
    "images`, `camera_infos": "messages received",
    "scans": "scans received",
    "depth_maps`, `rate_hz": "depth maps published, and how many a second",
    "degradation": "what is worse than it should be, or none",
    "residual_median_percent`, `residual_p90_percent`, `residual_points": "the depth against the LiDAR points that "
    "were held out (`guard_share`), and their number: medians of the last frames, or none",
    "scan_shift_right_px`, `scan_shift_down_px": "by how much the scan lies beside the picture (`guard_shift`): 0 in "
    "its place, none where the picture does not tell",
    "focal": "the focal length that the model has found, where none is known",
}
DROPS = {
    "no_camera_info": "no CameraInfo has come so far",
    "bad_image": "the image cannot be used: encoding, size, layout, stamp, or a CameraInfo of another size",
    "bad_camera_info": "the CameraInfo cannot be used; the last good one holds",
    "bad_points": "the scan cannot be used: fields, layout, stamp, or no finite point",
    "bad_odometry": "the pose cannot be used",
    "no_transform": "no transform between LiDAR and camera",
    "too_sparse": "fewer than min_points of the scan fall into the image",
    "too_late": "the image is older than max_age",
    "superseded": "a newer image came first (`queue_policy: latest`)",
    "building": "came while the engine was built, as it is once for every image size: `queue_policy: all` lets "
    "queue_size images wait",
    "queue_full": "queue_size images wait for the completion (`queue_policy: all`)",
    "no_subscribers": "the last listener left while the image was in work",
    "not_completed": "the completion refuses the frame, or fails on it",
    "not_subscribed": "an input could not be subscribed to",
    "internal": "an error in this package; `internal_<error>`: one that nobody thought of, with its traceback in the "
    "log",
    "undeskewed": "depth all the same: a scan was not moved to the image's time, for want of poses",
    "lidar_without_transform": "depth all the same, from the other LiDARs",
}


class About(NamedTuple):
    """What is said of one node. settings: its kind; name of the file of its parameters; unlike: what it never says."""

    node: str
    parameters: str
    settings: Callable[[Node], Settings]
    what: str
    example: str
    inputs: tuple[str, ...]
    sensors: str
    unlike: frozenset[str] = frozenset()

    @property
    def page(self) -> Path:
        """Where its page stands."""
        return Path("docs", f"{self.node}.md")

    @property
    def file(self) -> Path:
        """Where the file of its parameters stands."""
        return Path("config", self.parameters)

    def said(self, table: Mapping[str, str]) -> list[tuple[str, str]]:
        """Return the rows of a table that are of this node."""
        return [(f"`{name}`", meaning) for name, meaning in table.items() if name not in self.unlike]


OF_LIDAR = frozenset(
    {
        *("points_topic", "scans", "residual_median_percent`, `residual_p90_percent`, `residual_points"),
        *("scan_shift_right_px`, `scan_shift_down_px", "bad_points", "bad_odometry", "no_transform", "too_sparse"),
        *("undeskewed", "lidar_without_transform", "image_without_scan", "scan_without_image", "scan_too_far"),
        *("image_too_far", "image_queue_full", "image_taken", "scan_duplicate", "scan_out_of_order", "lidar_missing"),
        *("scan_queue_full", "scan_time_jump", "cloud_without_xyz", "cloud_empty", "sim_against_wall", "clocks_differ"),
        *("stamp_in_future", "stamps_apart", "no_transform_in_tf", "outside_image"),
    }
)
"""Figures, reasons and causes of a node that has a LiDAR."""
ONE_OF_TWO = (
    ": where one of two cameras is silent, that camera and the node are ERROR, because the scans still arrive. "
)
AT_ONCE = (
    "All cameras share one model. Images of one size that are prepared and wait when it becomes free, one of each "
    "camera, are inferred in one call where that pays: on TensorRT, with a model file whose batch is free (as "
    "`depth_ros model export` writes that of a completion network), when all cameras wait, and not with "
    "`while_building: onnxruntime`; on any engine "
    "with a file of a fixed batch. No image waits for another, and each depth map goes out by itself; otherwise, and "
    "from the first call for several that fails, they are inferred one by one."
)
NODES = (
    About(
        "completion_node",
        "completion.yaml",
        CompletionSettings,
        "A camera image and a LiDAR scan in, dense metric depth out.",
        "    ros2 launch depth_ros completion.launch.py image:=/camera/image_raw points:=/lidar/points\n"
        "    ros2 run depth_ros completion_node --ros-args -r image:=/camera/image_raw "
        "-r camera_info:=/camera/camera_info -r points:=/lidar/points --params-file my.yaml",
        tuple(INPUTS),
        "With named sensors (`cameras`, `lidars`) the names stand in front: camera `front` reads `front/image` and "
        "writes `front/depth/image_rect`, LiDAR `top` is read from `top/points`. With extrinsics from TF also `/tf` "
        f"and `/tf_static`. {AT_ONCE}",
        frozenset({"focal"}),
    ),
    About(
        "monocular_node",
        "monocular.yaml",
        MonocularSettings,
        "A camera image in, dense metric depth out, by a metric model; no LiDAR. With `calibration: none`, or a "
        "CameraInfo whose K is zero, a model with a focal head finds the focal length; its answer is in "
        "`depth/camera_info`, in the log and in the diagnostics.",
        "    ros2 launch depth_ros monocular.launch.py image:=/camera/image_raw model:=metric.onnx\n"
        "    ros2 run depth_ros monocular_node --ros-args -r image:=/camera/image_raw "
        "-r camera_info:=/camera/camera_info -p model:=metric.onnx",
        ("image", "camera_info"),
        "With named `cameras` the names stand in front: camera `front` reads `front/image` and writes "
        f"`front/depth/image_rect`. {AT_ONCE}",
        OF_LIDAR,
    ),
)
