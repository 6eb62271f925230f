"""Settings as parameters: declared, described, changed at run time or refused with the reason."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import active_count
from time import time_ns
from typing import Any

import pytest
import rclpy
from rcl_interfaces.msg import ParameterType
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter

from depth_ros.config import PairingConfig
from depth_ros.errors import ConfigError, NodeError
from depth_ros.nodes.completion import CompletionNode
from depth_ros.nodes.config import InputConfig, LinkConfig, OutputConfig
from depth_ros.nodes.parameters import ParameterGroup, TypedNode, watch
from depth_ros.nodes.qos import offered

RCLPYS_OWN = ("use_sim_time", "start_type_description_service", "qos_overrides.")


@pytest.fixture
def node(ros: None) -> Iterator[Any]:  # noqa: ARG001 (a fixture used for what it does)
    node = TypedNode("subject")
    yield node
    node.destroy_node()


def with_overrides(**values: Any) -> Any:
    return TypedNode("subject", parameter_overrides=[Parameter(k, value=v) for k, v in values.items()])


def test_defaults_and_descriptors(node: Any) -> None:
    group = ParameterGroup(node, PairingConfig(), "sync.")
    assert group.value == PairingConfig()
    slop = node.describe_parameter("sync.sync_slop")
    assert slop.description.startswith("largest distance")
    assert (slop.floating_point_range[0].from_value, slop.floating_point_range[0].to_value) == (0.0, 10.0)
    size = node.describe_parameter("sync.queue_size").integer_range[0]
    assert (size.from_value, size.to_value) == (1, 1000)
    assert node.describe_parameter("sync.queue_policy").additional_constraints == "One of: latest, all."


def test_overrides_are_read(ros: None) -> None:  # noqa: ARG001
    assert ParameterGroup(with_overrides(queue_size=3), PairingConfig()).value == PairingConfig(queue_size=3)


@pytest.mark.parametrize("override", [{"queue_size": 0}, {"sync_slop": "fast"}, {"queue_policy": "newest"}])
def test_a_wrong_override_is_one_line_that_names_it(ros: None, override: dict[str, Any]) -> None:  # noqa: ARG001
    with pytest.raises(ConfigError) as caught:
        ParameterGroup(with_overrides(**override), PairingConfig())
    assert next(iter(override)) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("given", "meant"), [(True, "true"), (False, "false"), ("auto", "auto")])
def test_a_bare_true_of_yaml_is_the_choice_true(ros: None, given: Any, meant: str) -> None:  # noqa: ARG001
    group = ParameterGroup(with_overrides(image_is_rectified=given), InputConfig())
    assert group.value.image_is_rectified == meant


def test_a_change_takes_effect_or_is_refused_with_the_reason(node: Any) -> None:
    group = ParameterGroup(node, OutputConfig())
    applied: list[Any] = []

    def apply(changed: Sequence[Any]) -> None:
        if group.value.cloud_stride == 64:
            raise NodeError("not with this cloud")
        applied.extend(changed)

    watch(node, [group], apply)
    assert node.set_parameters([Parameter("depth_encoding", value="16UC1")])[0].successful
    assert (group.value.depth_encoding, applied) == ("16UC1", [group])
    for name, value, reason in (
        ("depth_encoding", "8UC1", "give one of 32FC1, 16UC1"),
        ("depth_encoding", 5, "is 5, an integer: give a string"),
        ("output_depth", 3, "read-only"),
        ("cloud_stride", 64, "not with this cloud"),
    ):
        answer = node.set_parameters([Parameter(name, value=value)])[0]
        assert not answer.successful
        assert reason in answer.reason
    assert group.value == OutputConfig(depth_encoding="16UC1")


def test_a_bare_true_is_taken_at_run_time_too(node: Any) -> None:
    group = ParameterGroup(node, InputConfig())
    watch(node, [group], lambda _changed: None)
    assert node.set_parameters([Parameter("image_is_rectified", value=True)])[0].successful
    assert group.value.image_is_rectified == "true"


def test_a_refused_change_is_taken_back_from_what_has_applied_it(node: Any) -> None:
    pairing, output = ParameterGroup(node, PairingConfig()), ParameterGroup(node, OutputConfig())
    in_force: dict[str, Any] = {}

    def apply(changed: Sequence[Any]) -> None:
        if pairing in changed:
            in_force["queue_size"] = pairing.value.queue_size
        if output.value.cloud_stride == 3:
            raise NodeError("not three")
        if output.value.cloud_stride == 4:
            raise ZeroDivisionError("a bug")

    watch(node, [pairing, output], apply)
    for stride, reason in ((3, "not three"), (4, "please report")):
        both = [Parameter("queue_size", value=9), Parameter("cloud_stride", value=stride)]
        answer = node.set_parameters_atomically(both)
        assert not answer.successful
        assert reason in answer.reason
        assert (in_force, pairing.value, output.value) == ({"queue_size": 30}, PairingConfig(), OutputConfig())
        assert node.get_parameter("queue_size").value == 30


def test_what_does_not_change_is_not_applied(node: Any) -> None:
    group = ParameterGroup(node, OutputConfig())
    applied: list[Any] = []
    watch(node, [group], applied.extend)
    assert node.set_parameters([Parameter("cloud_stride", value=1)])[0].successful
    assert node.set_parameters([Parameter("use_sim_time", value=False)])[0].successful
    assert applied == []


def test_an_integer_is_taken_for_a_double(ros: None) -> None:  # noqa: ARG001
    node = with_overrides(**{"sync_slop": 1, "extrinsics.lidar.xyz": [1, 2, 3]})
    pairing, link = ParameterGroup(node, PairingConfig()), ParameterGroup(node, LinkConfig(), "extrinsics.lidar.")
    watch(node, [pairing, link], lambda _changed: None)
    assert (pairing.value.sync_slop, link.value.xyz) == (1.0, [1.0, 2.0, 3.0])
    for given, meant in ((2, 2.0), (0.5, 0.5)):
        assert node.set_parameters([Parameter("sync_slop", value=given)])[0].successful
        assert node.set_parameters_atomically([Parameter("extrinsics.lidar.xyz", value=[given] * 3)]).successful
        assert (pairing.value.sync_slop, link.value.xyz) == (meant, [meant] * 3)
        assert type(node.get_parameter("sync_slop").value) is float
        assert list(node.get_parameter("extrinsics.lidar.xyz").value) == [meant] * 3
    described = node.describe_parameter("sync_slop")
    assert (described.type, described.dynamic_typing) == (ParameterType.PARAMETER_DOUBLE, False)
    assert described.floating_point_range[0].to_value == 10.0


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("sync_slop", "fast", "sync_slop is 'fast', a string: give a double"),
        ("sync_slop", True, "sync_slop is True, a bool: give a double"),
        ("queue_size", 3.0, "queue_size is 3.0, a double: give an integer"),
        ("queue_size", [3], "queue_size is [3], a list: give an integer"),
        ("extrinsics.lidar.xyz", 3.0, "extrinsics.lidar.xyz is 3.0, a double: give a list, as in [3.0]"),
        ("extrinsics.lidar.xyz", ["a"], "extrinsics.lidar.xyz is 'a', a string: give a double"),
        ("extrinsics.lidar.parent", 3, "extrinsics.lidar.parent is 3, an integer: give a string"),
    ],
)
def test_another_type_is_refused_in_words(ros: None, name: str, value: Any, told: str) -> None:  # noqa: ARG001
    def groups(node: Any) -> list[Any]:
        return [ParameterGroup(node, PairingConfig()), ParameterGroup(node, LinkConfig(), "extrinsics.lidar.")]

    with pytest.raises(ConfigError) as caught:
        groups(with_overrides(**{name: value}))
    assert str(caught.value) == told
    node = TypedNode("subject")
    watch(node, groups(node), lambda _changed: None)
    assert node.set_parameters([Parameter(name, value=value)])[0].reason == told


def test_an_empty_list_is_refused(domain: int) -> None:
    rclpy.init(args=["--ros-args", "-p", "extrinsics_links:=[]"], domain_id=domain)
    try:
        with pytest.raises(ConfigError, match="extrinsics_links is an empty list"):
            CompletionNode()
    finally:
        rclpy.try_shutdown()


FILE = """
{section}:
  ros__parameters:
    max_deth: 50.0
    extrinsics: {{lidar: {{xzy: [0.0, 0.0, 0.0]}}}}
"""


@pytest.mark.parametrize("section", ["/**", "completion_node", "/completion_node", "/*"])
def test_unknown_keys_of_a_parameter_file_are_refused_by_name(domain: int, tmp_path: Path, section: str) -> None:
    path = tmp_path / "parameters.yaml"
    path.write_text(FILE.format(section=section))
    rclpy.init(args=["--ros-args", "--params-file", str(path), "-p", "zebra:=1"], domain_id=domain)
    try:
        with pytest.raises(ConfigError) as caught:
            CompletionNode()
    finally:
        rclpy.try_shutdown()
    text = str(caught.value)
    assert "'max_deth' (meant: 'max_depth'?)" in text
    assert "'extrinsics.lidar.xzy' (meant: 'extrinsics.lidar.xyz'?)" in text
    assert "'zebra': correct it" in text


def test_what_every_node_takes_is_not_unknown(domain: int, tmp_path: Path) -> None:
    path = tmp_path / "parameters.yaml"
    path.write_text(
        "/**:\n  ros__parameters:\n    use_sim_time: false\n    start_type_description_service: false\n"
        "    qos_overrides: {/parameter_events: {publisher: {depth: 100}}}\n"
        "another_node:\n  ros__parameters:\n    its_own: 1\n"
    )
    rclpy.init(args=["--ros-args", "--params-file", str(path)], domain_id=domain)
    try:
        CompletionNode().destroy_node()
    finally:
        rclpy.try_shutdown()


def overriding(topic: str, **values: Any) -> list[Parameter]:
    return [Parameter(f"qos_overrides.{topic}.{name}", value=value) for name, value in values.items()]


def test_qos_overrides_of_an_output_take_effect_and_others_are_named(ros: None, capfd: Any) -> None:  # noqa: ARG001
    given = [
        *overriding("/depth/image_rect.publisher", reliability="best_effort", depth=3),
        *overriding("/image.subscription", depth=50),
    ]
    node = CompletionNode(parameter_overrides=[Parameter("model", value="classical"), *given])
    try:
        for _ in range(2):
            assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
            offers = {topic: offered(node, f"/depth/{topic}") for topic in ("image_rect", "camera_info", "points")}
            reliabilities = {topic: offer.reliability for topic, offer in offers.items() if offer is not None}
            assert reliabilities == {"image_rect": "best_effort", "camera_info": "reliable", "points": "reliable"}
            assert node.get_parameter("qos_overrides./depth/image_rect.publisher.depth").value == 3
            assert node.trigger_cleanup() == TransitionCallbackReturn.SUCCESS
    finally:
        node.destroy_node()
    said = capfd.readouterr().err
    assert "qos_overrides./image.subscription.depth takes no effect" in said
    assert "image_rect.publisher.depth takes no effect" not in said


@pytest.mark.parametrize("wrong", [{"reliability": "smell"}, {"depth": "ten"}, {"depth": 10**12}, {"depth": -3}])
def test_qos_overrides_that_cannot_be_are_refused_by_name(ros: None, capfd: Any, wrong: dict[str, Any]) -> None:  # noqa: ARG001
    given = overriding("/depth/points.publisher", **wrong)
    node = CompletionNode(parameter_overrides=[Parameter("model", value="classical"), *given])
    try:
        assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    finally:
        node.destroy_node()
    said = capfd.readouterr().err
    (name,) = wrong
    assert f"qos_overrides./depth/points.publisher.{name} is refused" in said
    assert "Traceback" not in said


@pytest.mark.live
@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["-p", "queue_sise:=3"], "queue_size"),
        (["-p", "queue_size:=0"], "queue_size"),
        (["-p", "queue_policy:=newest"], "queue_policy"),
        (["-p", "use_image:=3"], "use_image"),
        (["-p", "guard_warn:=0.5"], "guard_error"),
        (["-p", "use_sim_time:=1"], "use_sim_time"),
        (["-p", "extrinsics_links:=[lidar, lidar]"], "extrinsics_links has 'lidar' twice"),
        (["-p", "robot_name:=marvin"], "under that node's name"),
        (["--params-file", "/nowhere.yaml"], "/nowhere.yaml"),
    ],
)
def test_the_process_ends_with_one_line(start: Any, arguments: list[str], named: str) -> None:
    code, output = start("depth_ros.nodes.completion", "--ros-args", *arguments).wait()
    assert code == 1
    assert len(output.strip().splitlines()) == 1
    assert named in output


class Running:
    """A node in this process with everything at work, and a listener to every output."""

    def __init__(self, probe: Any) -> None:
        given: dict[str, Any] = {"model": "classical", "extrinsics.lidar.parent": "camera"}
        given |= {"extrinsics.lidar.child": "lidar", "extrinsics.lidar.quat": [0.5, -0.5, 0.5, 0.5]}
        overrides = [Parameter(name, value=value) for name, value in given.items()]
        self.node, self.probe = CompletionNode(parameter_overrides=overrides), probe
        self.node.start()
        probe.executor.add_node(self.node)
        probe.wait_for_node()

    def complete(self, pairs: int = 1) -> None:
        """Feed pairs until so many more depth maps have come."""
        wanted = len(self.probe.got["depth/image_rect"]) + pairs

        def came() -> bool:
            stamp = time_ns()
            self.probe.send_info(stamp)
            self.probe.send_scan(stamp)
            self.probe.send_image(stamp)
            return len(self.probe.got["depth/image_rect"]) >= wanted

        self.probe.spin_until(came)

    def set(self, name: str, value: Any) -> Any:
        return self.node.set_parameters([Parameter(name, value=value)])[0]


@pytest.fixture
def running(probe: Any) -> Iterator[Running]:
    running = Running(probe)
    yield running
    probe.executor.remove_node(running.node)
    running.node.destroy_node()


# Where a step from the default would leave no frame to look at.
ANOTHER = {"max_age": 30.0, "image_offset": 0.001, "points_offset": 0.001}


def another(name: str, value: Any, entry: Any) -> Any:
    """Return another legal value of a parameter."""
    if name in ANOTHER:
        return ANOTHER[name]
    if entry.metadata["choices"]:
        choices = entry.metadata["choices"]
        return choices[(choices.index(value) + 1) % len(choices)]
    if isinstance(value, list):
        return [-part for part in value] if value and isinstance(value[0], float) else ["other"]
    if isinstance(value, (bool, str)):
        return not value if isinstance(value, bool) else f"{value}x"
    return value + 1 if isinstance(value, int) else value + 0.01 * (1 + abs(value))


DECLARING = ("depth_ros.config", "depth_ros.nodes.config", "depth_ros.nodes.parameters", "dataclasses")


def read_fields(monkeypatch: pytest.MonkeyPatch, kinds: set[type]) -> set[tuple[type, str]]:
    """Return a set that fills with the fields of settings that code at work reads, wherever it got the settings."""
    read: set[tuple[type, str]] = set()

    def spied(self: Any, name: str) -> Any:
        if sys._getframe(1).f_globals["__name__"] not in DECLARING:
            read.add((type(self), name))
        return object.__getattribute__(self, name)

    for kind in kinds:
        monkeypatch.setattr(kind, "__getattribute__", spied)
    return read


def test_every_parameter_takes_effect_at_run_time_or_is_read_only(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, groups = running.node, running.node._settings.groups
    declared = {name for name in node.get_parameters_by_prefix("") if not name.startswith(RCLPYS_OWN)}
    assert declared == {name for group in groups for name in group.fields}
    running.complete()
    read = read_fields(monkeypatch, {type(group.value) for group in groups})
    changed: set[tuple[type, str]] = set()
    for group in groups:
        for name, entry in group.fields.items():
            value = another(name, getattr(group.value, entry.name), entry)
            answer = running.set(name, value)
            if entry.metadata["read_only"]:
                assert "read-only" in answer.reason, name
                continue
            assert answer.successful, (name, answer.reason)
            assert getattr(group.value, entry.name) == value
            assert node.get_parameter(name).value == value or list(node.get_parameter(name).value) == value
            changed.add((type(group.value), entry.name))
    running.complete(2)
    running.probe.spin_for(1.1)  # what is told once a second
    assert changed <= read, f"set, but read by nothing: {changed - read}"


def test_a_storm_of_changes_leaves_the_node_at_work(running: Running) -> None:
    values = {
        "max_depth": (100.0, 80.0),
        "sync_slop": (0.05, 0.06),
        "queue_policy": ("all", "latest"),
        "image_is_rectified": ("true", "auto"),
        "cloud_stride": (2, 1),
        "guard_share": (0.0, 0.02),
        "extrinsics.lidar.xyz": ([0.0, 0.0, 0.1], [0.0, 0.0, 0.0]),
        "min_depth": (2000.0, 0.5),
    }
    running.complete()
    threads = active_count()
    for k in range(1000):
        name = list(values)[k % len(values)]
        assert running.set(name, values[name][k // len(values) % 2]).successful == (k % 16 != 7), (k, name)
        if k % 100 == 0:
            running.probe.spin_for(0.02)
    running.complete(2)
    assert active_count() <= threads
    assert running.node.count_publishers("/depth/image_rect") == 1
