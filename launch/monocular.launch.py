"""monocular_node on the topics of a camera, without LiDAR; on request with a bag to play and rviz."""

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution, PythonExpression
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

SHARE = FindPackageShare("depth_ros")
BAG_IS_GIVEN = PythonExpression(["'", LaunchConfiguration("bag"), "' != ''"])
ARGUMENTS = {
    "namespace": ("", "namespace of the node and its output topics"),
    "params_file": (PathJoinSubstitution([SHARE, "config", "monocular.yaml"]), "YAML file of the node's parameters"),
    "bag": ("", "bag to play with its /clock, once somebody listens or after 30 s; empty: none"),
    "use_sim_time": (BAG_IS_GIVEN, "take the time from /clock: true or false; default: true when a bag is played here"),
    "autostart": ("true", "the node activates itself; false leaves it to a lifecycle manager"),
    "use_respawn": ("false", "start the node again 2 s after it has died"),
    "log_level": ("info", "debug, info, warn, error or fatal"),
    "image": ("/camera/image_raw", "topic of the camera's image"),
    "camera_info": ("/camera/camera_info", "topic of the camera's CameraInfo"),
    "image_transport": ("", "raw, or compressed (reads <image>/compressed); empty: as params_file says"),
    "model": ("", "the file of a metric model, or auto: the bundled one; empty: as params_file says"),
    "calibration": ("", "camera_info, or none where nobody publishes one; empty: as params_file says"),
    "rviz": ("false", "start rviz2 with the depth cloud"),
}
TOPICS = ("image", "camera_info")
OVERRIDES = ("image_transport", "model", "calibration")


def monocular_node(context: LaunchContext) -> list[Node]:
    value = {name: LaunchConfiguration(name) for name in ARGUMENTS}
    given = [name for name in OVERRIDES if value[name].perform(context)]
    parameters = {
        "use_sim_time": ParameterValue(value["use_sim_time"], value_type=bool),
        "autostart": ParameterValue(value["autostart"], value_type=bool),
        **{name: ParameterValue(value[name], value_type=str) for name in given},
    }
    node = Node(
        package="depth_ros",
        executable="monocular_node",
        namespace=value["namespace"],
        output="screen",
        parameters=[value["params_file"], parameters],
        remappings=[(topic, value[topic]) for topic in TOPICS],
        arguments=["--ros-args", "--log-level", value["log_level"]],
        respawn=value["use_respawn"].perform(context).lower() == "true",
        respawn_delay=2.0,
    )
    return [node]


def generate_launch_description() -> LaunchDescription:
    value = {name: LaunchConfiguration(name) for name in ARGUMENTS}
    arguments = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in ARGUMENTS.items()
    ]
    bag_player = Node(
        package="depth_ros",
        executable="bag_player",
        output="screen",
        # The node subscribes once somebody listens: a listener that comes within the timeout sees the bag's beginning.
        arguments=[value["bag"], "--clock", "--start-anyway", "--wait-for", value["image"]],
        condition=IfCondition(BAG_IS_GIVEN),
    )
    rviz = Node(
        package="rviz2",
        executable="rviz2",
        namespace=value["namespace"],
        arguments=["-d", PathJoinSubstitution([SHARE, "config", "completion.rviz"])],
        parameters=[{"use_sim_time": ParameterValue(value["use_sim_time"], value_type=bool)}],
        # The file names the outputs without a namespace.
        remappings=[(f"/{topic}", topic) for topic in ("depth/points", "depth/image_rect", "depth/sigma")],
        condition=IfCondition(value["rviz"]),
    )
    return LaunchDescription([*arguments, OpaqueFunction(function=monocular_node), bag_player, rviz])
