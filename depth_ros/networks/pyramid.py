"""Depth Pro's pyramid of overlapping patches, for any patch encoder and any size (Bochkovskii et al., ICLR 2025).

An encoder made for one small size sees a large image at several scales, cut into overlapping patches of that size, all
in one batch; what it says of the patches is put together to one map per scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from depth_ros.errors import GeometryError


@dataclass(frozen=True)
class Cuts:
    """How one axis of one level is cut, all in tokens.

    starts: first token of each patch. seams: len(starts) + 1, where the map changes from one patch to the next: the
    middle of their overlap, so that every token comes from the patch in whose inside it lies deepest.
    """

    starts: tuple[int, ...]
    seams: tuple[int, ...]


@dataclass(frozen=True)
class PyramidGeometry:
    """Sizes and cuts of a pyramid; the defaults are Depth Pro's: 1536, 768, 384 in 25 + 9 + 1 patches.

    height, width: px, of the finest level; each further level is half of the one before, rounded to whole tokens.
    patch: px, side of what the encoder takes. token: px, side of what one vector of the encoder's answer stands for.
    overlaps: per level, finest first, the least share of a patch that it has in common with its neighbour.

    Raises GeometryError when a level is smaller than a patch, a size is no multiple of the token, or an overlap is not
    in [0, 1).
    """

    height: int = 1536
    width: int = 1536
    patch: int = 384
    token: int = 16
    overlaps: tuple[float, ...] = (0.25, 0.5, 0.0)

    def __post_init__(self) -> None:
        if (
            self.token < 1
            or self.patch < self.token
            or any(v % self.token for v in (self.height, self.width, self.patch))
        ):
            raise GeometryError(
                f"pyramid of {self.width}x{self.height} in patches of {self.patch}: give multiples of {self.token}"
            )
        if not self.overlaps or not all(0 <= overlap < 1 for overlap in self.overlaps):
            raise GeometryError(f"overlaps {self.overlaps} of a pyramid: give one of [0, 1) for each level")
        if min(self.sizes[-1]) < self.patch:
            rows, columns = self.sizes[-1]
            raise GeometryError(
                f"the coarsest of {len(self.overlaps)} levels is {columns}x{rows}, less than a patch of {self.patch}: "
                "take fewer levels or a larger image"
            )

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """Height and width of each level in pixels, finest first."""
        levels = range(len(self.overlaps))
        return [(self._level(self.height, level), self._level(self.width, level)) for level in levels]

    def cuts(self, level: int) -> tuple[Cuts, Cuts]:
        """Return the cuts of the rows and of the columns of a level."""
        rows, columns = self.sizes[level]
        return self._cuts(rows, self.overlaps[level]), self._cuts(columns, self.overlaps[level])

    @property
    def counts(self) -> list[int]:
        """Patches of each level, finest first."""
        cuts = [self.cuts(level) for level in range(len(self.overlaps))]
        return [len(rows.starts) * len(columns.starts) for rows, columns in cuts]

    def _level(self, size: int, level: int) -> int:
        return max(int(size / 2**level / self.token + 0.5), 1) * self.token

    def _cuts(self, size: int, overlap: float) -> Cuts:
        """As few patches as the overlap allows, spread evenly from edge to edge on whole tokens."""
        tokens, side = size // self.token, self.patch // self.token
        way, stride = tokens - side, max(int(side * (1 - overlap) + 1e-9), 1)
        steps = -(-way // stride)
        starts = tuple(way * i // steps for i in range(steps + 1)) if steps else (0,)
        seams = tuple((before + side + after) // 2 for before, after in pairwise(starts))
        return Cuts(starts, (0, *seams, tokens))


class PatchPyramid(nn.Module):
    """An image through a patch encoder at several scales.

    encoder: takes float [M,C,patch,patch] and gives one tensor [M,D,T,T] or several (features of several depths); T
    may differ among them, as long as it is a multiple of patch / token.
    """

    def __init__(self, encoder: nn.Module, geometry: PyramidGeometry | None = None) -> None:
        super().__init__()
        self.encoder = encoder
        self.geometry = PyramidGeometry() if geometry is None else geometry

    def forward(self, image: Tensor) -> list[list[Tensor]]:
        """Return the merged maps [N,D,h,w] of every level, finest first, for each tensor that the encoder gives.

        image: float [N,C,H,W], brought to the levels' sizes bilinearly (pixel areas keep their place, aspect does not).
        All patches of all levels and images go through the encoder in one batch.
        """
        answer = self.encoder(torch.cat(self.split(image)))
        features = [answer] if isinstance(answer, Tensor) else list(answer)
        shares = [feature.reshape(sum(self.geometry.counts), -1, *feature.shape[1:]) for feature in features]
        levels = range(len(self.geometry.overlaps))
        return [[self.merge(part, level) for part in self._parts(shares, level)] for level in levels]

    def split(self, image: Tensor) -> list[Tensor]:
        """Return the patches of every level, finest first: [count * N, C, patch, patch], image by image in each."""
        return [torch.cat(self._patches(picture, level)) for level, picture in enumerate(self._levels(image))]

    def merge(self, patches: Tensor, level: int) -> Tensor:
        """Put a level's patches [count,N,D,T,T] together to a map [N,D,h,w]; overlaps are cut at their middle.

        Raises GeometryError when the encoder's answer is coarser than the tokens on which the cuts lie.
        """
        rows, columns = self.geometry.cuts(level)
        each, side = patches.shape[-1], self.geometry.patch // self.geometry.token
        if each % side or patches.shape[-2] != each:
            shape = f"{patches.shape[-1]}x{patches.shape[-2]}"
            raise GeometryError(f"the encoder answers a patch with {shape}: it must be a square multiple of {side}")
        factor, across = each // side, len(columns.starts)
        single = patches.unbind()  # indexing would make the backward pass fill and add a whole batch for every patch
        return torch.cat(
            [
                torch.cat(
                    [
                        single[i * across + j][:, :, _inner(rows, i, factor), _inner(columns, j, factor)]
                        for j in range(across)
                    ],
                    dim=3,
                )
                for i in range(len(rows.starts))
            ],
            dim=2,
        )

    def _levels(self, image: Tensor) -> list[Tensor]:
        """The image at every size, each made of the finest one, as the published weights expect it."""
        sizes = self.geometry.sizes
        finest = _resized(image, sizes[0])
        return [finest, *(_resized(finest, size) for size in sizes[1:])]

    def _patches(self, picture: Tensor, level: int) -> list[Tensor]:
        rows, columns = self.geometry.cuts(level)
        token, patch = self.geometry.token, self.geometry.patch
        return [
            picture[:, :, y * token : y * token + patch, x * token : x * token + patch]
            for y in rows.starts
            for x in columns.starts
        ]

    def _parts(self, shares: Sequence[Tensor], level: int) -> list[Tensor]:
        return [torch.split(share, self.geometry.counts)[level] for share in shares]


def _inner(cuts: Cuts, index: int, factor: int) -> slice:
    """What a patch gives to the map, in its own tokens."""
    start = cuts.starts[index]
    return slice((cuts.seams[index] - start) * factor, (cuts.seams[index + 1] - start) * factor)


def _resized(image: Tensor, size: tuple[int, int]) -> Tensor:
    if tuple(image.shape[2:]) == size:
        return image
    return functional.interpolate(image, size=size, mode="bilinear", align_corners=False)
