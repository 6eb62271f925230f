"""The methods that the accuracy benchmark compares."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import LinearNDInterpolator

import depth_ros
from depth_ros.classical.nearest import nearest_fill
from depth_ros.config import CompletionConfig, from_mapping
from depth_ros.evaluation.cases import Case, Estimate
from depth_ros.frame import Frame
from depth_ros.pipelines.base import Pipeline
from depth_ros.pipelines.factory import make_pipeline

Depth = NDArray[np.float32]

FARTHEST_M = 100.0
SOURCES = Path(depth_ros.__file__).parent
CODE = ("*.py", *(f"{room}/*.py" for room in ("geometry", "messages", "classical", "engines", "models", "pipelines")))
"""All that a completion may import: the rooms of ranks 0 to 5."""


class Method(NamedTuple):
    """One row of the tables.

    model: a name of FILLS, or what `CompletionConfig.model` takes. settings: further fields of CompletionConfig.
    """

    name: str
    model: str
    settings: tuple[tuple[str, str | bool | int], ...] = ()


NEAREST, CLASSICAL, NETWORK = "nearest", "classical", "network"
CLASSICAL_METHODS = (
    Method(NEAREST, "nearest"),
    Method("morphological", "morphological"),
    Method("plain Delaunay", "plain Delaunay"),
    Method("classical, no image", CLASSICAL, (("use_image", False),)),
    Method(CLASSICAL, CLASSICAL),
)


def network_methods(model: str, engine: tuple[tuple[str, str | bool | int], ...]) -> tuple[Method, Method]:
    """Return the rows of a model file: without and with the image."""
    return Method(f"{NETWORK}, no image", model, (("use_image", False), *engine)), Method(NETWORK, model, engine)


def fingerprint(method: Method) -> str:
    """Return a short hash of what decides the method's numbers: code, model file, settings."""
    network = Path(method.model).is_file()
    content = hashlib.sha256(repr([setting for setting in method.settings if setting[0] != "threads"]).encode())
    content.update(method.model.encode() if not network else Path(method.model).read_bytes())
    content.update(_code())
    content.update(Path(__file__).read_bytes() if method.model in FILLS else b"")
    return content.hexdigest()[:16]


@lru_cache(maxsize=1)
def _code() -> bytes:
    files = (path for pattern in CODE for path in sorted(SOURCES.glob(pattern)))
    return b"".join(path.read_bytes() for path in files)


def estimate(method: Method, frame: Frame, case: Case) -> Estimate:
    """Run one method: a fill sees the filtered sparse depth, a pipeline the frame, measurements pasted."""
    if method.model in FILLS:
        start = perf_counter()
        depth = FILLS[method.model](case.sparse)
        return Estimate(depth, np.full_like(depth, np.nan), 1e3 * (perf_counter() - start))
    pipeline = _pipeline(method)
    start = perf_counter()
    found = pipeline.process(frame)
    return Estimate(found.depth, found.sigma, 1e3 * (perf_counter() - start))


@lru_cache(maxsize=8)
def _pipeline(method: Method) -> Pipeline:
    return make_pipeline(from_mapping(CompletionConfig, {"model": method.model, **dict(method.settings)}))


def nearest(sparse: Depth) -> Depth:
    """Give every pixel the depth of its nearest measurement."""
    return nearest_fill(sparse).depth


def plain_delaunay(sparse: Depth) -> Depth:
    """Interpolate inverse depth linearly inside the triangles of Qhull's Delaunay triangulation."""
    rows, columns = np.nonzero(sparse)
    surface = LinearNDInterpolator(np.column_stack([columns, rows]), 1 / sparse[rows, columns].astype(np.float64))
    grid_rows, grid_columns = np.mgrid[: sparse.shape[0], : sparse.shape[1]]
    return np.asarray(1 / surface(grid_columns, grid_rows), dtype=np.float32)


def morphological(sparse: Depth) -> Depth:
    """Fill by dilation, nearest surface first, as section III of the IP-Basic paper describes it.

    Ku, Harakeh, Waslander: In Defense of Classical Image Processing: Fast Depth Completion on the CPU, CRV 2018: invert
    depth so that dilation prefers near surfaces; diamond dilation 5x5; closing 5x5; fill small holes with 7x7; extend
    every column to the top of the image; fill large holes with 31x31; median 5x5, then Gaussian 5x5; invert again. The
    large fill is repeated until no hole is left, as sparser input than the paper's needs.
    """
    flipped = np.where(sparse > 0, FARTHEST_M - sparse, 0).astype(np.float32)
    diamond = (np.abs(np.arange(-2, 3))[:, None] + np.abs(np.arange(-2, 3)) <= 2).astype(np.uint8)
    flipped = np.asarray(cv2.dilate(flipped, diamond), dtype=np.float32)
    flipped = np.asarray(cv2.morphologyEx(flipped, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)), dtype=np.float32)
    flipped = _fill_empty(flipped, 7)
    flipped = _extend_to_top(flipped)
    while flipped.any() and not _known(flipped).all():
        flipped = _fill_empty(flipped, 31)
    flipped = np.asarray(cv2.medianBlur(flipped, 5), dtype=np.float32)
    return FARTHEST_M - np.asarray(cv2.GaussianBlur(flipped, (5, 5), 0), dtype=np.float32)


FILLS: dict[str, Callable[[Depth], Depth]] = {
    "nearest": nearest,
    "morphological": morphological,
    "plain Delaunay": plain_delaunay,
}


def _known(flipped: Depth) -> NDArray[np.bool_]:
    """Tell which pixels hold a depth: flipped depths under 0.1 are the empty ones."""
    return flipped > 0.1


def _fill_empty(flipped: Depth, size: int) -> Depth:
    grown = np.asarray(cv2.dilate(flipped, np.ones((size, size), np.uint8)), dtype=np.float32)
    return np.where(_known(flipped), flipped, grown)


def _extend_to_top(flipped: Depth) -> Depth:
    known = _known(flipped)
    first = np.where(known.any(axis=0), known.argmax(axis=0), 0)
    above = np.arange(flipped.shape[0])[:, None] < first
    return np.where(above, flipped[first, np.arange(flipped.shape[1])], flipped)
