"""Depth out of the range of the settings, labelled as REP 117 does, by both pipelines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from depth_ros.config import CompletionConfig
from depth_ros.frame import DepthMap, Frame, Source
from depth_ros.geometry.camera import Camera
from depth_ros.models.model import Model
from depth_ros.pipelines.base import Pipeline
from depth_ros.pipelines.completion import ClassicalCompletion
from depth_ros.pipelines.learned import LearnedCompletion

MakeToy = Callable[..., Path]
WIDTH, HEIGHT = 96, 64
WIDE = CompletionConfig()


@pytest.fixture(params=["classical", "learned"])
def make_pipeline(request: pytest.FixtureRequest) -> Callable[[CompletionConfig], Pipeline]:
    if request.param == "classical":
        return ClassicalCompletion
    pytest.importorskip("onnxruntime")
    model = Model(request.getfixturevalue("make_toy")(gain=1.25), "onnxruntime")
    return lambda config: LearnedCompletion(config, model, "toy")


def slanted_wall() -> Frame:
    """Return scan lines on a wall from 5 to 9.8 m, nothing at the picture's upper and lower border."""
    rows, columns = np.indices((HEIGHT, WIDTH))
    measured = (rows % 4 == 0) & (rows > 10) & (rows < 50) & (columns % 2 == 0)
    sparse = np.where(measured, 5 + columns / 20, 0).astype(np.float32)
    camera = Camera.from_focal(WIDTH, HEIGHT, 80, 80, WIDTH / 2, HEIGHT / 2)
    rgb = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    return Frame(7, "camera", rgb, camera, sparse_depth=sparse)


def check_labels(found: DepthMap, free: DepthMap, config: CompletionConfig) -> None:
    far, near = free.depth > config.max_depth, free.depth < config.min_depth
    expected = np.where(far, np.inf, np.where(near, -np.inf, free.depth))
    np.testing.assert_array_equal(found.depth, expected)
    np.testing.assert_array_equal(found.source, np.where(far | near, Source.NONE, free.source))
    np.testing.assert_array_equal(found.sigma, np.where(far | near, np.nan, free.sigma))
    np.testing.assert_array_equal(np.isfinite(found.depth), found.source != Source.NONE)


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize(("low", "high"), [(0.5, 7.5), (6.0, 120.0), (6.0, 7.5), (0.0, 10000.0)])
def test_out_of_range_is_labelled_and_the_rest_is_as_without(
    make_pipeline: Callable[[CompletionConfig], Pipeline], low: float, high: float
) -> None:
    config = replace(WIDE, min_depth=low, max_depth=high)
    free, found = (make_pipeline(chosen).process(slanted_wall()) for chosen in (WIDE, config))
    check_labels(found, free, config)
    assert np.isposinf(found.depth).any() == (high < 9)
    assert np.isneginf(found.depth).any() == (low > 5)
    assert np.isnan(found.depth[0]).all(), "beyond the coverage nothing is known"


def test_a_model_that_answers_beyond_the_range(make_toy: MakeToy) -> None:
    """No return is farther than 9.8 m, but the model says four times the prior."""
    pytest.importorskip("onnxruntime")
    config = replace(WIDE, max_depth=21.0, paste_measured=False)
    pipeline = LearnedCompletion(config, Model(make_toy(gain=4.0), "onnxruntime"), "toy")
    found = pipeline.process(slanted_wall())
    covered = found.depth[20:40]
    assert np.isposinf(covered[:, 10:]).all()
    assert np.isfinite(covered[:, :4]).all()
