"""What a procedural world is: arrays of shapes and of what they are made of. Data only; see `scene` and `cast`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


class Texture(IntEnum):
    """How a material's colour and accent are laid out over a surface (see `texture`)."""

    PLAIN = 0
    ASPHALT = 1
    PAVING = 2
    BRICK = 3
    FACADE = 4
    FOLIAGE = 5
    STRIPES = 6
    DISC = 7
    FRAMED = 8
    NOISE = 9
    BLOTS = 10
    CHECKS = 11


class Holes(IntEnum):
    """Where a surface is open, so that rays pass (see `holes`)."""

    NONE = 0
    LEAVES = 1
    TWIGS = 2
    PICKETS = 3
    LINK = 4
    MESH = 5
    WHEEL = 6
    BARS = 7


@dataclass(frozen=True, eq=False)
class Materials:
    """What surfaces are made of, one row each.

    colour, accent: float32 [M,3], linear reflectance in 0..1. texture: int32 [M], values of `Texture`. period: float32
    [M,2], metres along u and v (of a DISC and a FRAMED surface: the share that shows the colour). gloss: float32 [M],
    share of mirror reflection at normal incidence. holes: int32 [M], values of `Holes`. hole_size: float64 [M], metres
    along u and v that one tile of the holes covers.
    """

    colour: NDArray[np.float32]
    accent: NDArray[np.float32]
    texture: NDArray[np.int32]
    period: NDArray[np.float32]
    gloss: NDArray[np.float32]
    holes: NDArray[np.int32]
    hole_size: FloatArray


@dataclass(frozen=True, eq=False)
class Quads:
    """Planar convex quadrilaterals, seen from their front only; a triangle repeats its last vertex.

    vertices: float64 [P,4,3], metres, world, counter-clockwise seen from the front. uv: float64 [P,4,2], texture
    coordinates of the vertices, affine over the plane. material: int32 [P].
    """

    vertices: FloatArray
    uv: FloatArray
    material: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Solids:
    """Ellipsoids or closed cylinders.

    centre: float64 [P,3], metres, world. axes: float64 [P,3,3], whose columns are the three orthogonal half axes in
    metres; of a cylinder the third is the half height and the first two have the radius. material: int32 [P].
    """

    centre: FloatArray
    axes: FloatArray
    material: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Street:
    """Centreline of a street, sampled densely.

    s: float64 [N], arc length in metres, ascending, 0 where the drive starts. xy: float64 [N,2], metres, world.
    heading: float64 [N], radians about z. height: float64 [N], metres, of the road.
    """

    s: FloatArray
    xy: FloatArray
    heading: FloatArray
    height: FloatArray


@dataclass(frozen=True, eq=False)
class Scene:
    """A world that stands still (REP 103: x forward along the street, y left, z up, metres).

    Shapes are numbered through: quads, then ellipsoids, then cylinders. sun: float64 [3], unit vector towards the sun;
    all zero = no sun (overcast, or indoors). haze: metres after which the air has taken 63 % of a surface's contrast.
    lamps: float64 [L,5], lights without shadows: position in metres, brightness (the sun has 2), and the distance in
    metres at which half of it is left. shadow_texel: metres that a texel of the sun's shadow map covers, at least.
    """

    quads: Quads
    ellipsoids: Solids
    cylinders: Solids
    materials: Materials
    sun: FloatArray
    haze: float
    lamps: FloatArray
    shadow_texel: float

    @property
    def shape_material(self) -> NDArray[np.int32]:
        """Material of every shape, int32 [quads + ellipsoids + cylinders]."""
        return np.concatenate([self.quads.material, self.ellipsoids.material, self.cylinders.material])


@dataclass(frozen=True, eq=False)
class StreetScene(Scene):
    """A scene along a street that can be driven."""

    street: Street
