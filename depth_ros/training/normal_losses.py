"""Virtual normals (VNL, Yin et al., ICCV 2019): planes through three far-apart points have the truth's direction."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from depth_ros.training.metric_losses import mean_per_image

SHARE = 0.2
"""Triples drawn per pixel of the image."""
MOST_COSINE = 0.867
"""Triples with a corner sharper than 30 degrees, by this cosine, are too near a line."""
LEAST_SIDE = 0.01
"""Metres; a triple counts only where every side is longer along some axis."""


class _Triples(NamedTuple):
    """Flat pixel indices [N,K,3] of three points each, and bool [N,K], which of them may count."""

    places: Tensor
    usable: Tensor


def virtual_normal_loss(
    predicted: Tensor,
    truth: Tensor,
    valid: Tensor,
    intrinsics: Tensor,
    generator: torch.Generator | None = None,
    share: float = SHARE,
) -> Tensor:
    """Mean absolute difference (summed over x, y, z) of the unit normals through random triples of points.

    predicted, truth: float32 [N,H,W], metres along z. valid: bool [N,H,W]. intrinsics: float32 [N,4], px, known.
    generator: on the CPU; None: torch's own.
    """
    height, width = truth.shape[1:]
    one = torch.ones_like(truth)
    real = back_project(torch.where(valid, truth, one), intrinsics)
    ours = back_project(torch.where(valid, predicted, one), intrinsics)
    triples = _draw(valid, max(int(share * height * width), 1), generator)
    corners = _corners(real, triples.places)
    usable = triples.usable & _is_triangle(corners)
    difference = (_normals(_corners(ours, triples.places)) - _normals(corners)).abs().sum(dim=2)
    return mean_per_image(difference[:, None], usable[:, None])


def back_project(depth: Tensor, intrinsics: Tensor) -> Tensor:
    """Return points [N,H*W,3] in metres of depth [N,H,W] along z."""
    height, width = depth.shape[1:]
    fx, fy, cx, cy = (value[:, None, None] for value in intrinsics.unbind(1))
    x = (torch.arange(width, device=depth.device, dtype=depth.dtype)[None, None] - cx) / fx * depth
    y = (torch.arange(height, device=depth.device, dtype=depth.dtype)[None, :, None] - cy) / fy * depth
    return torch.stack([x, y, depth], dim=3).flatten(1, 2)


def _draw(valid: Tensor, number: int, generator: torch.Generator | None) -> _Triples:
    """Draw triples of valid pixels, with repetition."""
    flat = valid.flatten(1)
    count = flat.sum(dim=1)[:, None]
    order = flat.to(torch.uint8).argsort(dim=1, descending=True, stable=True)
    chance = torch.rand(len(flat), number * 3, generator=generator).to(flat.device)
    rank = torch.minimum((chance * count).long(), (count - 1).clamp(min=0))
    places = order.gather(1, rank).reshape(len(flat), number, 3)
    return _Triples(places, (count > 0).expand(-1, number))


def _corners(points: Tensor, places: Tensor) -> Tensor:
    """Points [N,K,3 corners,3 axes]."""
    picked = points.gather(1, places.flatten(1)[:, :, None].expand(-1, -1, 3))
    return picked.reshape(*places.shape, 3)


def _is_triangle(corners: Tensor) -> Tensor:
    """Tell, bool [N,K], which triples are neither small nor near a line."""
    sides = corners - corners.roll(1, dims=2)
    long = (sides.abs().amax(dim=3) > LEAST_SIDE).all(dim=2)
    directions = functional.normalize(sides, dim=3, eps=1e-6)
    cosine = (directions * directions.roll(1, dims=2)).sum(dim=3).abs()
    return long & (cosine < MOST_COSINE).all(dim=2)


def _normals(corners: Tensor) -> Tensor:
    """Unit normals [N,K,3]."""
    first, second, third = corners.unbind(2)
    return functional.normalize(torch.linalg.cross(second - first, third - first), dim=2, eps=1e-8)
