"""From the pool to batches on the device, read ahead by a thread of this process or by worker processes."""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Protocol

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from depth_ros.training.schedule import Draw

Batch = dict[str, Tensor]
AHEAD = 4


class Samples(Protocol):
    """A pool: sample `draw` = (index, number) is a function of the two and of the pool's seed."""

    def __len__(self) -> int:
        """Number of samples that are there."""

    def __getitem__(self, draw: Draw) -> Batch:
        """Return one cropped and augmented sample."""

    def refresh(self) -> None:
        """See the samples that have been added."""


class Feed:
    """Turns draws into batches on the device.

    workers: processes that read samples, which stay for the whole run; 0 = a thread of this process. Samples must
    pickle where there are workers.
    """

    def __init__(self, samples: Samples, workers: int, device: torch.device) -> None:
        self._samples, self._device, self._pin = samples, device, device.type == "cuda"
        self._draws: list[list[Draw]] = []
        self._loader = self._start(workers) if workers else None

    def batches(self, draws: Sequence[list[Draw]]) -> Iterator[Batch]:
        """Yield the batches of `draws` in order."""
        self._draws[:] = draws
        for batch in self._by_thread() if self._loader is None else self._loader:
            yield {name: tensor.to(self._device, non_blocking=self._pin) for name, tensor in batch.items()}

    def _start(self, workers: int) -> DataLoader[Batch]:
        return DataLoader(
            _Growing(self._samples),
            batch_sampler=self._draws,  # read anew by each iteration
            num_workers=workers,
            pin_memory=self._pin,
            prefetch_factor=AHEAD,
            persistent_workers=True,
            worker_init_fn=_start_worker,
            multiprocessing_context="forkserver",  # a fork of this process would inherit locks of its threads
        )

    def _by_thread(self) -> Iterator[Batch]:
        ahead = iter(self._draws)
        with ThreadPoolExecutor(1, "samples") as thread:
            waiting = deque(thread.submit(self._read, draw) for draw in islice(ahead, AHEAD))
            try:
                while waiting:
                    batch = waiting.popleft().result()
                    waiting.extend(thread.submit(self._read, draw) for draw in islice(ahead, 1))
                    yield batch
            finally:
                for future in waiting:
                    future.cancel()

    def _read(self, draws: list[Draw]) -> Batch:
        batch: Batch = default_collate([self._samples[draw] for draw in draws])
        return {name: tensor.pin_memory() for name, tensor in batch.items()} if self._pin else batch


class _Growing(Dataset[Batch]):
    """A worker's copy of the samples; it looks for new ones when it is asked for one that it does not know."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples

    def __getitem__(self, draw: Draw) -> Batch:
        if draw[0] >= len(self._samples):
            self._samples.refresh()
        return self._samples[draw]


def _start_worker(_: int) -> None:
    """Leave signals to the trainer, which ends its workers itself, and cores to the network."""
    import cv2

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
