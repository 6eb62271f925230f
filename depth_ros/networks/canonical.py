"""The canonical camera as layers of a graph: `geometry.canonical` and `geometry.view`, in torch, ready for ONNX.

Every function takes intrinsics float32 [N,4] (fx, fy, cx, cy in pixels) *of the image at hand*; fx = 0 means unknown,
and `known_intrinsics` comes first wherever that may be.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from depth_ros.geometry.canonical import CANONICAL_FOCAL, INVERSE_RANGE

NARROWEST = 1e-3
"""Least focal length in pixels of a graph: whatever comes in, it divides by no 0."""


def known_intrinsics(intrinsics: Tensor, focal: Tensor | float, width: int, height: int) -> Tensor:
    """Return intrinsics [N,4] in which unknown ones are replaced: by `focal` (px, [N] or one for all), centred.

    The focal head's place: its answer counts where the camera does not tell.
    """
    focal = torch.as_tensor(focal, dtype=intrinsics.dtype, device=intrinsics.device).expand(intrinsics.shape[0])
    column, row = torch.full_like(focal, (width - 1) / 2), torch.full_like(focal, (height - 1) / 2)
    guess = torch.stack([focal, focal, column, row], dim=1).clamp(min=NARROWEST)
    return torch.where(intrinsics[:, :1] > 0, intrinsics, guess)


def focal_from_fov(fov_deg: Tensor, width: int) -> Tensor:
    """Return focal lengths [N] in pixels of horizontal fields of view [N] in degrees (Depth Pro's head)."""
    return 0.5 * width / torch.tan(fov_deg * (math.pi / 360))


def resized_intrinsics(intrinsics: Tensor, scale: tuple[float, float]) -> Tensor:
    """Return intrinsics [N,4] after a resize by `scale` (x, y): pixel areas keep their place."""
    x, y = scale
    factor = torch.tensor([x, y, x, y], dtype=intrinsics.dtype, device=intrinsics.device)
    offset = torch.tensor([0, 0, (x - 1) / 2, (y - 1) / 2], dtype=intrinsics.dtype, device=intrinsics.device)
    return intrinsics * factor + offset


def moved_intrinsics(intrinsics: Tensor, x: int, y: int) -> Tensor:
    """Return intrinsics [N,4] of the window whose first pixel is (x, y); negative: that much padding before it."""
    return intrinsics - torch.tensor([0, 0, x, y], dtype=intrinsics.dtype, device=intrinsics.device)


def to_canonical(depth: Tensor, intrinsics: Tensor, canonical: float = CANONICAL_FOCAL) -> Tensor:
    """Return canonical depth [N,H,W] of metres [N,H,W] (Metric3D's label transform)."""
    return depth * (canonical / _fx(intrinsics))


def from_canonical(canonical_depth: Tensor, intrinsics: Tensor, canonical: float = CANONICAL_FOCAL) -> Tensor:
    """Return metres [N,H,W] of canonical depth; intrinsics of the image that the network saw."""
    return canonical_depth * (_fx(intrinsics) / canonical)


def to_canonical_inverse(depth: Tensor, intrinsics: Tensor, width: int) -> Tensor:
    """Return canonical inverse depth C = f / (W D), [N,H,W], of positive metres [N,H,W] (Depth Pro)."""
    return _fx(intrinsics) / width / depth


def from_canonical_inverse(
    inverse: Tensor, intrinsics: Tensor, width: int, limits: tuple[float, float] = INVERSE_RANGE
) -> Tensor:
    """Return metres D = f / (W C), [N,H,W]; limits: least and most inverse depth, 1/m, which bound the answer."""
    return 1 / (inverse * (width / _fx(intrinsics))).clamp(*limits)


class CanonicalImage(nn.Module):
    """Metric3D's image transform in a graph: any camera's picture as one canonical camera would take it.

    height, width: of the canonical picture. focal: of the canonical camera, px, both ways; its principal point is in
    the middle. The resize depends on the intrinsics of each picture, so it is a pair of matrices made of them, which
    any engine can multiply; they average over what shrinks (no aliasing).
    """

    def __init__(self, height: int, width: int, focal: float = CANONICAL_FOCAL) -> None:
        super().__init__()
        self.height, self.width, self.focal = height, width, focal

    def forward(self, image: Tensor, intrinsics: Tensor, fill: Sequence[float] = (0.0,)) -> tuple[Tensor, Tensor]:
        """Return the picture [N,C,height,width] and, [N,1,height,width], where it shows the image (1) or `fill` (0).

        image: float [N,C,H,W]. intrinsics: float32 [N,4], known. fill: per channel, or one for all.
        """
        height, width = image.shape[2:]
        scale = self.focal / intrinsics[:, :2]
        rows, seen_rows = sampling(height, self.height, scale[:, 1], intrinsics[:, 3], self._middle(self.height))
        columns, seen_columns = sampling(width, self.width, scale[:, 0], intrinsics[:, 2], self._middle(self.width))
        seen = (seen_rows[:, :, None] & seen_columns[:, None])[:, None]
        outside = torch.tensor(list(fill), dtype=image.dtype, device=image.device)[None, :, None, None]
        return torch.where(seen, rows[:, None] @ image @ columns.transpose(1, 2)[:, None], outside), seen.to(
            image.dtype
        )

    def back(self, depth: Tensor, intrinsics: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
        """Return depth [N,H,W] as the image's own camera sees it, and where the canonical picture saw it (1 or 0).

        depth: float32 [N,height,width] of the canonical picture, metres: the image transform keeps its values.
        intrinsics: of the image, known. height, width: of the image. Unseen places hold what is at the edge.
        """
        scale = intrinsics[:, :2] / self.focal
        rows, seen_rows = sampling(self.height, height, scale[:, 1], self._middle(self.height), intrinsics[:, 3])
        columns, seen_columns = sampling(self.width, width, scale[:, 0], self._middle(self.width), intrinsics[:, 2])
        return rows @ depth @ columns.transpose(1, 2), (seen_rows[:, :, None] & seen_columns[:, None]).to(depth.dtype)

    @staticmethod
    def _middle(size: int) -> Tensor:
        return torch.tensor([(size - 1) / 2])


def sampling(before: int, after: int, scale: Tensor, from_centre: Tensor, to_centre: Tensor) -> tuple[Tensor, Tensor]:
    """Return the matrix [N,after,before] that resamples an axis, and which places [N,after] lie on what there is.

    scale [N]: pixels after per pixel before; the centres [N], px, fall on one another. Linear where it enlarges, a
    triangle as wide as a pixel's footprint where it shrinks; beyond the edge, the edge.
    """
    target = torch.arange(after, dtype=scale.dtype, device=scale.device)
    place = (target[None] - to_centre.to(scale.device)[:, None]) / scale[:, None] + from_centre.to(scale.device)[
        :, None
    ]
    source = torch.arange(before, dtype=scale.dtype, device=scale.device)
    last = source[-1:]  # a number of the graph: exporters choke on arithmetic with a free size
    nearest = torch.minimum(place.clamp(min=0), last)
    weight = (1 - (nearest[:, :, None] - source).abs() / (1 / scale).clamp(min=1)[:, None, None]).clamp(min=0)
    # Half a thousandth of a pixel more than the area of what there is: rounding must not cost the outermost column.
    seen = (place > -0.5005) & (place < last + 0.5005)
    return weight / weight.sum(dim=2, keepdim=True), seen


def _fx(intrinsics: Tensor) -> Tensor:
    return intrinsics[:, 0].clamp(min=NARROWEST)[:, None, None]
