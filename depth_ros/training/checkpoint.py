"""Weights and the whole state of a run as safetensors files, each written whole or not at all; never pickle."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from depth_ros.errors import TrainingError

FACTS, READABLE = "depth_ros", 0o644
NETWORK, EMA, OPTIMIZER = "network.", "ema.", "optimizer."
STATE, BEST, LAST = "state.safetensors", "best.safetensors", "last.safetensors"

Facts = dict[str, Any]


class RunState(NamedTuple):
    """The tensors that decide how a run goes on; ema: the moving average by name."""

    network: nn.Module
    ema: dict[str, Tensor]
    optimizer: torch.optim.Optimizer


def save_tensors(path: Path, tensors: Mapping[str, Tensor], facts: Facts) -> None:
    """Write tensors with their facts (JSON) to `path`, which never holds half a file."""
    partial = path.with_name(path.name + ".partial")
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    try:
        save_file(whole, partial, metadata={FACTS: json.dumps(facts)})
        partial.chmod(READABLE)  # safetensors makes files for their owner alone
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    except (OSError, SafetensorError) as error:
        raise TrainingError(f"{path}: cannot be written: {error}") from None


def load_tensors(path: Path) -> tuple[dict[str, Tensor], Facts]:
    """Read what `save_tensors` wrote; raises TrainingError when the file is missing or not one of ours."""
    if not path.is_file():
        raise TrainingError(f"{path}: does not exist: give a run's folder or its .safetensors file")
    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads((file.metadata() or {}).get(FACTS, "{}"))
            if not isinstance(facts, dict):
                raise ValueError(f"its facts are {facts!r:.40}")
            return {name: file.get_tensor(name) for name in file.keys()}, facts  # noqa: SIM118 (not a mapping)
    except (OSError, SafetensorError, ValueError) as error:
        raise TrainingError(f"{path}: is not a checkpoint: {error}") from None


def load_weights(path: str | Path, network: nn.Module) -> Facts:
    """Fill `network` with the weights of `path`, return their facts; raises TrainingError when they do not fit."""
    tensors, facts = load_tensors(Path(path))
    fill(network, tensors, Path(path))
    return facts


def save_state(path: Path, state: RunState, facts: Facts) -> None:
    """Write the whole state of a run to one file."""
    moments = state.optimizer.state_dict()["state"]
    tensors = {f"{NETWORK}{name}": value for name, value in state.network.state_dict().items()}
    tensors |= {f"{EMA}{name}": value for name, value in state.ema.items()}
    for number, entry in moments.items():
        tensors |= {f"{OPTIMIZER}{number}.{name}": value for name, value in entry.items()}
    save_tensors(path, tensors, facts)


def load_state(path: Path, state: RunState) -> Facts:
    """Put a run back to where `save_state` saw it; raises TrainingError when it is of another network."""
    tensors, facts = load_tensors(path)
    fill(state.network, _part(tensors, NETWORK), path)
    for name, value in _part(tensors, EMA).items():
        state.ema[name].copy_(value)
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in _part(tensors, OPTIMIZER).items():
        number, _, name = key.partition(".")
        moments.setdefault(int(number), {})[name] = value
    places = [weight for group in state.optimizer.param_groups for weight in group["params"]]
    moments = {
        number: {name: _as(value, places[number]) for name, value in entry.items()} for number, entry in moments.items()
    }
    state.optimizer.load_state_dict({**state.optimizer.state_dict(), "state": moments})
    return facts


def fill(network: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Copy tensors into the network of the same names and shapes; raises TrainingError, naming one that differs."""
    own = network.state_dict()
    odd = sorted(own.keys() ^ tensors.keys()) or [n for n in own if own[n].shape != tensors[n].shape]
    if odd:
        raise TrainingError(f"{path}: holds another network ('{odd[0]}' differs): train anew, or use the code it is of")
    network.load_state_dict(dict(tensors))


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _as(value: Tensor, weight: Tensor) -> Tensor:
    """Give a moment the memory layout of its weight, or the optimiser falls back to slow paths."""
    return value if value.shape != weight.shape else torch.empty_like(weight, device="cpu").copy_(value)
