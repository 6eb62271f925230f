"""Every engine on one small graph: sizes, errors, and the choice of `auto`."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from depth_ros.config import CompletionConfig
from depth_ros.engines.base import MOST_THREADS, PRECISIONS, TensorSpec, count_threads
from depth_ros.engines.factory import ENGINES, make_engine, probe_engines
from depth_ros.errors import EngineError

MakeToy = Callable[..., Path]
Arrays = dict[str, NDArray[Any]]


@pytest.fixture(params=["onnxruntime", "openvino"])
def kind(request: pytest.FixtureRequest) -> str:
    name = str(request.param)
    pytest.importorskip(name)
    return name


def inputs(height: int, width: int) -> Arrays:
    random = np.random.default_rng(height)
    return {
        "image": random.integers(0, 256, (1, height, width, 3)).astype(np.uint8),
        "sparse_depth": np.zeros((1, height, width), np.float32),
        "prior_depth": random.uniform(1, 80, (1, height, width)).astype(np.float32),
        "intrinsics": np.array([[70, 70, width / 2, height / 2]], np.float32),
    }


def test_it_declares_the_graph_and_runs_it_at_any_size(
    make_toy: MakeToy, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    engine = make_engine(make_toy(gain=2.0), kind, threads=1, precision="f32")
    assert engine.inputs[0] == TensorSpec("image", "uint8", (1, None, None, 3))
    assert {spec.name: spec.dtype for spec in engine.outputs} == {"depth": "float32", "sigma": "float32"}
    with caplog.at_level(logging.INFO, "depth_ros"):
        for size in ((32, 64), (32, 64), (64, 32)):
            given = inputs(*size)
            found = engine.run(given)
            relative = 0.01 + 0.01 * given["image"].mean(axis=3)
            assert np.allclose(found["depth"], 2 * given["prior_depth"], rtol=1e-5)
            assert np.allclose(found["sigma"], 2 * given["prior_depth"] * relative, rtol=1e-4)
    assert [record.message.partition(", in ")[0] for record in caplog.records] == [
        "toy.onnx: built anew, as the size changed"
    ]
    assert engine.info.precision == "f32"
    engine.close()


def test_what_it_gave_stays_as_it_was(make_toy: MakeToy, kind: str) -> None:
    engine = make_engine(make_toy(), kind, shape=(32, 32))
    first = engine.run(inputs(32, 32))
    kept = {name: array.copy() for name, array in first.items()}
    other = {name: array + 1 for name, array in inputs(32, 32).items()}
    engine.run({name: array.astype(inputs(32, 32)[name].dtype) for name, array in other.items()})
    for name, array in first.items():
        assert np.array_equal(array, kept[name])


def test_strided_inputs_are_taken(make_toy: MakeToy, kind: str) -> None:
    engine, given = make_engine(make_toy(), kind, precision="f32"), inputs(32, 64)
    strided = {name: np.repeat(array, 2, axis=1)[:, ::2] for name, array in given.items()}
    assert np.allclose(engine.run(strided)["depth"], given["prior_depth"], rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "array", "text"),
    [
        ("image", np.zeros((1, 32, 32, 3), np.float32), r"takes image uint8 \[1, \?, \?, 3\].*given float32"),
        ("image", np.zeros((1, 32, 32, 4), np.uint8), r"given uint8 \[1, 32, 32, 4\]"),
        ("prior_depth", np.zeros((32, 32), np.float32), r"given float32 \[32, 32\]"),
        ("else", np.zeros(1, np.float32), "it was given image, .*else"),
    ],
)
def test_inputs_that_do_not_fit_are_one_known_error(
    make_toy: MakeToy, kind: str, name: str, array: NDArray[Any], text: str
) -> None:
    engine = make_engine(make_toy(), kind)
    with pytest.raises(EngineError, match=text) as caught:
        engine.run({**inputs(32, 32), name: array})
    assert "\n" not in str(caught.value)
    assert engine.run(inputs(32, 32))["depth"].shape == (1, 32, 32)


def test_onnxruntime_repeats_itself_to_the_bit(make_toy: MakeToy) -> None:
    pytest.importorskip("onnxruntime")
    engines = [make_engine(make_toy(), "onnxruntime", threads=2) for _ in range(2)]
    first, second = (engine.run(inputs(64, 64))["sigma"] for engine in engines)
    assert np.array_equal(first, second)


def test_a_precision_that_cannot_be_had_is_refused(make_toy: MakeToy) -> None:
    pytest.importorskip("onnxruntime")
    with pytest.raises(EngineError, match="not in bf16: take precision auto or f32"):
        make_engine(make_toy(), "onnxruntime", precision="bf16")
    with pytest.raises(EngineError, match="unknown precision 'f8'"):
        make_engine(make_toy(), "onnxruntime", precision="f8")


def test_an_unknown_engine_is_named(make_toy: MakeToy) -> None:
    with pytest.raises(EngineError, match=r"unknown engine 'abacus': known are auto, tensorrt, .*, onnxruntime"):
        make_engine(make_toy(), "abacus")


def test_a_graph_with_an_operator_that_is_unknown_is_one_known_error(make_toy: MakeToy, kind: str) -> None:
    onnx = pytest.importorskip("onnx")
    path = make_toy()
    model = onnx.load(path)
    model.graph.node[0].op_type = "Guess"
    onnx.save(model, path)
    with pytest.raises(EngineError, match=f"cannot be (read|built) by {kind}") as caught:
        make_engine(path, kind, shape=(32, 32))
    assert "\n" not in str(caught.value)


def test_a_library_that_is_absent_or_broken_is_passed_over_and_said(
    make_toy: MakeToy, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("onnxruntime")
    monkeypatch.setitem(sys.modules, "openvino", None)
    with caplog.at_level(logging.INFO, "depth_ros"):
        assert make_engine(make_toy()).info.kind == "onnxruntime"
    assert "pip install openvino" in caplog.text
    assert "pip install openvino" in probe_engines()["openvino"].reason
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(EngineError, match=r"no engine can run .*pip install openvino; .*pip install onnxruntime"):
        make_engine(make_toy())
    with pytest.raises(EngineError, match="pip install onnxruntime"):
        make_engine(make_toy(), "onnxruntime")


def test_threads_of_0_are_the_processors_that_we_may_use() -> None:
    assert 1 <= count_threads(0) <= MOST_THREADS
    assert count_threads(7) == 7


def test_the_settings_offer_every_engine_and_precision() -> None:
    choices = {entry.name: entry.metadata["choices"] for entry in fields(CompletionConfig)}
    assert choices["engine"] == ("auto", *ENGINES)
    assert choices["precision"] == PRECISIONS
