"""What the trainer sets up around the network: optimiser, compiler, and the name of the hardware."""

from __future__ import annotations

import copy
import logging
import os
import platform
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from depth_ros.training.config import RunConfig

_ALIKE = 0.5
"""Least cosine between the gradients of a weight, compiled and not: rounding alone leaves 0.8 and more."""
_log = logging.getLogger("depth_ros")


def make_optimizer(network: nn.Module, config: RunConfig) -> torch.optim.Optimizer:
    """AdamW (Loshchilov and Hutter, ICLR 2019); biases and the scales of norms are not decayed."""
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [weight for weight in weights if weight.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [weight for weight in weights if weight.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.lr, fused=True)


def can_compile(device: torch.device) -> bool:
    """Tell whether torch.compile works here; if not, one line says why."""
    try:
        torch.compile(lambda x: torch.sin(x) + 1)(torch.ones(64, device=device))
    except Exception as error:  # whatever a missing compiler raises, deep inside
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        _log.warning("not compiled (is a C++ compiler installed?): %s", reason)
        return False
    return True


def compiles_right(network: nn.Module, inputs: Sequence[Tensor], *, bf16: bool) -> bool:
    """Tell whether the compiled network has the gradients that the network itself has in float32; if not, log it.

    A compiler that errs says nothing: that of torch 2.13 makes zeros of all gradients behind an upsampling in bfloat16
    on CPUs, and what is trained so learns from its last layers alone. inputs: a batch; the network stays as it is.
    """
    trial = copy.deepcopy(network).train()
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():  # a head that starts at zero hides all that lies behind it
        for weight in trial.parameters():
            weight.add_(0.02 * torch.randn(weight.shape, generator=random).to(weight))
    wanted = _gradients(trial, trial, inputs, bf16=False)
    found = _gradients(cast(nn.Module, torch.compile(trial)), trial, inputs, bf16=bf16)
    wrong = [name for name, gradient in wanted.items() if not _cosine(gradient, found.get(name)) >= _ALIKE]
    if wrong:
        _log.warning("not compiled: this torch compiles wrong gradients of %d weights, %s first", len(wrong), wrong[0])
    return not wrong


def _gradients(run: nn.Module, network: nn.Module, inputs: Sequence[Tensor], *, bf16: bool) -> dict[str, Tensor]:
    """Gradients of the kernels of `network` when `run` answers `inputs`."""
    network.zero_grad()
    with torch.autocast(inputs[0].device.type, torch.bfloat16, enabled=bf16):
        answer = run(*inputs)
    torch.stack([part.float().abs().mean() for part in answer]).sum().backward()  # type: ignore[no-untyped-call]
    found = {name: weight.grad for name, weight in network.named_parameters() if weight.ndim > 1}
    return {name: gradient.clone() for name, gradient in found.items() if gradient is not None and gradient.any()}


def _cosine(one: Tensor, other: Tensor | None) -> float:
    return 0.0 if other is None else float(functional.cosine_similarity(one.flatten(), other.flatten(), dim=0))


def hardware(device: torch.device, world: int) -> str:
    """Name what the run runs on."""
    if device.type == "cuda":
        return f"{world} x {torch.cuda.get_device_name(device)}"
    return f"{world} x CPU, {torch.get_num_threads()} threads of {os.cpu_count()} cores, {platform.machine()}"
