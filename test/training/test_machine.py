from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from depth_ros.networks.blocks import Merge, Stage
from depth_ros.training.machine import can_compile, compiles_right

CPU = torch.device("cpu")


class Steps(nn.Module):
    """An encoder, an upsampling and a head that starts at zero."""

    def __init__(self, hidden: bool = False) -> None:
        super().__init__()
        self.fine, self.coarse, self.merge = Stage(3, 24, 1), Stage(24, 40, 2), Merge(40, 24)
        self.head = nn.Conv2d(24, 1, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        self.hidden = hidden

    def forward(self, image: Tensor) -> tuple[Tensor]:
        fine = self.fine(image)
        coarse = self.coarse(fine)
        return (self.head(self.merge(coarse.detach() if self.hidden else coarse, fine)),)


def hide(network: nn.Module) -> nn.Module:
    """What a compiler does that loses gradients: the answers are right."""
    assert isinstance(network, Steps)
    wrong = Steps(hidden=True)
    for name, child in network.named_children():
        setattr(wrong, name, child)
    return wrong


class Broken(nn.Module):
    """What a compiler does whose gradients are not numbers."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> tuple[Tensor]:
        answer: Tensor = self.network(image)[0]
        answer.register_hook(lambda gradient: gradient * torch.nan)  # type: ignore[no-untyped-call]
        return (answer,)


def same(network: nn.Module) -> nn.Module:
    return network


@pytest.mark.parametrize(("compiler", "right"), [(same, True), (hide, False), (Broken, False)])
@pytest.mark.parametrize("bf16", [False, True])
def test_gradients_that_a_compiler_loses_are_seen_and_told(
    compiler: Callable[[nn.Module], nn.Module],
    right: bool,
    bf16: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(torch, "compile", compiler)
    network, image = Steps(), torch.rand(2, 3, 32, 48)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert compiles_right(network, [image], bf16=bf16) is right
    assert ("wrong gradients" in caplog.text) is not right
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_the_compiler_that_is_here_learns_below_an_upsampling_in_bfloat16() -> None:
    if not can_compile(CPU):
        pytest.skip("no C++ compiler")
    assert compiles_right(Steps(), [torch.rand(2, 3, 96, 160)], bf16=True)
