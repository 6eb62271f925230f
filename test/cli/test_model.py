"""depth_ros model list, info and check."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from depth_ros.cli import model_build
from depth_ros.cli.main import main
from depth_ros.engines import factory, trt_probe
from depth_ros.engines.base import Arrays, Engine, Probe
from depth_ros.models import store

MakeToy = Callable[..., Path]


def test_list_names_the_bundled_models_and_what_auto_is(
    make_toy: MakeToy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(store, "ASSETS", make_toy("small", description="a toy").parent)
    assert main(["model", "list"]) == 0
    out = capsys.readouterr().out
    assert "small           1.0, 0.0 MB: a toy" in out
    assert "auto is classical, and without LiDAR nothing: give the file of a metric model" in out
    assert main(["model", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert (listed["auto"], listed["auto_without_lidar"]) == ("classical", None)
    assert [model["name"] for model in listed["models"]] == ["small"]


def test_a_bundled_metric_model_is_listed_and_is_auto_without_lidar(
    make_metric: MakeToy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(store, "ASSETS", make_metric("metric", domain="walls").parent)
    assert main(["model", "list"]) == 0
    assert "auto is classical, and without LiDAR metric" in capsys.readouterr().out
    assert main(["model", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert (listed["auto_without_lidar"], listed["models"][0]["domain"]) == ("metric", "walls")


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


def test_check_compares_with_onnx_runtime(
    make_toy: MakeToy, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openvino")
    assert main(["model", "check", str(make_toy()), "--engine", "openvino", "--precision", "f32", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["against ONNX Runtime"]
    assert set(told) == {"depth", "sigma"}
    run = Engine.run

    def wrong(engine: Engine, inputs: Arrays) -> dict[str, NDArray[Any]]:
        factor = 1.01 if engine.info.kind == "openvino" else 1.0
        return {name: array * np.float32(factor) for name, array in run(engine, inputs).items()}

    monkeypatch.setattr(Engine, "run", wrong)
    assert main(["model", "check", str(make_toy()), "--engine", "openvino", "--size", "64x96"]) == 1
    assert "depth differs from ONNX Runtime's by 1.0e-02 (p99)" in capsys.readouterr().err


def test_build_keeps_a_plan_and_says_that_it_is_not_tested(
    make_toy: MakeToy, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("tensorrt_rtx")
    monkeypatch.setenv("DEPTH_ROS_PLANS", str(tmp_path / "plans"))
    command = ["model", "build", str(make_toy()), "--engine", "tensorrt_rtx", "--size", "50x90", "--size", "64x96"]
    assert main([*command, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["size"], row["plan"]) for row in rows] == [([64, 96], "built"), ([64, 96], "found")]
    assert main(command) == 0
    assert "96x64: found by tensorrt_rtx" in capsys.readouterr().out
    assert main([*command, "--anew"]) == 0
    assert "96x64: built by tensorrt_rtx" in capsys.readouterr().out


def test_build_for_several_cameras_keeps_a_plan_for_one_image_and_one_for_all(
    make_toy: MakeToy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tensorrt_rtx")
    monkeypatch.setenv("DEPTH_ROS_PLANS", str(tmp_path / "plans"))
    for batch, images in ((None, [1, 2]), (1, [1])):
        path = make_toy(f"toy{batch}", batch=batch)
        command = [
            "model",
            "build",
            str(path),
            "--engine",
            "tensorrt_rtx",
            "--size",
            "64x96",
            "--cameras",
            "2",
            "--json",
        ]
        assert main(command) == 0
        assert [row["images"] for row in json.loads(capsys.readouterr().out)] == images
    assert len(list((tmp_path / "plans").glob("*.plan"))) == 3


def test_build_of_a_fixed_size_that_must_be_exact(
    make_toy: MakeToy, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("tensorrt_rtx")
    monkeypatch.setenv("DEPTH_ROS_PLANS", str(tmp_path / "plans"))
    path = make_toy(size=(64, 96), exact=True)
    assert main(["model", "build", str(path), "--engine", "tensorrt_rtx", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)[0]
    assert (row["size"], row["engine"]["precision"]) == ([64, 96], "f32")
    assert main(["model", "bench", str(path), "--engine", "onnxruntime", "--precision", "bf16"]) == 1
    assert "toy 1.0 must be computed in f32, not bf16" in capsys.readouterr().err
    assert main(["model", "bench", str(path), "--engine", "onnxruntime", "--runs", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["size"] == [64, 96]


def test_build_without_tensorrt_says_how_to_get_it(
    make_toy: MakeToy, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_build, "find_spec", lambda _: None)
    monkeypatch.setattr(trt_probe, "find_spec", lambda _: None)
    trt_probe.probe.cache_clear()
    assert main(["model", "build", str(make_toy())]) == 1
    assert "tensorrt is not installed: it comes with JetPack" in capsys.readouterr().err
    assert main(["model", "build", str(make_toy()), "--engine", "tensorrt_rtx"]) == 1
    assert "pip install tensorrt_rtx" in capsys.readouterr().err
    trt_probe.probe.cache_clear()


@pytest.mark.parametrize("size", ["12", "0x5", "axb", "1x2x3"])
def test_a_size_that_is_none_is_one_line(make_toy: MakeToy, capsys: pytest.CaptureFixture[str], size: str) -> None:
    assert main(["model", "bench", str(make_toy()), "--size", size, "--engine", "onnxruntime"]) == 1
    assert f"--size {size}: give height and width, such as 352x1216" in capsys.readouterr().err


def test_bench_times_every_engine_in_a_process_of_its_own(
    make_toy: MakeToy, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime")
    here = {"onnxruntime": Probe("1"), "tensorrt": Probe("", "no"), "tensorrt_rtx": Probe("10")}
    monkeypatch.setattr(factory, "probe_engines", lambda: here)
    command = ["model", "bench", str(make_toy()), "--size", "50x90", "--runs", "4", "--threads", "1"]
    assert main([*command, "--json"]) == 0
    row, failed = json.loads(capsys.readouterr().out)
    assert (row["engine"]["kind"], row["size"], row["runs"]) == ("onnxruntime", [64, 96], 4)
    assert list(row["stages_ms"]) == ["frame"]
    times = row["stages_ms"]["frame"]
    assert 0 < times["p50"] <= times["p95"] <= times["p99"]
    assert row["frames_per_second"] > 0
    assert failed["engine"] == {"kind": "tensorrt_rtx"}
    assert "tensorrt_rtx" in failed["fault"]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert "onnxruntime" in out
    assert "  frame    p50 " in out
    monkeypatch.setattr(factory, "probe_engines", lambda: {"tensorrt_rtx": Probe("10")})
    assert main(command) == 1
    assert capsys.readouterr().err.startswith("depth_ros: tensorrt_rtx")
