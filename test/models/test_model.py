"""A model that runs: sizes it was not made for, and the check of a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from depth_ros.engines.onnx_runtime import OnnxRuntimeEngine
from depth_ros.errors import EngineError, ModelError
from depth_ros.models.model import Model, pad

pytest.importorskip("onnxruntime")
MakeToy = Callable[..., Path]


def frame(height: int, width: int) -> dict[str, NDArray[Any]]:
    random = np.random.default_rng(0)
    prior = random.uniform(1, 50, (height, width)).astype(np.float32)
    return {
        "image": random.integers(0, 256, (height, width, 3)).astype(np.uint8),
        "sparse_depth": np.zeros((height, width), np.float32),
        "prior_depth": prior,
        "intrinsics": np.array([70, 70, width / 2, height / 2], np.float32),
    }


@pytest.mark.parametrize("size", [(32, 32), (33, 31), (1, 70), (64, 96)])
def test_any_size_is_padded_and_cut_back(make_toy: MakeToy, size: tuple[int, int]) -> None:
    model, given = Model(make_toy(gain=3.0), "onnxruntime"), frame(*size)
    found = model.run(given)
    assert found["depth"].shape == size
    assert np.allclose(found["depth"], 3 * given["prior_depth"], rtol=1e-6)
    assert model.facts["model"] == "toy 1.0"
    assert model.facts["engine"].startswith("onnxruntime")
    model.close()


def test_picture_and_prior_go_on_beyond_the_edge_and_measurements_do_not() -> None:
    given = frame(33, 31)
    given["sparse_depth"][:] = 7
    whole = {name: pad(name, array, (64, 32)) for name, array in given.items()}
    for name in ("image", "sparse_depth", "prior_depth"):
        assert whole[name].shape[:2] == (64, 32)
        assert whole[name].dtype == given[name].dtype
        assert np.array_equal(whole[name][:33, :31], given[name])
    for name in ("image", "prior_depth"):
        assert (whole[name][:33, 31] == given[name][:, -1]).all()
        assert (whole[name][33:, :31] == given[name][-1]).all()
    assert not whole["sparse_depth"][33:].any()
    assert not whole["sparse_depth"][:, 31].any()
    assert whole["intrinsics"] is given["intrinsics"]
    assert not pad("image", np.zeros((33, 31, 3), np.uint8), (64, 32)).any()


def test_a_fixed_size_takes_what_fits_into_it(make_toy: MakeToy) -> None:
    model = Model(make_toy(size=(64, 96)), "onnxruntime")
    assert model.run(frame(50, 90))["depth"].shape == (50, 90)
    model.check()
    with pytest.raises(ModelError, match="takes images of 96x64 at most, this one is 97x10"):
        model.run(frame(10, 97))


def test_it_warms_up_with_an_image_that_it_takes(make_toy: MakeToy) -> None:
    assert Model(make_toy(), "onnxruntime").warm_size(1280, 384) == (1280, 384)
    assert Model(make_toy(size=(64, 96)), "onnxruntime").warm_size(1280, 384) == (96, 64)
    assert Model(make_toy(size=(64, 2048)), "onnxruntime").warm_size(1280, 384) == (1280, 64)


def test_check_passes_a_good_file_and_names_what_a_bad_one_gives(make_toy: MakeToy) -> None:
    Model(make_toy(), "onnxruntime").check()
    with pytest.raises(ModelError, match=r"toy 1\.0: 4096 of 4096 values of depth are not finite or not positive"):
        Model(make_toy(gain=float("nan")), "onnxruntime").check()


def test_a_graph_that_its_card_does_not_describe_is_refused(make_toy: MakeToy) -> None:
    with pytest.raises(ModelError, match="the card names inputs image, the graph"):
        Model(make_toy(inputs=("image",)), "onnxruntime")


def test_a_model_that_must_be_exact_runs_in_f32(make_toy: MakeToy) -> None:
    pytest.importorskip("openvino")
    assert Model(make_toy(exact=True), "openvino").engine.precision == "f32"
    assert Model(make_toy("fast"), "openvino").engine.precision == "auto"
    with pytest.raises(ModelError, match=r"toy 1\.0 must be computed in f32, not bf16"):
        Model(make_toy(exact=True), "openvino", "bf16")


def test_an_absent_file_is_one_known_error(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="cannot be read"):
        Model(tmp_path / "absent.onnx")


class Calls:
    """What ONNX Runtime is asked: N of every run; `broken`: the N on which it fails."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.n: list[int] = []
        self.broken = 0
        infer = OnnxRuntimeEngine._infer

        def watched(engine: OnnxRuntimeEngine, inputs: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
            self.n.append(len(inputs["image"]))
            if self.n[-1] == self.broken:
                raise MemoryError("no room")
            return infer(engine, inputs)

        monkeypatch.setattr(OnnxRuntimeEngine, "_infer", watched)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    monkeypatch.setattr(OnnxRuntimeEngine, "batches", True)
    return Calls(monkeypatch)


def different_frames(*sizes: tuple[int, int]) -> list[dict[str, NDArray[Any]]]:
    frames = [frame(*size) for size in sizes]
    for number, given in enumerate(frames):
        given["prior_depth"] *= 1 + number
        given["image"] //= 1 + number
    return frames


def same(found: list[dict[str, NDArray[Any]]], alone: list[dict[str, NDArray[Any]]]) -> bool:
    return len(found) == len(alone) and all(
        one.keys() == other.keys()
        and all(one[name].shape == other[name].shape and np.allclose(one[name], other[name], rtol=1e-6) for name in one)
        for one, other in zip(found, alone, strict=True)
    )


def test_several_images_are_answered_at_once_as_one_by_one(make_toy: MakeToy, calls: Calls) -> None:
    model, given = Model(make_toy(batch=None), "onnxruntime", cameras=2), different_frames((40, 60), (33, 64))
    assert model.at_once(2) == 1, "nothing is built for it yet"
    model.build(40, 60)
    assert (model.at_once(1), model.at_once(2), model.at_once(3)) == (1, 2, 2)
    assert model.go_together((40, 60), (33, 64)), "both are padded to 64x64"
    assert not model.go_together((40, 60), (33, 65))
    assert model.is_built(40, 60)
    calls.n.clear()
    together = model.run_all(given)
    assert calls.n == [2]
    assert [found["depth"].shape for found in together] == [(40, 60), (33, 64)]
    assert same(together, [model.run(inputs) for inputs in given])
    assert not same(together, [model.run(inputs) for inputs in reversed(given)])
    assert calls.n == [2, 1, 1, 1, 1]
    model.close()


def test_cameras_of_several_sizes_have_an_engine_each(make_toy: MakeToy, monkeypatch: pytest.MonkeyPatch) -> None:
    built, build = [], OnnxRuntimeEngine._build

    def told(engine: OnnxRuntimeEngine, shapes: Any) -> None:
        built.append(shapes["image"][1:3])
        build(engine, shapes)

    monkeypatch.setattr(OnnxRuntimeEngine, "_build", told)
    model = Model(make_toy(), "onnxruntime", cameras=2)
    built.clear()
    for _ in range(3):
        for height, width in ((70, 60), (100, 200)):
            if not model.is_built(height, width):
                model.build(height, width)
            given = frame(height, width)
            assert np.allclose(model.run(given)["depth"], given["prior_depth"])
    assert built == [(96, 64), (128, 224)]
    model.run(frame(70, 60))
    model.build(300, 400)
    assert [model.is_built(*size) for size in ((70, 60), (100, 200), (300, 400))] == [True, False, True]
    assert len(built) == 3, "as many as cameras are kept, and the one goes that has not run for longest"
    model.close()
    assert not model.is_built(300, 400)


def test_the_engine_that_warmed_up_serves_a_camera(make_toy: MakeToy) -> None:
    model = Model(make_toy(), "onnxruntime", cameras=2)
    model.build(300, 400)
    engine = model.engine
    model.warmed()
    model.build(70, 60)
    assert model.engine is engine
    model.build(100, 200)
    assert model.engine is not engine
    model.close()


def test_cameras_of_several_sizes_are_never_a_batch(make_toy: MakeToy, calls: Calls) -> None:
    model = Model(make_toy(batch=None), "onnxruntime", cameras=2)
    model.build(40, 60)
    assert model.at_once(2) == 2
    model.build(100, 200)
    assert model.at_once(2) == 1
    for size in ((40, 60), (100, 200)):
        assert model.is_built(*size)
        model.run(frame(*size))
    assert set(calls.n) == {1}
    model.close()


def test_one_camera_has_one_engine(make_toy: MakeToy) -> None:
    model = Model(make_toy(), "onnxruntime")
    model.build(40, 60)
    engine = model.engine
    model.build(100, 200)
    assert model.engine is engine
    assert (model.is_built(40, 60), model.is_built(100, 200)) == (False, True)


def test_fewer_than_there_are_cameras_go_one_by_one(make_toy: MakeToy, calls: Calls) -> None:  # noqa: ARG001
    model = Model(make_toy(batch=None), "onnxruntime", cameras=3)
    model.build(40, 60)
    assert [model.at_once(waiting) for waiting in (1, 2, 3)] == [1, 1, 3]


def test_a_graph_of_several_images_is_filled_up(make_toy: MakeToy, calls: Calls) -> None:
    model, given = Model(make_toy(batch=3), "onnxruntime"), different_frames((40, 60), (33, 64))
    assert [model.at_once(waiting) for waiting in (1, 2, 3, 4)] == [1, 2, 3, 3]
    together = model.run_all(given)
    assert same(together, [model.run(inputs) for inputs in given])
    assert set(calls.n) == {3}
    assert np.allclose(together[1]["depth"], given[1]["prior_depth"])
    model.check()


@pytest.mark.parametrize("pays", [True, False])
def test_only_an_engine_that_gains_by_it_is_built_for_several(
    make_toy: MakeToy, calls: Calls, monkeypatch: pytest.MonkeyPatch, pays: bool
) -> None:
    monkeypatch.setattr(OnnxRuntimeEngine, "batches", pays)
    free, fixed = (Model(make_toy(str(batch), batch=batch), "onnxruntime", cameras=2) for batch in (None, 1))
    for model in (free, fixed):
        model.build(40, 60)
        model.run(frame(40, 60))
    assert (free.at_once(2), fixed.at_once(2)) == (2 if pays else 1, 1)
    assert set(calls.n) == {1}


def test_an_engine_that_fails_on_several_gets_one_by_one(
    make_toy: MakeToy, calls: Calls, caplog: pytest.LogCaptureFixture
) -> None:
    model, given = Model(make_toy(batch=None), "onnxruntime", cameras=2), different_frames((40, 60), (40, 60))
    model.build(40, 60)
    calls.broken = 2
    with pytest.raises(EngineError, match="no room"):
        model.run_all(given)
    assert model.at_once(2) == 1
    assert "one by one from now on" in caplog.text
    assert np.allclose(model.run(given[1])["depth"], given[1]["prior_depth"])
    model.build(64, 96)
    assert model.at_once(2) == 1


def test_an_engine_that_cannot_be_built_for_several_serves_one_by_one(
    make_toy: MakeToy, calls: Calls, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    build = OnnxRuntimeEngine._build

    def failing(engine: OnnxRuntimeEngine, shapes: Any) -> None:
        if shapes["image"][0] > 1:
            raise MemoryError("no room")
        build(engine, shapes)

    monkeypatch.setattr(OnnxRuntimeEngine, "_build", failing)
    model = Model(make_toy(batch=None), "onnxruntime", cameras=2)
    model.build(40, 60)
    assert "no room" in caplog.text
    assert model.at_once(2) == 1
    assert model.run(frame(40, 60))["depth"].shape == (40, 60)
    assert set(calls.n) == {1}
