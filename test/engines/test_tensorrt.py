"""The engine around TensorRT, on the recording fake of conftest.py: order of work, cache, self-test, fallback."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from pathlib import Path
from threading import Event
from time import monotonic
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from depth_ros.engines import plan_cache, tensorrt
from depth_ros.engines.base import shapes_at
from depth_ros.engines.factory import make_engine
from depth_ros.engines.tensorrt import TensorRtEngine
from depth_ros.errors import BuildCancelledError, EngineError
from depth_ros.models.model import Model

MakeToy = Callable[..., Path]


def frame(height: int, width: int, seed: int = 0) -> dict[str, NDArray[Any]]:
    random = np.random.default_rng(seed)
    return {
        "image": random.integers(0, 256, (1, height, width, 3)).astype(np.uint8),
        "sparse_depth": np.zeros((1, height, width), np.float32),
        "prior_depth": random.uniform(1, 80, (1, height, width)).astype(np.float32),
        "intrinsics": np.array([[70, 70, width / 2, height / 2]], np.float32),
    }


def plans() -> list[Path]:
    return sorted(plan_cache.default_folder().glob("*.plan"))


def test_a_frame_goes_up_through_the_graph_and_down(make_toy: MakeToy, fake_tensorrt: Any) -> None:
    engine = make_engine(make_toy(gain=2.0), "tensorrt")
    given = frame(32, 64)
    assert np.allclose(engine.run(given)["depth"], 2 * given["prior_depth"], rtol=1e-5)
    calls = fake_tensorrt.calls
    start = calls.index("build")
    assert calls[start:] == [
        *("build", "deserialise", "execute", "synchronize", "captured"),
        *(["upload"] * 4 + ["graph"] + ["download"] * 2 + ["synchronize"]) * 2,
    ], "warm-up before the capture, then the frame of the self-test, then ours"
    assert engine.info.device == "GPU Fake GPU"
    assert engine.info.precision == "tf32"
    engine.close()
    assert [device.closed for device in fake_tensorrt.devices] == [True]


@pytest.mark.usefixtures("fake_tensorrt")
def test_outputs_belong_to_the_caller_and_inputs_can_be_changed_at_once(make_toy: MakeToy) -> None:
    engine = make_engine(make_toy(), "tensorrt")
    first = engine.run(frame(32, 32))
    kept = first["depth"].copy()
    engine.run(frame(32, 32, seed=1))
    assert np.array_equal(first["depth"], kept)


def test_frames_overlap_in_two_lanes_and_stay_in_order(make_toy: MakeToy, fake_tensorrt: Any) -> None:
    engine = make_engine(make_toy(), "tensorrt")
    frames = [frame(32, 32, seed) for seed in range(4)] + [frame(64, 32, seed) for seed in range(3)]
    for given, found in zip(frames, engine.run_all(iter(frames)), strict=True):
        assert np.allclose(found["depth"], given["prior_depth"], rtol=1e-5)
    assert len(fake_tensorrt.devices) == 4
    calls = fake_tensorrt.calls[fake_tensorrt.calls.index("captured") :]
    second = len(calls) - 1 - calls[::-1].index("upload")
    assert calls[second + 1 :].count("synchronize") == 2, "the last frame starts before the one before it is fetched"


def test_without_a_graph_the_steps_run_one_by_one(
    make_toy: MakeToy, fake_tensorrt: Any, caplog: pytest.LogCaptureFixture
) -> None:
    fake_tensorrt.no_graphs = True
    engine = make_engine(make_toy(), "tensorrt")
    given = frame(32, 32)
    assert np.allclose(engine.run(given)["depth"], given["prior_depth"], rtol=1e-5)
    assert "without a CUDA graph, step by step: operation not permitted" in caplog.text
    assert "graph" not in fake_tensorrt.calls


@pytest.mark.usefixtures("fake_tensorrt")
def test_stages_are_timed(make_toy: MakeToy) -> None:
    engine = make_engine(make_toy(), "tensorrt", shape=(32, 32))
    assert isinstance(engine, TensorRtEngine)
    engine.fit(shapes_at(engine.inputs, (32, 32)))
    assert engine.time_stages(frame(32, 32)) == {"upload": 5, "compute": 2, "download": 3}


def test_a_plan_is_built_once_and_found_by_the_next_process(make_toy: MakeToy, fake_tensorrt: Any) -> None:
    path = make_toy()
    for _ in range(2):
        make_engine(path, "tensorrt").run(frame(32, 32))
    assert fake_tensorrt.calls.count("build") == 1
    assert fake_tensorrt.calls.count("deserialise") == 2
    make_engine(path, "tensorrt").run(frame(64, 32))
    assert fake_tensorrt.calls.count("build") == 2


@pytest.mark.usefixtures("fake_tensorrt")
def test_the_size_that_it_was_built_for_last_is_remembered(make_toy: MakeToy) -> None:
    model = Model(make_toy(), "tensorrt")
    assert model.warm_size(1280, 384) == (1280, 384)
    told = []

    def look() -> bool:
        told.append(model.building)
        return True

    progressed = model.engine.on_progress
    model.engine.on_progress = lambda share: progressed(share) and look()
    model.build(50, 90)
    assert told[0] == "the engine of toy 1.0 for 90x50 (20 % done)"
    assert told[-1] == "the engine of toy 1.0 for 90x50 (100 % done)"
    assert model.building == ""
    assert Model(make_toy(), "tensorrt").warm_size(1280, 384) == (96, 64)
    assert Model(make_toy(gain=2.0), "tensorrt").warm_size(1280, 384) == (1280, 384)
    plan_cache.default_folder().chmod(0o777)
    assert Model(make_toy(), "tensorrt").warm_size(1280, 384) == (1280, 384)


def test_both_plans_for_several_cameras_are_built_when_a_size_comes_first(
    make_toy: MakeToy, fake_tensorrt: Any
) -> None:
    path = make_toy(batch=None)
    for engine in ("tensorrt", "auto"):
        model = Model(path, engine, cameras=2)
        model.build(50, 90)
        assert model.at_once(2) == 2
        fake_tensorrt.calls.clear()
        given = [{name: array[0] for name, array in frame(50, 90, seed).items()} for seed in (0, 1)]
        for wanted, found in zip([model.run(one) for one in given], model.run_all(given), strict=True):
            assert np.allclose(found["depth"], wanted["depth"])
        assert not {"build", "deserialise"} & set(fake_tensorrt.calls), "no plan is built or loaded for a batch"
        assert fake_tensorrt.calls.count("execute") + fake_tensorrt.calls.count("graph") == 3
        model.close()
    assert all(device.closed for device in fake_tensorrt.devices)


def test_while_another_engine_stands_in_images_go_one_by_one(make_toy: MakeToy, fake_tensorrt: Any) -> None:
    model = Model(make_toy(batch=None), "tensorrt", meanwhile=True, cameras=2)
    model.build(50, 90)
    assert model.at_once(2) == 1
    model.close()
    assert fake_tensorrt.calls.count("build") <= 1


@pytest.mark.parametrize("change", ["file", "version", "gpu", "precision", "revision"])
def test_a_plan_is_not_used_where_anything_is_another(
    make_toy: MakeToy, fake_tensorrt: Any, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    make_engine(make_toy(), "tensorrt").run(frame(32, 32))
    if change == "version":
        monkeypatch.setattr(type(fake_tensorrt), "__version__", "10.4.0")
    if change == "gpu":
        monkeypatch.setattr(tensorrt, "read_gpu", lambda: ("Other GPU", (8, 9), 16, (12, 6)))
        monkeypatch.setattr(TensorRtEngine, "_start", lambda *_: "")
        monkeypatch.setattr(TensorRtEngine, "_infer", lambda *_: {})
    if change == "revision":
        monkeypatch.setattr(tensorrt, "REVISION", 99)
    path = make_toy(gain=2.0) if change == "file" else make_toy()
    make_engine(path, "tensorrt", precision="f32" if change == "precision" else "auto").run(frame(32, 32))
    assert fake_tensorrt.calls.count("build") == 2
    assert ("no TF32" in fake_tensorrt.calls) == (change == "precision")


def test_kernels_made_for_this_gpu_are_kept_and_loaded(
    make_toy: MakeToy, fake_tensorrt: Any, caplog: pytest.LogCaptureFixture
) -> None:
    fake_tensorrt.jit()
    path = make_toy()
    engine = make_engine(path, "tensorrt")
    assert isinstance(engine, TensorRtEngine)
    engine.build_ahead(shapes_at(engine.inputs, (32, 32)))
    assert len(plans()) == 1
    engine.run(frame(32, 32))
    assert len(plans()) == 2, "although the plan was built ahead, elsewhere perhaps"
    assert "kernels loaded" not in fake_tensorrt.calls
    make_engine(path, "tensorrt").run(frame(32, 32))
    assert fake_tensorrt.calls.count("kernels loaded") == 1
    min(plans(), key=lambda plan: plan.stat().st_size).write_bytes(b"damaged")
    make_engine(path, "tensorrt").run(frame(32, 32))
    assert fake_tensorrt.calls.count("kernels loaded") == 1
    assert "its kernels are made anew" in caplog.text
    assert fake_tensorrt.calls.count("build") == 1


def test_a_damaged_plan_is_built_anew_once(
    make_toy: MakeToy, fake_tensorrt: Any, caplog: pytest.LogCaptureFixture
) -> None:
    path = make_toy()
    make_engine(path, "tensorrt").run(frame(32, 32))
    (plan,) = plans()
    plan.write_bytes(plan.read_bytes()[:-1])
    make_engine(path, "tensorrt").run(frame(32, 32))
    assert fake_tensorrt.calls.count("build") == 2
    assert "damaged or cut off: its digest is another; it is built anew" in caplog.text


def test_a_stored_plan_that_answers_wrongly_now_is_built_anew_and_then_refused(
    make_toy: MakeToy, fake_tensorrt: Any, caplog: pytest.LogCaptureFixture
) -> None:
    path = make_toy()
    make_engine(path, "tensorrt").run(frame(32, 32))
    fake_tensorrt.wrong = 1.01
    with pytest.raises(
        EngineError, match=r"toy.onnx was refused: tensorrt 10.3.0 on GPU Fake GPU, tf32: depth differs"
    ):
        make_engine(path, "tensorrt").run(frame(32, 32))
    assert "the stored plan of toy.onnx is built anew: depth differs" in caplog.text
    assert fake_tensorrt.calls.count("build") == 2
    with pytest.raises(EngineError, match=r"was refused when it was built: depth differs .* model build --anew"):
        make_engine(path, "tensorrt").run(frame(32, 32))
    assert fake_tensorrt.calls.count("build") == 2, "it does not build at every start what was refused"


def test_an_answer_that_is_not_finite_is_refused(make_toy: MakeToy, fake_tensorrt: Any) -> None:
    fake_tensorrt.wrong = float("nan")
    with pytest.raises(EngineError, match="refused"):
        make_engine(make_toy(), "tensorrt").run(frame(32, 32))


@pytest.mark.usefixtures("fake_tensorrt")
def test_a_full_disk_is_said_and_the_plan_runs(
    make_toy: MakeToy, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: Any) -> None:
        raise EngineError("No space left on device")

    monkeypatch.setattr(plan_cache.PlanCache, "store", full)
    engine = make_engine(make_toy(), "tensorrt")
    assert engine.run(frame(32, 32))["depth"].shape == (1, 32, 32)
    assert "No space left on device; it will be built at every start" in caplog.text
    assert isinstance(engine, TensorRtEngine)
    with pytest.raises(EngineError, match="No space left"):
        engine.build_ahead(shapes_at(engine.inputs, (64, 32)))


def test_a_good_plan_is_not_lost_when_the_gpu_refuses_it_for_now(make_toy: MakeToy, fake_tensorrt: Any) -> None:
    path = make_toy()
    make_engine(path, "tensorrt").run(frame(32, 32))
    fake_tensorrt.refuses = True
    with pytest.raises(EngineError, match="does not take its own plan on this GPU: Magic tag does not match"):
        make_engine(path, "tensorrt").run(frame(32, 32))
    fake_tensorrt.refuses = False
    make_engine(path, "tensorrt").run(frame(32, 32))
    assert fake_tensorrt.calls.count("build") == 2


def test_auto_falls_back_with_the_reason_and_says_so(
    make_toy: MakeToy, fake_tensorrt: Any, caplog: pytest.LogCaptureFixture
) -> None:
    fake_tensorrt.wrong = 1.1
    engine = make_engine(make_toy(), "auto")
    assert engine.info.kind == "tensorrt"
    given = frame(32, 32)
    found = engine.run(given)["depth"]
    assert np.allclose(found, given["prior_depth"], rtol=1e-2)
    assert engine.info.kind in ("openvino", "onnxruntime")
    assert "was refused" in engine.note
    assert f"{engine.info.kind} runs instead: toy.onnx was refused" in caplog.text
    engine.close()


@pytest.mark.usefixtures("fake_tensorrt")
def test_onnx_runtime_answers_while_it_builds_if_asked(make_toy: MakeToy) -> None:
    go = Event()
    model = Model(make_toy(), "auto", meanwhile=True)
    progressed = model.engine.on_progress
    model.engine.on_progress = lambda share: go.wait(30) and progressed(share)
    given = {name: array[0] for name, array in frame(32, 64).items()}
    assert np.allclose(model.run(given)["depth"], given["prior_depth"], rtol=1e-5)
    assert model.facts["engine"].startswith("onnxruntime")
    assert re.search(r"\(tensorrt is being built, \d+ % done\)$", model.facts["engine"])
    assert model.is_built(32, 64)
    go.set()
    end = monotonic() + 30
    while model.facts["engine"].startswith("onnxruntime") and monotonic() < end:
        model.run(given)
    assert model.facts["engine"] == "tensorrt 10.3.0 on GPU Fake GPU, tf32"
    assert np.allclose(model.run(given)["depth"], given["prior_depth"], rtol=1e-5)
    model.close()


def test_a_node_that_tensorrt_does_not_know_is_named(make_toy: MakeToy, fake_tensorrt: Any) -> None:
    fake_tensorrt.parse_error = SimpleNamespace(
        node_name=lambda: "guess", node_operator=lambda: "Guess", desc=lambda: "No importer\nregistered"
    )
    with pytest.raises(EngineError, match=r"node 'guess' \(Guess\): No importer registered \(and 1 more\)"):
        make_engine(make_toy(), "tensorrt")


def test_a_build_that_fails_says_what_the_builder_said(make_toy: MakeToy, fake_tensorrt: Any) -> None:
    fake_tensorrt.build_error = "Error Code 2: OutOfMemory\n"
    with pytest.raises(EngineError, match="cannot be built by tensorrt: Error Code 2: OutOfMemory"):
        make_engine(make_toy(), "tensorrt").run(frame(32, 32))
    assert not plans()


@pytest.mark.usefixtures("fake_tensorrt")
def test_a_build_tells_how_far_it_is_and_can_be_cancelled(make_toy: MakeToy) -> None:
    engine, told = make_engine(make_toy(), "auto"), list[float]()

    def listen(share: float) -> bool:
        told.append(share)
        return share < 0.5

    engine.on_progress = listen
    with pytest.raises(BuildCancelledError, match=r"the build of toy.onnx was cancelled"):
        engine.run(frame(32, 32))
    assert told == [0.25, 0.5]
    assert not plans()
    engine.on_progress = lambda _: True
    engine.run(frame(32, 32))
    assert engine.info.kind == "tensorrt", "who cancels does not want another engine"


@pytest.mark.usefixtures("fake_tensorrt")
def test_ctrl_c_during_a_build_comes_through(make_toy: MakeToy) -> None:
    def interrupt(_: float) -> bool:
        raise KeyboardInterrupt

    engine = make_engine(make_toy(), "tensorrt")
    engine.on_progress = interrupt
    with pytest.raises(KeyboardInterrupt):
        engine.run(frame(32, 32))
    assert not plans()


@pytest.mark.usefixtures("fake_tensorrt")
def test_a_precision_that_the_file_has_not_is_refused(make_toy: MakeToy) -> None:
    with pytest.raises(EngineError, match=r"computes as the file says, and .* is f32, not f16: export it so"):
        make_engine(make_toy(), "tensorrt", precision="f16")


@pytest.mark.usefixtures("fake_tensorrt")
@pytest.mark.parametrize("kind", ["tensorrt", "auto"])
def test_a_model_that_must_be_exact_is_built_without_tf32(make_toy: MakeToy, kind: str) -> None:
    for name, exact, arithmetic in (("exact", True, "f32"), ("fast", False, "tf32")):
        model = Model(make_toy(name, exact=exact), kind)
        model.build(32, 32)
        assert model.facts["engine"] == f"tensorrt 10.3.0 on GPU Fake GPU, {arithmetic}"


def test_a_small_size_is_not_built_in_advance(make_toy: MakeToy, fake_tensorrt: Any) -> None:
    engine = make_engine(make_toy(), "tensorrt", shape=(32, 32))
    assert "build" not in fake_tensorrt.calls
    assert isinstance(engine, TensorRtEngine)
    shapes = shapes_at(engine.inputs, (32, 32))
    assert (engine.build_ahead(shapes), engine.build_ahead(shapes)) == ("built", "found")
    assert engine.build_ahead(shapes, anew=True) == "built"
    assert "deserialise" not in fake_tensorrt.calls
    engine.run(frame(32, 32))
    assert fake_tensorrt.calls.count("build") == 2


def test_a_folder_of_plans_that_others_may_write_is_not_used(
    make_toy: MakeToy, fake_tensorrt: Any, caplog: pytest.LogCaptureFixture
) -> None:
    folder = plan_cache.default_folder()
    folder.mkdir(mode=0o700)
    folder.chmod(0o777)
    with pytest.raises(EngineError, match="can be written by others"):
        make_engine(make_toy(), "tensorrt").run(frame(32, 32))
    with caplog.at_level(logging.INFO, "depth_ros"):
        engine = make_engine(make_toy())
        engine.run(frame(32, 32))
    assert "can be written by others" in caplog.text
    assert "build" not in fake_tensorrt.calls
