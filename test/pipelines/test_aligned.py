"""Completion from a monocular model, on a model whose answer is known."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from depth_ros.config import CompletionConfig, GuardConfig
from depth_ros.errors import CompletionError, ModelError, SparseScanError
from depth_ros.frame import Frame, Source
from depth_ros.geometry.camera import Camera
from depth_ros.models.card import ModelCard
from depth_ros.models.model import Arrays
from depth_ros.pipelines.aligned import AlignedMonocular
from depth_ros.pipelines.base import warm_up

WIDTH, HEIGHT = 120, 80
CONFIG = CompletionConfig()
WALL = (np.tile(np.linspace(4, 12, WIDTH), (HEIGHT, 1))).astype(np.float32)


class Fake:
    """Answers what it was given, of any size."""

    building = ""
    finds_focal = False

    def __init__(self, task: str, **answers: NDArray[Any]) -> None:
        self.card, self.answers, self.closed = ModelCard("fake", "1.0", task=task), answers, False
        self.seen: Mapping[str, NDArray[Any]] = {}
        self.built: list[tuple[int, int]] = []

    @property
    def facts(self) -> dict[str, str]:
        return {"model": "fake 1.0", "engine": "none"}

    def warm_size(self, width: int, height: int) -> tuple[int, int]:
        return width, height

    def build_while(self, goes_on: Callable[[], bool]) -> None:
        assert goes_on()

    def is_built(self, height: int, width: int) -> bool:
        return (height, width) in self.built

    def build(self, height: int, width: int) -> None:
        self.built.append((height, width))

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> Arrays:
        self.seen = inputs
        height, width = inputs["image"].shape[:2]
        return {name: np.resize(array, (height, width)) for name, array in self.answers.items()}

    def warmed(self) -> None:
        pass

    def go_together(self, one: tuple[int, int], other: tuple[int, int]) -> bool:
        return one == other

    def at_once(self, waiting: int) -> int:
        return waiting

    def run_all(self, images: Sequence[Mapping[str, NDArray[Any]]]) -> list[Arrays]:
        return [self.run(inputs) for inputs in images]

    def close(self) -> None:
        self.closed = True


def make_frame(count: int = 200) -> Frame:
    """Return points on the left half of a slanted wall."""
    sparse = np.zeros_like(WALL)
    chosen = np.random.default_rng(0).choice(HEIGHT * WIDTH // 2, count, replace=False)
    rows, columns = np.divmod(chosen, WIDTH // 2)
    sparse[rows, columns] = WALL[rows, columns]
    camera = Camera.from_focal(WIDTH, HEIGHT, 80, 80, WIDTH / 2, HEIGHT / 2)
    return Frame(7, "camera", np.zeros((HEIGHT, WIDTH, 3), np.uint8), camera, sparse_depth=sparse, scan_stamp_ns=9)


def make(model: Fake, config: CompletionConfig = CONFIG, guard: GuardConfig | None = None) -> AlignedMonocular:
    return AlignedMonocular(config, model, "fake", *(() if guard is None else (guard,)))


@pytest.mark.parametrize(
    "model", [Fake("relative", inverse_depth=50 / WALL + 3), Fake("metric", depth=WALL * np.float32(1.7))]
)
def test_the_prior_comes_out_in_metres(model: Fake) -> None:
    found = make(model).process(make_frame())
    assert np.allclose(found.depth, WALL, rtol=2e-3)
    assert {Source.MEASURED, Source.COMPLETED, Source.MONOCULAR} == set(np.unique(found.source))
    assert (found.source[:, -20:] == Source.MONOCULAR).all()
    assert (found.sigma > 0).all()
    assert (found.stamp_ns, found.frame_id) == (7, "camera")
    assert list(found.timings) == ["rectify", "project", "build", "infer", "align"]
    assert set(model.seen) == {"image", "sparse_depth", "intrinsics"}
    assert "build" not in make(model).process(make_frame()).timings


def test_it_degrades_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    pipeline = make(Fake("metric", depth=WALL, sigma=WALL * np.float32(0.07)))
    caplog.set_level(logging.INFO, "depth_ros")
    assert "metres" not in pipeline.facts
    pipeline.process(make_frame())
    assert not caplog.records
    for frame in (make_frame(0), replace(make_frame(), sparse_depth=None)):
        found = pipeline.process(frame)
        assert np.allclose(found.depth, WALL)
        assert np.allclose(found.sigma, 0.07 * WALL, rtol=1e-5)
        assert (found.source == Source.MONOCULAR).all()
        assert pipeline.facts["metres"].startswith("the model alone")
    pipeline.process(make_frame(3))
    pipeline.process(make_frame())
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING", "INFO"]


def test_a_relative_model_without_points_knows_nothing() -> None:
    found = make(Fake("relative", inverse_depth=1 / WALL)).process(make_frame(0))
    assert np.isnan(found.depth).all()
    assert not found.source.any()


def test_sky_is_infinitely_far_and_invalid_is_unknown() -> None:
    valid = np.ones(WALL.shape, np.uint8)
    valid[:10], valid[10:20] = 2, 0
    prior = WALL.copy()
    prior[:20] = np.nan
    found = make(Fake("metric", depth=prior, valid=valid)).process(make_frame())
    assert np.isposinf(found.depth[:10]).all()
    assert np.isnan(found.depth[10:20]).all()
    assert not found.source[:20].any()
    assert np.allclose(found.depth[20:], WALL[20:], rtol=2e-3)


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, -1.0])
def test_an_answer_that_is_no_depth_drops_the_frame(value: float) -> None:
    prior = WALL.copy()
    prior[3, 4] = value
    with pytest.raises(CompletionError, match=r"fake 1\.0 gave no depth that can be for 1 pixels"):
        make(Fake("metric", depth=prior)).process(make_frame())


def test_it_needs_a_picture_and_a_monocular_model() -> None:
    model = Fake("metric", depth=WALL)
    with pytest.raises(CompletionError, match="use_image"):
        make(model).process(replace(make_frame(), rgb=None))
    with pytest.raises(CompletionError, match="use_image"):
        make(model, replace(CONFIG, use_image=False)).process(make_frame())
    with pytest.raises(ModelError, match="task metric or relative"):
        make(Fake("completion", depth=WALL))


def test_the_guard_compares_what_it_held_out() -> None:
    guard = GuardConfig(guard_share=0.2, min_points=100)
    pipeline = make(Fake("metric", depth=2 * WALL), guard=guard)
    found = pipeline.process(make_frame(400))
    assert found.residual is not None
    assert found.residual.median < 0.01
    with pytest.raises(SparseScanError):
        pipeline.process(make_frame(50))


def test_without_a_scan_there_is_nothing_to_guard_it_by() -> None:
    pipeline = make(Fake("metric", depth=WALL), guard=GuardConfig(min_points=100))
    found = pipeline.process(replace(make_frame(), sparse_depth=None))
    assert (found.source == Source.MONOCULAR).all()
    assert found.residual is None
    assert not pipeline.needs_scan
    assert make(Fake("relative", inverse_depth=1 / WALL)).needs_scan


def test_it_warms_up_is_configured_and_closed() -> None:
    model = Fake("metric", depth=WALL)
    pipeline = make(model)
    warm_up(pipeline)
    plain = pipeline.configured(replace(CONFIG, paste_measured=False))
    assert plain.facts["model"] == "fake 1.0"
    plain.close()
    assert model.closed
