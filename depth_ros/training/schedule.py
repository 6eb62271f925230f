"""The schedule of a run: learning rate, progress and the order of samples, all of them functions of the step."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Draw = tuple[int, int]
"""index of a sample in the pool, and the number of the draw, which seeds its augmentation."""


def learning_rate(step: int, steps: int, warm_up: int, peak: float) -> float:
    """Return the rate of `step` (from 0): a line up to `peak`, then half a cosine down to 0 at `steps`.

    Loshchilov and Hutter, SGDR, ICLR 2017, without restarts.
    """
    warm_up = min(warm_up, steps)
    if step < warm_up:
        return peak * (step + 1) / (warm_up + 1)
    return peak * 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm_up) / max(1, steps - warm_up))))


class DrawOrder:
    """The order in which samples are drawn: each epoch visits every sample once, shuffled by seed and epoch.

    size: samples in the pool. A draw is known from its number alone, so a run resumes without any state of a loader.
    """

    def __init__(self, size: int, seed: int) -> None:
        self._size, self._seed = size, seed
        self._epoch, self._order = -1, np.zeros(0, np.int64)

    def __getitem__(self, number: int) -> Draw:
        epoch, place = divmod(number, self._size)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, self._shuffled(epoch)
        return int(self._order[place]), number

    def _shuffled(self, epoch: int) -> NDArray[np.int64]:
        return np.random.default_rng((self._seed, epoch)).permutation(self._size)


def batches(
    order: DrawOrder, drawn: int, count: int, batch: int, rank: int = 0, world: int = 1
) -> Iterator[list[Draw]]:
    """Yield `count` batches of process `rank` of `world`, after `drawn` samples have been drawn by all of them."""
    for number in range(count):
        first = drawn + (number * world + rank) * batch
        yield [order[first + place] for place in range(batch)]
