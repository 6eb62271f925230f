"""Both sigmas of the metric network after training: that of depth, and that of the focal length it tells."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch

from depth_ros.errors import TrainingError
from depth_ros.evaluation.replay import spread
from depth_ros.networks.metric import LOG_FOCAL, LOG_SIGMA, MetricNet, Seen
from depth_ros.training.calibrate import SHARE, Calibration, Ratios, calibrate
from depth_ros.training.metric_dataset import MetricSamples, Sample
from depth_ros.training.metric_run import INPUTS


class MetricCalibration(NamedTuple):
    """depth: of the sigma of depth. focal: of the sigma of the log focal length."""

    depth: Calibration
    focal: Calibration


def calibrate_metric(network: MetricNet, samples: MetricSamples, count: int, share: float = SHARE) -> MetricCalibration:
    """Scale the sigmas of a network, which is in evaluation mode, so that each holds `share` of its errors.

    Depth is judged with the focal length given, on `count` samples at most, each counting alike; the told focal length
    on those that may be of whole cameras. Raises TrainingError when there is nothing to be judged on.
    """
    chosen = [samples[number] for number in spread(len(samples), count)]
    whole = [sample for sample in chosen if sample["whole"]]
    if not whole:
        raise TrainingError("no held-out sample is of a whole camera: give a pool of the metric network")
    return MetricCalibration(
        calibrate(lambda: [_of_depth(network, sample) for sample in chosen], network.scale_sigma, share),
        calibrate(lambda: [_of_focal(network, sample) for sample in whole], network.scale_focal_sigma, share),
    )


@torch.inference_mode()
def _ask(network: MetricNet, sample: Sample) -> tuple[Seen, float]:
    """Return what the network tells of one sample, and the true focal length over the canvas' width."""
    told = network(*(sample[name][None] for name in INPUTS))
    return told, float(sample["intrinsics"][0]) / sample["truth"].shape[1]


def _of_depth(network: MetricNet, sample: Sample) -> Ratios:
    """Errors of depth over sigma, where there is truth."""
    told, focal = _ask(network, sample)
    known = sample["truth"] > 0
    depth = focal * (-told.log_inverse[0][known]).exp()
    error: Ratios = ((depth - sample["truth"][known]).abs() / (depth * told.log_sigma[0][known].exp())).numpy()
    return error


def _of_focal(network: MetricNet, sample: Sample) -> Ratios:
    """The one error of the log focal length over its sigma, both as `networks.metric.MetricGraph` takes them."""
    told, focal = _ask(network, sample)
    error = (told.focal[:, 0].clamp(*LOG_FOCAL) - math.log(focal)).abs()
    ratio: Ratios = (error / told.focal[:, 1].clamp(*LOG_SIGMA).exp()).numpy()
    return ratio
