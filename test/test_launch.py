"""Every executable, parameter, topic and file that the launch file names exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
LAUNCH = ROOT / "launch" / "completion.launch.py"
TREE = ast.parse(LAUNCH.read_text())


def arguments() -> dict[str, Any]:
    """Return the launch arguments: name to the syntax of (default, description)."""
    for node in TREE.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            return {ast.literal_eval(k): v for k, v in zip(node.value.keys, node.value.values, strict=True) if k}
    raise AssertionError("no ARGUMENTS")


def node_calls() -> list[dict[str, ast.expr]]:
    """Return the keywords of every Node(...) action."""
    calls = [node for node in ast.walk(TREE) if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Node"]
    return [{keyword.arg: keyword.value for keyword in call.keywords if keyword.arg} for call in calls]


def strings(tree: ast.AST) -> set[str]:
    return {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}


def test_executables_are_console_scripts_of_this_package() -> None:
    scripts = set(re.findall(r"(\w+) = \{NAME\}", (ROOT / "setup.py").read_text()))
    ours = {
        ast.literal_eval(call["executable"])
        for call in node_calls()
        if ast.literal_eval(call["package"]) == "depth_ros"
    }
    assert ours == {"completion_node", "bag_player"}
    assert ours <= scripts


def test_parameters_are_those_of_the_node() -> None:
    known = yaml.safe_load((ROOT / "config" / "completion.yaml").read_text())["/**"]["ros__parameters"]
    for call in node_calls():
        for entry in ast.walk(call["parameters"]) if "parameters" in call else ():
            if isinstance(entry, ast.Dict):
                assert {ast.literal_eval(key) for key in entry.keys if key} <= {*known, "use_sim_time"}


def test_remapped_topics_are_those_the_node_reads() -> None:
    pytest.importorskip("rclpy")
    from depth_ros.nodes.inputs import TOPICS

    (remaps,) = [call["remappings"] for call in node_calls() if "remappings" in call]
    assert strings(remaps) == set(TOPICS)
    assert set(TOPICS) <= set(arguments())


def test_every_argument_is_described_and_used() -> None:
    for name, value in arguments().items():
        assert isinstance(value, ast.Tuple)
        assert len(ast.literal_eval(value.elts[1])) > 10, name
    used = {
        node.slice.value
        for node in ast.walk(TREE)
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant)
    }
    assert set(arguments()) - {"image", "camera_info", "points"} <= used


def test_files_are_installed_with_the_package() -> None:
    named = {text for text in strings(TREE) if text.endswith((".yaml", ".rviz"))}
    assert named
    for name in named:
        assert (ROOT / "config" / name).is_file()


def test_the_players_options_exist() -> None:
    from argparse import ArgumentParser

    from depth_ros.nodes.options import add_play_arguments

    parser = ArgumentParser()
    add_play_arguments(parser)
    (player,) = [call for call in node_calls() if ast.literal_eval(call["executable"]) == "bag_player"]
    options = {text for text in strings(player["arguments"]) if text.startswith("--")}
    assert options <= set(parser._option_string_actions)
    # The node subscribes only once somebody listens: a bag that gave up waiting would leave the user with nothing.
    assert {"--wait-for", "--start-anyway"} <= options


def test_launch_loads_it() -> None:
    launch = pytest.importorskip("launch")
    pytest.importorskip("launch_ros")
    from launch.launch_description_sources import get_launch_description_from_python_launch_file

    description = get_launch_description_from_python_launch_file(str(LAUNCH))
    assert isinstance(description, launch.LaunchDescription)
