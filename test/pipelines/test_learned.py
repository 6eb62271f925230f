"""Completion with a model, on a model whose answer is known."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from depth_ros.classical.fill import complete
from depth_ros.config import CompletionConfig
from depth_ros.errors import CompletionError, ModelError
from depth_ros.frame import Frame, Source
from depth_ros.geometry.camera import Camera
from depth_ros.models.card import CARD_KEY, ModelCard
from depth_ros.models.model import Model
from depth_ros.pipelines.base import BUILD, warm_up
from depth_ros.pipelines.completion import ClassicalCompletion
from depth_ros.pipelines.learned import LearnedCompletion

pytest.importorskip("onnxruntime")
MakeToy = Callable[..., Path]
WIDTH, HEIGHT = 90, 50
CONFIG = CompletionConfig()


def make_frame(width: int = WIDTH, height: int = HEIGHT) -> Frame:
    """Return measured lines on a slanted wall in the middle of the picture, nothing at its borders."""
    rows, columns = np.indices((height, width))
    measured = (rows % 5 == 0) & (rows > 10) & (rows < 40) & (columns % 2 == 0) & (columns < 70)
    sparse = np.where(measured, 5 + columns / 20, 0).astype(np.float32)
    rgb = np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)
    camera = Camera.from_focal(width, height, 80, 80, width / 2, height / 2)
    return Frame(7, "camera", rgb, camera, sparse_depth=sparse, scan_stamp_ns=9)


def make_learned(path: Path, config: CompletionConfig = CONFIG) -> LearnedCompletion:
    return LearnedCompletion(config, Model(path, "onnxruntime"), "toy")


def test_the_model_refines_the_prior_inside_its_coverage(make_toy: MakeToy) -> None:
    frame = make_frame()
    assert frame.sparse_depth is not None
    found = make_learned(make_toy(gain=2.0)).process(frame)
    prior = complete(frame.sparse_depth, frame.rgb, paste_measured=False)
    assert np.array_equal(found.source, prior.source)
    assert {Source.NONE, Source.MEASURED, Source.COMPLETED} == set(np.unique(found.source))
    completed, unknown = found.source == Source.COMPLETED, found.source == Source.NONE
    assert np.allclose(found.depth[completed], 2 * prior.depth[completed], rtol=1e-6)
    assert np.isnan(found.depth[unknown]).all()
    assert np.isnan(found.sigma[unknown]).all()
    assert (found.sigma[~unknown] > 0).all()
    assert (found.stamp_ns, found.frame_id) == (7, "camera")
    assert list(found.timings) == ["rectify", "project", "prior", "build", "infer", "assemble"]


@pytest.mark.parametrize("size", [None, (64, 96), (352, 1216)])
def test_a_model_of_any_size_warms_up(make_toy: MakeToy, size: tuple[int, int] | None) -> None:
    learned = make_learned(make_toy(size=size))
    warm_up(learned)
    # One of a fixed size has but one engine to build.
    assert (BUILD in learned.process(make_frame()).timings) == (size is None)


def test_what_is_being_built_is_told_meanwhile(make_toy: MakeToy, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model(make_toy(), "onnxruntime")
    learned = LearnedCompletion(CONFIG, model, "toy")
    told: list[str] = []
    fit = model.engine.fit

    def watched(shapes: Any) -> None:
        told.append(learned.building)
        fit(shapes)

    monkeypatch.setattr(model.engine, "fit", watched)
    learned.process(make_frame())
    assert told[0] == f"the engine of toy 1.0 for {WIDTH}x{HEIGHT}"
    assert not learned.building


def test_only_the_first_frame_of_a_size_builds(make_toy: MakeToy) -> None:
    learned = make_learned(make_toy())
    built = [BUILD in learned.process(make_frame(*size)).timings for size in ((90, 50), (90, 50), (91, 51), (200, 100))]
    assert built == [True, False, False, True]  # 91x51 is padded to the same 96x64


def test_measured_pixels_are_the_returns_exactly_as_in_the_classical_completion(make_toy: MakeToy) -> None:
    frame = make_frame()
    classical = ClassicalCompletion(CONFIG).process(frame)
    learned = make_learned(make_toy(gain=2.0)).process(frame)
    measured = learned.source == Source.MEASURED
    for name in ("depth", "sigma"):
        assert np.array_equal(getattr(learned, name)[measured], getattr(classical, name)[measured])
    plain = make_learned(make_toy(gain=2.0), replace(CONFIG, paste_measured=False)).process(frame)
    assert frame.sparse_depth is not None
    assert (plain.depth[measured] > 1.5 * frame.sparse_depth[measured]).all()


@pytest.mark.parametrize("hidden", ["by the setting", "by the frame"])
def test_without_an_image_the_model_sees_black_and_the_prior_no_guide(make_toy: MakeToy, hidden: str) -> None:
    frame = make_frame()
    assert frame.sparse_depth is not None
    learned = make_learned(make_toy(), replace(CONFIG, use_image=hidden == "by the frame"))
    found = learned.process(replace(frame, rgb=None) if hidden == "by the frame" else frame)
    completed = found.source == Source.COMPLETED
    prior = complete(frame.sparse_depth, None, paste_measured=False)
    assert np.allclose(found.depth[completed], prior.depth[completed], rtol=1e-6)
    assert np.allclose(found.sigma[completed], 0.01 * found.depth[completed], rtol=1e-5)


def test_nothing_measured_is_nothing_known(make_toy: MakeToy) -> None:
    frame = replace(make_frame(), sparse_depth=np.zeros((HEIGHT, WIDTH), np.float32))
    found = make_learned(make_toy()).process(frame)
    assert not found.source.any()
    assert np.isnan(found.depth).all()


@pytest.mark.parametrize("gain", [np.nan, np.inf, -1.0, 0.0])
def test_what_is_no_depth_is_not_given_out(make_toy: MakeToy, gain: float) -> None:
    learned, frame = make_learned(make_toy(gain=gain)), make_frame()
    with pytest.raises(CompletionError, match=r"toy 1\.0 gave no depth or sigma that can be for [0-9]+ pixels"):
        learned.process(frame)


def test_halves_of_two_frames_may_be_interleaved_and_settings_changed_between(make_toy: MakeToy) -> None:
    learned, first = make_learned(make_toy()), make_frame()
    second = replace(make_frame(), stamp_ns=8, sparse_depth=2 * np.asarray(make_frame().sparse_depth))
    finish_first = learned.prepare(first)
    other = learned.configured(replace(CONFIG, use_image=False))
    finish_second = other.prepare(second)
    for found, alone in ((finish_first(), learned.process(first)), (finish_second(), other.process(second))):
        assert found.stamp_ns == alone.stamp_ns
        assert np.array_equal(found.depth, alone.depth, equal_nan=True)
    assert other.facts == learned.facts


def test_another_size_builds_the_engine_anew_once(make_toy: MakeToy, caplog: pytest.LogCaptureFixture) -> None:
    learned = make_learned(make_toy())
    learned.process(make_frame())
    with caplog.at_level(logging.INFO, "depth_ros"):
        for _ in range(2):
            assert learned.process(make_frame(200, 100)).depth.shape == (100, 200)
    assert len(caplog.records) == 1


def test_a_model_of_another_task_is_refused(make_toy: MakeToy) -> None:
    with pytest.raises(ModelError, match="is a metric model: give one of task completion"):
        make_learned(make_toy(task="metric"))


def test_a_model_that_takes_lidar_as_a_prompt_and_no_prior_completes(tmp_path: Path) -> None:
    """The signature of PromptDA: image and sparse depth in, depth without sigma out."""
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper

    path, size = tmp_path / "prompted.onnx", [1, "height", "width"]
    steps = [
        helper.make_node("ReduceMax", ["sparse_depth"], ["farthest"], keepdims=0),
        helper.make_node("Cast", ["image"], ["colours"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMin", ["colours"], ["darkest"], axes=[3], keepdims=0),
        helper.make_node("Mul", ["darkest", "zero"], ["flat"]),
        helper.make_node("Add", ["flat", "farthest"], ["depth"]),
    ]
    graph = helper.make_graph(
        steps,
        "prompted",
        [
            helper.make_tensor_value_info("image", TensorProto.UINT8, [*size, 3]),
            helper.make_tensor_value_info("sparse_depth", TensorProto.FLOAT, size),
        ],
        [helper.make_tensor_value_info("depth", TensorProto.FLOAT, size)],
        [helper.make_tensor("zero", TensorProto.FLOAT, [], [0.0])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    card = ModelCard("prompted", "1.0", inputs=("image", "sparse_depth"), size_multiple=14)
    helper.set_model_props(model, {CARD_KEY: card.to_json()})
    onnx.save(model, path)
    frame = make_frame()
    assert frame.sparse_depth is not None
    found = make_learned(path, replace(CONFIG, paste_measured=False)).process(frame)
    answered = found.source != Source.NONE
    assert np.array_equal(answered, np.isfinite(complete(frame.sparse_depth, frame.rgb).depth))
    assert np.allclose(found.depth[answered], frame.sparse_depth.max())
    assert np.isnan(found.sigma).all()
