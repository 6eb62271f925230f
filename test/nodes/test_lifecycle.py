"""Transitions of completion_node: a failure says why and can be retried; cleanup frees."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter

from depth_ros.nodes.completion import CompletionNode

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
TOPIC = "/depth/image_rect"


@pytest.fixture
def make_node(ros: None) -> Iterator[Any]:  # noqa: ARG001 (a fixture used for what it does)
    made: list[Any] = []

    def make(**values: Any) -> Any:
        made.append(CompletionNode(parameter_overrides=[Parameter(k, value=v) for k, v in values.items()]))
        return made[-1]

    yield make
    for node in made:
        node.destroy_node()


def state(node: Any) -> str:
    return str(node._state_machine.current_state[1])


def test_it_starts_itself(make_node: Any) -> None:
    node = make_node()
    node.start()
    assert state(node) == "active"


def test_without_autostart_transitions_come_from_outside(make_node: Any) -> None:
    node = make_node(autostart=False)
    node.start()
    assert state(node) == "unconfigured"
    for _ in range(2):
        assert node.trigger_configure() == SUCCESS
        assert node.count_publishers(TOPIC) == 1
        for _ in range(2):
            assert node.trigger_activate() == SUCCESS
            assert node.trigger_deactivate() == SUCCESS
        assert node.trigger_cleanup() == SUCCESS
        assert node.count_publishers(TOPIC) == 0
    assert node.trigger_shutdown() == SUCCESS


def test_it_shuts_down_while_active(make_node: Any) -> None:
    node = make_node()
    node.start()
    assert node.trigger_shutdown() == SUCCESS
    assert node.count_publishers(TOPIC) == 0


def test_a_failed_configure_can_be_retried(make_node: Any, tmp_path: Path) -> None:
    path = tmp_path / "extrinsics.yaml"
    node = make_node(extrinsics_file=str(path))
    node.start()
    assert state(node) == "unconfigured"
    path.write_text("extrinsics:\n  lidar: {parent: camera, child: lidar}\n")
    assert node.trigger_configure() == SUCCESS


def test_an_unknown_model_fails_to_configure(make_node: Any) -> None:
    assert make_node(model="smell").trigger_configure() == FAILURE


def test_parameters_change_the_running_node_or_are_refused(make_node: Any) -> None:
    node = make_node(**{"extrinsics.lidar.parent": "camera", "extrinsics.lidar.child": "lidar"})
    node.start()

    def set_one(name: str, value: Any) -> Any:
        return node.set_parameters([Parameter(name, value=value)])[0]

    before = node._pipeline
    assert set_one("max_depth", 50.0).successful
    assert node._pipeline is not before
    assert set_one("queue_policy", "all").successful
    assert set_one("extrinsics.lidar.xyz", [1.0, 2.0, 3.0]).successful
    assert node._extrinsics.lookup("camera", "lidar", 0)[:3, 3].tolist() == [1.0, 2.0, 3.0]
    assert "max_depth" in set_one("min_depth", 60.0).reason
    assert "unit quaternion" in set_one("extrinsics.lidar.quat", [0.0, 0.0, 0.0, 5.0]).reason
    assert "metres" in set_one("extrinsics.lidar.xyz", [1.0]).reason
    assert "read-only" in set_one("model", "classical").reason


def test_extrinsics_parameters_are_refused_when_they_come_from_elsewhere(make_node: Any, tmp_path: Path) -> None:
    path = tmp_path / "extrinsics.yaml"
    path.write_text("extrinsics:\n  lidar: {parent: camera, child: lidar}\n")
    node = make_node(extrinsics_file=str(path))
    node.start()
    answer = node.set_parameters([Parameter("extrinsics.lidar.xyz", value=[1.0, 2.0, 3.0])])[0]
    assert "come from file" in answer.reason
