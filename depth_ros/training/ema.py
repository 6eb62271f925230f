"""Exponential moving average of a network's weights and of its BatchNorm statistics."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Ema:
    """Average of a network over its last 1 / (1 - decay) steps, roughly; early on, over all steps so far.

    Floating-point buffers (running mean and variance of BatchNorm) are averaged as the weights are, so that the
    statistics belong to the averaged weights without a pass over data; the other buffers are copied.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.state: dict[str, Tensor] = {name: value.detach().clone() for name, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Take in the network after its step number `step` (from 0)."""
        weight = 1 - min(self.decay, (1 + step) / (10 + step))
        current = network.state_dict()
        floating = [name for name, value in self.state.items() if value.is_floating_point()]
        torch._foreach_lerp_([self.state[name] for name in floating], [current[name] for name in floating], weight)
        for name in self.state.keys() - set(floating):
            self.state[name].copy_(current[name])


@contextmanager
def swapped(network: nn.Module, state: dict[str, Tensor]) -> Iterator[None]:
    """Give the network other weights, in evaluation mode, for the body of the with statement."""
    own = {name: value.detach().clone() for name, value in network.state_dict().items()}
    network.load_state_dict(state)
    network.eval()
    try:
        yield
    finally:
        network.load_state_dict(own)
        network.train()
