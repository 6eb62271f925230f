"""Losses: log depth and its gradients, metric and inverse depth, and the quantile that sigma is.

Each function takes float32 tensors [N,H,W] and returns a scalar; `weight` [N,H,W] says how much a pixel counts, 0 = no
truth there.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

SIGMA_SHARE = 0.683
"""Share of the errors that sigma is to hold (design 2: the central 68 % interval)."""
TWO_SIGMA_SHARE = 0.92
"""Share that two sigma are to hold; a Gaussian's 95.4 % would stretch sigma far beyond the central 68 %."""
HUBER_BETA = 0.3
GRADIENT_SCALES = 4
WEIGHT_BEYOND = 0.05
"""What a pixel counts where the prior knows nothing: little can be learned there, and little is sold there."""
WEIGHT_BEHIND = 0.1
"""What a pixel counts that lies behind a nearer surface a few pixels away: whether a LiDAR, which looks from beside the
camera, saw it or the surface in front is chance, and no real reference tells the truth there (a see-through filter
drops it). So for every sensor: full weight for those that look from the camera's own place made LiDARs' depth worse."""
WINDOW = (15, 9)
"""Rows and columns around a pixel in which a nearer surface is looked for."""
BEHIND = 1.15
"""How many times as far as the nearer surface it must be."""
_LEAST_ERROR = 1e-4


def mean(value: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean; 0 where nothing counts."""
    return (value * weight).sum() / weight.sum().clamp(min=1e-6)


def is_behind(truth: Tensor) -> Tensor:
    """Tell, bool [N,H,W], which pixels lie behind a nearer surface a few pixels away."""
    inverse = torch.where(truth > 0, 1 / truth.clamp(min=1e-3), 0.0)[:, None]
    rows, columns = WINDOW
    nearest = functional.max_pool2d(inverse, (rows, 1), 1, (rows // 2, 0))
    nearest = functional.max_pool2d(nearest, (1, columns), 1, (0, columns // 2))[:, 0]
    return truth * nearest > BEHIND


def huber(error: Tensor, weight: Tensor, beta: float = HUBER_BETA) -> Tensor:
    """Huber loss over `beta`: quadratic below it, so that the many almost exact pixels do not shout (prototype 5)."""
    return mean(functional.smooth_l1_loss(error, torch.zeros_like(error), reduction="none", beta=beta), weight)


def gradient_matching(error: Tensor, weight: Tensor, scales: int = GRADIENT_SCALES) -> Tensor:
    """Mean absolute difference between neighbouring errors, over `scales` halvings (MegaDepth's, on log depth)."""
    total = error.new_zeros(())
    for _ in range(scales):
        for dim in (1, 2):
            size = error.shape[dim] - 1
            step = error.narrow(dim, 1, size) - error.narrow(dim, 0, size)
            total = total + mean(step.abs(), weight.narrow(dim, 1, size) * weight.narrow(dim, 0, size))
        error, weight = error[:, ::2, ::2], weight[:, ::2, ::2]
    return total / scales


def metric(depth: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """Huber loss of metric depth in units of the frame's mean depth: what RMSE and MAE in metres see."""
    return huber((depth - truth) / _frame_mean(truth, weight), weight, beta=0.1)


def inverse(depth: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """Huber loss of inverse depth in units of the frame's mean inverse depth: what iRMSE sees, near surfaces first."""
    known = truth > 0
    error = torch.where(known, 1 / depth - 1 / torch.where(known, truth, depth.detach()), 0.0)
    return huber(error / _frame_mean(torch.where(known, 1 / truth.clamp(min=1e-3), 0.0), weight), weight, beta=0.1)


def _frame_mean(value: Tensor, weight: Tensor) -> Tensor:
    mean_value = (value * weight).sum(dim=(1, 2), keepdim=True) / weight.sum(dim=(1, 2), keepdim=True).clamp(min=1e-6)
    return torch.where(mean_value > 0, mean_value, torch.ones_like(mean_value))


def quantile(depth: Tensor, sigma: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """Pinball loss of sigma and of twice sigma against the error, all in the log, for the shares they are to hold.

    The minimum is where `SIGMA_SHARE` of the errors lie within one sigma and `TWO_SIGMA_SHARE` within two, as nearly as
    one number can do both: errors of depth have heavier tails than a Gaussian. Quantiles stay quantiles under a
    monotonic map, and in the log every pixel's sigma is pulled equally hard. The depth is detached: sigma learns of the
    errors and does not shape them.
    """
    predicted = depth.detach()
    error = ((predicted - truth).abs() / predicted).clamp(min=_LEAST_ERROR)
    above = error.log() - (sigma / depth).log()
    one, two = pinball(above, SIGMA_SHARE), pinball(above - math.log(2), TWO_SIGMA_SHARE)
    return mean((one + two) / 2, weight)


def pinball(above: Tensor, share: float) -> Tensor:
    """Loss of a quantile estimate whose target lies `above` it; least where `share` of the targets lie below."""
    return torch.maximum(share * above, (share - 1) * above)


def completion_loss(
    depth: Tensor, sigma: Tensor, batch: dict[str, Tensor], progress: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the loss and its parts.

    depth, sigma: float32 [N,H,W], metres along z. batch: its truth and prior_depth, float32 [N,H,W], metres, 0 = none.
    progress: float32 [], 0..1, how much of the schedule is done: it starts smooth (Huber on log depth) and ends on
    absolute errors and edges, for a loss of absolute values and gradients does not learn from the start (prototype 5).
    """
    truth = batch["truth"]
    weight = (
        (truth > 0)
        * torch.where(batch["prior_depth"] > 0, 1.0, WEIGHT_BEYOND)
        * torch.where(is_behind(truth), WEIGHT_BEHIND, 1.0)
    )
    error = (depth.log() - torch.where(truth > 0, truth, depth.detach()).log()).clamp(-3, 3)
    late = (2 * progress - 0.2).clamp(0, 1)
    parts = {
        "huber": huber(error, weight),
        "absolute": mean(error.abs(), weight),
        "gradient": gradient_matching(error, weight),
        "metric": metric(depth, truth, weight),
        "inverse": inverse(depth, truth, weight),
        "quantile": quantile(depth, sigma, truth, weight),
    }
    loss = (
        (1 - 0.8 * late) * parts["huber"]
        + (0.1 + 0.6 * late) * parts["absolute"]
        + 0.2 * late * parts["gradient"]
        + 0.4 * parts["metric"]
        + 0.5 * parts["inverse"]
        + 0.05 * parts["quantile"]
    )
    return loss, parts
