"""The frame of the self-test, and what its gates let through."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from depth_ros.engines.base import TensorSpec
from depth_ros.engines.golden import GATES, LATITUDE, MOST_SAMPLES, compare, made_up, reference

SPECS = (
    TensorSpec("image", "uint8", (1, None, None, 3)),
    TensorSpec("sparse", "float32", (1, None, None)),
    TensorSpec("prior", "float32", (1, None, None)),
    TensorSpec("camera", "float32", (1, 4)),
)
SHAPES = {"image": (1, 60, 90, 3), "sparse": (1, 60, 90), "prior": (1, 60, 90), "camera": (1, 4)}
PLANE = np.linspace(1, 80, 5400, dtype=np.float32).reshape(1, 60, 90)
WANTED = {"depth": PLANE.reshape(-1)[np.linspace(0, 5399, MOST_SAMPLES).astype(int)].tolist()}


def test_the_frame_is_the_same_every_time_and_has_every_combination() -> None:
    first, second = made_up(SPECS, SHAPES), made_up(SPECS, SHAPES)
    for name, array in first.items():
        assert np.array_equal(array, second[name])
        assert array.shape == SHAPES[name]
        assert array.flags.c_contiguous
    sparse, prior = first["sparse"] > 0, first["prior"] > 0
    for one in (sparse, ~sparse):
        for other in (prior, ~prior):
            assert np.mean(one & other) > 0.005
    assert (first["camera"] == 90).all()
    assert 1 < first["prior"][prior].min() < first["prior"].max() < 110


@pytest.mark.parametrize("precision", GATES)
def test_a_small_difference_passes_and_a_larger_does_not(precision: str) -> None:
    mean = GATES[precision].mean
    assert compare({"depth": PLANE * np.float32(1 + 0.9 * mean)}, WANTED, precision)[1] == ""
    wrong = compare({"depth": PLANE * np.float32(1 + 1.1 * mean)}, WANTED, precision)[1]
    assert wrong.startswith("depth differs from ONNX Runtime's by")


def test_a_few_wrong_pixels_pass_and_many_do_not() -> None:
    few, many = PLANE.copy(), PLANE.copy()
    few.reshape(-1)[::400] *= 1.01
    many.reshape(-1)[::20] *= 1.01
    assert compare({"depth": few}, WANTED, "f32")[1] == ""
    assert compare({"depth": many}, WANTED, "f32")[1] != ""


def test_later_outputs_have_latitude_and_labels_are_counted() -> None:
    wanted = {**WANTED, "sigma": WANTED["depth"], "valid": [1.0] * MOST_SAMPLES}
    off = PLANE * np.float32(1 + 0.5 * LATITUDE * GATES["f16"].mean)
    labels = np.ones((1, 60, 90), np.uint8)
    assert compare({"depth": PLANE, "sigma": off, "valid": labels}, wanted, "f16")[1] == ""
    assert compare({"depth": off, "sigma": PLANE, "valid": labels}, wanted, "f16")[1].startswith("depth")
    labels[0, :20] = 0
    assert compare({"depth": PLANE, "sigma": PLANE, "valid": labels}, wanted, "f16")[1].startswith("valid")


@pytest.mark.parametrize("spoilt", [np.nan, np.inf])
def test_what_is_not_finite_anywhere_is_wrong_and_so_is_another_size(spoilt: float) -> None:
    found = PLANE.copy()
    found[0, 13, 17] = spoilt
    assert compare({"depth": found}, WANTED, "int8")[1] != ""
    assert compare({"depth": PLANE[:, :20]}, WANTED, "int8")[1] != ""


def test_the_reference_is_onnx_runtimes(make_toy: Callable[..., Path]) -> None:
    pytest.importorskip("onnxruntime")
    specs = tuple(
        spec._replace(name=name)
        for spec, name in zip(SPECS, ("image", "sparse_depth", "prior_depth", "intrinsics"), strict=True)
    )
    frame = made_up(specs, dict(zip((spec.name for spec in specs), SHAPES.values(), strict=True)))
    wanted = reference(make_toy(gain=2.0), frame, 1)
    depth = np.where(frame["prior_depth"] > 0, 2 * frame["prior_depth"], 2).astype(np.float32)
    assert len(wanted["sigma"]) == MOST_SAMPLES
    assert compare({"depth": depth}, {"depth": wanted["depth"]}, "f32")[1] == ""
