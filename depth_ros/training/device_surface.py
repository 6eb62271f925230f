"""What rays met, as `synthetic.surface` describes it, on a device."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from depth_ros.synthetic.shapes import FloatArray
from depth_ros.synthetic.surface import SOLID_UV
from depth_ros.training.device_scene import DeviceScene


class DeviceSurface(NamedTuple):
    """See `surface.Surface`. material: int64 [N], the others float32."""

    distance: Tensor
    ray: Tensor
    point: Tensor
    normal: Tensor
    material: Tensor
    uv: Tensor
    radius: Tensor
    footprint: Tensor


def describe(
    scene: DeviceScene, T_world_view: FloatArray, ray: Tensor, t: Tensor, shape: Tensor, pixel_size: float = 0.0
) -> DeviceSurface:
    """Describe the surfaces that rays (float64 [N,3], view frame) hit: all shapes [N] at t [N] times the rays.

    pixel_size: a pixel's extent in units of x / z, which is 1 / focal length.
    """
    rotation, origin = (torch.as_tensor(part, device=scene.device).float() for part in _split(T_world_view))
    ray, t = ray.float() @ rotation.T, t.float()
    point = t[:, None] * ray + origin
    length = ray.square().sum(dim=1).sqrt()
    distance, ray = t * length, ray / length[:, None]
    extent = distance * pixel_size
    normal, uv, footprint = torch.zeros_like(ray), torch.zeros_like(ray[:, :2]), torch.zeros_like(ray[:, :2])
    radius = torch.ones_like(t)
    quads = len(scene.quads.vertices)
    flat, round_ = torch.nonzero(shape < quads)[:, 0], torch.nonzero(shape >= quads)[:, 0]
    on_quads = _on_quads(scene, shape[flat], point[flat], ray[flat], extent[flat], rotation)
    normal[flat], uv[flat], footprint[flat] = on_quads
    normal[round_], radius[round_] = _on_solids(scene, shape[round_] - quads, point[round_])
    uv[round_] = point[round_] @ torch.as_tensor(SOLID_UV.T.copy(), device=scene.device).float()
    footprint[round_] = extent[round_, None].expand(-1, 2)
    return DeviceSurface(distance, ray, point, normal, scene.shape_material[shape], uv, radius, footprint)


def _split(T: FloatArray) -> tuple[FloatArray, FloatArray]:
    return T[:3, :3].copy(), T[:3, 3].copy()


def _on_quads(
    scene: DeviceScene, number: Tensor, point: Tensor, ray: Tensor, extent: Tensor, rotation: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Normal, uv and footprint; a pixel step e moves the hit by distance * (e - ray (n.e) / (n.ray))."""
    normal, gradient = scene.quads.normal[number], scene.quads.gradient[number]
    facing = (normal * ray).sum(dim=1).clamp(max=-1e-3)
    steps = rotation[:, :2]
    tilt = (normal @ steps) / facing[:, None]
    uv = (gradient * point[:, None]).sum(dim=2) + scene.quads.offset[number]
    slope = (gradient * ray[:, None]).sum(dim=2)
    moved = (gradient @ steps) - slope[:, :, None] * tilt[:, None]
    return normal, uv, moved.abs().sum(dim=2) * extent[:, None]


def _on_solids(scene: DeviceScene, number: Tensor, point: Tensor) -> tuple[Tensor, Tensor]:
    """Normal, and on a cylinder's cap the share of its radius, else 1."""
    axes = scene.axes[number]
    scaled = axes / axes.square().sum(dim=1)[:, None]
    local = (scaled * (point - scene.centre[number])[:, :, None]).sum(dim=1)
    is_cylinder = number >= scene.ellipsoids
    cap = is_cylinder & (local[:, 2].abs() > 1 - 1e-4)
    radius = torch.where(cap, torch.hypot(local[:, 0], local[:, 1]), 1)
    kept = torch.stack([~cap, ~cap, ~is_cylinder | cap], dim=1)
    normal = (scaled * (local * kept)[:, None]).sum(dim=2)
    normal /= torch.linalg.vector_norm(normal, dim=1, keepdim=True).clamp(min=1e-12)
    return normal.float(), radius.float()
