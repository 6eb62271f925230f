"""A node that is ended while its engine is being built: the build is cancelled, and the end is not waited for."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any

import pytest
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter

pytest.importorskip("onnxruntime")

from depth_ros.engines import factory
from depth_ros.engines.base import Shapes
from depth_ros.engines.onnx_runtime import OnnxRuntimeEngine
from depth_ros.errors import BuildCancelledError, EngineError
from depth_ros.nodes import completer, spin
from depth_ros.nodes.monocular import MonocularNode

pytestmark = pytest.mark.live
SUCCESS = TransitionCallbackReturn.SUCCESS
PATIENCE_S = 10.0
STAMP = 10**18
CAMERA_HEIGHT = 120


class FakeBuilder(OnnxRuntimeEngine):
    """A fake of an engine that takes minutes to build: ONNX Runtime, that for some heights ends when it is cancelled.

    slow: the heights, None: all. at_begin: what happens when such a build has begun.
    """

    builds_slowly = True
    slow: tuple[int, ...] | None = (CAMERA_HEIGHT,)
    begun, cancelled = Event(), Event()
    at_begin: Callable[[], None] = staticmethod(lambda: None)

    def _build(self, shapes: Shapes) -> None:
        if self.slow is not None and shapes["image"][1] not in self.slow:
            super()._build(shapes)
            return
        self.begun.set()
        self.at_begin()
        end = monotonic() + PATIENCE_S
        while self.on_progress(0.3):
            if monotonic() > end:
                raise EngineError("nobody has cancelled the build")
        self.cancelled.set()
        raise BuildCancelledError(f"the build of {self.path.name} was cancelled")


@pytest.fixture
def builder(monkeypatch: pytest.MonkeyPatch) -> type[FakeBuilder]:
    class Builder(FakeBuilder):
        begun, cancelled = Event(), Event()

    monkeypatch.setitem(factory.ENGINES, "onnxruntime", Builder)
    return Builder


@pytest.fixture
def parameters(make_metric: Callable[..., Path]) -> list[Parameter]:
    given = {"model": str(make_metric()), "engine": "onnxruntime", "threads": 1}
    return [Parameter(key, value=value) for key, value in given.items()]


@pytest.fixture
def node(probe: Any, builder: type[FakeBuilder], parameters: list[Parameter]) -> Iterator[Any]:
    """An active node whose engine is being built for its first image."""
    node = MonocularNode(parameter_overrides=parameters)
    node.start()
    probe.executor.add_node(node)
    probe.spin_until(lambda: all(probe.inputs[name].get_subscription_count() for name in ("image", "camera_info")))
    probe.send_info(STAMP)
    probe.spin_for(0.2)
    probe.send_image(STAMP)
    probe.spin_until(builder.begun.is_set)
    yield node
    node.destroy_node()


def destroyed(node: Any) -> None:
    node.destroy_node()


def shut_down(node: Any) -> None:
    assert node.trigger_shutdown() == SUCCESS


@pytest.mark.parametrize("end", [destroyed, shut_down])
def test_the_end_of_a_node_cancels_the_build(
    node: Any, builder: type[FakeBuilder], end: Callable[[Any], None], capfd: pytest.CaptureFixture[str]
) -> None:
    end(node)
    assert builder.cancelled.wait(PATIENCE_S)
    assert "it is given up" not in capfd.readouterr().err


def test_cleanup_cancels_what_deactivating_has_left_going(
    node: Any, builder: type[FakeBuilder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(completer, "CLOSE_PATIENCE_S", 0.1)
    assert node.trigger_deactivate() == SUCCESS
    assert not builder.cancelled.is_set()
    assert node.trigger_cleanup() == SUCCESS
    assert builder.cancelled.wait(PATIENCE_S)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_build_that_configuring_waits_for(
    domain: int,  # noqa: ARG001
    builder: type[FakeBuilder],
    parameters: list[Parameter],
    capfd: pytest.CaptureFixture[str],
    number: int,
) -> None:
    builder.slow, builder.at_begin = None, staticmethod(lambda: os.kill(os.getpid(), number))
    assert spin.run(lambda: MonocularNode(parameter_overrides=parameters), []) == 0
    assert builder.cancelled.is_set()
    said = capfd.readouterr().err
    assert "not configured: the build of metre.onnx was cancelled" in said
    assert "cannot configure" not in said
