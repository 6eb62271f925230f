"""The grammar of short roads: towns, suburbs, lanes, squares and highways, much more varied than the demo's street."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from depth_ros.geometry import rigid
from depth_ros.synthetic import objects
from depth_ros.synthetic.barriers import add_barrier
from depth_ros.synthetic.builder import SceneBuilder
from depth_ros.synthetic.ground import Profile, Road, draw_centreline
from depth_ros.synthetic.houses import add_house
from depth_ros.synthetic.light import draw_light
from depth_ros.synthetic.palette import Palette
from depth_ros.synthetic.people import add_figure
from depth_ros.synthetic.plants import Flora, add_bush, add_hedge, add_tree
from depth_ros.synthetic.roadside import add_furniture
from depth_ros.synthetic.shapes import FloatArray, Holes, Texture
from depth_ros.synthetic.vehicles import add_vehicle
from depth_ros.synthetic.world import World

Rng = np.random.Generator
BEHIND, REACH = 22.0, 130.0


@dataclass(frozen=True)
class _Style:
    """Ranges and shares of one kind of road: half width and pavement in metres, the rest per 10 m of one side."""

    name: str
    half: tuple[float, float]
    pavement: tuple[float, float]
    slope: float
    houses: float
    parked: float
    driving: float
    people: float
    furniture: float
    trees: float


_STYLES = (
    _Style("town", (3.0, 7.5), (1.8, 5.0), 0.02, 0.9, 1.0, 0.25, 0.9, 0.8, 0.35),
    _Style("suburb", (2.8, 5.0), (1.2, 2.5), 0.05, 0.45, 0.7, 0.2, 0.4, 0.5, 0.8),
    _Style("lane", (1.6, 2.8), (0.5, 1.2), 0.06, 0.9, 0.25, 0.05, 0.6, 0.5, 0.2),
    _Style("square", (7.0, 14.0), (3.0, 8.0), 0.01, 0.6, 0.3, 0.3, 2.2, 1.2, 0.5),
    _Style("highway", (7.0, 13.0), (0.0, 1.5), 0.03, 0.0, 0.0, 0.7, 0.0, 0.3, 0.4),
)


class _Site:
    """A road being furnished: what to build with, and where cameras will stand."""

    def __init__(self, rng: Rng) -> None:
        self.rng, self.builder = rng, SceneBuilder()
        self.palette, self.flora = Palette(self.builder, rng), Flora(self.builder, rng)
        self.style = _STYLES[rng.integers(len(_STYLES))]
        self.half, self.front = _draw_widths(rng, self.style)
        line = draw_centreline(rng, -BEHIND, REACH, rng.uniform(0, 0.25), self.style.slope)
        self.road = Road(line, _draw_profile(self))
        self.end = float(rng.uniform(60, 110))
        self.stands = self._draw_stands()
        self.wheel = self.builder.material((0.04, 0.04, 0.04), holes=Holes.WHEEL, hole_size=0.7)

    def _draw_stands(self) -> FloatArray:
        poses = []
        for _ in range(8):
            on_road = self.rng.random() < 0.75
            edge = self.half if on_road or self.front - self.half < 1.0 else self.front - 0.4
            lateral = self.rng.uniform(-1, 1) * edge * 0.8
            yaw = self.rng.choice((0.0, 0.0, np.pi / 2, -np.pi / 2)) if not on_road else 0.0
            poses.append(self.road.place(self.rng.uniform(-16, 0.35 * self.end), lateral, yaw, tilted=on_road))
        return np.stack(poses)

    def is_free(self, T: FloatArray, radius: float) -> bool:
        """Tell whether nobody's camera stands within `radius` metres of a thing."""
        return bool((np.linalg.norm(self.stands[:, :2, 3] - T[:2, 3], axis=1) > radius).all())

    def along(self, per_ten_metres: float) -> FloatArray:
        """Draw arc lengths of things that are so frequent."""
        count = self.rng.poisson(per_ten_metres * (self.end + BEHIND) / 10)
        return self.rng.uniform(-BEHIND, self.end, count)


def make_road(rng: Rng) -> World:
    """Make a road of 60 to 110 m with all that stands, walks and drives there."""
    site = _Site(rng)
    site.road.lay(site.builder)
    for side in (-1, 1):
        _line(site, side)
        _fill_pavement(site, side)
        _park(site, side)
    _drive(site)
    _gather_people(site)
    _hang_wires(site)
    _close(site)
    sun, haze = draw_light(rng)
    return World("street", site.builder.build(sun, haze, shadow_texel=0.16), site.stands)


def _draw_widths(rng: Rng, style: _Style) -> tuple[float, float]:
    half = float(rng.uniform(*style.half))
    return half, half + float(rng.uniform(*style.pavement))


def _draw_profile(site: _Site) -> Profile:
    """Draw the cross-section: carriageway, kerbs, pavements, and level ground or a bank on either side."""
    rng, palette = site.rng, site.palette
    kerb = 0.0 if site.style.name in ("square", "lane") and rng.random() < 0.5 else rng.uniform(0.04, 0.2)
    road = palette.road if rng.random() < 0.6 else _draw_paving(site)
    ways = palette.pavement if rng.random() < 0.5 else _draw_paving(site)
    banks = rng.normal(0, 1.2, 2) if site.style.houses == 0 or rng.random() < 0.2 else np.zeros(2)
    half, front, crown = site.half, max(site.front, site.half + 0.1), 0.02 * site.half
    right = [(-70, kerb + 3 * banks[0]), (-front - 8, kerb + 2 * banks[0]), (-front, kerb), (-half, kerb), (-half, 0.0)]
    left = [(half, 0.0), (half, kerb), (front, kerb), (front + 8, kerb + 2 * banks[1]), (70, kerb + 3 * banks[1])]
    lateral, height = np.array([*right, (0, crown), *left], dtype=np.float64).T
    verge = palette.yard if rng.random() < 0.6 else ways
    sides = (palette.yard, verge, ways, palette.kerb)
    return Profile(lateral, height, (*sides, road, road, *sides[::-1]))


def _draw_paving(site: _Site) -> int:
    grey = site.rng.uniform(0.08, 0.4) * site.rng.uniform(0.85, 1.1, 3)
    texture = site.rng.choice((Texture.PAVING, Texture.BRICK, Texture.NOISE, Texture.PLAIN))
    period = (site.rng.uniform(0.1, 1.5), site.rng.uniform(0.1, 1.5))
    return site.builder.material(grey, Texture(texture), grey * site.rng.uniform(0.4, 0.9), period)


def _line(site: _Site, side: int) -> None:
    """Put houses, barriers, hedges and trees along one side."""
    rng, storeys, s = site.rng, int(site.rng.integers(1, 7)), -BEHIND
    while s < site.end:
        width, setback = rng.uniform(6, 16), rng.choice((0.0, 0.0, 0.5, 4.0, 8.0))
        T, reach = site.road.front(s, s + width, side * (site.front + setback))
        if rng.random() < site.style.houses:
            add_house(site.builder, site.palette, rng, T, reach, max(1, storeys + int(rng.integers(-1, 3))))
        if setback > 1 or rng.random() > site.style.houses:
            _plant_front(site, *site.road.front(s, s + width, side * (site.front + 0.25)))
        s += width
    for s in site.along(site.style.trees):
        T = site.road.place(s, side * (site.front + rng.uniform(-0.6, 6.0)), rng.uniform(0, 6))
        if site.is_free(T, 2.5):
            add_tree(site.builder, site.flora, rng, T, rng.uniform(3, 13))


def _plant_front(site: _Site, T: FloatArray, width: float) -> None:
    kind = site.rng.random()
    if kind < 0.55:
        add_barrier(site.builder, site.palette, site.rng, T, width)
    elif kind < 0.75:
        add_hedge(site.builder, site.flora, site.rng, T, width)
    for _ in range(site.rng.integers(0, 3)):
        there = T.copy()
        there[:3, 3] += T[:3, :3] @ (site.rng.uniform(0, width), site.rng.uniform(0.8, 4), 0)
        if site.is_free(there, 2.5):
            add_bush(site.builder, site.flora, site.rng, there, site.rng.uniform(0.3, 1.3))


def _fill_pavement(site: _Site, side: int) -> None:
    for s in site.along(site.style.furniture):
        T = site.road.place(
            s, side * site.rng.uniform(site.half + 0.2, max(site.front, site.half + 0.6)), site.rng.normal(0, 0.2)
        )
        if site.is_free(T, 1.5):
            add_furniture(site.builder, site.palette, site.rng, T)
    for s in site.along(site.style.people):
        T = site.road.place(s, side * site.rng.uniform(site.half - 0.5, site.front), site.rng.uniform(0, 2 * np.pi))
        if site.is_free(T, 1.2):
            add_figure(site.builder, site.palette, site.rng, T)


def _park(site: _Site, side: int) -> None:
    rng, s = site.rng, -BEHIND + site.rng.uniform(0, 6)
    across = site.half > 5.5 and rng.random() < 0.25
    share = site.style.parked * rng.uniform(0.2, 0.9)
    while s < site.end:
        if rng.random() < share:
            yaw = np.pi / 2 if across else (0.0 if side < 0 else np.pi)
            T = site.road.place(
                s, side * (site.half - (2.5 if across else 1.0)), yaw + rng.normal(0, 0.04), tilted=True
            )
            if site.is_free(T, 3.3):
                add_vehicle(site.builder, site.palette, rng, T, site.wheel)
        s += rng.uniform(2.5, 3.2) if across else rng.uniform(5.6, 9)


def _drive(site: _Site) -> None:
    rng = site.rng
    lanes = np.arange(1.7, site.half - 1.0, 3.4)
    for lane in np.concatenate([lanes, -lanes]):
        for s in site.along(site.style.driving * (0.6 if len(lanes) > 2 else 1.0)):
            T = site.road.place(s, lane, (np.pi if lane > 0 else 0.0) + rng.normal(0, 0.03), tilted=True)
            if site.is_free(T, 5.0):
                add_vehicle(site.builder, site.palette, rng, T, site.wheel)


def _gather_people(site: _Site) -> None:
    """Put people 2 to 15 m in front of some of the cameras, singly and in groups."""
    for stand in site.stands[site.rng.random(len(site.stands)) < 0.45]:
        distance = 2.0 * 7.5 ** site.rng.random()
        middle = np.array((distance, site.rng.normal(0, 0.3) * distance, 0.0))
        for _ in range(site.rng.integers(1, 5)):
            yaw, at = site.rng.uniform(0, 2 * np.pi), middle + np.array((*site.rng.normal(0, 0.6, 2), 0.0))
            T = rigid.compose(stand, rigid.from_rotation(np.eye(3), at))
            if site.is_free(T, 1.2):
                add_figure(site.builder, site.palette, site.rng, objects.turned(T, yaw))


def _hang_wires(site: _Site) -> None:
    if site.rng.random() < 0.5:
        for s in site.along(0.3):
            ends = site.road.points(
                (s, s + site.rng.uniform(-6, 6)), (-site.front, site.front), site.rng.uniform(4.5, 8)
            )
            objects.add_cable(site.builder, site.palette, ends[0], ends[1], 0.5)
    elif site.rng.random() < 0.6:
        lateral, height = site.rng.choice((-1, 1)) * (site.front + 0.3), site.rng.uniform(5, 9)
        places = np.arange(-BEHIND, site.end, site.rng.uniform(18, 35))
        tops = site.road.points(places, lateral, height)
        for top in tops:
            site.builder.cylinder(
                np.eye(4), top - np.array((0, 0, height + 0.5)), top + np.array((0, 0, 0.3)), 0.12, site.palette.bark
            )
        for start, end in pairwise(tops):
            for across in (-0.5, 0.5):
                objects.add_cable(
                    site.builder, site.palette, start + np.array((across, 0, 0)), end + np.array((across, 0, 0)), 0.6
                )


def _close(site: _Site) -> None:
    """Put houses or trees across the far end, or leave it open."""
    if site.rng.random() < 0.6:
        return
    for lateral in np.arange(-36, 36, 12.0):
        T = site.road.place(REACH - 5, lateral, -np.pi / 2)
        if site.style.houses > 0 and site.rng.random() < 0.6:
            add_house(site.builder, site.palette, site.rng, T, 12.0, int(site.rng.integers(2, 7)))
        else:
            add_tree(site.builder, site.flora, site.rng, T, site.rng.uniform(8, 18))
