"""Multi-scale derivative losses of Depth Pro (MAGE, MALE, MSGE): edges that are where, and as sharp as, the truth's.

predicted, truth: float32 [N,H,W] of the quantity that is learned (Depth Pro: canonical inverse depth). valid: bool
[N,H,W], where there is truth; elsewhere both may hold anything.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from depth_ros.training.metric_losses import mean_per_image

SCALES = 6
_BLUR = (1.0, 3.0, 3.0, 1.0)
_SCHARR = ((-3.0, 0.0, 3.0), (-10.0, 0.0, 10.0), (-3.0, 0.0, 3.0))
_LAPLACE = ((0.0, 1.0, 0.0), (1.0, -4.0, 1.0), (0.0, 1.0, 0.0))


def mage(predicted: Tensor, truth: Tensor, valid: Tensor, scales: int = SCALES) -> Tensor:
    """Mean absolute gradient error: |d/dx e| + |d/dy e| of the error e, by Scharr's operator, per pixel and scale."""
    return _over_scales(predicted, truth, valid, _scharr(truth), 1, scales)


def male(predicted: Tensor, truth: Tensor, valid: Tensor, scales: int = SCALES) -> Tensor:
    """Mean absolute Laplace error."""
    return _over_scales(predicted, truth, valid, truth.new_tensor(_LAPLACE)[None, None], 1, scales)


def msge(predicted: Tensor, truth: Tensor, valid: Tensor, scales: int = SCALES) -> Tensor:
    """Mean squared gradient error."""
    return _over_scales(predicted, truth, valid, _scharr(truth), 2, scales)


def _scharr(like: Tensor) -> Tensor:
    """Both gradients [2,1,3,3], in units of the value per pixel."""
    along = like.new_tensor(_SCHARR)[None, None] / 32
    return torch.cat([along, along.transpose(2, 3)])


def _over_scales(predicted: Tensor, truth: Tensor, valid: Tensor, kernel: Tensor, power: int, scales: int) -> Tensor:
    """Mean over the scales that are at least 3x3 of the mean of |kernel * error|^power.

    The operators are linear, so the derivative of the error is the error of the derivatives. A pixel counts where all
    nine under the operator are known.
    """
    error = torch.where(valid, predicted - truth, 0.0)[:, None]
    known = valid[:, None].to(error.dtype)
    costs = []
    for _ in range(scales):
        if min(error.shape[2:]) < 3:
            break
        derivative = functional.conv2d(error, kernel).abs() ** power
        whole = -functional.max_pool2d(-known, 3, stride=1) > 0.5
        costs.append(mean_per_image(derivative.sum(dim=1), whole[:, 0]))
        error, known = _halved(error, known)
    return torch.stack(costs).mean() if costs else error.sum() * 0


def _halved(error: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Blur and halve what is known; a coarse pixel is known where at least half of what it is blurred of was."""
    row = error.new_tensor(_BLUR) / 8
    kernel = (row[:, None] * row)[None, None]
    total = functional.conv2d(functional.pad(torch.ones_like(known), (1, 1, 1, 1)), kernel, stride=2)
    share = functional.conv2d(functional.pad(known, (1, 1, 1, 1)), kernel, stride=2)
    value = functional.conv2d(functional.pad(error * known, (1, 1, 1, 1)), kernel, stride=2)
    enough = share >= 0.5 * total
    return torch.where(enough, value / share.clamp(min=1e-6), 0.0), enough.to(error.dtype)
