"""What the run path asks of a GPU: memory, a stream, copies, graphs and clocks. Makers: CUDA's driver, torch."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from numpy.typing import NDArray


class Buffer(NamedTuple):
    """Memory of one tensor on both sides: `host`, an array in pinned memory, and where it lies on the device.

    owner: what keeps both alive.
    """

    host: NDArray[Any]
    address: int
    owner: Any


class Gpu(NamedTuple):
    """What a plan may depend on: the GPU's name, compute capability, number of multiprocessors, version of CUDA."""

    name: str
    capability: tuple[int, int]
    processors: int
    cuda: tuple[int, int]


class Device(Protocol):
    """One stream on the GPU; all work of a device is done in order, and returns before it is done.

    For one thread at a time. Every method raises EngineError when CUDA refuses.
    """

    stream: int
    """Handle of the stream."""

    def attach(self) -> None:
        """Make the calling thread able to use the GPU."""

    def buffer(self, shape: Sequence[int], dtype: str) -> Buffer:
        """Return new memory for a tensor."""

    def upload(self, buffer: Buffer) -> None:
        """Copy a tensor to the device."""

    def download(self, buffer: Buffer) -> None:
        """Copy a tensor from the device."""

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        """Record what `work` asks of the stream, and return what does it all again in one call."""

    def mark(self, again: Any = None) -> Any:
        """Note this place of the stream; a mark that is no longer needed can be used again."""

    def milliseconds(self, first: Any, last: Any) -> float:
        """Return the time between two marks, once both are past."""

    def synchronize(self) -> None:
        """Wait until all is done."""

    def close(self) -> None:
        """Free all of it."""


def make_device() -> Device:
    """Return a new stream on the first GPU: torch's where torch is loaded already, or the driver's own."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        from depth_ros.engines.device_torch import TorchDevice

        return TorchDevice(torch)
    from depth_ros.engines.device_cuda import CudaDevice

    return CudaDevice()
