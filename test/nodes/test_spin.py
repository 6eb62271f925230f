from __future__ import annotations

import os
import signal
from threading import Event

import pytest

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
