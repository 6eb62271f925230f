"""A model whose engine keeps failing is given up where nobody asked for it by name."""

from __future__ import annotations

from threading import Event, Thread
from typing import Any

import numpy as np
import pytest

from depth_ros.config import NO_GUARD, CompletionConfig
from depth_ros.errors import EngineError
from depth_ros.frame import Frame
from depth_ros.geometry.camera import Camera
from depth_ros.nodes import fallback
from depth_ros.nodes.counts import Statistics
from depth_ros.nodes.fallback import PATIENCE, Fallback
from depth_ros.nodes.health import Finding, Level
from depth_ros.pipelines.completion import ClassicalCompletion


class Logger:
    def __init__(self) -> None:
        self.errors: list[str] = []

    def error(self, text: str) -> None:
        self.errors.append(text)


class Failing(ClassicalCompletion):
    """A model whose engine fails while `broken`."""

    name = "some model"
    broken = True
    closed = 0

    def _finish(self, measured: Any) -> Any:
        if self.broken:
            raise EngineError("the library has run out of luck")
        return super()._finish(measured)

    def close(self) -> None:
        self.closed += 1


def make(monkeypatch: pytest.MonkeyPatch, config: CompletionConfig) -> tuple[Fallback, Failing, Logger]:
    model, logger = Failing(config), Logger()
    monkeypatch.setattr(fallback, "make_pipeline", lambda *_: model)
    return Fallback(config, NO_GUARD, logger), model, logger


def frame() -> Frame:
    sparse = np.zeros((24, 32), np.float32)
    sparse[::4] = 5
    camera = Camera.from_focal(32, 24, 30, 30, 16, 12)
    return Frame(7, "camera", np.zeros((24, 32, 3), np.uint8), camera, sparse_depth=sparse)


def fail(pipeline: Fallback, times: int) -> None:
    for _ in range(times):
        with pytest.raises(EngineError):
            pipeline.process(frame())


def test_after_failures_in_a_row_the_classical_completion_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline, model, logger = make(monkeypatch, CompletionConfig())
    fail(pipeline, PATIENCE)
    assert np.isfinite(pipeline.process(frame()).depth).any()
    assert pipeline.name == "classical"
    assert pipeline.facts == {"model": "classical"}
    assert "run out of luck" in pipeline.fault
    assert len(logger.errors) == 1
    pipeline.configured(CompletionConfig(max_depth=3.0), NO_GUARD)
    assert not np.isfinite(pipeline.process(frame()).depth).any()
    pipeline.close()
    assert model.closed == 1


def test_single_failures_are_forgiven(monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline, model, logger = make(monkeypatch, CompletionConfig())
    for _ in range(3):
        fail(pipeline, PATIENCE - 1)
        model.broken = False
        pipeline.process(frame())
        model.broken = True
    assert not pipeline.fault
    assert not logger.errors


@pytest.mark.parametrize(
    "config",
    [CompletionConfig(model="mine.onnx"), CompletionConfig(engine="openvino"), CompletionConfig(precision="f32")],
)
def test_what_is_asked_for_by_name_goes_on_failing(monkeypatch: pytest.MonkeyPatch, config: CompletionConfig) -> None:
    pipeline, _, logger = make(monkeypatch, config)
    fail(pipeline, 3 * PATIENCE)
    assert not pipeline.fault
    assert not logger.errors


def test_an_engine_is_freed_after_the_inference_that_is_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline, model, _ = make(monkeypatch, CompletionConfig())
    entered, gate = Event(), Event()

    def slow(measured: Any) -> Any:
        entered.set()
        gate.wait()
        return ClassicalCompletion._finish(model, measured)

    monkeypatch.setattr(model, "_finish", slow)
    thread = Thread(target=pipeline.process, args=(frame(),))
    thread.start()
    assert entered.wait(10)
    pipeline.close()
    assert model.closed == 0
    gate.set()
    thread.join(10)
    assert model.closed == 1


def test_a_model_that_was_given_up_is_an_error_in_the_diagnostics() -> None:
    statistics = Statistics(Logger())
    assert not statistics.findings(NO_GUARD)
    statistics.fault = "some model was given up"
    assert statistics.findings(NO_GUARD) == [Finding(Level.ERROR, "some model was given up")]
