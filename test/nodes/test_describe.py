"""What is written about the node beside the code is true of the node: its page, its parameter file, its configs."""

from __future__ import annotations

import ast
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
import rclpy
import yaml
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from depth_ros.nodes import describe
from depth_ros.nodes.completion import CompletionNode
from depth_ros.nodes.describe import texts
from depth_ros.nodes.drops import REASONS
from depth_ros.nodes.graph import type_name
from depth_ros.nodes.monocular import MonocularNode
from depth_ros.nodes.outputs import KINDS
from depth_ros.nodes.pairs import WHY
from depth_ros.nodes.reference import DROPS, FIGURES, INPUTS, NODES, OF_LIDAR, About
from depth_ros.nodes.silence import CAUSES

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "config"
RCLPYS_OWN = ("use_sim_time", "start_type_description_service", "qos_overrides.")
# As completion.launch.py remaps them.
LAUNCHED = {
    "image": "/camera/image_raw",
    "camera_info": "/camera/camera_info",
    "points": "/lidar/points",
    "odometry": "/odom",
}
# Live where the packages are installed; here they are not.
OPTIONAL = {"/odom", "/tf", "/tf_static", "/clock", "/camera/image_raw/compressed"}


each_node = pytest.mark.parametrize("about", NODES, ids=lambda about: str(about.node))
KINDS_OF_NODE = {"completion_node": CompletionNode, "monocular_node": MonocularNode}


@pytest.mark.parametrize("path", [path for about in NODES for path in (about.page, about.file)], ids=str)
@pytest.mark.usefixtures("ros")
def test_the_files_are_those_that_the_code_writes(path: Path) -> None:
    remedy = f"{path} is out of date: run `python -m depth_ros.nodes.describe` in the repository"
    assert (ROOT / path).read_text(encoding="utf-8") == texts()[path], remedy


def reasons_in_code() -> set[str]:
    """Return every reason that is written out where the node counts a drop."""
    place_of_reason = {"drop": 0, "report": 0, "drops_counted": 1, "partial": 1}
    found = set(REASONS.values())
    for path in Path(describe.__file__).parent.glob("*.py"):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call):
                name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
                given = call.args[place_of_reason.get(name, 2) :][:1]
                values = {one.value for one in given if name in place_of_reason and isinstance(one, ast.Constant)}
                found |= {value for value in values if isinstance(value, str)}
    return found


def test_the_page_names_every_reason_for_a_drop_and_no_other() -> None:
    assert reasons_in_code() == set(DROPS)
    assert not set(DROPS) & set(WHY)


@each_node
def test_each_page_names_the_reasons_of_its_node(about: About) -> None:
    table = (ROOT / about.page).read_text().partition("The reasons")[2].partition("\n## ")[0]
    named = set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))
    assert named == (reasons_in_code() | set(WHY)) - about.unlike


@each_node
@pytest.mark.usefixtures("ros")
def test_each_page_names_the_figures_of_its_node(about: About) -> None:
    node: Any = KINDS_OF_NODE[about.node]()
    try:
        statistics = node._statistics[""]
        for topic in ("images", "camera_infos", *statistics.needed):
            statistics.receive(topic)
        page = (ROOT / about.page).read_text()
        assert [key for key in statistics.values() if f"`{key}`" not in page] == []
        assert ("points_topic" in statistics.values()) == ("`points_topic`" in page) == ("scans" in statistics.needed)
    finally:
        node.destroy_node()


def test_what_is_of_lidar_is_what_is_told_somewhere() -> None:
    told = {**FIGURES, **DROPS, **WHY, **CAUSES}
    assert told.keys() >= OF_LIDAR
    (monocular,) = (about for about in NODES if about.node == "monocular_node")
    text = (ROOT / monocular.page).read_text() + (ROOT / monocular.file).read_text()
    for word in ("extrinsics", "PointCloud2` |", "`points`", "scan nearest"):
        assert word not in text, word


def flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in tree.items():
        found |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return found


@each_node
def test_the_parameter_file_is_accepted_and_holds_every_default(about: About, domain: int) -> None:
    given = flat(yaml.safe_load((ROOT / about.file).read_text())["/**"]["ros__parameters"])
    for arguments in ([], ["--ros-args", "--params-file", str(ROOT / about.file)]):
        rclpy.init(args=arguments, domain_id=domain)
        try:
            node: Any = KINDS_OF_NODE[about.node]()
            values = {name: p.value for name, p in node.get_parameters_by_prefix("").items()}
            values = {name: value for name, value in values.items() if not name.startswith(RCLPYS_OWN)}
            plain = (str, bool, int, float)
            assert given == {name: v if isinstance(v, plain) else list(v) for name, v in values.items()}
            assert all(node.describe_parameter(name).description for name in given)
            node.destroy_node()
        finally:
            rclpy.try_shutdown()


@pytest.fixture
def launched(domain: int) -> Iterator[Any]:
    """A node with the remaps of completion.launch.py, active and subscribed because somebody listens.

    In a namespace that nobody else has: the graph is asked by name.
    """
    namespace = f"/check_{uuid4().hex}"
    remaps = ["-r", f"__ns:={namespace}"] + [
        word for name, topic in LAUNCHED.items() for word in ("-r", f"{name}:={topic}")
    ]
    rclpy.init(args=["--ros-args", *remaps], domain_id=domain)
    links = {"extrinsics.lidar.parent": "camera", "extrinsics.lidar.child": "lidar", "model": "classical"}
    node = CompletionNode(parameter_overrides=[Parameter(name, value=value) for name, value in links.items()])
    others = rclpy.create_node("others")
    executor = SingleThreadedExecutor()
    for one in (node, others):
        executor.add_node(one)
    others.create_subscription(Image, f"{namespace}/depth/image_rect", lambda _: None, 10)
    for name, kind in (("image", Image), ("camera_info", CameraInfo), ("points", PointCloud2)):
        others.create_publisher(kind, LAUNCHED[name], 10)
    node.start()
    for _ in range(100):
        executor.spin_once(timeout_sec=0.1)
        if len(of_node(node, "subscriber")) >= 3:
            break
    yield node
    executor.shutdown()
    node.destroy_node()
    others.destroy_node()
    rclpy.try_shutdown()


def of_node(node: Any, kind: str) -> dict[str, str]:
    """Return the graph's publisher, subscriber or service names of the node without its namespace, with their types."""
    ask, namespace = getattr(node, f"get_{kind}_names_and_types_by_node"), node.get_namespace()
    return {name.removeprefix(namespace): types[0] for name, types in ask(node.get_name(), namespace)}


def allowed(what: str, how: str, node: str = "completion_node") -> set[str]:
    """Return the full names that the SROS 2 policy allows a node: topics or services, to publish, reply, ..."""
    profiles = {profile.get("node"): profile for profile in ET.parse(CONFIG / "sros2_policy.xml").iter("profile")}
    assert profiles.keys() == KINDS_OF_NODE.keys()
    profile = profiles[node]
    assert profile.get("ns") == "/"
    own = f"/{profile.get('node')}"
    names = {
        str(entry.text)
        for group in profile.findall(f"{what}s")
        if group.get(how) == "ALLOW"
        for entry in group.findall(what)
    }
    return {name.replace("~", own) if name[0] in "~/" else f"/{name}" for name in names}


def test_the_node_has_what_the_policy_allows_and_no_more(launched: Any) -> None:
    assert set(of_node(launched, "publisher")) == allowed("topic", "publish")
    subscribed = set(of_node(launched, "subscriber"))
    assert subscribed <= allowed("topic", "subscribe")
    assert allowed("topic", "subscribe") - subscribed <= OPTIONAL | {"/parameter_events"}
    services = set(of_node(launched, "service"))
    assert services <= allowed("service", "reply")
    # Later than Humble.
    assert allowed("service", "reply") - services <= {"/completion_node/get_type_description"}


def test_the_monocular_node_is_allowed_what_the_other_is_but_for_lidar() -> None:
    of_lidar = {"/lidar/points", "/odom", "/tf", "/tf_static"}
    for what, how in (("topic", "publish"), ("topic", "subscribe"), ("service", "reply"), ("service", "request")):
        own = {name.replace("monocular", "completion") for name in allowed(what, how, "monocular_node")}
        assert own == allowed(what, how) - of_lidar


def test_the_page_names_the_topics_that_the_node_has(launched: Any) -> None:
    published = of_node(launched, "publisher")
    assert {f"/{name}": type_name(kind) for name, kind in KINDS.items()}.items() <= published.items()
    subscribed = of_node(launched, "subscriber")
    for name, (kind, _) in INPUTS.items():
        assert subscribed.get(LAUNCHED[name], kind) == kind
    assert {LAUNCHED[name] for name in ("image", "camera_info", "points")} <= set(subscribed)


def words(tree: Any) -> Iterator[tuple[str, str]]:
    """Yield every (key, text) of a tree of mappings and lists."""
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
        if isinstance(value, (dict, list)):
            yield from words(value)
        elif isinstance(value, str):
            yield str(key), value


OUTPUTS = {f"/{name}": kind for name, kind in KINDS.items()}
SHOWN = {*OUTPUTS, *LAUNCHED.values(), "/diagnostics"}


def test_rviz_shows_topics_that_exist_as_what_they_are() -> None:
    config = yaml.safe_load((CONFIG / "completion.rviz").read_text())
    displays = config["Visualization Manager"]["Displays"]
    for display in displays:
        package, kind = display["Class"].split("/")
        assert package == "rviz_default_plugins"
        topic = display["Topic"]["Value"]
        assert topic in SHOWN
        if topic in OUTPUTS:
            assert OUTPUTS[topic].__name__ == kind
            assert display["Topic"]["Reliability Policy"] == "Reliable"
    assert {"/depth/points", "/depth/image_rect"} <= {display["Topic"]["Value"] for display in displays}


def panels(layout: Any) -> set[str]:
    return {layout} if isinstance(layout, str) else panels(layout["first"]) | panels(layout["second"])


def test_foxglove_shows_topics_that_exist_and_every_panel_once() -> None:
    layout = json.loads((CONFIG / "foxglove_layout.json").read_text())
    assert {"configById", "globalVariables", "userNodes", "playbackConfig", "layout"} == set(layout)
    assert panels(layout["layout"]) == set(layout["configById"])
    assert {name.partition("!")[0] for name in layout["configById"]} == {"3D", "Image", "DiagnosticSummary", "RosOut"}
    topics = {text for key, text in words(layout) if key.lower().endswith(("topic", "topictorender"))}
    topics |= set(layout["configById"]["3D!depth"]["topics"])
    assert topics <= SHOWN
    assert {"/depth/points", "/depth/image_rect", "/depth/sigma", "/diagnostics"} <= topics


def test_the_example_of_several_sensors_is_a_node_of_several_sensors(domain: int) -> None:
    path = CONFIG / "cameras.yaml"
    rclpy.init(args=["--ros-args", "--params-file", str(path), "-p", "model:=classical"], domain_id=domain)
    try:
        node = CompletionNode()
        node.start()
        topics = {name for name, _ in node.get_topic_names_and_types()}
        assert {"/front/depth/image_rect", "/rear/depth/points"} <= topics
        place = node._place
        assert place is not None
        # Both cameras look level: a point 1 m below and 2 m before each is at y = 1, z = 2 of it.
        for camera, ahead in (("front", 2.4), ("rear", -2.4)):
            T = place.extrinsics.lookup(f"{camera}_optical_frame", "top_lidar", 0)
            np.testing.assert_allclose((T @ [ahead, 0, -1.4, 1])[:3], [0, 1, 2], atol=1e-7)
        node.destroy_node()
    finally:
        rclpy.try_shutdown()
