"""The engine of `auto`: who answers, when it changes, what is said."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from depth_ros.engines.base import Engine, EngineInfo, Probe, Shapes, TensorSpec
from depth_ros.engines.chain import ChainedEngine
from depth_ros.errors import EngineError


class Doubler(Engine):
    """Doubles its input, and fails to build as often as it is told."""

    kind = "doubler"
    inputs = outputs = (TensorSpec("x", "float32", (None,)),)

    def __init__(self, name: str, fails: int = 0) -> None:
        super().__init__(Path("toy.onnx"), 1, "auto")
        self.name, self.fails, self.closed = name, fails, False

    @classmethod
    def probe(cls) -> Probe:
        return Probe("1")

    @property
    def info(self) -> EngineInfo:
        return EngineInfo(self.name, "1", "CPU", "f32")

    def close(self) -> None:
        self.closed = True

    def _build(self, shapes: Shapes) -> None:
        if self.fails:
            self.fails -= 1
            raise EngineError(f"{self.name} cannot at {shapes['x']}")

    def _infer(self, inputs: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        return {"x": 2 * inputs["x"]}


def raising(text: str) -> Callable[[], Engine]:
    def make() -> Engine:
        raise EngineError(text)

    return make


def ones(size: int) -> dict[str, NDArray[Any]]:
    return {"x": np.ones(size, np.float32)}


def test_the_first_that_can_be_made_answers_and_the_others_are_named(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "depth_ros"):
        engine = ChainedEngine({"a": raising("a is absent"), "b": lambda: Doubler("b"), "c": raising("never asked")})
    assert engine.run(ones(3))["x"].tolist() == [2, 2, 2]
    assert caplog.messages == ["engine b is taken: a is absent"]
    assert (engine.info.kind, engine.note) == ("b", "")
    assert engine.is_built({"x": (3,)})


def test_one_that_fails_at_a_later_size_is_closed_and_given_up_for_good(caplog: pytest.LogCaptureFixture) -> None:
    first, second = Doubler("a"), Doubler("b")
    engine = ChainedEngine({"a": lambda: first, "b": lambda: second})
    engine.run(ones(3))
    first.fails = 1
    assert [found["x"].size for found in engine.run_all([ones(4), ones(4), ones(3)])] == [4, 4, 3]
    assert engine.engine is second
    assert first.closed
    assert engine.note == "a cannot at (4,)"
    assert "b runs instead: a cannot at (4,)" in caplog.text
    engine.close()
    assert second.closed


def test_when_none_is_left_every_reason_is_told() -> None:
    engine = ChainedEngine({"a": lambda: Doubler("a", 9), "b": raising("b is absent"), "c": lambda: Doubler("c", 9)})
    with pytest.raises(EngineError, match=r"a cannot at \(3,\); b is absent; c cannot at \(3,\)"):
        engine.run(ones(3))
    with pytest.raises(EngineError, match="a is absent; b is absent"):
        ChainedEngine({"a": raising("a is absent"), "b": raising("b is absent")})


def test_who_listens_to_the_build_hears_the_engine_that_answers() -> None:
    inner = Doubler("a")
    engine = ChainedEngine({"a": lambda: inner})
    engine.on_progress = lambda share: share < 0.5
    engine.run(ones(1))
    assert inner.on_progress(0.4)
    assert not inner.on_progress(0.6)
    assert list(engine.run_all([])) == []
