"""completion_node subscribes while somebody listens, and ends without waiting for a slow inference."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter

from depth_ros.nodes import completion
from depth_ros.nodes.completion import CompletionNode

pytestmark = pytest.mark.live
SUCCESS = TransitionCallbackReturn.SUCCESS
STAMP = 10**18


@pytest.fixture
def node(probe: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return an active node on the probe's executor."""
    monkeypatch.setattr(completion, "UNWATCHED_S", 0.3)
    monkeypatch.setattr(completion, "CLOSE_PATIENCE_S", 0.1)
    link = {"extrinsics.lidar.parent": "camera", "extrinsics.lidar.child": "lidar"}
    quat = Parameter("extrinsics.lidar.quat", value=[0.5, -0.5, 0.5, 0.5])
    node = CompletionNode(parameter_overrides=[quat, *(Parameter(k, value=v) for k, v in link.items())])
    node.start()
    probe.executor.add_node(node)
    yield node
    node.destroy_node()


def complete(probe: Any, stamp: int) -> None:
    probe.wait_for_node()
    probe.send_info(stamp)
    probe.send_scan(stamp)
    probe.send_image(stamp)
    probe.spin_until(lambda: all(stamp in stamps for stamps in probe.stamps().values()))


def test_it_unsubscribes_when_the_last_listener_has_left_and_comes_back(
    probe: Any, node: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    complete(probe, STAMP)
    probe.send_image(STAMP + 10**9)
    probe.leave()
    probe.spin_until(lambda: not any(output.get_subscription_count() for output in probe.inputs.values()))
    assert node._statistics.dropped["scan_too_far"] == 1
    received = dict(node._statistics.received)
    probe.send_info(STAMP + 2 * 10**9)
    probe.send_image(STAMP + 2 * 10**9)
    probe.spin_for(0.3)
    assert node._statistics.received == received
    assert capfd.readouterr().err.count("nobody listens to a depth topic any more") == 1
    probe.listen()
    complete(probe, STAMP + 3 * 10**9)


def test_a_listener_that_comes_back_soon_changes_nothing(
    probe: Any, node: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(completion, "UNWATCHED_S", 60.0)
    complete(probe, STAMP)
    inputs = node._inputs
    probe.leave()
    probe.spin_until(lambda: not node._outputs.wanted())
    probe.spin_for(0.3)
    probe.listen()
    complete(probe, STAMP + 10**9)
    assert node._inputs is inputs


def test_parameters_reach_the_inputs(probe: Any, node: Any) -> None:
    complete(probe, STAMP)
    assert node.set_parameters([Parameter("image_is_rectified", value="false")])[0].successful
    assert "image_is_rectified: false" in node._inputs._rectification
    assert node.set_parameters([Parameter("queue_policy", value="all")])[0].successful
    complete(probe, STAMP + 10**9)


def test_it_deactivates_and_works_again_while_an_inference_does_not_end(
    probe: Any, node: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    entered, gate = Event(), Event()
    slow_map = SimpleNamespace(stamp_ns=1)

    def slow() -> Any:
        entered.set()
        gate.wait()
        return slow_map

    probe.spin_until(node._outputs.wanted)
    with monkeypatch.context() as patch:
        patch.setattr(node, "_frame", lambda pair: pair)
        patch.setattr(node, "_pipeline", SimpleNamespace(prepare=lambda _frame: slow, facts={}))
        node._stages.submit(SimpleNamespace(image=SimpleNamespace(arrived_ns=0)))
        entered.wait()
        assert node.trigger_deactivate() == SUCCESS
    assert "it is given up" in capfd.readouterr().err
    assert node.trigger_activate() == SUCCESS
    gate.set()
    complete(probe, STAMP)
    assert set(node._statistics.dropped) <= {"superseded"}
    assert node._statistics.depth_maps == 1


def test_cleanup_closes_the_extrinsics(node: Any) -> None:
    closed: list[bool] = []
    node._extrinsics = SimpleNamespace(close=lambda: closed.append(True))
    assert node.trigger_deactivate() == SUCCESS
    assert node.trigger_cleanup() == SUCCESS
    assert closed == [True]
