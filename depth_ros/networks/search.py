"""The nearest measurement above and below every pixel, by doubling steps that any engine can run."""

from __future__ import annotations

import torch
from torch import Tensor

SIDEWAYS = (1, 2)
VERTICAL = (1, 2, 4, 8, 16, 32, 64)
REACH = 2 * VERTICAL[-1]
"""Rows that are searched at most, the pixel's own included."""


def search_columns(inverse: Tensor) -> tuple[Tensor, Tensor]:
    """Find the nearest measurement above and below, the pixel itself included.

    inverse: [N,1,H,W], inverse depth, 0 = no measurement. Returns two tensors [N,2,H,W], above and below: the inverse
    depth that was found, 0 = none within `REACH` rows, and how many rows away it lies (of no meaning where none was
    found). A column looks up to 3 pixels to its sides first, since the columns of a LiDAR leave gaps between the
    image's columns; of two as near it takes the nearer surface.
    """
    for step in SIDEWAYS:
        sides = torch.maximum(_shift(inverse, step, 3), _shift(inverse, -step, 3))
        inverse = torch.where(inverse > 0, inverse, sides)
    above = below = torch.cat([inverse, torch.zeros_like(inverse)], dim=1)
    for step in VERTICAL:
        above = _take(above, _farther(_shift(above, step, 2), step))
        below = _take(below, _farther(_shift(below, -step, 2), step))
    return above, below


def _take(state: Tensor, other: Tensor) -> Tensor:
    """Fill what `state` has not found yet with what `other` has."""
    return torch.where(state[:, :1] > 0, state, other)


def _farther(state: Tensor, rows: int) -> Tensor:
    return torch.cat([state[:, :1], state[:, 1:] + rows], dim=1)


def _shift(state: Tensor, by: int, dim: int) -> Tensor:
    """Move the content by `by` places along `dim`; zeros come in. Longer shifts than the tensor leave zeros."""
    size = state.shape[dim]
    gap = torch.zeros_like(state.narrow(dim, 0, 1)).expand(*(abs(by) if d == dim else -1 for d in range(state.dim())))
    joined = torch.cat([gap, state] if by > 0 else [state, gap], dim=dim)
    return joined.narrow(dim, 0, size) if by > 0 else joined.narrow(dim, -by, size)
