"""A stand-in that answers while the engine proper is built in another thread."""

from __future__ import annotations

from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from depth_ros.engines.base import Engine, EngineInfo, Probe, Shapes, TensorSpec
from depth_ros.engines.chain import ChainedEngine
from depth_ros.engines.meanwhile import MeanwhileEngine, with_stand_in
from depth_ros.errors import BuildCancelledError, EngineError


class Multiplier(Engine):
    """Multiplies its input by a factor; builds until it is told that it is done, or why it fails."""

    kind = "multiplier"
    builds_slowly = True
    inputs = outputs = (TensorSpec("x", "float32", (None,)),)

    def __init__(self, factor: float) -> None:
        super().__init__(Path("toy.onnx"), 1, "auto")
        self.factor, self.done, self.fault, self.builds, self.closed = factor, Event(), "", 0, False

    @classmethod
    def probe(cls) -> Probe:
        return Probe("1")

    @property
    def info(self) -> EngineInfo:
        return EngineInfo(f"times {self.factor:g}", "1", "CPU", "f32")

    def close(self) -> None:
        self.closed = True

    def _build(self, shapes: Shapes) -> None:
        assert shapes
        self.builds += 1
        while not self.done.wait(0.005):
            if not self.on_progress(0.35):
                raise BuildCancelledError("cancelled")
        if self.fault:
            raise EngineError(self.fault)

    def _infer(self, inputs: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        return {"x": self.factor * inputs["x"]}


def ones(size: int = 2) -> dict[str, NDArray[Any]]:
    return {"x": np.ones(size, np.float32)}


@pytest.fixture
def pair() -> tuple[Multiplier, Multiplier]:
    proper, stand_in = Multiplier(3), Multiplier(2)
    stand_in.done.set()
    return proper, stand_in


def ready(engine: MeanwhileEngine) -> None:
    assert engine._builder is not None
    engine._builder.join(10)


def test_the_stand_in_answers_until_the_other_is_built(pair: tuple[Multiplier, Multiplier]) -> None:
    proper, stand_in = pair
    engine = MeanwhileEngine(proper, stand_in)
    assert engine.run(ones())["x"][0] == 2
    assert engine.is_built({"x": (2,)})
    assert engine.info.kind == "times 2"
    end = monotonic() + 10
    while "30 %" not in engine.note and monotonic() < end:
        assert engine.note.startswith("times 3 is being built")
    assert engine.note == "times 3 is being built, 30 % done"
    proper.done.set()
    ready(engine)
    assert engine.run(ones())["x"][0] == 3
    assert (engine.info.kind, engine.note, proper.builds) == ("times 3", "", 1)
    assert engine.is_built({"x": (2,)})


def test_another_size_is_built_aside_too(pair: tuple[Multiplier, Multiplier]) -> None:
    proper, stand_in = pair
    engine = MeanwhileEngine(proper, stand_in)
    engine.run(ones(2))
    assert engine.run(ones(3))["x"].tolist() == [2, 2, 2], "and the build of the first size is cancelled"
    ready(engine)
    proper.done.set()
    assert engine.run(ones(3))["x"].tolist() == [2, 2, 2]
    ready(engine)
    assert engine.run(ones(3))["x"].tolist() == [3, 3, 3]
    assert proper.builds == 2
    assert not proper.is_built({"x": (2,)})


def test_what_fails_is_told_once_and_auto_goes_on(pair: tuple[Multiplier, Multiplier]) -> None:
    proper, stand_in = pair
    proper.fault = "out of memory"
    meanwhile, last = MeanwhileEngine(proper, stand_in), Multiplier(5)
    last.done.set()
    engine = ChainedEngine({"slow": lambda: meanwhile, "last": lambda: last})
    assert engine.run(ones())["x"][0] == 2
    proper.done.set()
    ready(meanwhile)
    assert engine.run(ones())["x"][0] == 5
    assert "out of memory" in engine.note
    assert (proper.closed, stand_in.closed) == (True, True)


def test_closing_cancels_the_build(pair: tuple[Multiplier, Multiplier]) -> None:
    proper, stand_in = pair
    engine = MeanwhileEngine(proper, stand_in)
    engine.run(ones())
    engine.close()
    assert not engine._builder or not engine._builder.is_alive()
    assert (proper.closed, stand_in.closed) == (True, True)


def test_who_listens_can_cancel_and_quick_engines_need_no_stand_in(pair: tuple[Multiplier, Multiplier]) -> None:
    proper, stand_in = pair
    engine = with_stand_in(proper, lambda: stand_in)
    assert isinstance(engine, MeanwhileEngine)
    engine.on_progress = lambda _: False
    assert engine.run(ones())["x"][0] == 2
    ready(engine)
    assert proper.builds == 1
    Multiplier.builds_slowly = False
    try:
        assert with_stand_in(proper, lambda: pytest.fail("made")) is proper
    finally:
        Multiplier.builds_slowly = True
