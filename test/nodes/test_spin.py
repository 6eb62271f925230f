from __future__ import annotations

import os
import signal
from collections.abc import Callable
from threading import Event

import pytest
from rclpy.node import Node

from depth_ros.nodes import spin


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_and_its_echo_ask_for_an_orderly_end(number: int) -> None:
    before, stop = signal.getsignal(number), Event()
    with spin.signals_set(stop):
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)
    assert stop.is_set()
    assert signal.getsignal(number) is before


def test_a_signal_that_comes_again_later_ends_it_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spin, "ECHO_S", 0.0)
    with spin.signals_set(Event()):
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


class Faulty(Node):  # type: ignore[misc]
    """A node whose second callback fails, as rclpy's own does in Humble on a transition that a state does not have."""

    def __init__(self) -> None:
        super().__init__("faulty")
        self.calls = 0
        self.create_timer(0.01, self._on_timer)

    def start(self, is_stopping: Callable[[], bool]) -> None:
        assert not is_stopping()

    def _on_timer(self) -> None:
        self.calls += 1
        if self.calls == 2:
            raise ZeroDivisionError("a bug")
        if self.calls == 4:
            os.kill(os.getpid(), signal.SIGINT)


def test_a_callback_that_fails_is_reported_and_the_node_lives_on(
    domain: int,  # noqa: ARG001
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert spin.run(Faulty, []) == 0
    assert "ZeroDivisionError: a bug" in capfd.readouterr().err
