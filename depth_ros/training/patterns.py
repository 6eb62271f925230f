"""What sensors measure of a world: sparse depth images with the faults of life, of every kind a robot may carry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from depth_ros.geometry.camera import Camera
from depth_ros.synthetic.shapes import FloatArray, Scene
from depth_ros.training import readings
from depth_ros.training.scans import measure_raster, measure_rosette, measure_spinning

Float32Array = NDArray[np.float32]
Rng = np.random.Generator


class Sparse(NamedTuple):
    """What a sensor gives of one view. kind: of SHARES. depth: float32 [H,W], metres along z, 0 = none."""

    kind: str
    depth: Float32Array


class View(NamedTuple):
    """What there is to measure.

    camera: rectified. T_world_cam: float64 [4,4]. truth: float32 [H,W], metres, NaN = sky. rgb: uint8 [H,W,3].
    """

    scene: Scene
    camera: Camera
    T_world_cam: FloatArray
    truth: Float32Array
    rgb: NDArray[np.uint8]


SHARES = {
    "spinning": 0.55,
    "rosette": 0.05,
    "raster": 0.03,
    "zones": 0.02,
    "points": 0.15,
    "keypoints": 0.05,
    "rgbd": 0.08,
    "masks": 0.05,
    "none": 0.02,
}
"""How often each kind of sensor is drawn."""
FEWEST_POINTS = 8
"""A sensor that sees less (out of its range, or looking elsewhere) is drawn again."""
DRAWS = 4

_Measure = Callable[[View, Rng], Float32Array]


def _scan(measure: Callable[[Scene, Camera, FloatArray, Float32Array, Rng], Float32Array]) -> _Measure:
    return lambda view, rng: measure(view.scene, view.camera, view.T_world_cam, view.truth, rng)


MEASURE: Mapping[str, _Measure] = {
    "spinning": _scan(measure_spinning),
    "rosette": _scan(measure_rosette),
    "raster": _scan(measure_raster),
    "zones": lambda view, rng: readings.zones(view.truth, rng),
    "points": lambda view, rng: readings.points(view.truth, rng),
    "keypoints": lambda view, rng: readings.keypoints(view.truth, view.rgb, rng),
    "rgbd": lambda view, rng: readings.rgbd(view.truth, view.rgb, rng),
    "masks": lambda view, rng: readings.masks(view.truth, rng),
    "none": lambda view, _: np.zeros_like(view.truth),
}


def sense(
    scene: Scene, camera: Camera, T_world_cam: FloatArray, truth: Float32Array, rgb: NDArray[np.uint8], rng: Rng
) -> Sparse:
    """Draw a sensor and return what it measures of a view, faults included.

    camera: rectified; may be a window of a larger image, its principal point outside. T_world_cam: float64 [4,4].
    truth: float32 [H,W], metres along z, NaN = sky. rgb: uint8 [H,W,3], the view's image.
    """
    view = View(scene, camera, T_world_cam, truth, rgb)
    for _ in range(DRAWS):
        kind = str(rng.choice(list(SHARES), p=list(SHARES.values())))
        sparse = Sparse(kind, MEASURE[kind](view, rng))
        if kind == "none" or np.count_nonzero(sparse.depth) >= FEWEST_POINTS:
            return sparse
    return Sparse("points", readings.points(truth, rng))
