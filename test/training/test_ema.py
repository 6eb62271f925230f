from __future__ import annotations

import pytest
import torch
from torch import nn

from depth_ros.training.ema import Ema, swapped


def test_weights_and_statistics_are_averaged_alike() -> None:
    network = nn.BatchNorm1d(2)
    ema = Ema(network, 0.9)
    states = []
    for step in range(300):
        with torch.no_grad():
            network.weight.fill_(step)
            assert network.running_mean is not None
            network.running_mean.fill_(step)
            assert network.num_batches_tracked is not None
            network.num_batches_tracked.fill_(step)
        ema.update(network, step)
        states.append(float(step))
    expected = 0.0
    for step, value in enumerate(states):
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * (expected if step else 1.0) + (1 - decay) * value
    assert ema.state["weight"][0].item() == pytest.approx(expected, rel=1e-5)
    assert ema.state["running_mean"][0].item() == pytest.approx(expected, rel=1e-5)
    assert ema.state["num_batches_tracked"].item() == 299


def test_swapped_gives_the_weights_back() -> None:
    network = nn.Linear(2, 2).train()
    own = {name: value.clone() for name, value in network.state_dict().items()}
    other = {name: torch.zeros_like(value) for name, value in own.items()}
    with swapped(network, other):
        assert not network.training
        assert not network.weight.any()
    assert network.training
    assert all(torch.equal(value, own[name]) for name, value in network.state_dict().items())
