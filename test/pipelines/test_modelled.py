"""What pipelines with a model share, on a pipeline that gives out what its model says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from depth_ros.classical.fill import Completion
from depth_ros.config import CompletionConfig
from depth_ros.errors import ModelError
from depth_ros.frame import DepthMap, Frame
from depth_ros.geometry.camera import Camera
from depth_ros.models.card import ModelCard
from depth_ros.models.model import Arrays
from depth_ros.pipelines.base import WARM_SIZE, Finish, Measured, measure, warm_up
from depth_ros.pipelines.modelled import ModelPipeline

CONFIG = CompletionConfig()


class Fake:
    """Says 3 m everywhere, and remembers for which sizes it was built and run."""

    building = "the engine"
    finds_focal = False

    def __init__(self, warm: tuple[int, int] = WARM_SIZE) -> None:
        self.card, self.facts = ModelCard("fake", "1.0", task="metric"), {"model": "fake 1.0"}
        self.warm, self.closed = warm, False
        self.built: list[tuple[int, int]] = []
        self.ran: list[tuple[int, ...]] = []

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
        return {"depth": np.full(inputs["image"].shape[:2], 3, np.float32)}

    def close(self) -> None:
        self.closed = True


class Plain(ModelPipeline):
    tasks = ("relative", "metric")

    def prepare(self, frame: Frame) -> Finish:
        return partial(self._finish, measure(frame, self._config, self._guard))

    def _finish(self, measured: Measured) -> DepthMap:
        assert measured.frame.rgb is not None
        depth = self._infer({"image": measured.frame.rgb}, measured.watch)["depth"]
        return measured.depth_map(Completion(depth, np.ones_like(depth), np.ones(depth.shape, np.uint8)))


class Completing(Plain):
    tasks = ("completion", "relative")


def frame(width: int, height: int) -> Frame:
    camera = Camera.from_focal(width, height, width, width, width / 2, height / 2)
    return Frame(
        7, "", np.zeros((height, width, 3), np.uint8), camera, sparse_depth=np.zeros((height, width), np.float32)
    )


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
