"""Multi-scale derivative losses of Depth Pro (MAGE, MALE, MSGE): edges that are where, and as sharp as, the truth's.

predicted, truth: float32 [N,H,W] of the quantity that is learned (Depth Pro: canonical inverse depth). valid: bool
[N,H,W], where there is truth; elsewhere both may hold anything.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from depth_ros.training.metric_losses import mean_per_image

SCALES = 6
_BLUR = (1 / 8, 3 / 8, 3 / 8, 1 / 8)
_SMOOTH = (3 / 16, 10 / 16, 3 / 16)


class DerivativeErrors(NamedTuple):
    """All three at the price of one."""

    mage: Tensor
    male: Tensor
    msge: Tensor


def mage(predicted: Tensor, truth: Tensor, valid: Tensor, scales: int = SCALES) -> Tensor:
    """Mean absolute gradient error: |d/dx e| + |d/dy e| of the error e, by Scharr's operator, per pixel and scale."""
    return derivative_errors(predicted, truth, valid, scales).mage


def male(predicted: Tensor, truth: Tensor, valid: Tensor, scales: int = SCALES) -> Tensor:
    """Mean absolute Laplace error."""
    return derivative_errors(predicted, truth, valid, scales).male


def msge(predicted: Tensor, truth: Tensor, valid: Tensor, scales: int = SCALES) -> Tensor:
    """Mean squared gradient error."""
    return derivative_errors(predicted, truth, valid, scales).msge


def derivative_errors(predicted: Tensor, truth: Tensor, valid: Tensor, scales: int = SCALES) -> DerivativeErrors:
    """Means over the scales that are at least 3x3.

    The operators are linear, so the derivative of the error is the error of the derivatives. A pixel counts where all
    nine under the operator are known. Operators are sums of shifted planes, which a compiler makes one loop of; a
    convolution of one channel is many times as slow on a CPU.
    """
    error = torch.where(valid, predicted - truth, 0.0)
    known = valid.to(error.dtype)
    costs = []
    for _ in range(scales):
        if min(error.shape[1:]) < 3:
            break
        costs.append(torch.stack(_at_one_scale(error, known)))
        error, known = _halved(error, known)
    return DerivativeErrors(*(torch.stack(costs).mean(dim=0) if costs else error.sum() * torch.zeros(3)))


def _at_one_scale(error: Tensor, known: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """MAGE, MALE, MSGE of this scale alone."""
    along = _step(_smoothed(error, 1), 2)
    down = _step(_smoothed(error, 2), 1)
    middle = error[:, 1:-1, 1:-1]
    laplace = error[:, :-2, 1:-1] + error[:, 2:, 1:-1] + error[:, 1:-1, :-2] + error[:, 1:-1, 2:] - 4 * middle
    whole = _least(_least(known, 1), 2) > 0.5
    return (
        mean_per_image(along.abs() + down.abs(), whole),
        mean_per_image(laplace.abs(), whole),
        mean_per_image(along**2 + down**2, whole),
    )


def _three(plane: Tensor, dim: int) -> tuple[Tensor, Tensor, Tensor]:
    size = plane.shape[dim] - 2
    return plane.narrow(dim, 0, size), plane.narrow(dim, 1, size), plane.narrow(dim, 2, size)


def _smoothed(plane: Tensor, dim: int) -> Tensor:
    return sum((share * part for share, part in zip(_SMOOTH, _three(plane, dim), strict=True)), plane.new_zeros(()))


def _step(plane: Tensor, dim: int) -> Tensor:
    """Central difference, in units of the value per pixel."""
    before, _, after = _three(plane, dim)
    return (after - before) / 2


def _least(plane: Tensor, dim: int) -> Tensor:
    before, here, after = _three(plane, dim)
    return torch.minimum(torch.minimum(before, here), after)


def _halved(error: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Blur and halve what is known; a coarse pixel is known where at least half of what it is blurred of was."""
    total, share, value = (_blurred(plane) for plane in (torch.ones_like(known[:1]), known, error * known))
    enough = share >= 0.5 * total
    return torch.where(enough, value / share.clamp(min=1e-6), 0.0), enough.to(error.dtype)


def _blurred(plane: Tensor) -> Tensor:
    """Every second pixel of the plane blurred, zeros beyond its edge."""
    for dim, pads in ((1, (0, 0, 1, 1)), (2, (1, 1, 0, 0))):
        padded = functional.pad(plane, pads)
        count = (padded.shape[dim] - 4) // 2 + 1
        taps = (share * _every_second(padded, dim, start, count) for start, share in enumerate(_BLUR))
        plane = sum(taps, plane.new_zeros(()))
    return plane


def _every_second(plane: Tensor, dim: int, start: int, count: int) -> Tensor:
    window = slice(start, start + 2 * count - 1, 2)
    return plane[:, window] if dim == 1 else plane[:, :, window]
