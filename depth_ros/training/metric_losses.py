"""Losses of metric monocular depth: those of Depth Pro (ICLR 2025) and Metric3D (ICCV 2023), and what they rest on.

Every function takes float32 tensors [N,H,W], `predicted` and `truth` (of the quantity that its name or text says), and
`valid`, bool [N,H,W]: where there is truth. Elsewhere both may hold anything, NaN included; nothing valid costs 0. An
image counts by itself: each loss is the mean over the images that have something to say.
"""

from __future__ import annotations

import torch
from torch import Tensor

TRIM = 0.2
"""Share of the worst pixels per image that real truths are not believed for (Depth Pro)."""
SILOG_LAMBDA = 0.5
PROPOSALS = 32
PROPOSAL_SIDES = (0.125, 0.5)
"""Least and most side of a proposal as a share of the image's."""
LEAST_PIXELS = 16
"""A proposal with fewer valid pixels has no shape to compare."""
FLAT = 1e-3
"""Mean deviation, as a share of the mean magnitude, below which a surface is flat: it bounds the normalisation."""


def mean_per_image(value: Tensor, valid: Tensor) -> Tensor:
    """Mean over an image's valid pixels, then over the images that have any; 0 where none has."""
    count = valid.sum(dim=(1, 2))
    each = torch.where(valid, value, 0.0).sum(dim=(1, 2)) / count.clamp(min=1)
    return each.sum() / (count > 0).sum().clamp(min=1)


def mae(predicted: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """Mean absolute error, of any quantity (Depth Pro: of canonical inverse depth)."""
    return mean_per_image(_error(predicted, truth, valid).abs(), valid)


def trimmed_mae(predicted: Tensor, truth: Tensor, valid: Tensor, trim: float = TRIM) -> Tensor:
    """Mean absolute error without the worst `trim` of each image's valid pixels (rounded down): truth errs too."""
    error = torch.where(valid, _error(predicted, truth, valid).abs(), torch.inf).flatten(1).sort(dim=1).values
    count = valid.sum(dim=(1, 2))
    keep = count - (count * trim).floor().long()
    kept = torch.arange(error.shape[1], device=error.device)[None] < keep[:, None]
    return mean_per_image(torch.where(kept, error, 0.0)[:, None], kept[:, None])


def silog(predicted: Tensor, truth: Tensor, valid: Tensor, share: float = SILOG_LAMBDA) -> Tensor:
    """Scale-invariant log error mean(g^2) - share mean(g)^2, g = log predicted - log truth, of positive depth (Eigen).

    share = 1 asks for the shape alone, share = 0 for metres alone.
    """
    one = torch.ones_like(truth)
    g = torch.where(valid, predicted, one).log() - torch.where(valid, truth, one).log()
    count = valid.sum(dim=(1, 2))
    square, mean = (g**2).sum(dim=(1, 2)) / count.clamp(min=1), g.sum(dim=(1, 2)) / count.clamp(min=1)
    return (square - share * mean**2).sum() / (count > 0).sum().clamp(min=1)


def without_scale_and_shift(value: Tensor, valid: Tensor) -> Tensor:
    """Return (value - median) / mean absolute deviation from it, per image over its valid pixels; 0 elsewhere (SSI).

    [N,H,W] to [N,H,W]. The same for a value + b, a > 0 (MiDaS; Depth Pro's SSI losses are `mae` and `mage` of it).
    Of an even number the median is the lower of the two in the middle. The deviation counts as at least `FLAT` times
    the mean magnitude, so that what is flat has finite gradients.
    """
    count = valid.sum(dim=(1, 2), keepdim=True).clamp(min=1)
    shift = torch.where(valid, value, torch.nan).flatten(1).nanmedian(dim=1).values[:, None, None]
    centred = torch.where(valid, value - torch.where(valid.any(dim=2).any(dim=1)[:, None, None], shift, 0.0), 0.0)
    spread = centred.abs().sum(dim=(1, 2), keepdim=True) / count
    magnitude = torch.where(valid, value, 0.0).abs().sum(dim=(1, 2), keepdim=True) / count
    return centred / torch.maximum(spread, FLAT * magnitude.detach() + 1e-9)


def proposal_loss(
    predicted: Tensor, truth: Tensor, valid: Tensor, generator: torch.Generator | None = None, number: int = PROPOSALS
) -> Tensor:
    """Random proposal normalisation loss (RPNL, Metric3D): the shape of what lies in `number` random windows.

    generator: on the CPU; None: torch's own. In every window both depths lose their scale and shift; windows with too
    few valid pixels or a flat truth do not count.
    """
    height, width = truth.shape[1:]
    total, counted = truth.new_zeros(()), truth.new_zeros(())
    for top, left, rows, columns in _windows(height, width, number, generator):
        part = (slice(None), slice(top, top + rows), slice(left, left + columns))
        known = valid[part]
        known = known & _has_shape(truth[part], known)[:, None, None]
        shape, shape_truth = (without_scale_and_shift(value[part], known) for value in (predicted, truth))
        images = known.any(dim=2).any(dim=1).sum()
        total = total + mean_per_image((shape - shape_truth).abs(), known) * images
        counted = counted + images
    return total / counted.clamp(min=1)


def _windows(
    height: int, width: int, number: int, generator: torch.Generator | None
) -> list[tuple[int, int, int, int]]:
    """Top, left, rows, columns of random windows."""
    low, high = PROPOSAL_SIDES
    sides = low + (high - low) * torch.rand(number, 2, generator=generator)
    places = torch.rand(number, 2, generator=generator)
    found = []
    for (tall, wide), (down, right) in zip(sides.tolist(), places.tolist(), strict=True):
        rows, columns = max(round(tall * height), 1), max(round(wide * width), 1)
        found.append((int(down * (height - rows + 1)), int(right * (width - columns + 1)), rows, columns))
    return found


def _has_shape(truth: Tensor, valid: Tensor) -> Tensor:
    """Tell, bool [N], which windows have enough valid pixels and a truth that is not flat.

    Twice `FLAT`, for the deviation from the mean may be twice that from the median: what passes does not meet it.
    """
    count = valid.sum(dim=(1, 2))
    known = torch.where(valid, truth, 0.0)
    mean = known.sum(dim=(1, 2)) / count.clamp(min=1)
    deviation = torch.where(valid, known - mean[:, None, None], 0.0).abs().sum(dim=(1, 2)) / count.clamp(min=1)
    return (count >= LEAST_PIXELS) & (deviation > 2 * FLAT * known.abs().sum(dim=(1, 2)) / count.clamp(min=1))


def _error(predicted: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    return torch.where(valid, predicted - truth, 0.0)
