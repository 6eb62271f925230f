"""Transitions of completion_node: a failure says why and can be retried; cleanup frees."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from pathlib import Path
from threading import active_count
from typing import Any

import pytest
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter

from depth_ros.errors import EngineError
from depth_ros.nodes import base, counts, silence
from depth_ros.nodes.completion import CompletionNode
from depth_ros.nodes.fallback import Fallback
from depth_ros.nodes.outputs import Outputs
from depth_ros.nodes.silence import SilenceWatch

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

    before = node._pipeline._pipeline
    assert set_one("max_depth", 50.0).successful
    assert node._pipeline._pipeline is not before
    assert set_one("queue_policy", "all").successful
    place = node._place
    assert set_one("extrinsics.lidar.xyz", [1.0, 2.0, 3.0]).successful
    assert node._place is place, "the poses go on"
    assert node._place.extrinsics.lookup("camera", "lidar", 0)[:3, 3].tolist() == [1.0, 2.0, 3.0]
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


def held(node: Any) -> tuple[int, ...]:
    kinds = (node.publishers, node.subscriptions, node.timers, node.clients, node.services, node.guards)
    return (active_count(), *(len(list(kind)) for kind in kinds))


def test_20_rounds_leave_nothing_behind(make_node: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[Any] = []
    close = Fallback.close

    def counted(pipeline: Fallback) -> None:
        closed.append(pipeline)
        close(pipeline)

    monkeypatch.setattr(Fallback, "close", counted)
    monkeypatch.setattr(Outputs, "listeners", lambda _: 1)
    link = {"extrinsics.lidar.parent": "camera", "extrinsics.lidar.child": "lidar"}
    node = make_node(autostart=False, model="classical", cameras=["front", "rear"], lidars=["top", "left"], **link)
    before = held(node)
    for _ in range(20):
        assert node.trigger_configure() == SUCCESS
        assert node.trigger_activate() == SUCCESS
        node._follow_demand()
        assert all(channel.is_open for channel in node._sensors.channels.values())
        assert held(node) > before
        assert node.trigger_deactivate() == SUCCESS
        assert node.trigger_cleanup() == SUCCESS
        assert held(node) == before
    assert len(closed) == 20


def test_a_configure_that_fails_half_way_leaves_nothing_behind(
    make_node: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    node = make_node(autostart=False, model="classical")
    before = held(node)

    def no_engine(_: Any) -> None:
        raise EngineError("no room on the device: free some")

    def bug(_: Any) -> None:
        raise ZeroDivisionError

    for failing in (no_engine, bug):
        with monkeypatch.context() as patch:
            patch.setattr(base, "warm_up", failing)
            assert node.trigger_configure() == FAILURE
        assert state(node) == "unconfigured"
        assert held(node) == before
    assert "no room on the device" in capfd.readouterr().err
    assert node.trigger_configure() == SUCCESS


ALLOWED = {
    ("unconfigured", "configure"): "inactive",
    ("inactive", "activate"): "active",
    ("inactive", "cleanup"): "unconfigured",
    ("active", "deactivate"): "inactive",
}


def test_transitions_in_every_order(make_node: Any) -> None:
    names = ("configure", "activate", "deactivate", "cleanup")
    node = make_node(autostart=False, model="classical")
    expected = "unconfigured"
    for order in permutations(names):
        for name in order:
            after = ALLOWED.get((expected, name))
            try:
                done = getattr(node, f"trigger_{name}")() == SUCCESS
            except Exception:  # rclpy refuses a transition that the state does not have
                done = False
            assert done == (after is not None), (expected, name)
            expected = after or expected
            assert state(node) == expected
            node._report()
    assert node.trigger_shutdown() == SUCCESS
    node._report()


def test_silence_counts_from_the_activation(make_node: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What looks once a second sees an active node each time, although it was active for moments only."""
    now = [100.0]
    for module in (silence, counts):
        monkeypatch.setattr(module, "monotonic", lambda: now[0])
    monkeypatch.setattr(SilenceWatch.__init__, "__defaults__", (lambda: now[0],))
    monkeypatch.setattr(Outputs, "listeners", lambda _: 1)
    node = make_node(model="classical")
    node.start()
    told: list[Any] = []
    monkeypatch.setattr(node._diagnostics._publisher, "publish", told.append, raising=False)

    def report() -> tuple[str, int]:
        node._report()
        now[0] += 1
        return node._statistics[""].cause, int.from_bytes(told[-1].status[0].level, "little")

    node._follow_demand()
    for _ in range(4):
        node.trigger_deactivate()
        node.trigger_activate()
        node._follow_demand()
        assert report() == ("", 0)
    assert [report()[0] != "" for _ in range(3)] == [False, True, True]


def test_an_error_in_a_transition_leads_back_to_unconfigured(make_node: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    node = make_node(autostart=False, model="classical")
    assert node.trigger_configure() == SUCCESS
    with monkeypatch.context() as patch:
        patch.setattr(base, "Completer", None)
        assert node.trigger_activate() == TransitionCallbackReturn.ERROR
    assert state(node) == "unconfigured"
    assert node.trigger_configure() == SUCCESS
    assert node.trigger_activate() == SUCCESS
