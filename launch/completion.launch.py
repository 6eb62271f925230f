"""completion_node on the topics of a robot; on request with a bag to play and rviz."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution, PythonExpression
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

SHARE = FindPackageShare("depth_ros")
ARGUMENTS = {
    "image": ("/camera/image_raw", "topic of the camera's image"),
    "camera_info": ("/camera/camera_info", "topic of the camera's CameraInfo"),
    "points": ("/lidar/points", "topic of the LiDAR's PointCloud2"),
    "params_file": (PathJoinSubstitution([SHARE, "config", "completion.yaml"]), "YAML file of the node's parameters"),
    "namespace": ("", "namespace of the node and its output topics"),
    "log_level": ("info", "debug, info, warn, error or fatal"),
    "use_sim_time": ("false", "take the time from /clock (true when a bag is played)"),
    "autostart": ("true", "the node activates itself; false leaves it to a lifecycle manager"),
    "bag": ("", "bag to play with its /clock, once somebody listens or after 30 s; empty: none"),
    "rviz": ("false", "start rviz2 with the depth cloud"),
}


def generate_launch_description() -> LaunchDescription:
    value = {name: LaunchConfiguration(name) for name in ARGUMENTS}
    arguments = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in ARGUMENTS.items()
    ]
    completion = Node(
        package="depth_ros",
        executable="completion_node",
        namespace=value["namespace"],
        output="screen",
        parameters=[
            value["params_file"],
            {
                "use_sim_time": ParameterValue(value["use_sim_time"], value_type=bool),
                "autostart": ParameterValue(value["autostart"], value_type=bool),
            },
        ],
        remappings=[(topic, value[topic]) for topic in ("image", "camera_info", "points")],
        arguments=["--ros-args", "--log-level", value["log_level"]],
    )
    bag_player = Node(
        package="depth_ros",
        executable="bag_player",
        output="screen",
        # The node subscribes once somebody listens: a listener that comes within the timeout sees the bag's beginning.
        arguments=[value["bag"], "--clock", "--start-anyway", "--wait-for", value["camera_info"], value["points"]],
        condition=IfCondition(PythonExpression(["'", value["bag"], "' != ''"])),
    )
    rviz = Node(
        package="rviz2",
        executable="rviz2",
        arguments=["-d", PathJoinSubstitution([SHARE, "config", "completion.rviz"])],
        parameters=[{"use_sim_time": ParameterValue(value["use_sim_time"], value_type=bool)}],
        condition=IfCondition(value["rviz"]),
    )
    return LaunchDescription([*arguments, completion, bag_player, rviz])
