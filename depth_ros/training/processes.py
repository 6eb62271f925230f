"""The processes that `torchrun` starts, or the one that there is without it, and the signals that they get."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import TracebackType
from typing import Any

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from depth_ros.errors import TrainingError

ASK_EVERY = 10
"""Steps between two questions to all processes whether one was told to stop."""


class Processes:
    """Rank, number and device of this process; a context that joins and leaves the group.

    device: auto, cpu or cuda. Raises TrainingError when cuda is asked for and absent.
    """

    def __init__(self, device: str = "auto") -> None:
        self.rank, self.world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
        self.first = self.rank == 0
        if device == "cuda" and not torch.cuda.is_available():
            raise TrainingError("device is cuda, and torch finds no CUDA device: set device=cpu, or check the driver")
        use_cuda = device != "cpu" and torch.cuda.is_available()
        self.device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if use_cuda else torch.device("cpu")

    def __enter__(self) -> Processes:
        if self.device.type == "cuda":
            torch.cuda.set_device(self.device)
            torch.backends.cudnn.benchmark = True  # all batches have one shape
        if self.world > 1:
            distributed.init_process_group("nccl" if self.device.type == "cuda" else "gloo")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.world > 1:
            distributed.destroy_process_group()

    def wrap(self, network: nn.Module) -> nn.Module:
        """Make the gradients of `network` the mean over all processes."""
        if self.world == 1:
            return network
        return DistributedDataParallel(network, device_ids=[self.device.index] if self.device.type == "cuda" else None)

    def any(self, here: bool) -> bool:
        """Return whether `here` is true in any process; all of them must ask."""
        if self.world == 1:
            return here
        flag = torch.tensor(float(here), device=self.device)
        distributed.all_reduce(flag, distributed.ReduceOp.MAX)
        return bool(flag.item())

    def any_at(self, step: int, here: bool) -> bool:
        """Return `any`, at every step in one process, at every tenth in several (a question costs a round trip)."""
        return self.any(here) if self.world == 1 or step % ASK_EVERY == 0 else False

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.world > 1:
            distributed.barrier()


@contextmanager
def stop_on_signal() -> Iterator[list[int]]:
    """Yield a list that a SIGTERM or Ctrl-C enters, instead of ending the program; a second one ends it."""
    received: list[int] = []
    if current_thread() is not main_thread():
        yield received
        return

    def note(number: int, _: Any) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
