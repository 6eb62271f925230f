from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from torch import Tensor, nn

from depth_ros.errors import ExportError
from depth_ros.export.parity import GATES, OUTPUTS, Difference, answer, check_parity, difference, made_up
from depth_ros.export.to_onnx import load_network
from depth_ros.models.contract import INPUTS


class Shifted(nn.Module):
    """A network whose depth is off by a factor."""

    def __init__(self, network: nn.Module, factor: float) -> None:
        super().__init__()
        self.network, self.factor = network, factor

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        depth, sigma = self.network(*inputs)
        return depth * self.factor, sigma


def test_differences_by_hand() -> None:
    reference = np.ones((1, 10, 10), np.float32)
    found = reference.copy()
    found[0, 0, 0] = 1.5
    assert difference(reference, found) == pytest.approx((0.5, 0.005, 0.005), abs=1e-6)
    assert str(difference(reference, reference)) == "max 0.0e+00, p99 0.0e+00, mean 0.0e+00"


@pytest.mark.parametrize("bad", [np.full((1, 2, 2), np.nan), np.full((1, 2, 2), np.inf), np.ones((1, 2, 3))])
def test_other_shapes_and_values_that_are_not_finite_pass_no_gate(bad: np.ndarray) -> None:
    found = difference(np.ones((1, 2, 2)), bad)
    assert not any(found.within(gate) for gate in GATES.values())


def test_made_up_frames_are_inputs_of_the_contract_and_repeat() -> None:
    frame = made_up(64, 96, 3)
    assert {name: (value.dtype.name, value.ndim) for name, value in frame.items()} == {
        name: (spec.dtype, len(spec.shape)) for name, spec in INPUTS.items()
    }
    assert all(np.array_equal(value, made_up(64, 96, 3)[name]) for name, value in frame.items())
    assert (frame["sparse_depth"] > 0).any()
    assert (frame["prior_depth"] == 0).any()


def test_answers_are_named(weights: Path) -> None:
    found = answer(load_network(weights), made_up(32, 64, 0))
    assert {name: value.shape for name, value in found.items()} == dict.fromkeys(OUTPUTS, (1, 32, 64))


def test_the_file_of_a_network_passes_and_that_of_another_does_not(exported: Path, weights: Path) -> None:
    network = load_network(weights)
    assert check_parity(exported, network, [(64, 64)], GATES["f32"]).most < 1e-5
    with pytest.raises(ExportError, match=r"depth at 64x64 differs from the network: max 1.0e-0[13]"):
        check_parity(exported, Shifted(network, 1.001), [(64, 64)], GATES["f32"])


def test_gates_hold_every_figure() -> None:
    gate = Difference(1.0, 0.1, 0.01)
    assert Difference(1.0, 0.1, 0.01).within(gate)
    assert not Difference(0.5, 0.2, 0.01).within(gate)
    assert not Difference(float("nan"), 0, 0).within(gate)
