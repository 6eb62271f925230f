"""What the trainer sets up around the network: optimiser, compiler, and the name of the hardware."""

from __future__ import annotations

import logging
import os
import platform
from typing import Any

import torch
from torch import nn

from depth_ros.training.config import RunConfig

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


def hardware(device: torch.device, world: int) -> str:
    """Name what the run runs on."""
    if device.type == "cuda":
        return f"{world} x {torch.cuda.get_device_name(device)}"
    return f"{world} x CPU, {torch.get_num_threads()} threads of {os.cpu_count()} cores, {platform.machine()}"
