"""depth_ros model list, info and check."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from depth_ros.cli.main import main
from depth_ros.models import store

MakeToy = Callable[..., Path]


def test_list_names_the_bundled_models_and_what_auto_is(
    make_toy: MakeToy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(store, "ASSETS", make_toy("small", description="a toy").parent)
    assert main(["model", "list"]) == 0
    out = capsys.readouterr().out
    assert "small           1.0, 0.0 MB: a toy" in out
    assert "auto is classical" in out
    assert main(["model", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["auto"] == "classical"
    assert [model["name"] for model in listed["models"]] == ["small"]


def test_info_prints_the_card(make_toy: MakeToy, capsys: pytest.CaptureFixture[str]) -> None:
    path = make_toy(training={"seed": "3"}, licence="Apache-2.0")
    assert main(["model", "info", str(path)]) == 0
    out = capsys.readouterr().out
    assert "training.seed: 3" in out
    assert "licence: Apache-2.0" in out
    assert main(["model", "info", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["training"] == {"seed": "3"}


def test_check_says_what_ran_or_what_is_wrong(make_toy: MakeToy, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnxruntime")
    assert main(["model", "check", str(make_toy()), "--engine", "onnxruntime", "--threads", "1"]) == 0
    out = capsys.readouterr().out
    assert "CPU, 1 thread" in out
    assert "keeps the contract" in out
    assert main(["model", "check", str(make_toy("bad", gain=-1.0)), "--engine", "onnxruntime"]) == 1
    assert "not finite or not positive" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["info", "check"])
def test_an_unknown_model_is_one_line(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model", verb, "nix"]) == 1
    assert capsys.readouterr().err.startswith("depth_ros: unknown model 'nix': known are auto, classical")
