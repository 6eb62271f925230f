"""Depth of several cameras: a completion_node per camera, or one node for all of them.

    ros2 launch depth_ros cameras.launch.py cameras:=front,rear points:=/lidar/points

reads /front/image_raw, /front/camera_info, /rear/... and writes /front/depth/image_rect, ..., either way.
"""

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

SHARE = FindPackageShare("depth_ros")
ARGUMENTS = {
    "cameras": (None, "names of the cameras, which are the namespaces of their topics: front,rear"),
    "lidars": ("", "names of the LiDARs: top reads /top/points; empty: one LiDAR, its topic is the argument points"),
    "processes": ("each", "each: a node, and so a process, per camera; one: one node for all, with one network"),
    "namespace": ("", "namespace in front of the cameras' names"),
    "params_file": (PathJoinSubstitution([SHARE, "config", "completion.yaml"]), "YAML file of the nodes' parameters"),
    "use_sim_time": ("false", "take the time from /clock (true when a bag is played)"),
    "autostart": ("true", "the nodes activate themselves; false leaves them to a lifecycle manager"),
    "use_respawn": ("false", "start a node again 2 s after it has died"),
    "log_level": ("info", "debug, info, warn, error or fatal"),
    "image": ("image_raw", "name of the image's topic in a camera's namespace"),
    "camera_info": ("camera_info", "name of the CameraInfo's topic in a camera's namespace"),
    "points": ("/lidar/points", "topic of the LiDAR's PointCloud2"),
    "odometry": ("/odom", "topic of the robot's Odometry, used for deskew where there is no tf"),
    "image_transport": ("", "raw, or compressed (reads <image>/compressed); empty: as params_file says"),
    "extrinsics_file": ("", "YAML file that says how the LiDARs sit to the cameras; empty: as params_file says"),
    "model": ("", "auto, classical, a bundled name or a model file; empty: as params_file says"),
}
OVERRIDES = ("image_transport", "extrinsics_file", "model")


def nodes(context: LaunchContext) -> list[Node]:
    given = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    cameras, lidars = names(given["cameras"]), names(given["lidars"])
    base = given["namespace"].strip("/")
    shared = [("points", given["points"]), ("odometry", given["odometry"])]
    shared += [(f"{lidar}/points", f"/{base}/{lidar}/points".replace("//", "/")) for lidar in lidars]
    if given["processes"] == "one":
        own = [(f"{name}/{topic}", f"{name}/{given[topic]}") for name in cameras for topic in ("image", "camera_info")]
        return [completion_node(given, base, {"cameras": cameras, **lidar_names(lidars)}, own + shared)]
    own = [(topic, given[topic]) for topic in ("image", "camera_info")]
    return [completion_node(given, f"{base}/{name}".strip("/"), lidar_names(lidars), own + shared) for name in cameras]


def names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def lidar_names(lidars: list[str]) -> dict[str, list[str]]:
    return {"lidars": lidars} if lidars else {}


def completion_node(
    given: dict[str, str], namespace: str, lists: dict[str, list[str]], remappings: list[tuple[str, str]]
) -> Node:
    parameters = {
        "use_sim_time": given["use_sim_time"].lower() == "true",
        "autostart": given["autostart"].lower() == "true",
        **lists,
        **{name: ParameterValue(given[name], value_type=str) for name in OVERRIDES if given[name]},
    }
    return Node(
        package="depth_ros",
        executable="completion_node",
        namespace=namespace,
        output="screen",
        parameters=[LaunchConfiguration("params_file"), parameters],
        remappings=remappings,
        arguments=["--ros-args", "--log-level", given["log_level"]],
        respawn=given["use_respawn"].lower() == "true",
        respawn_delay=2.0,
    )


def generate_launch_description() -> LaunchDescription:
    arguments = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in ARGUMENTS.items()
    ]
    return LaunchDescription([*arguments, OpaqueFunction(function=nodes)])
