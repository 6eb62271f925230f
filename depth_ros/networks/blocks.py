"""What the networks of this package are built of: the stages of a small U-Net."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Stage(nn.Sequential):
    """Two convolutions; the first may halve the size."""

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__(Convolution(before, width, stride), Convolution(width, width))


class Merge(nn.Module):
    """Doubles the size of the coarser level, adds it to the finer one, refines."""

    def __init__(self, below: int, width: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(below, width, 1)
        self.refine = nn.Sequential(Convolution(width, width), Convolution(width, width))

    def forward(self, below: Tensor, level: Tensor) -> Tensor:
        """Return the finer level [N,width,h,w], refined by what lies below it, [N,below,h/2,w/2]."""
        refined: Tensor = self.refine(twice(self.reduce(below)) + level)
        return refined


class Convolution(nn.Sequential):
    """3x3 convolution, BatchNorm, ReLU; the momentum lets statistics follow averaged weights (prototype: 0.02)."""

    def __init__(self, before: int, width: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(before, width, 3, stride, 1, bias=False),
            nn.BatchNorm2d(width, momentum=0.02),
            nn.ReLU(inplace=True),
        )


def twice(plane: Tensor) -> Tensor:
    """Return a plane [N,C,H,W] at twice its size, every pixel four times."""
    if torch.is_grad_enabled():
        # The compiled gradient of the other way is zero on CPUs in bfloat16 (torch 2.13), without a word.
        n, c, h, w = plane.shape
        return plane[:, :, :, None, :, None].expand(n, c, h, 2, w, 2).reshape(n, c, 2 * h, 2 * w)
    return functional.interpolate(plane, scale_factor=2, mode="nearest")
