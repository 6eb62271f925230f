"""Settings as parameters: declared, described, changed at run time or refused with the reason."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import rclpy
import yaml
from rclpy.parameter import Parameter

from depth_ros.config import PairingConfig
from depth_ros.errors import ConfigError, NodeError
from depth_ros.nodes.completion import CompletionNode
from depth_ros.nodes.config import InputConfig, OutputConfig
from depth_ros.nodes.parameters import ParameterGroup, watch

CONFIG = Path(__file__).parents[2] / "config" / "completion.yaml"
RCLPYS_OWN = ("use_sim_time", "start_type_description_service", "qos_overrides.")


@pytest.fixture
def node(ros: None) -> Iterator[Any]:  # noqa: ARG001 (a fixture used for what it does)
    node = rclpy.create_node("subject")
    yield node
    node.destroy_node()


def with_overrides(**values: Any) -> Any:
    return rclpy.create_node("subject", parameter_overrides=[Parameter(k, value=v) for k, v in values.items()])


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
        ("depth_encoding", 5, "type"),
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


def test_the_yaml_file_holds_every_parameter_with_its_default(ros: None) -> None:  # noqa: ARG001
    node = CompletionNode()
    declared = {
        name: parameter.value
        for name, parameter in node.get_parameters_by_prefix("").items()
        if not name.startswith(RCLPYS_OWN)
    }
    node.destroy_node()
    assert _flat(yaml.safe_load(CONFIG.read_text())["/**"]["ros__parameters"]) == {
        name: list(value) if not isinstance(value, (str, bool, int, float)) else value
        for name, value in declared.items()
    }


def test_the_yaml_file_is_accepted_and_every_parameter_is_described(domain: int) -> None:
    rclpy.init(args=["--ros-args", "--params-file", str(CONFIG)], domain_id=domain)
    try:
        node = CompletionNode()
        for name in _flat(yaml.safe_load(CONFIG.read_text())["/**"]["ros__parameters"]):
            assert node.describe_parameter(name).description
        node.destroy_node()
    finally:
        rclpy.try_shutdown()


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat
