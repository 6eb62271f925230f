"""Bundled models by name, others by path."""

from __future__ import annotations

from pathlib import Path

import pytest

from depth_ros.errors import ModelError
from depth_ros.models import store
from depth_ros.models.card import read_card
from depth_ros.models.model import Model


def test_names_are_those_of_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("b.onnx", "a.onnx", "README.md"):
        (tmp_path / name).touch()
    monkeypatch.setattr(store, "ASSETS", tmp_path)
    assert list(store.bundled_models()) == ["a", "b"]
    assert store.find_model("b") == tmp_path / "b.onnx"
    assert store.find_model(str(tmp_path / "a.onnx")) == tmp_path / "a.onnx"
    with pytest.raises(ModelError, match="unknown model 'c': known are auto, classical, a, b, or give the path"):
        store.find_model("c")


@pytest.mark.parametrize("name", store.bundled_models())
def test_every_bundled_model_is_intact_and_keeps_the_contract(name: str) -> None:
    pytest.importorskip("onnxruntime")
    path = store.find_model(name)
    assert path.stat().st_size < 10e6
    model = Model(path, "onnxruntime")
    model.check()
    assert model.card.graph_sha256
    assert model.card.licence


@pytest.mark.skipif(store.METRIC not in store.bundled_models(), reason=f"no model {store.METRIC} is bundled")
def test_the_bundled_metric_model_says_what_it_is_good_for() -> None:
    card = read_card(store.find_model(store.METRIC))
    assert card.task == "metric"
    assert card.domain
    assert card.description
    assert card.training_data
