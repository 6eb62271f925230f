"""Changes of whole batches of images while training, so that the network trusts the measurements first."""

from __future__ import annotations

import torch
from torch import Tensor

GAIN, GAMMA, CONTRAST = 0.3, 0.25, 0.3
"""Standard deviations of the logarithms."""
BLEND = (0.2, 0.8)
"""Share of the other image."""


def drop_image(images: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Return images [N,H,W,3] of which a `share` is all zero, which means "no image"."""
    kept = _draw(images, generator) >= share
    return images * kept.to(images.dtype)


def blend_other(images: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Return images [N,H,W,3] of which a `share` is mixed with another image of the batch.

    uint8 stays uint8 and float stays float; a batch of one, and an image that is all zero, stay as they are.
    """
    count = len(images)
    if count < 2:
        return images
    shift = int(torch.randint(1, count, (), generator=generator, device=generator.device))
    low, high = BLEND
    weight = low + (high - low) * _draw(images, generator)
    chosen = (_draw(images, generator) < share) & _present(images)
    mixed = torch.lerp(images.float(), images.roll(shift, 0).float(), weight)
    return torch.where(chosen, _as(mixed, images), images)


def jitter_colour(images: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Return images [N,H,W,3] (0..255) of which a `share` has its channels permuted and gain, gamma, contrast changed.

    Each image has its own draw; an image that is all zero stays so.
    """
    order = torch.rand(len(images), 3, generator=generator, device=generator.device).argsort(dim=1).to(images.device)
    permuted = images.gather(3, order[:, None, None, :].expand_as(images))
    light = (permuted.float() / 255).clamp_min(0)
    gain, gamma, contrast = (_log_normal(images, sigma, generator) for sigma in (GAIN, GAMMA, CONTRAST))
    light = gain * light.pow(gamma)
    middle = light.mean(dim=(1, 2, 3), keepdim=True)
    changed = ((light - middle) * contrast + middle).clamp(0, 1) * 255
    chosen = (_draw(images, generator) < share) & _present(images)
    return torch.where(chosen, _as(changed, images), images)


def _draw(images: Tensor, generator: torch.Generator) -> Tensor:
    """One uniform number per image, [N,1,1,1]."""
    return torch.rand(len(images), 1, 1, 1, generator=generator, device=generator.device).to(images.device)


def _log_normal(images: Tensor, sigma: float, generator: torch.Generator) -> Tensor:
    drawn = torch.randn(len(images), 1, 1, 1, generator=generator, device=generator.device)
    return (drawn * sigma).exp().to(images.device)


def _present(images: Tensor) -> Tensor:
    return images.amax(dim=(1, 2, 3), keepdim=True) > 0


def _as(values: Tensor, like: Tensor) -> Tensor:
    """Values in the dtype of `like`, rounded for whole numbers."""
    return values if like.is_floating_point() else values.round().to(like.dtype)
