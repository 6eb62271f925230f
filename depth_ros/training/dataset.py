"""What a training step sees of a pool: a random window, mirrored or not, with or without its image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from depth_ros.errors import TrainingError
from depth_ros.training.pool import PLANES, Arrays, Pool

Sample = dict[str, Tensor]


class PoolDataset(Dataset[Sample]):
    """Samples of a pool as tensors.

    Each holds image uint8 [h,w,3]; sparse_depth, prior_depth and truth float32 [h,w], metres along z, 0 = none;
    intrinsics float32 [4].

    crop: height and width of the window; None = the whole sample, never mirrored. image_dropout: share of the samples
    whose image is all 0, which means none. An index is a number of the pool, or (number, draw): the same pair and seed
    give the same window, whichever process asks.

    Raises TrainingError when the crop is larger than the samples.
    """

    def __init__(
        self,
        directory: str | Path,
        crop: tuple[int, int] | None = None,
        *,
        image_dropout: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.pool = Pool(directory)
        self.crop, self.image_dropout, self.seed = crop, image_dropout, seed
        if crop is not None and (crop[0] > self.pool.size[0] or crop[1] > self.pool.size[1]):
            raise TrainingError(f"crop {crop} is larger than the samples of {directory}, {self.pool.size}")

    def __len__(self) -> int:
        return len(self.pool)

    def refresh(self) -> None:
        """See what has been added to the pool."""
        self.pool.refresh()

    def __getitem__(self, index: int | tuple[int, int]) -> Sample:
        number, draw = index if isinstance(index, tuple) else (index, 0)
        rng = np.random.default_rng((self.seed, number, draw))
        if self.crop is None:
            arrays = self.pool.read(number)
        else:
            arrays = self.pool.read(number, _window(self.pool.size, self.crop, rng))
            if rng.random() < 0.5:
                arrays = _mirrored(arrays)
        if rng.random() < self.image_dropout:
            arrays["image"] = np.zeros_like(arrays["image"])
        return {
            "image": torch.from_numpy(np.ascontiguousarray(arrays["image"])),
            "sparse_depth": _metres(arrays["sparse"]),
            "prior_depth": _metres(arrays["prior"]),
            "truth": _metres(arrays["truth"]),
            "intrinsics": torch.from_numpy(arrays["intrinsics"]),
        }


def _window(size: tuple[int, int], crop: tuple[int, int], rng: np.random.Generator) -> tuple[slice, slice]:
    row, column = (int(rng.integers(whole - part + 1)) for whole, part in zip(size, crop, strict=True))
    return slice(row, row + crop[0]), slice(column, column + crop[1])


def _mirrored(arrays: Arrays) -> Arrays:
    fx, fy, cx, cy = arrays["intrinsics"]
    width = arrays["truth"].shape[1]
    planes = {name: arrays[name][:, ::-1] for name in PLANES}
    return {**arrays, **planes, "intrinsics": np.array([fx, fy, width - 1 - cx, cy], np.float32)}


def _metres(depth: np.ndarray) -> Tensor:
    return torch.from_numpy(depth.astype(np.float32))
