"""The contract: which signatures and which answers are refused, and with what words."""

from __future__ import annotations

import numpy as np
import pytest

from depth_ros.engines.base import TensorSpec
from depth_ros.errors import ModelError
from depth_ros.models.card import ModelCard
from depth_ros.models.contract import INPUTS, OUTPUTS, check_answer, check_signature

CARD = ModelCard("toy", "1")
TAKES = list(INPUTS.values())
GIVES = [OUTPUTS["depth"], OUTPUTS["sigma"]]
FIXED = TensorSpec("image", "uint8", (1, 64, 96, 3))


def test_free_and_fixed_sizes_keep_the_contract() -> None:
    check_signature(CARD, TAKES, GIVES)
    check_signature(CARD, [FIXED, *TAKES[1:]], [*GIVES, OUTPUTS["valid"], OUTPUTS["focal"]])
    check_signature(ModelCard("a", "1", task="relative", inputs=("image",)), TAKES[:1], [OUTPUTS["inverse_depth"]])
    check_signature(CARD, TAKES[:2], [TensorSpec("depth", "float32", ())])


def test_an_input_that_the_card_does_not_name_is_refused() -> None:
    with pytest.raises(ModelError, match="the card names inputs image, the graph image, sparse_depth"):
        check_signature(ModelCard("toy", "1", inputs=("image",)), TAKES[:2], GIVES)


@pytest.mark.parametrize(
    ("takes", "gives", "text"),
    [
        (TAKES, GIVES[1:], "a completion model gives depth, the graph gives sigma"),
        (TAKES, [*GIVES, TensorSpec("smell", "float32", (1,))], "unknown output smell"),
        ([TensorSpec("image", "float32", (1, None, None, 3)), *TAKES[1:]], GIVES, "the input is image float32"),
        ([TensorSpec("image", "uint8", (1, 3, None, None)), *TAKES[1:]], GIVES, r"the contract says image uint8"),
        (TAKES, [TensorSpec("depth", "float32", (1, 1, None, None))], r"the output is depth float32 \[1, 1, \?, \?\]"),
        (TAKES, [TensorSpec("depth", "float16", (1, None, None))], "the output is depth float16"),
    ],
)
def test_another_signature_is_refused(takes: list[TensorSpec], gives: list[TensorSpec], text: str) -> None:
    with pytest.raises(ModelError, match=text):
        check_signature(CARD, takes, gives)


@pytest.mark.parametrize(
    ("value", "name", "text"),
    [(np.nan, "depth", "1 of 12 values of depth are not finite"), (0, "sigma", "positive"), (-1, "depth", "positive")],
)
def test_values_that_cannot_be_are_counted(value: float, name: str, text: str) -> None:
    answer = {"depth": np.ones((1, 3, 4), np.float32), "sigma": np.ones((1, 3, 4), np.float32)}
    check_answer(CARD, answer, (1, 3, 4))
    answer[name][0, 1, 2] = value
    with pytest.raises(ModelError, match=text):
        check_answer(CARD, answer, (1, 3, 4))


def test_an_answer_of_another_shape_is_refused() -> None:
    with pytest.raises(ModelError, match=r"depth came as \[1, 2, 2\], not \[1, 3, 4\]"):
        check_answer(CARD, {"depth": np.ones((1, 2, 2), np.float32)}, (1, 3, 4))


def test_sky_is_no_fault_of_the_valid_mask() -> None:
    check_answer(CARD, {"valid": np.zeros((1, 3, 4), np.uint8), "focal": np.ones(1, np.float32)}, (1, 3, 4))
