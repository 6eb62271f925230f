"""Depth of the image alone, on small files of the contract and on a model whose answer is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from depth_ros.config import MonocularConfig, as_completion
from depth_ros.errors import CompletionError, ModelError
from depth_ros.frame import Frame, PointCloud, Source
from depth_ros.geometry.camera import Camera
from depth_ros.models.card import ModelCard
from depth_ros.pipelines.base import warm_up
from depth_ros.pipelines.factory import make_monocular
from depth_ros.pipelines.monocular import MonocularDepth

MakeModel = Callable[..., Path]
WIDTH, HEIGHT, FOCAL = 60, 36, 250.0
CONFIG = MonocularConfig(engine="onnxruntime", threads=1)


def make_frame(camera: Camera | None = None) -> Frame:
    """Return a picture whose red grows to the right, over a sky and a strip that a model calls invalid."""
    rgb = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    rgb[..., 0] = np.linspace(0, 255, WIDTH)
    rgb[:8, :, 1] = 255
    rgb[8:12, :, 2] = 255
    camera = camera or Camera.from_focal(WIDTH, HEIGHT, FOCAL, FOCAL, 31.0, 17.0)
    return Frame(7, "camera", rgb, camera)


def make(path: Path, **settings: Any) -> MonocularDepth:
    return make_monocular(replace(CONFIG, model=str(path), **settings))


@pytest.fixture(autouse=True)
def _onnxruntime() -> None:
    pytest.importorskip("onnxruntime")


def test_depth_is_the_models_in_the_camera_at_hand(make_metric: MakeModel) -> None:
    pipeline, frame = make(make_metric(sigma=True)), make_frame()
    found = pipeline.process(frame)
    assert frame.rgb is not None
    expected = FOCAL / 100 * (1 + frame.rgb[12:, :, 0] / 255)
    assert np.allclose(found.depth[12:], expected, rtol=1e-5)
    assert np.allclose(found.sigma[12:], 0.1 * expected, rtol=1e-5)
    assert (found.source[12:] == Source.MONOCULAR).all()
    assert np.isposinf(found.depth[:8]).all()
    assert np.isnan(found.depth[8:12]).all()
    assert np.isnan(found.sigma[:12]).all()
    assert not found.source[:12].any()
    assert (found.stamp_ns, found.frame_id, found.camera.intrinsics) == (7, "camera", (FOCAL, FOCAL, 31.0, 17.0))
    assert found.camera.calibrated
    assert list(found.timings) == ["rectify", "build", "infer", "assemble"]
    assert pipeline.facts["model"] == "metre 1.0"


def test_the_focal_length_goes_with_the_size_of_the_image(make_metric: MakeModel) -> None:
    pipeline, camera = make(make_metric()), make_frame().camera
    half = camera.resize(WIDTH // 2, HEIGHT // 2)
    rgb = np.zeros((HEIGHT // 2, WIDTH // 2, 3), np.uint8)
    assert np.allclose(pipeline.process(Frame(7, "camera", rgb, half)).depth, FOCAL / 200)


def test_without_sigma_none_is_told(make_metric: MakeModel) -> None:
    assert np.isnan(make(make_metric()).process(make_frame()).sigma).all()


def test_a_distorted_picture_is_rectified(make_metric: MakeModel) -> None:
    camera = replace(make_frame().camera, D=np.array([-0.3, 0.1, 0, 0, 0]))
    found = make(make_metric()).process(make_frame(camera))
    assert not found.camera.D.any()
    assert found.rgb is not None
    assert (found.rgb != make_frame().rgb).any()


def test_an_unknown_focal_length_is_found_and_told(make_metric: MakeModel) -> None:
    pipeline = make(make_metric(focal=400.0))
    found = pipeline.process(make_frame(Camera.uncalibrated(WIDTH, HEIGHT)))
    assert found.camera.intrinsics == pytest.approx((400, 400, (WIDTH - 1) / 2, (HEIGHT - 1) / 2))
    assert not found.camera.calibrated
    assert np.nanmin(found.depth[12:]) == pytest.approx(4.0)
    known = pipeline.process(make_frame())
    assert known.camera.intrinsics[0] == FOCAL
    assert np.nanmin(known.depth[12:]) == pytest.approx(FOCAL / 100)


def test_without_focal_length_or_focal_head_there_are_no_metres(make_metric: MakeModel) -> None:
    with pytest.raises(CompletionError, match=r"metre 1\.0 has no focal head"):
        make(make_metric()).process(make_frame(Camera.uncalibrated(WIDTH, HEIGHT)))


def test_depth_beyond_the_range_is_labelled(make_metric: MakeModel) -> None:
    found = make(make_metric(), min_depth=3.0, max_depth=4.0).process(make_frame())
    row = found.depth[-1]
    assert np.isneginf(row[0])
    assert np.isposinf(row[-1])
    assert set(np.unique(found.source[-1])) == {Source.NONE, Source.MONOCULAR}


def test_points_are_passed_over(make_metric: MakeModel) -> None:
    scan = PointCloud(np.ones((5, 3), np.float32))
    found = make(make_metric()).process(replace(make_frame(), points=scan))
    assert set(np.unique(found.source)) == {Source.NONE, Source.MONOCULAR}


def test_a_frame_without_a_picture_is_refused(make_metric: MakeModel) -> None:
    with pytest.raises(CompletionError, match="the frame has none"):
        make(make_metric()).process(replace(make_frame(), rgb=None))


@pytest.mark.parametrize(
    ("card", "text"),
    [
        ({"task": "relative"}, "relative model, which knows no metres without LiDAR: use it with points"),
        ({"task": "completion"}, "completion model that takes LiDAR depth"),
        ({"inputs": ("image", "sparse_depth")}, "metric model that takes LiDAR depth"),
    ],
)
def test_a_model_that_needs_lidar_is_refused(card: dict[str, Any], text: str) -> None:
    facts = {"name": "fake", "version": "1.0", "task": "metric", "inputs": ("image",), **card}
    model: Any = SimpleNamespace(card=ModelCard(**facts))
    with pytest.raises(ModelError, match=text):
        MonocularDepth(as_completion(CONFIG), model, "fake")


@pytest.mark.parametrize(("model", "text"), [("classical", "metric model"), ("auto", "no metric model")])
def test_what_is_no_metric_model_is_said_in_one_line(model: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("depth_ros.pipelines.factory.bundled_models", dict)
    with pytest.raises(ModelError, match=text) as raised:
        make_monocular(replace(CONFIG, model=model))
    assert "\n" not in str(raised.value)


def answering(**answers: Any) -> Any:
    """Return a model that answers this for every pixel."""
    card = ModelCard("fake", "1.0", task="metric", inputs=("image",))
    shape = (HEIGHT, WIDTH)
    found = {name: np.full(() if name == "focal" else shape, value, np.float32) for name, value in answers.items()}
    return SimpleNamespace(
        card=card, facts={}, finds_focal="focal" in answers, is_built=lambda *_: True, run=lambda _: found
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, -1.0])
def test_an_answer_that_is_no_depth_drops_the_frame(value: float) -> None:
    for answers, what in (({"depth": value}, "depth"), ({"depth": 1, "sigma": value}, "sigma")):
        with pytest.raises(CompletionError, match=rf"fake 1\.0 gave no {what} that can be for {WIDTH * HEIGHT} pixels"):
            MonocularDepth(as_completion(CONFIG), answering(**answers), "fake").process(make_frame())
    frame = make_frame(Camera.uncalibrated(WIDTH, HEIGHT))
    with pytest.raises(CompletionError, match="found a focal length of"):
        MonocularDepth(as_completion(CONFIG), answering(depth=1, focal=value), "fake").process(frame)


def test_it_warms_up_is_configured_and_needs_no_scan(make_metric: MakeModel) -> None:
    pipeline = make(make_metric())
    warm_up(pipeline)
    assert not pipeline.needs_scan
    near = pipeline.configured(replace(as_completion(CONFIG), max_depth=1.0))
    assert not np.isfinite(near.process(make_frame()).depth).any()
    near.close()
