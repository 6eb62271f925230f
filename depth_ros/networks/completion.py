"""The completion network: image, sparse depth and its classical prior to dense depth and sigma.

It corrects the prior: in log depth, relative to the scene's own scale, it mixes the prior with the nearest measurements
above and below and adds a residual. Starting from a dense prior and predicting a residual is the idea of ScaffNet and
LRRU; normalised log depth that of OMNI-DC; the mix lets an edge snap to one of its two sides.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from depth_ros.networks.blocks import Merge, Stage, twice
from depth_ros.networks.search import REACH, search_columns

SIZE_MULTIPLE = 32
"""Height and width of what goes in are multiples of this."""
WIDTHS = (32, 56, 96, 128, 176)
FOCAL = 721.0
"""Focal length in pixels of the canonical camera (Metric3D's idea): rays and scale are told relative to it."""
SCALE_WITHOUT_POINTS = 10.0
MOST_LOG_CHANGE = 5.0
LOG_SIGMA = (-6.0, 1.5)
_CANDIDATES = 3


class CompletionNet(nn.Module):
    """Completion with a prior; obeys the model contract (design 2) without any wrapper.

    widths: channels at 1/2, 1/4, 1/8, ... of the input's size.
    """

    def __init__(self, widths: Sequence[int] = WIDTHS) -> None:
        super().__init__()
        planes = 4 * 7 + 6 + 3
        self.encoder = nn.ModuleList(
            Stage(before, width, 1 if level == 0 else 2)
            for level, (before, width) in enumerate(zip((planes, *widths), widths, strict=False))
        )
        self.decoder = nn.ModuleList(
            Merge(below, width) for below, width in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.head = nn.Conv2d(widths[0], 4 * (_CANDIDATES + 2), 3, padding=1)
        # It starts as the prior: logits (2, 0, 0) of the mix, no residual.
        start = torch.tensor([2.0] + [0.0] * (_CANDIDATES + 1)).repeat_interleave(4)
        nn.init.zeros_(self.head.weight)
        self.head.bias = nn.Parameter(start)

    def forward(
        self, image: Tensor, sparse_depth: Tensor, prior_depth: Tensor, intrinsics: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return depth and sigma, float32 [N,H,W], metres along z, finite and positive everywhere.

        image: uint8 [N,H,W,3], RGB, all 0 = no image. sparse_depth, prior_depth: float32 [N,H,W], metres along z,
        0 = none. intrinsics: float32 [N,4], fx, fy, cx, cy in pixels. H and W are multiples of 32. Depth and sigma
        scale with the depth that goes in.
        """
        scene = _normalise(sparse_depth, prior_depth)
        candidates, found = _candidates(sparse_depth, scene)
        local = torch.cat([_picture(image), *scene.planes(sparse_depth)], dim=1)
        features = torch.cat([functional.pixel_unshuffle(local, 2), found, _rays(local, intrinsics)], dim=1)
        answer = functional.pixel_shuffle(self.head(self._unet(features)).float(), 2)
        mix = answer[:, :_CANDIDATES].softmax(dim=1)
        change = (mix * candidates).sum(dim=1) + answer[:, _CANDIDATES]
        # A factor on the prior, not the exponential of an absolute log: exact enough where an engine computes in bf16.
        depth = scene.base * change.clamp(-MOST_LOG_CHANGE, MOST_LOG_CHANGE).exp()
        # starts at 5 % of depth
        return depth, depth * (answer[:, -1] - 3).clamp(*LOG_SIGMA).exp()

    @torch.no_grad()
    def scale_sigma(self, gain: float) -> None:
        """Multiply every sigma by `gain`, which is an addition to the bias of its logarithm."""
        self.head.bias[-4:] += math.log(gain)  # type: ignore[index]

    def _unet(self, x: Tensor) -> Tensor:
        levels: list[Tensor] = []
        for stage in self.encoder:
            x = stage(x)
            levels.append(x)
        levels.pop()
        for merge in self.decoder:
            x = merge(x, levels.pop())
        return x


class _Scene(NamedTuple):
    """What is corrected, and its log relative to the scene's own scale.

    base: [N,H,W], metres: the prior, a measurement where there is no prior, the scale where there is neither. log_base:
    [N,H,W], log of base over scale. known: [N,H,W], 0 where the base is the scale. scale: [N,1,1], metres, the
    geometric mean of what is known.
    """

    base: Tensor
    log_base: Tensor
    known: Tensor
    scale: Tensor

    def planes(self, sparse: Tensor) -> tuple[Tensor, ...]:
        """Planes [N,1,H,W] that tell the network all of it: prior, known, measurement against prior, measured."""
        measured = (sparse > 0).float()
        against = _log(sparse / self.base).clamp(-2, 2)
        return self.log_base[:, None], self.known[:, None], against[:, None], measured[:, None]


def _normalise(sparse: Tensor, prior: Tensor) -> _Scene:
    base = torch.where(prior > 0, prior, sparse)
    known = (base > 0).float()
    count = known.sum(dim=(1, 2), keepdim=True)
    mean = _log(base).sum(dim=(1, 2), keepdim=True) / count.clamp(min=1)
    scale = torch.where(count > 0, mean.exp(), torch.full_like(mean, SCALE_WITHOUT_POINTS))
    base = torch.where(base > 0, base, scale)
    return _Scene(base, (base / scale).log(), known, scale)


def _log(depth: Tensor) -> Tensor:
    """Log of depth, 0 where there is none."""
    return torch.where(depth > 0, depth, torch.ones_like(depth)).log()


def _candidates(sparse: Tensor, scene: _Scene) -> tuple[Tensor, Tensor]:
    """Log changes of the base to choose from, [N,3,H,W]: none, to above, to below; and what was found, at half size."""
    inverse = functional.max_pool2d(torch.where(sparse > 0, 1 / sparse.clamp(min=1e-3), 0.0)[:, None], 2)
    base = scene.base[:, None]
    half_base = functional.avg_pool2d(base, 2)
    changes, planes = [torch.zeros_like(base)], []
    for state in search_columns(inverse):
        has = (state[:, :1] > 0).float()
        planes += [-_log(state[:, :1] * half_base).clamp(-2, 2), has, has * state[:, 1:] / REACH]
        changes.append(-_log(twice(state[:, :1]) * base))
    return torch.cat(changes, dim=1), torch.cat(planes, dim=1)


def _picture(image: Tensor) -> Tensor:
    return image.float().permute(0, 3, 1, 2) / 255


def _rays(local: Tensor, intrinsics: Tensor) -> Tensor:
    """Where each pixel of half size looks, x / z and y / z, and the log of the focal length over `FOCAL`: [N,3,h,w]."""
    height, width = local.shape[2] // 2, local.shape[3] // 2
    fx, fy, cx, cy = (value[:, None, None] for value in intrinsics.unbind(1))
    column = torch.arange(width, device=local.device, dtype=torch.float32) * 2 + 0.5
    row = torch.arange(height, device=local.device, dtype=torch.float32) * 2 + 0.5
    x = ((column[None, None] - cx) / fx).expand(-1, height, -1)
    y = ((row[None, :, None] - cy) / fy).expand(-1, -1, width)
    return torch.stack([x, y, (fx / FOCAL).log().expand(-1, height, width)], dim=1)
