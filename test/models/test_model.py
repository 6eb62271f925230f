"""A model that runs: sizes it was not made for, and the check of a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

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
