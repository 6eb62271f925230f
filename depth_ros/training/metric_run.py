"""A whole training run of the metric network: pool, validation sets, trainer."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import torch

from depth_ros.errors import TrainingError
from depth_ros.networks.metric import CANVAS_MULTIPLE, MetricNet
from depth_ros.training.checkpoint import Facts
from depth_ros.training.config import MetricConfig
from depth_ros.training.logs import Tell
from depth_ros.training.metric_dataset import MetricSamples
from depth_ros.training.metric_objective import metric_loss
from depth_ros.training.metric_pool import build_metric_pool
from depth_ros.training.metric_validate import MetricValidator, real_pictures, synthetic_pictures
from depth_ros.training.pool import Watch
from depth_ros.training.processes import Processes
from depth_ros.training.run import VALIDATION, outcome, prepare_pool, take_weights
from depth_ros.training.trainer import Trainer

INPUTS = ("image", "seen", "centre")
_log = logging.getLogger("depth_ros")


def train_metric(
    config: MetricConfig, out: Path, *, resume: bool = False, tell: Tell = _log.info, watch: Watch | None = None
) -> Facts:
    """Train in `out`, return the facts of its last weights, as `run.train_completion` does.

    Makes the pool and its held-out samples where they are missing. Real frames are looked at where the environment
    variable DEPTH_ROS_TEST_DATA names their folder. Raises TrainingError on a canvas that the network cannot take.
    """
    if any(side % CANVAS_MULTIPLE for side in config.canvas):
        raise TrainingError(f"canvas {config.canvas}: height and width must be multiples of {CANVAS_MULTIPLE}")
    with Processes(config.device) as processes:
        if processes.first:
            prepare_pool(config, build_metric_pool, watch)
        processes.wait()
        torch.manual_seed(config.seed)
        samples = MetricSamples(
            config.pool,
            config.canvas,
            windows=config.windows or None,
            share=config.windows_share,
            unknown=config.unknown_camera,
            seed=config.seed,
        )
        network = MetricNet()
        take_weights(network, config, out, resume=resume)
        trainer = Trainer(
            config,
            network,
            metric_loss,
            samples,
            _validator(config) if processes.first else None,
            out,
            processes=processes,
            inputs=INPUTS,
            resume=resume,
            tell=tell,
        )
        finished = trainer.run()
        processes.wait()
    return outcome(out, finished=finished)


def _validator(config: MetricConfig) -> MetricValidator | None:
    if not config.validation_samples:
        return None
    data = os.environ.get("DEPTH_ROS_TEST_DATA", "")
    sets = {
        "synthetic": synthetic_pictures(Path(config.pool) / VALIDATION, config.validation_samples),
        "kitti sequence": real_pictures(Path(data), config.real_frames) if data else [],
    }
    return MetricValidator(sets, config.canvas)
