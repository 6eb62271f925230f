"""Small stand-ins for pool, network and loss, so that a run of the trainer takes a moment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from depth_ros.training.config import TrainConfig
from depth_ros.training.logs import Tell
from depth_ros.training.processes import Processes
from depth_ros.training.trainer import Trainer

SIZE = (32, 64)


class TinySamples:
    """Samples that are a function of number and draw, of which there are `count`."""

    def __init__(self, count: int = 7) -> None:
        self.count, self.refreshed = count, 0

    def __len__(self) -> int:
        return self.count

    def refresh(self) -> None:
        self.refreshed += 1

    def __getitem__(self, draw: tuple[int, int]) -> dict[str, Tensor]:
        random = torch.Generator().manual_seed(1000 * draw[0] + draw[1])
        truth = 1 + 9 * torch.rand(SIZE, generator=random)
        return {
            "image": torch.randint(0, 256, (*SIZE, 3), generator=random, dtype=torch.uint8),
            "sparse_depth": truth * (torch.rand(SIZE, generator=random) < 0.1),
            "prior_depth": truth + 0.5,
            "truth": truth,
            "intrinsics": torch.tensor([50.0, 50.0, 32.0, 16.0]),
        }


class TinyNetwork(nn.Module):
    """One convolution, BatchNorm and dropout, with the contract's inputs and outputs."""

    def __init__(self, *, plain: bool = False) -> None:
        super().__init__()
        parts = [nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 2, 1)]
        self.layers = nn.Sequential(*(parts if plain else [parts[0], nn.BatchNorm2d(4), nn.Dropout(0.5), *parts[1:]]))

    def forward(self, _: Tensor, __: Tensor, prior_depth: Tensor, ___: Tensor) -> tuple[Tensor, Tensor]:
        change, sigma = self.layers(prior_depth[:, None].log()).unbind(1)
        return prior_depth * change.exp(), prior_depth * (sigma - 3).exp()


def tiny_loss(
    depth: Tensor, sigma: Tensor, batch: dict[str, Tensor], progress: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    error = (depth.log() - batch["truth"].log()).abs().mean() * (1 + progress)
    return error + 0.01 * sigma.mean(), {"error": error}


MakeTrainer = Callable[..., Trainer]


@pytest.fixture
def make_trainer(tmp_path: Path) -> MakeTrainer:
    """Make a trainer of 6 steps in `out`, on the CPU; other settings by name."""

    def make(out: str = "run", *, resume: bool = False, tell: Tell = print, **settings: Any) -> Trainer:
        loss, validator = settings.pop("loss", tiny_loss), settings.pop("validator", None)
        given = {"steps": 6, "batch": 2, "warm_up": 2, "bf16": False, "device": "cpu", "log_every": 1, **settings}
        given = {"checkpoint_every": 3, "validate_every": 3, **given}
        torch.manual_seed(0)
        config = TrainConfig(**given)
        return Trainer(
            config,
            TinyNetwork(),
            loss,
            TinySamples(),
            validator,
            tmp_path / out,
            processes=Processes("cpu"),
            resume=resume,
            tell=tell,
        )

    return make
