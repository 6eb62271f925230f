"""What pipelines with a model share, on a pipeline that gives out what its model says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from depth_ros.classical.fill import Completion
from depth_ros.config import CompletionConfig
from depth_ros.errors import CompletionError, EngineError, ModelError
from depth_ros.frame import DepthMap, Frame
from depth_ros.geometry.camera import Camera
from depth_ros.models.card import ModelCard
from depth_ros.models.model import Arrays
from depth_ros.pipelines.base import WARM_SIZE, Finish, Measured, measure, warm_up
from depth_ros.pipelines.modelled import ModelPipeline, finish_all, go_together

CONFIG = CompletionConfig()
REFUSED = 66
"""First value of an image whose answer is no depth."""


class Fake:
    """Says 3 m and the image's first value everywhere, and remembers for which sizes it was built and run.

    broken: it fails on several images at once.
    """

    building = "the engine"
    finds_focal = False

    def __init__(self, warm: tuple[int, int] = WARM_SIZE) -> None:
        self.card, self.facts = ModelCard("fake", "1.0", task="metric"), {"model": "fake 1.0"}
        self.warm, self.closed = warm, False
        self.built: list[tuple[int, int]] = []
        self.ran: list[tuple[int, ...]] = []
        self.ran_together: list[int] = []
        self.broken = False

    def warm_size(self, width: int, height: int) -> tuple[int, int]:
        assert (width, height) == WARM_SIZE
        return self.warm

    def build_while(self, goes_on: Callable[[], bool]) -> None:
        assert goes_on()

    def is_built(self, height: int, width: int) -> bool:
        return (height, width) in self.built

    def build(self, height: int, width: int) -> None:
        self.built.append((height, width))

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> Arrays:
        self.ran.append(inputs["image"].shape)
        return {"depth": np.full(inputs["image"].shape[:2], 3 + inputs["image"].flat[0], np.float32)}

    def warmed(self) -> None:
        pass

    def go_together(self, one: tuple[int, int], other: tuple[int, int]) -> bool:
        return one == other

    def at_once(self, waiting: int) -> int:
        return min(waiting, 2)

    def run_all(self, images: Sequence[Mapping[str, NDArray[Any]]]) -> list[Arrays]:
        self.ran_together.append(len(images))
        if self.broken:
            raise EngineError("too much at once")
        return [self.run(inputs) for inputs in images]

    def close(self) -> None:
        self.closed = True


class Plain(ModelPipeline):
    tasks = ("relative", "metric")

    def prepare(self, frame: Frame) -> Finish:
        measured = measure(frame, self._config, self._guard)
        assert measured.frame.rgb is not None
        return self._ask({"image": measured.frame.rgb}, measured.watch, partial(self._conclude, measured))

    def _conclude(self, measured: Measured, found: Arrays) -> DepthMap:
        depth = found["depth"]
        if depth[0, 0] == 3 + REFUSED:
            raise CompletionError("it cannot be")
        return measured.depth_map(Completion(depth, np.ones_like(depth), np.ones(depth.shape, np.uint8)))


class Completing(Plain):
    tasks = ("completion", "relative")


def frame(width: int, height: int, grey: int = 0) -> Frame:
    camera = Camera.from_focal(width, height, width, width, width / 2, height / 2)
    rgb = np.full((height, width, 3), grey, np.uint8)
    return Frame(7 + grey, "", rgb, camera, sparse_depth=np.zeros((height, width), np.float32))


def test_only_the_first_frame_of_a_size_builds() -> None:
    model = Fake()
    pipeline = Plain(CONFIG, model, "fake")
    timings = [list(pipeline.process(frame(*size)).timings) for size in ((9, 5), (9, 5), (5, 9), (9, 5))]
    assert [stages[2:] for stages in timings] == [["build", "infer"], ["infer"], ["build", "infer"], ["infer"]]
    assert model.built == [(5, 9), (9, 5)]


def test_it_says_what_its_model_says() -> None:
    pipeline = Plain(CONFIG, Fake(), "store/fake")
    assert (pipeline.name, pipeline.facts, pipeline.building) == ("store/fake", {"model": "fake 1.0"}, "the engine")


def test_it_warms_up_with_a_frame_of_the_size_that_the_model_wants() -> None:
    model = Fake((96, 64))
    warm_up(Plain(CONFIG, model, "fake"))
    assert model.ran == [(64, 96, 3)]


def test_one_of_other_settings_shares_the_model() -> None:
    model = Fake()
    pipeline = Plain(CONFIG, model, "fake").configured(replace(CONFIG, max_depth=2.0))
    assert type(pipeline) is Plain
    assert pipeline.name == "fake"
    assert np.isposinf(pipeline.process(frame(9, 5)).depth).all()
    pipeline.close()
    assert model.closed


def test_a_model_of_another_task_is_refused() -> None:
    with pytest.raises(ModelError, match="store/fake is a metric model: give one of task completion or relative"):
        Completing(CONFIG, Fake(), "store/fake")


def test_frames_that_go_together_are_inferred_at_once_and_each_keeps_its_own() -> None:
    model = Fake()
    model.built.append((5, 9))
    pipeline, other = Plain(CONFIG, model, "fake"), Plain(replace(CONFIG, max_depth=20.0), model, "fake")
    halves = [pipeline.prepare(frame(9, 5, 1)), other.prepare(frame(9, 5, 20))]
    assert go_together(*halves)
    first, second = finish_all(halves)
    assert isinstance(first, DepthMap)
    assert isinstance(second, DepthMap)
    assert model.ran_together == [2]
    assert (first.stamp_ns, second.stamp_ns) == (8, 27)
    assert (first.depth == 4).all()
    assert np.isposinf(second.depth).all(), "each by the settings of its own pipeline"
    assert list(first.timings)[2:] == list(second.timings)[2:] == ["infer"]


def test_what_does_not_go_together() -> None:
    one, other = Plain(CONFIG, Fake(), "fake"), Plain(CONFIG, Fake(), "fake")
    half = one.prepare(frame(9, 5))
    assert go_together(half, one.prepare(frame(9, 5)))
    assert not go_together(half, one.prepare(frame(5, 9)))
    assert not go_together(half, other.prepare(frame(9, 5)))
    assert not go_together(half, partial(one.process, frame(9, 5)))


def test_where_all_at_once_fail_each_is_inferred_alone() -> None:
    model = Fake()
    model.built.append((5, 9))
    model.broken = True
    pipeline = Plain(CONFIG, model, "fake")
    found = list(finish_all([pipeline.prepare(frame(9, 5, grey)) for grey in (1, 2)]))
    assert [outcome.depth[0, 0] for outcome in found if isinstance(outcome, DepthMap)] == [4, 5]
    assert len(model.ran) == 2


def test_what_is_wrong_with_one_frame_is_not_the_others_fault() -> None:
    model = Fake()
    model.built.append((5, 9))
    pipeline = Plain(CONFIG, model, "fake")
    bad, good = finish_all([pipeline.prepare(frame(9, 5, grey)) for grey in (REFUSED, 2)])
    assert isinstance(bad, CompletionError)
    assert isinstance(good, DepthMap)
    assert model.ran_together == [2]


def test_what_is_to_be_built_first_is_inferred_one_by_one() -> None:
    model = Fake()
    pipeline = Plain(CONFIG, model, "fake")
    first, second = finish_all([pipeline.prepare(frame(9, 5, grey)) for grey in (1, 2)])
    assert isinstance(first, DepthMap)
    assert isinstance(second, DepthMap)
    assert (list(first.timings)[2:], list(second.timings)[2:]) == (["build", "infer"], ["infer"])
    assert (model.built, model.ran_together) == ([(5, 9)], [])


def test_fewer_or_more_than_the_model_takes_at_once_are_inferred_one_by_one() -> None:
    model = Fake()
    model.built.append((5, 9))
    pipeline = Plain(CONFIG, model, "fake")
    found = list(finish_all([pipeline.prepare(frame(9, 5, grey)) for grey in (1, 2, 3)]))
    assert [outcome.depth[0, 0] for outcome in found if isinstance(outcome, DepthMap)] == [4, 5, 6]
    assert model.ran_together == []
