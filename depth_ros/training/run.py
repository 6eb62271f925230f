"""A whole training run of the completion network: pool, validation sets, trainer."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from depth_ros.networks.completion import CompletionNet
from depth_ros.training.checkpoint import BEST, LAST, STATE, Facts, load_tensors, load_weights
from depth_ros.training.config import RunConfig, TrainConfig
from depth_ros.training.dataset import PoolDataset
from depth_ros.training.logs import Tell
from depth_ros.training.losses import completion_loss
from depth_ros.training.pool import Watch, build_pool, count_samples
from depth_ros.training.processes import Processes
from depth_ros.training.trainer import Trainer
from depth_ros.training.validate import CompletionValidator, real_problems, synthetic_problems

VALIDATION = "validation"
VALIDATION_SEED = 1_000_003
"""Added to the seed of the pool: worlds that no training sample shows."""
_log = logging.getLogger("depth_ros")


def train_completion(
    config: TrainConfig, out: Path, *, resume: bool = False, tell: Tell = _log.info, watch: Watch | None = None
) -> Facts:
    """Train in `out`, return the facts of its last weights, with `finished`, `weights` (the best file) and `out`.

    Makes the pool and its held-out samples where they are missing. Real frames are validated on where the environment
    variable DEPTH_ROS_TEST_DATA names their folder.
    """
    with Processes(config.device) as processes:
        if processes.first:
            prepare_pool(config, build_pool, watch)
        processes.wait()
        torch.manual_seed(config.seed)
        network = CompletionNet()
        take_weights(network, config, out, resume=resume)
        trainer = Trainer(
            config,
            network,
            completion_loss,
            PoolDataset(config.pool, config.crop, image_dropout=config.image_dropout, seed=config.seed),
            _validator(config, tell) if processes.first else None,
            out,
            processes=processes,
            resume=resume,
            tell=tell,
        )
        finished = trainer.run()
        processes.wait()
    return outcome(out, finished=finished)


def take_weights(network: nn.Module, config: RunConfig, out: Path, *, resume: bool) -> None:
    """Begin with the weights that the settings name, if any; a run that goes on has its own."""
    if config.weights and not (resume and (out / STATE).exists()):
        load_weights(config.weights, network)


def outcome(out: Path, *, finished: bool) -> Facts:
    """Return the facts of the last weights in `out`, with `finished`, `weights` (the best file) and `out`."""
    _, facts = load_tensors(out / LAST)
    best = out / BEST
    return {**facts, "finished": finished, "out": str(out), "weights": str(best if best.exists() else out / LAST)}


def prepare_pool(config: RunConfig, build: Callable[..., None], watch: Watch | None = None) -> None:
    """Make the pool where there is no sample, and the held-out samples where they are too few.

    A pool that is there in part is trained on as it is, and that is logged.
    """
    pool = Path(config.pool)
    if not count_samples(pool):
        build(pool, config.pool_samples, config.pool_seed, watch=watch)
    if config.validation_samples:
        build(pool / VALIDATION, config.validation_samples, config.pool_seed + VALIDATION_SEED, watch=watch)


def _validator(config: TrainConfig, tell: Tell) -> CompletionValidator | None:
    sets = {}
    if config.validation_samples:
        sets["synthetic"] = synthetic_problems(Path(config.pool) / VALIDATION, config.validation_samples)
    data = os.environ.get("DEPTH_ROS_TEST_DATA", "")
    sets["kitti sequence"] = real_problems(Path(data), config.real_frames) if data else []
    if not sets["kitti sequence"]:
        tell("no real frames to validate on: DEPTH_ROS_TEST_DATA does not name a folder that holds the KITTI sequence")
    return CompletionValidator(sets) if any(sets.values()) else None
