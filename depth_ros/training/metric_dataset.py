"""What a training step of the metric network sees: a picture on the canvas, as some camera would have taken it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from depth_ros.training.metric_pool import FACTS, PLANES
from depth_ros.training.pool import Arrays, Pool

Sample = dict[str, Tensor]
ASPECTS = (1.2, 3.4)
"""Least and most width over height of a picture."""
ZOOM, ZOOMED = 0.45, 0.2
"""Least share of the sample's sides that a zoomed window has, and how often there is a zoom: other focal lengths."""
OFF_CENTRE = 0.1
"""How often a window lies anywhere, and not in the middle."""
CENTRED = 0.06
"""How far from the middle, as a share of the width, the principal point of a whole camera may be."""


class Window(NamedTuple):
    """Rows and columns of a sample that are seen, and the size at which they come on the canvas."""

    rows: slice
    columns: slice
    size: tuple[int, int]


class MetricSamples(Dataset[Sample]):
    """Samples of a pool on a canvas of (height, width), and of a second one beside.

    Each holds image uint8 [h,w,3]; seen float32 [h,w], 1 where the canvas shows the picture; truth float32 [h,w],
    metres along z, 0 = sky or beyond reach, or not seen; intrinsics float32 [4] of the canvas; centre float32 [2], the
    principal point as it is told: the middle where it is not; and whole, bool [], whether it may be the picture of a
    whole camera, of which a focal length can be told.

    directory: a pool of the metric network. windows: a pool of the completion network, of which a share of the samples
    is drawn at random, whatever its size. augment: windows, zooms and mirrors, drawn anew each time,
    as the index says, (number, draw); False: the whole sample. unknown: share of whole cameras whose principal point is
    not told.
    """

    def __init__(
        self,
        directory: str | Path,
        canvas: tuple[int, int],
        *,
        windows: str | Path | None = None,
        share: float = 0.0,
        augment: bool = True,
        unknown: float = 0.0,
        seed: int = 0,
    ) -> None:
        self._pool = Pool(directory, PLANES, FACTS)
        self._windows = Pool(windows, PLANES, FACTS) if windows is not None else None
        self._share = share
        self.canvas, self._augment, self._unknown, self._seed = canvas, augment, unknown, seed

    def __len__(self) -> int:
        return len(self._pool)

    def refresh(self) -> None:
        """See what has been added to the pools."""
        for pool in (self._pool, self._windows):
            if pool is not None:
                pool.refresh()

    def __getitem__(self, index: int | tuple[int, int]) -> Sample:
        number, draw = index if isinstance(index, tuple) else (index, 0)
        rng = np.random.default_rng((self._seed, number, draw))
        pool = self._pool
        if self._windows is not None and rng.random() < self._share:
            pool, number = self._windows, int(rng.integers(len(self._windows)))
        window = choose_window(pool.size, self.canvas, rng) if self._augment else fit_window(pool.size, self.canvas)
        arrays = pool.read(number, (window.rows, window.columns))
        sample = on_canvas(arrays, window, self.canvas)
        if self._augment and rng.random() < 0.5:
            sample = mirrored(sample)
        return _as_tensors(sample, told=not self._augment or rng.random() >= self._unknown)


def choose_window(size: tuple[int, int], canvas: tuple[int, int], rng: np.random.Generator) -> Window:
    """Draw a window of a sample of `size` (height, width), of any camera's aspect, zoomed or not, centred or not."""
    height, width = size
    aspect = float(np.exp(rng.uniform(*np.log(ASPECTS))))
    zoom = float(np.exp(rng.uniform(np.log(ZOOM), 0))) if rng.random() < ZOOMED else 1.0
    rows = min(height, width / aspect) * zoom
    part = min(height, round(rows)), min(width, round(rows * aspect))
    middle = rng.random() >= OFF_CENTRE
    top, left = (
        (whole - seen) // 2 if middle else int(rng.integers(whole - seen + 1))
        for whole, seen in zip(size, part, strict=True)
    )
    return _fitted(slice(top, top + part[0]), slice(left, left + part[1]), canvas)


def fit_window(size: tuple[int, int], canvas: tuple[int, int]) -> Window:
    """Return the window that shows the whole sample."""
    return _fitted(slice(0, size[0]), slice(0, size[1]), canvas)


def _fitted(rows: slice, columns: slice, canvas: tuple[int, int]) -> Window:
    height, width = rows.stop - rows.start, columns.stop - columns.start
    scale = min(canvas[0] / height, canvas[1] / width)
    return Window(rows, columns, (min(canvas[0], round(height * scale)), min(canvas[1], round(width * scale))))


def on_canvas(arrays: Arrays, window: Window, canvas: tuple[int, int]) -> Arrays:
    """Put what a window shows into the middle of the canvas; intrinsics are those of the window, then of the canvas."""
    rows, columns = window.size
    height, width = arrays["truth"].shape
    top, left = (canvas[0] - rows) // 2, (canvas[1] - columns) // 2
    inner = (slice(top, top + rows), slice(left, left + columns))
    image, truth = np.zeros((*canvas, 3), np.uint8), np.zeros(canvas, np.float32)
    seen = np.zeros(canvas, np.float32)
    way = cv2.INTER_AREA if rows < height else cv2.INTER_LINEAR
    image[inner] = cv2.resize(np.ascontiguousarray(arrays["image"]), (columns, rows), interpolation=way)
    truth[inner] = arrays["truth"][np.ix_(_nearest(height, rows), _nearest(width, columns))]
    seen[inner] = 1
    x, y = columns / width, rows / height
    fx, fy, cx, cy = arrays["intrinsics"]
    moved = [fx * x, fy * y, (cx + 0.5) * x - 0.5 + left, (cy + 0.5) * y - 0.5 + top]
    return {"image": image, "truth": truth, "seen": seen, "intrinsics": np.array(moved, np.float32)}


def mirrored(sample: Arrays) -> Arrays:
    """Return a sample seen in a mirror."""
    fx, fy, cx, cy = sample["intrinsics"]
    width = sample["truth"].shape[1]
    planes = {name: sample[name][:, ::-1] for name in ("image", "truth", "seen")}
    return {**planes, "intrinsics": np.array([fx, fy, width - 1 - cx, cy], np.float32)}


def _nearest(before: int, after: int) -> NDArray[np.intp]:
    return np.minimum(((np.arange(after) + 0.5) * before / after).astype(np.intp), before - 1)


def _as_tensors(sample: Arrays, *, told: bool) -> Sample:
    height, width = sample["truth"].shape
    middle = np.array([(width - 1) / 2, (height - 1) / 2], np.float32)
    centre = sample["intrinsics"][2:]
    whole = bool((np.abs(centre - middle) < CENTRED * width).all())
    tensors = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in sample.items()}
    tensors["centre"] = torch.from_numpy((centre if told or not whole else middle).copy())
    return {**tensors, "whole": torch.tensor(whole)}
