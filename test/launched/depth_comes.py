"""A launch test: `launch_test depth_comes.py launch_file:=NAME played:=BAG outputs:=TOPIC,... [its arguments]`.

One of our launch files is started, a bag is played to it, and every output must come; on Ctrl-C all ends cleanly.
test_launch.py runs it where launch_testing is installed.
"""

from __future__ import annotations

import time
import unittest
from typing import Any

import launch_testing
import launch_testing.asserts
import rclpy
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import Image

PATIENCE_S = 60.0
ARGUMENTS = {
    "launch_file": "name of the launch file under test",
    "played": "bag to play to it",
    "outputs": "topics of depth images that must come, with commas between",
}


def generate_test_description() -> LaunchDescription:
    arguments = [DeclareLaunchArgument(name, description=text) for name, text in ARGUMENTS.items()]
    path = PathJoinSubstitution([FindPackageShare("depth_ros"), "launch", LaunchConfiguration("launch_file")])
    player = Node(
        package="depth_ros",
        executable="bag_player",
        arguments=[LaunchConfiguration("played"), "--wait-for", "/camera/camera_info", "/lidar/points", "--loop"],
        output="screen",
    )
    # A required argument of what is included is not found in the context.
    given = {"cameras": LaunchConfiguration("cameras", default="")}
    under_test = IncludeLaunchDescription(PythonLaunchDescriptionSource(path), launch_arguments=given.items())
    return LaunchDescription([*arguments, under_test, player, launch_testing.actions.ReadyToTest()])


class TestRunning(unittest.TestCase):
    """While everything runs."""

    def test_depth_comes_on_every_output(self, test_args: dict[str, str]) -> None:
        outputs = test_args["outputs"].split(",")
        rclpy.init()
        listener = rclpy.create_node("listener")
        executor = SingleThreadedExecutor()
        executor.add_node(listener)
        got: dict[str, list[Any]] = {topic: [] for topic in outputs}
        for topic in outputs:
            listener.create_subscription(Image, topic, got[topic].append, 10)
        deadline = time.monotonic() + PATIENCE_S
        while not all(got.values()) and time.monotonic() < deadline:
            executor.spin_once(timeout_sec=0.1)
        executor.shutdown()
        listener.destroy_node()
        rclpy.try_shutdown()
        for topic in outputs:
            assert got[topic], f"nothing came on {topic}"
            assert got[topic][0].encoding == "32FC1"
            assert got[topic][0].header.frame_id == "camera_optical_frame"


@launch_testing.post_shutdown_test()
class TestEnded(unittest.TestCase):
    """After Ctrl-C."""

    def test_every_process_ended_cleanly(self, proc_info: Any) -> None:
        launch_testing.asserts.assertExitCodes(proc_info)

    def test_nothing_was_reported_as_a_bug(self, proc_output: Any) -> None:
        text = "".join(line.text.decode() for line in proc_output)
        for sign in ("Traceback", "please report", "cannot configure"):
            assert sign not in text
