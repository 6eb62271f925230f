"""Light on a device, as `synthetic.shading` has it: sun with cast shadows, lamps, sky, mirrored sky, haze."""

from __future__ import annotations

import torch
from torch import Tensor

from depth_ros.geometry import rigid
from depth_ros.synthetic.shading import AMBIENT, BOUNCE, HORIZON, LAMP_COLOUR, SHADOW_BIAS, SUN_COLOUR, ZENITH, SunView
from depth_ros.synthetic.shapes import Texture
from depth_ros.training.device_cast import cast_ahead, transform
from depth_ros.training.device_scene import DeviceScene
from depth_ros.training.device_surface import DeviceSurface
from depth_ros.training.device_texture import albedo, noise
from depth_ros.training.device_tiles import interleave


def shade(scene: DeviceScene, surface: DeviceSurface) -> Tensor:
    """Return the light [N,3] (linear, 1 = white paper in the shade) that comes from a surface's points."""
    sun_colour, ambient, bounce, lamp_colour, horizon = (
        torch.as_tensor(part, device=scene.device) for part in (SUN_COLOUR, AMBIENT, BOUNCE, LAMP_COLOUR, HORIZON)
    )
    colour, gloss = albedo(scene, surface)
    upward = (0.5 + 0.5 * surface.normal[:, 2])[:, None]
    received = upward * ambient + (1 - upward) * bounce + _lamplight(scene, surface)[:, None] * lamp_colour
    received += _sunshine(scene, surface)[:, None] * sun_colour
    light = colour * received
    at = torch.nonzero(gloss > 0.005)[:, 0]
    light[at] += _reflection(scene, surface.normal[at], surface.ray[at], gloss[at], sun_colour)
    clear = torch.exp(-surface.distance / scene.haze)[:, None]
    return horizon + clear * (light - horizon)


def sky(scene: DeviceScene, ray: Tensor) -> Tensor:
    """Return the light [N,3] of the sky along unit directions [N,3]: a gradient with thin clouds."""
    horizon, zenith = (torch.as_tensor(part, device=scene.device) for part in (HORIZON, ZENITH))
    up = ray[:, 2].clamp(0, 1)
    light = horizon + up.sqrt()[:, None] * (zenith - horizon)
    across, along = (ray[:, :2] / (up + 0.12)[:, None]).unbind(1)
    clouds = torch.zeros_like(up)
    for cell in (0.30, 0.13, 0.06, 0.03):
        clouds += noise(scene.noise_tile, across, along, cell, torch.zeros_like(up)) * cell
    cover = (clouds * 2.2 - 0.15).clamp(0, 0.85) * up.sqrt()
    return light + cover[:, None] * (1.05 - light)


def to_srgb(light: Tensor) -> Tensor:
    """Turn linear light [...,3] into 8-bit colours: a soft shoulder, then a square-root gamma."""
    return (255 * torch.sqrt(1 - torch.exp(-1.25 * light.clamp(min=0)))).to(torch.uint8)


def _sunshine(scene: DeviceScene, surface: DeviceSurface) -> Tensor:
    """Light [N] that comes straight from the sun: its cosine with the surface, times the share that is not hidden."""
    direct = torch.zeros_like(surface.distance)
    if scene.sun is None or scene.sun_view is None:
        return direct
    facing = surface.normal @ scene.sun
    leafy = scene.materials.texture[surface.material] == Texture.FOLIAGE
    facing = torch.where(leafy, 0.25 + 0.75 * facing, facing)
    lit = torch.nonzero(facing > 0)[:, 0]
    point = surface.point[lit] + 0.05 * surface.normal[lit]
    direct[lit] = facing[lit] * _sunlit(scene, scene.sun_view, point)
    return direct


def _sunlit(scene: DeviceScene, view: SunView, point: Tensor) -> Tensor:
    """Share [N] of the sun that reaches points [N,3], world: four texels of the shadow map, blended.

    Only the texels that are asked for are cast.
    """
    seen = transform(rigid.invert(view.T_world_sun), point.double())
    column, row = ((seen[:, axis] / seen[:, 2] - float(view.start[axis])) / view.step for axis in (0, 1))
    left, top = column.floor(), row.floor()
    height, width = view.size
    i = torch.stack([top, top, top + 1, top + 1]).long().clamp(0, height - 1)
    j = torch.stack([left, left + 1, left, left + 1]).long().clamp(0, width - 1)
    across, down = column - left, row - top
    weight = torch.stack([(1 - across) * (1 - down), across * (1 - down), (1 - across) * down, across * down])
    lit = seen[:, 2] < _sun_depth(scene, view, i, j) + SHADOW_BIAS
    return (weight * lit).sum(dim=0).float()


def _sun_depth(scene: DeviceScene, view: SunView, row: Tensor, column: Tensor) -> Tensor:
    """Depth from the sun, float32, of texels at rows and columns of any one shape."""
    texel, place = torch.unique(row * view.size[1] + column, return_inverse=True)
    i, j = texel // view.size[1], texel % view.size[1]
    start = torch.as_tensor(view.start, device=scene.device)
    xy = start + view.step * torch.stack([j, i], dim=1).double()
    depth = cast_ahead(scene, view.T_world_sun, xy, interleave(i, j)).t.float()
    return depth[place]


def _lamplight(scene: DeviceScene, surface: DeviceSurface) -> Tensor:
    """Light [N] of the scene's lamps, which shine through everything."""
    place, (brightness, reach) = scene.lamps[:, :3], scene.lamps[:, 3:].unbind(1)
    towards = place - surface.point[:, None]
    squared = towards.square().sum(dim=2)
    cosine = (surface.normal[:, None] * towards).sum(dim=2) / (squared + 1e-6).sqrt()
    return (brightness * (0.15 + 0.85 * cosine.clamp(min=0)) / (1 + squared / reach.square())).sum(dim=1)


def _reflection(scene: DeviceScene, normal: Tensor, ray: Tensor, gloss: Tensor, sun_colour: Tensor) -> Tensor:
    """What glossy points mirror of the sky (Schlick's approximation of Fresnel's law) and of the sun, [N,3]."""
    cosine = -(normal * ray).sum(dim=1).clamp(-1, 0)
    mirrored = ray + 2 * cosine[:, None] * normal
    light = sky(scene, mirrored) * (0.5 + 2 * mirrored[:, 2:]).clamp(0.12, 1)
    if scene.sun is not None:
        light += 25 * (mirrored @ scene.sun).clamp(min=0)[:, None] ** 120 * sun_colour
    return (gloss * (1 + 5 * (1 - cosine) ** 4))[:, None] * light
