"""Which pipeline a setting gives: by name or not at all, except for `auto`."""

from __future__ import annotations

import logging
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from depth_ros.config import CompletionConfig, MonocularConfig, without_lidar
from depth_ros.errors import EngineError, ModelError
from depth_ros.models import store
from depth_ros.models.model import Model
from depth_ros.pipelines import factory
from depth_ros.pipelines.completion import ClassicalCompletion
from depth_ros.pipelines.factory import make_monocular, make_pipeline, resolve
from depth_ros.pipelines.learned import LearnedCompletion

MakeToy = Callable[..., Path]


@pytest.fixture
def assets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder of bundled models that is empty."""
    folder = tmp_path / "assets"
    folder.mkdir()
    monkeypatch.setattr(store, "ASSETS", folder)
    return folder


def test_auto_is_classical_and_says_so_where_nothing_is_bundled(assets: Path, caplog: pytest.LogCaptureFixture) -> None:
    factory._warn_once.cache_clear()
    assert not list(assets.iterdir())
    with caplog.at_level(logging.WARNING, "depth_ros"):
        assert isinstance(make_pipeline(CompletionConfig()), ClassicalCompletion)
        assert resolve("auto") == "classical"
    assert [record.getMessage() for record in caplog.records] == [
        "model auto is classical, as this installation holds no model completion: install it anew"
    ]


def test_auto_is_the_bundled_model_where_an_engine_runs_it(assets: Path, make_toy: MakeToy) -> None:
    pytest.importorskip("onnxruntime")
    shutil.copy(make_toy(), assets / "completion.onnx")
    pipeline = make_pipeline(CompletionConfig())
    assert isinstance(pipeline, LearnedCompletion)
    assert pipeline.name == resolve("auto") == "completion"
    assert isinstance(make_pipeline(CompletionConfig(model="classical")), ClassicalCompletion)


def test_auto_is_classical_and_says_why_once_where_no_engine_is(
    assets: Path, make_toy: MakeToy, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copy(make_toy(), assets / "completion.onnx")
    for library in ("openvino", "onnxruntime"):
        monkeypatch.setitem(sys.modules, library, None)
    with caplog.at_level(logging.WARNING, "depth_ros"):
        for _ in range(2):
            assert isinstance(make_pipeline(CompletionConfig()), ClassicalCompletion)
    assert len(caplog.records) == 1
    assert "pip install onnxruntime" in caplog.text
    for asked in (CompletionConfig(model="completion"), CompletionConfig(engine="onnxruntime")):
        with pytest.raises(EngineError, match="pip install onnxruntime"):
            make_pipeline(asked)


def test_a_damaged_bundled_model_is_no_reason_to_stop(assets: Path, caplog: pytest.LogCaptureFixture) -> None:
    (assets / "completion.onnx").write_bytes(b"\x08\x08\x3a\x7f cut off")
    assert isinstance(make_pipeline(CompletionConfig()), ClassicalCompletion)
    assert "cut off or not an ONNX file" in caplog.text
    with pytest.raises(EngineError, match="cut off"):
        make_pipeline(CompletionConfig(model="completion"))


def test_auto_without_lidar_is_the_bundled_metric_model_or_an_error(assets: Path, make_metric: MakeToy) -> None:
    pytest.importorskip("onnxruntime")
    config = MonocularConfig(engine="onnxruntime", threads=1)
    with pytest.raises(ModelError, match="this installation holds no metric model: give one as model"):
        make_monocular(config)
    shutil.copy(make_metric(domain="walls"), assets / "metric.onnx")
    pipeline = make_monocular(config)
    assert pipeline.name == "metric"
    assert (pipeline.facts["model"], pipeline.facts["domain"]) == ("metre 1.0", "walls")
    (assets / "metric.onnx").write_bytes(b"\x08\x08\x3a\x7f cut off")
    with pytest.raises(EngineError, match=r"metric\.onnx") as raised:
        make_monocular(config)
    assert "\n" not in str(raised.value)


def test_an_unknown_name_is_an_error_that_names_what_there_is(assets: Path) -> None:
    (assets / "mine.onnx").touch()
    with pytest.raises(ModelError, match="unknown model 'yours': known are auto, classical, mine, or give the path"):
        make_pipeline(CompletionConfig(model="yours"))


@pytest.mark.parametrize("while_building", ["wait", "onnxruntime"])
def test_every_pipeline_opens_its_model_as_the_settings_say(
    make_toy: Callable[..., Path],
    make_metric: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    while_building: str,
) -> None:
    pytest.importorskip("onnxruntime")
    seen: list[tuple[Any, ...]] = []

    def watched(*given: Any, meanwhile: bool, cameras: int) -> Model:
        seen.append((*given, meanwhile, cameras))
        return Model(*given, meanwhile=meanwhile, cameras=cameras)

    monkeypatch.setattr(factory, "Model", watched)
    toy, metric = make_toy(), make_metric()
    asked = CompletionConfig(engine="onnxruntime", precision="f32", threads=1, while_building=while_building)
    for model in (toy, metric):
        make_pipeline(replace(asked, model=str(model)), cameras=2)
    make_monocular(without_lidar(replace(asked, model=str(metric))), 3)
    same = ("onnxruntime", "f32", 1, while_building == "onnxruntime")
    assert seen == [(toy, *same, 2), (metric, *same, 2), (metric, *same, 3)]
