"""Ellipsoids and cylinders met by rays on a device; the formulas of `synthetic.cast`."""

from __future__ import annotations

import torch
from torch import Tensor

from depth_ros.synthetic.shapes import FloatArray
from depth_ros.training.device_scene import DeviceScene


def unit_maps(scene: DeviceScene, T_view_world: FloatArray) -> tuple[Tensor, Tensor, Tensor]:
    """Return the solids' boxes and the maps from the view frame into their unit frames.

    Corners float64 [S,8,3], the view's origin in each unit frame [S,3] and the linear part of the map [S,3,3].
    """
    rotation = torch.as_tensor(T_view_world[:3, :3], device=scene.device)
    centre = scene.centre @ rotation.T + torch.as_tensor(T_view_world[:3, 3], device=scene.device)
    axes = rotation @ scene.axes
    signs = torch.tensor([-1.0, 1.0], dtype=torch.float64, device=scene.device)
    corners = centre[:, None] + torch.cartesian_prod(signs, signs, signs) @ axes.transpose(1, 2)
    to_unit = axes.transpose(1, 2) / axes.square().sum(dim=1)[:, :, None]
    return corners, -(to_unit * centre[:, None]).sum(dim=2), to_unit


def meet_solids(origin: Tensor, ray: Tensor, is_cylinder: Tensor) -> Tensor:
    """Inverse parameter [n,K] of the first point of rays [n,3,K] from origins [n,3] on unit solids; 0 = none."""
    origin = origin[..., None]
    # The third axis of a cylinder does not count for its side.
    counted = torch.where(is_cylinder, 0.0, 1.0)[:, None]
    side = _inverse_root(origin, ray, counted)
    along, height = origin[:, 2], ray[:, 2]
    side = torch.where(is_cylinder[:, None] & ((along * side + height).abs() > side), 0, side)
    above = is_cylinder[:, None] & (along.abs() > 1)
    cap = (height / torch.where(above, along.sign() - along, 1)).clamp(min=0)
    inside = (origin[:, 0] * cap + ray[:, 0]).square() + (origin[:, 1] * cap + ray[:, 1]).square() <= cap.square()
    return torch.where(inside & above, torch.maximum(side, cap), side)


def _inverse_root(origin: Tensor, ray: Tensor, counted: Tensor) -> Tensor:
    """Inverse of the smaller root t of |origin + t ray| = 1 for an origin outside; 0 where no root is positive."""
    weighted = torch.stack([origin[:, 0], origin[:, 1], origin[:, 2] * counted], dim=1)
    outside = weighted.square().sum(dim=1) - 1
    half = (weighted * ray).sum(dim=1)
    squared = ray[:, 0].square() + ray[:, 1].square() + ray[:, 2].square() * counted
    discriminant = half.square() - outside * squared
    met = (discriminant >= 0) & (half < 0) & (outside > 0)
    return torch.where(met, (discriminant.clamp(min=0).sqrt() - half) / torch.where(outside > 0, outside, 1), 0)
