"""completion_node subscribes while somebody listens, and ends without waiting for a slow inference."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter

from depth_ros.nodes import channel, completer
from depth_ros.nodes.channel import Work
from depth_ros.nodes.completer import Place
from depth_ros.nodes.completion import CompletionNode

pytestmark = pytest.mark.live
SUCCESS = TransitionCallbackReturn.SUCCESS
STAMP = 10**18


@pytest.fixture
def node(probe: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return an active node on the probe's executor."""
    monkeypatch.setattr(channel, "UNWATCHED_S", 0.3)
    monkeypatch.setattr(completer, "CLOSE_PATIENCE_S", 0.1)
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
    assert node._statistics[""].dropped["scan_too_far"] == 1
    received = dict(node._statistics[""].received)
    probe.send_info(STAMP + 2 * 10**9)
    probe.send_image(STAMP + 2 * 10**9)
    probe.spin_for(0.3)
    assert node._statistics[""].received == received
    assert capfd.readouterr().err.count("nobody listens to a depth topic any more") == 1
    probe.listen()
    complete(probe, STAMP + 3 * 10**9)


def test_a_listener_that_comes_back_soon_changes_nothing(
    probe: Any, node: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel, "UNWATCHED_S", 60.0)
    complete(probe, STAMP)
    camera = node._sensors.channels[""]
    pairs = camera.pairs
    probe.leave()
    probe.spin_until(lambda: not camera.outputs.listeners())
    probe.spin_for(0.3)
    probe.listen()
    complete(probe, STAMP + 10**9)
    assert camera.pairs is pairs


def test_parameters_reach_the_inputs(probe: Any, node: Any) -> None:
    complete(probe, STAMP)
    assert node.set_parameters([Parameter("image_is_rectified", value="false")])[0].successful
    assert "image_is_rectified: false" in node._sensors.channels[""]._input._rectification
    assert node.set_parameters([Parameter("queue_policy", value="all")])[0].successful
    complete(probe, STAMP + 10**9)


def test_it_deactivates_and_works_again_while_an_inference_does_not_end(
    probe: Any, node: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    entered, gate = Event(), Event()

    def slow() -> Any:
        entered.set()
        gate.wait()
        return SimpleNamespace(timings={})

    camera = node._sensors.channels[""]
    probe.spin_until(camera.outputs.listeners)
    with monkeypatch.context() as patch:
        patch.setattr(node._pipeline, "prepare", lambda _frame: slow)
        patch.setattr(completer, "make_frame", lambda *_: None)
        pair: Any = SimpleNamespace(image_stamp_ns=0, image_time_ns=0, scans=(), outdated=False)
        node._completer.submit(Work(camera, pair, {}))
        assert entered.wait(10)
        assert node.trigger_deactivate() == SUCCESS
    assert "it is given up" in capfd.readouterr().err
    assert node.trigger_activate() == SUCCESS
    gate.set()
    complete(probe, STAMP)
    assert set(node._statistics[""].dropped) <= {"superseded"}
    assert node._statistics[""].depth_maps == 1


def test_cleanup_closes_the_extrinsics(node: Any) -> None:
    closed: list[bool] = []
    node._place = Place(SimpleNamespace(close=lambda: closed.append(True)), None)
    assert node.trigger_deactivate() == SUCCESS
    assert node.trigger_cleanup() == SUCCESS
    assert closed == [True]
