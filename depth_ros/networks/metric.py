"""The metric network: one image to metres, for any pinhole camera, and to the focal length where that is not known.

It sees every image on a canvas of one size and tells canonical inverse depth, C = f / (W D) of Depth Pro (Bochkovskii
et al., ICLR 2025): what pixels can tell without knowing the camera. The focal length comes in afterwards, given or, as
Depth Pro does, told by a head of its own that does not shape the rest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from depth_ros.networks.blocks import Merge, Stage
from depth_ros.networks.canonical import NARROWEST, from_canonical_inverse, sampling

CANVAS = (192, 352)
"""Height and width in pixels on which the network learned to see an image; multiples of `CANVAS_MULTIPLE`."""
CANVAS_MULTIPLE = 32
WIDTHS = (24, 40, 72, 136, 208)
LOG_INVERSE = (-9.0, 4.0)
"""Least and most log of canonical inverse depth: from kilometres to centimetres."""
LOG_SIGMA = (-5.0, 1.5)
LOG_FOCAL = (-2.0, 3.0)
"""Least and most log of the focal length over the canvas' width: from 150 to 3 degrees."""
_FOCAL_WIDTH = 64
_OUTPUTS = 3


class Seen(NamedTuple):
    """What the network tells of a canvas.

    log_inverse: [N,h,w], log of canonical inverse depth. log_sigma: [N,h,w], log of sigma over depth. sky: [N,h,w],
    logit. focal: [N,2], log of the focal length over the canvas' width, and log of that log's sigma.
    """

    log_inverse: Tensor
    log_sigma: Tensor
    sky: Tensor
    focal: Tensor


class MetricNet(nn.Module):
    """A U-Net on the canvas; the focal length is not among its inputs.

    widths: channels at 1/2, 1/4, 1/8, ... of the canvas.
    """

    def __init__(self, widths: Sequence[int] = WIDTHS) -> None:
        super().__init__()
        self.encoder = nn.ModuleList(
            Stage(before, width, 1 if level == 0 else 2)
            for level, (before, width) in enumerate(zip((4 * 4 + 2, *widths), widths, strict=False))
        )
        self.context = nn.Linear(widths[-1], widths[-1])
        self.decoder = nn.ModuleList(
            Merge(below, width) for below, width in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.head = nn.Conv2d(widths[0], 4 * _OUTPUTS, 3, padding=1)
        self.focal = _FocalHead(widths[-1])
        nn.init.zeros_(self.head.weight)
        # It starts at 10 m before a camera of 60 degrees, give or take a third, no sky.
        self.head.bias = nn.Parameter(torch.tensor([-2.5, -1.0, -2.0]).repeat_interleave(4))

    def forward(self, image: Tensor, seen: Tensor, centre: Tensor) -> Seen:
        """Read a canvas.

        image: [N,h,w,3], RGB, 0..255, any where nothing is seen. seen: float32 [N,h,w], 1 where the canvas shows the
        image, else 0. centre: float32 [N,2], x and y of the principal point, pixels of the canvas.
        """
        shown = seen[:, None]
        picture = (image.permute(0, 3, 1, 2).to(shown.dtype) / 127.5 - 1) * shown
        planes = functional.pixel_unshuffle(torch.cat([picture, shown], dim=1), 2)
        levels, x = [], torch.cat([planes, _places(planes, centre)], dim=1)
        for stage in self.encoder:
            x = stage(x)
            levels.append(x)
        deepest = levels.pop()
        focal: Tensor = self.focal(deepest.detach())  # it learns beside, and does not shape what depth needs
        x = deepest + self.context(deepest.mean(dim=(2, 3)))[:, :, None, None]
        for merge in self.decoder:
            x = merge(x, levels.pop())
        told = functional.pixel_shuffle(self.head(x).float(), 2)
        return Seen(told[:, 0].clamp(*LOG_INVERSE), told[:, 1].clamp(*LOG_SIGMA), told[:, 2], focal.float())

    @torch.no_grad()
    def scale_sigma(self, gain: float) -> None:
        """Multiply every sigma of depth by `gain`."""
        self.head.bias[4:8] += math.log(gain)  # type: ignore[index]

    @torch.no_grad()
    def scale_focal_sigma(self, gain: float) -> None:
        """Multiply every sigma of the log focal length by `gain`."""
        self.focal[-1].bias[1] += math.log(gain)  # type: ignore[index,operator]


class MetricGraph(nn.Module):
    """The whole way from pixels to metres, as the model contract asks (design 2), for images of any size.

    The image is put whole into the middle of the canvas, its aspect kept, and what the network tells is brought back.
    canvas: height and width; one of another aspect than that of the training sees wide images larger.
    """

    def __init__(self, network: MetricNet, canvas: tuple[int, int] = CANVAS) -> None:
        super().__init__()
        self.network, self.canvas = network, canvas

    def forward(self, image: Tensor, intrinsics: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return depth and sigma, float32 [N,H,W], metres, valid, uint8 [N,H,W], and focal, float32 [N], pixels.

        image: uint8 [N,H,W,3], RGB. intrinsics: float32 [N,4], pixels; fx = 0 means unknown: then depth rests on
        `focal`, which the network tells in any case, and sigma holds that doubt too.
        """
        width = self.canvas[1]
        fit = _Fit(image, self.canvas)
        known = intrinsics[:, 0] > 0
        place = torch.where(known[:, None], intrinsics[:, 2:], fit.middle)
        told = self.network(*fit.onto(image.float()), fit.moved(place))
        own = told.focal[:, 0].clamp(*LOG_FOCAL).exp() * width
        focal = torch.where(known, (intrinsics[:, 0] * fit.scale).clamp(min=NARROWEST), own)
        inverse, relative, sky = (fit.back(part) for part in (told.log_inverse.exp(), told.log_sigma.exp(), told.sky))
        depth = from_canonical_inverse(inverse, torch.stack([focal] * 4, dim=1), width)
        doubt = torch.where(known, 0.0, told.focal[:, 1].clamp(*LOG_SIGMA).exp())[:, None, None]
        sigma = depth * (relative.square() + doubt.square()).sqrt()
        return depth, sigma, (1 + (sky > 0).float()).to(torch.uint8), own / fit.scale


class _FocalHead(nn.Sequential):
    def __init__(self, before: int) -> None:
        super().__init__(
            nn.Conv2d(before, _FOCAL_WIDTH, 3, 2, 1),
            nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(_FOCAL_WIDTH, 2),
        )
        nn.init.zeros_(self[-1].weight)  # type: ignore[arg-type]
        self[-1].bias = nn.Parameter(torch.tensor([-0.2, -1.0]))


class _Fit:
    """The resize that puts an image whole into the middle of the canvas, as matrices that any engine multiplies."""

    def __init__(self, image: Tensor, canvas: tuple[int, int]) -> None:
        rows, columns = image.shape[1], image.shape[2]
        sizes = torch.stack([torch.arange(size, device=image.device)[-1] + 1 for size in (rows, columns)]).float()
        wanted = torch.tensor(canvas, dtype=torch.float32, device=image.device)
        self.scale = (wanted / sizes).amin(dim=0)
        """Canvas pixels per pixel of the image."""
        middles, wanted_middles = (sizes - 1) / 2, (wanted - 1) / 2
        self.middle, self._wanted_middle = middles.flip(0), wanted_middles.flip(0)
        """x and y in the middle of the image, and of the canvas."""
        self._there, self._back, self._seen = [], [], []
        for axis, (size, fitted) in enumerate(zip((rows, columns), canvas, strict=True)):
            middle, wanted_middle = middles[axis, None], wanted_middles[axis, None]
            matrix, seen = sampling(size, fitted, self.scale[None], middle, wanted_middle)
            self._there.append(matrix[0])
            self._seen.append(seen[0].float())
            self._back.append(sampling(fitted, size, 1 / self.scale[None], wanted_middle, middle)[0][0])

    def onto(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return the canvas [N,h,w,3] of an image [N,H,W,3], and where it shows it, [N,h,w]."""
        rows, columns = self._there
        canvas = rows @ image.permute(0, 3, 1, 2) @ columns.T
        seen = (self._seen[0][:, None] * self._seen[1])[None].expand(image.shape[0], -1, -1)
        return canvas.permute(0, 2, 3, 1), seen

    def back(self, plane: Tensor) -> Tensor:
        """Return a plane [N,h,w] of the canvas as one [N,H,W] of the image."""
        return self._back[0] @ plane @ self._back[1].T

    def moved(self, place: Tensor) -> Tensor:
        """Return points [N,2], x and y in pixels of the image, in pixels of the canvas."""
        return (place - self.middle) * self.scale + self._wanted_middle


def _places(planes: Tensor, centre: Tensor) -> Tensor:
    """How far right of and below the principal point each pixel of half size is, in half widths: [N,2,h,w].

    Level ground `a` below a level camera has the canonical inverse depth place / (2 a), whatever the canvas.
    """
    height, width = planes.shape[2:]
    column = torch.arange(width, device=planes.device, dtype=torch.float32) * 2 + 0.5
    row = torch.arange(height, device=planes.device, dtype=torch.float32) * 2 + 0.5
    x = (column[None, None] - centre[:, :1, None]).expand(-1, height, -1)
    y = (row[None, :, None] - centre[:, 1:, None]).expand(-1, -1, width)
    return torch.stack([x, y], dim=1) / width
