"""The launch files: what they name exists; and, where launch is installed, they start what they say."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

ROOT = Path(__file__).parents[1]
LAUNCH_FILES = sorted((ROOT / "launch").glob("*.launch.py"))
DEPTH_COMES = Path(__file__).parent / "launched" / "depth_comes.py"
MODULES = {
    "completion_node": "depth_ros.nodes.completion",
    "monocular_node": "depth_ros.nodes.monocular",
    "bag_player": "depth_ros.nodes.player",
}
# The names of Nav2.
ALWAYS = {"namespace", "params_file", "use_sim_time", "autostart", "use_respawn", "log_level"}
CAMERA = {"image", "camera_info", "image_transport", "model"}
SENSORS = CAMERA | {"points", "odometry", "extrinsics_file"}
OF_LAUNCH = {"monocular.launch.py": ("monocular_node", "monocular.yaml", CAMERA | {"calibration"})}
"""Node, parameters and sensors of what does not start completion_node."""

each_file = pytest.mark.parametrize("path", LAUNCH_FILES, ids=lambda path: path.name)


def test_these_are_the_launch_files() -> None:
    assert [path.name for path in LAUNCH_FILES] == ["cameras.launch.py", "completion.launch.py", "monocular.launch.py"]


def expected(path: Path) -> tuple[str, str, set[str]]:
    """Return the node that a launch file starts, the file of its parameters, and its arguments about sensors."""
    return OF_LAUNCH.get(path.name, ("completion_node", "completion.yaml", SENSORS))


def arguments(path: Path) -> dict[str, Any]:
    """Return the launch arguments: name to the syntax of (default, description)."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            return {ast.literal_eval(k): v for k, v in zip(node.value.keys, node.value.values, strict=True) if k}
    raise AssertionError("no ARGUMENTS")


def node_calls(path: Path) -> list[dict[str, ast.expr]]:
    """Return the keywords of every Node(...) action."""
    tree = ast.parse(path.read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Node"]
    return [{keyword.arg: keyword.value for keyword in call.keywords if keyword.arg} for call in calls]


def strings(tree: ast.AST) -> set[str]:
    return {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}


@each_file
def test_executables_are_console_scripts_of_this_package(path: Path) -> None:
    scripts = set(re.findall(r"(\w+) = \{NAME\}", (ROOT / "setup.py").read_text()))
    ours = {
        ast.literal_eval(call["executable"])
        for call in node_calls(path)
        if ast.literal_eval(call["package"]) == "depth_ros"
    }
    assert expected(path)[0] in ours
    assert ours <= scripts & set(MODULES)


@each_file
def test_parameters_are_those_of_the_node(path: Path) -> None:
    known = {*yaml.safe_load((ROOT / "config" / expected(path)[1]).read_text())["/**"]["ros__parameters"]}
    nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Assign)]
    (given,) = [node.value for node in nodes if getattr(node.targets[0], "id", "") == "parameters"]
    (overrides,) = [node.value for node in nodes if getattr(node.targets[0], "id", "") == "OVERRIDES"]
    assert isinstance(given, ast.Dict)
    names = {ast.literal_eval(key) for key in given.keys if key}
    assert "use_sim_time" in names
    assert names <= known | {"use_sim_time"}
    assert set(ast.literal_eval(overrides)) <= known


@each_file
def test_every_argument_is_described_and_used(path: Path) -> None:
    given = arguments(path)
    assert given.keys() >= ALWAYS | expected(path)[2]
    for name, value in given.items():
        assert isinstance(value, ast.Tuple)
        assert len(ast.literal_eval(value.elts[1])) > 10, name
    elsewhere = path.read_text().split("\n}\n", 1)[1]
    for name in given:
        assert re.search(rf'"{name}"', elsewhere), name


@each_file
def test_files_are_installed_with_the_package(path: Path) -> None:
    named = {text for text in strings(ast.parse(path.read_text())) if text.endswith((".yaml", ".rviz"))}
    assert named
    for name in named:
        assert (ROOT / "config" / name).is_file()


def test_the_players_options_exist() -> None:
    from argparse import ArgumentParser

    from depth_ros.nodes.options import add_play_arguments

    parser = ArgumentParser()
    add_play_arguments(parser)
    calls = node_calls(ROOT / "launch" / "completion.launch.py")
    (player,) = [call for call in calls if ast.literal_eval(call["executable"]) == "bag_player"]
    options = {text for text in strings(player["arguments"]) if text.startswith("--")}
    assert options <= set(parser._option_string_actions)
    # The node subscribes only once somebody listens: a bag that gave up waiting would leave the user with nothing.
    assert {"--wait-for", "--start-anyway"} <= options


@pytest.fixture(scope="module")
def launching(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a prefix in which launch finds this package; skipped where launch is not installed."""
    for module in ("launch", "launch_ros", "launch_testing"):
        pytest.importorskip(module)
    prefix = tmp_path_factory.mktemp("prefix")
    share, scripts = prefix / "share" / "depth_ros", prefix / "lib" / "depth_ros"
    for folder in (prefix / "share" / "ament_index" / "resource_index" / "packages", share, scripts):
        folder.mkdir(parents=True)
    (prefix / "share" / "ament_index" / "resource_index" / "packages" / "depth_ros").touch()
    for name in ("launch", "config"):
        (share / name).symlink_to(ROOT / name)
    for name, module in MODULES.items():
        (scripts / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" -m {module} "$@"\n')
        (scripts / name).chmod(0o755)
    return prefix


@pytest.fixture
def launch_environment(launching: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prefixes = [str(launching), *filter(None, [os.environ.get("AMENT_PREFIX_PATH") or sys.prefix])]
    monkeypatch.setenv("AMENT_PREFIX_PATH", os.pathsep.join(prefixes))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("ROS_DOMAIN_ID", str(20 + os.getpid() % 80))
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    profile = ROOT / "depth_ros" / "nodes" / "fastdds_large.xml"
    monkeypatch.setenv("FASTDDS_DEFAULT_PROFILES_FILE", str(profile))


class Started(NamedTuple):
    """What a launch file started, as the process itself was told."""

    executable: str
    namespace: str
    remaps: dict[str, str]
    parameters: dict[str, Any]
    arguments: list[str]


@pytest.fixture
def started(launching: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Started]]:
    """Run a launch file with executables that only note their arguments."""
    prefix, notes = tmp_path / "spies", tmp_path / "notes"
    shutil.copytree(launching, prefix, symlinks=True)
    notes.mkdir()
    for package, name in (*(("depth_ros", name) for name in MODULES), ("rviz2", "rviz2")):
        script = prefix / "lib" / package / name
        script.parent.mkdir(exist_ok=True)
        (prefix / "share" / "ament_index" / "resource_index" / "packages" / package).touch()
        script.write_text(f'#!/bin/sh\nprintf "%s\\n" {name} "$@" > {notes}/{name}$$\n')
        script.chmod(0o755)
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"{prefix}{os.pathsep}{os.environ['AMENT_PREFIX_PATH']}")

    def start(path: Path, **given: str) -> list[Started]:
        from launch import LaunchService
        from launch.actions import IncludeLaunchDescription
        from launch.launch_description_sources import PythonLaunchDescriptionSource

        for note in notes.iterdir():
            note.unlink()
        service = LaunchService(noninteractive=True)
        source = PythonLaunchDescriptionSource(str(path))
        service.include_launch_description(IncludeLaunchDescription(source, launch_arguments=given.items()))
        assert service.run() == 0
        found = [_read_note(note.read_text().splitlines()) for note in notes.iterdir()]
        return sorted(found, key=lambda one: (one.executable, one.namespace))

    return start


class _Loader(yaml.SafeLoader):
    """Lists are tuples in the files that launch_ros writes; rcl does not care."""


def _as_list(loader: yaml.SafeLoader, node: yaml.SequenceNode) -> list[Any]:
    return list(loader.construct_sequence(node))


_Loader.add_constructor("tag:yaml.org,2002:python/tuple", _as_list)


def _read_note(note: list[str]) -> Started:
    executable, arguments = note[0], note[1:]
    after = list(pairwise(arguments))
    remaps = dict(value.split(":=", 1) for flag, value in after if flag == "-r")
    parameters: dict[str, Any] = {}
    for flag, value in after:
        if flag == "--params-file" and Path(value).name not in ("completion.yaml", "monocular.yaml"):
            parameters |= yaml.load(Path(value).read_text(), _Loader)["/**"]["ros__parameters"]
        elif flag == "-p":
            parameters |= {name: yaml.safe_load(text) for name, text in [value.split(":=", 1)]}
    return Started(executable, remaps.pop("__ns", "/"), remaps, parameters, arguments)


COMPLETION, CAMERAS = ROOT / "launch" / "completion.launch.py", ROOT / "launch" / "cameras.launch.py"
MONOCULAR = ROOT / "launch" / "monocular.launch.py"


Start = Callable[..., list[Started]]
spying = pytest.mark.usefixtures("launch_environment")


@spying
def test_the_parameter_file_decides_what_no_argument_says(started: Start) -> None:
    (node,) = started(COMPLETION)
    assert (node.executable, node.namespace) == ("completion_node", "/")
    assert node.parameters == {"use_sim_time": False, "autostart": True}
    given = {"model": "classical", "extrinsics_file": "e.yaml", "image_transport": "compressed"}
    (node,) = started(COMPLETION, **given, use_sim_time="true", autostart="false", namespace="left", image="/i")
    assert node.parameters == {"use_sim_time": True, "autostart": False, **given}
    assert (node.namespace, node.remaps["image"]) == ("/left", "/i")


@spying
def test_the_remapped_topics_are_those_the_node_reads(started: Start) -> None:
    pytest.importorskip("rclpy")
    from depth_ros.nodes.reference import INPUTS

    (node,) = started(COMPLETION)
    assert set(node.remaps) == set(INPUTS)


@spying
def test_the_monocular_node_reads_a_camera_alone(started: Start) -> None:
    (node,) = started(MONOCULAR, model="m.onnx", calibration="none", image="/i")
    assert (node.executable, set(node.remaps)) == ("monocular_node", {"image", "camera_info"})
    assert node.parameters == {"use_sim_time": False, "autostart": True, "model": "m.onnx", "calibration": "none"}
    player, node, rviz = started(MONOCULAR, bag="/some/bag", rviz="true")
    assert (player.executable, node.executable, rviz.executable) == ("bag_player", "monocular_node", "rviz2")


@spying
def test_the_bag_and_rviz_come_on_request(started: Start) -> None:
    player, node, rviz = started(COMPLETION, bag="/some/bag", rviz="true", namespace="left")
    assert (node.executable, player.executable, rviz.executable) == ("completion_node", "bag_player", "rviz2")
    assert player.arguments[0] == "/some/bag"
    assert node.parameters["use_sim_time"], "the bag is played with its /clock"
    assert rviz.parameters["use_sim_time"]
    _, node = started(COMPLETION, bag="/some/bag", use_sim_time="false")
    assert not node.parameters["use_sim_time"]
    assert (rviz.namespace, rviz.remaps["/depth/points"]) == ("/left", "depth/points")


@spying
def test_a_node_per_camera_or_one_for_all_read_and_write_the_same(started: Start) -> None:
    given = {"cameras": "front, rear", "lidars": "top", "namespace": "robot"}
    each = started(CAMERAS, **given)
    assert [node.namespace for node in each] == ["/robot/front", "/robot/rear"]
    (one,) = started(CAMERAS, **given, processes="one")
    assert one.namespace == "/robot"
    assert one.parameters["cameras"] == ["front", "rear"]
    assert one.parameters["lidars"] == each[0].parameters["lidars"] == ["top"]
    by_each = {f"{node.namespace}/{node.remaps[topic]}" for node in each for topic in ("image", "camera_info")}
    topics = [f"{camera}/{topic}" for camera in ("front", "rear") for topic in ("image", "camera_info")]
    assert by_each == {f"/robot/{one.remaps[topic]}" for topic in topics}
    assert by_each >= {"/robot/front/image_raw", "/robot/rear/camera_info"}
    assert one.remaps["top/points"] == each[0].remaps["top/points"] == "/robot/top/points"


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory, launching: Path) -> tuple[Path, Path]:  # noqa: ARG001
    """Return a short synthetic bag and its extrinsics as a file, for where tf2 is not installed."""
    from depth_ros.cli.main import main

    folder = tmp_path_factory.mktemp("street")
    bag, extrinsics = folder / "bag", folder / "extrinsics.yaml"
    size = ["--width", "160", "--height", "96", "--lidar", "spin16"]
    assert main(["bag", "synth", str(bag), "--seconds", "2", *size]) == 0
    assert main(["bag", "extrinsics", str(bag), "--out", str(extrinsics)]) == 0
    return bag, extrinsics


@pytest.mark.live
@pytest.mark.usefixtures("launch_environment")
@pytest.mark.parametrize(
    "given",
    [
        ["launch_file:=completion.launch.py", "outputs:=/left/depth/image_rect", "namespace:=left"],
        ["launch_file:=cameras.launch.py", "outputs:=/camera/depth/image_rect", "cameras:=camera"],
        ["launch_file:=cameras.launch.py", "outputs:=/camera/depth/image_rect", "cameras:=camera", "processes:=one"],
    ],
    ids=["completion", "each", "one"],
)
def test_depth_comes_through_a_real_launch(given: list[str], street: tuple[Path, Path]) -> None:
    bag, extrinsics = street
    command = [sys.executable, "-m", "launch_testing.launch_test", str(DEPTH_COMES), *given]
    command += [f"played:={bag}", f"extrinsics_file:={extrinsics}", "model:=classical"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-4000:]
