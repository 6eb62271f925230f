"""The GPU through torch, for processes that use torch on it anyway: one pool of memory for both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from depth_ros.engines.device import Buffer


class TorchDevice:
    """A stream of torch on its current GPU."""

    def __init__(self, torch: Any) -> None:
        self._torch = torch
        self._device = torch.device("cuda", torch.cuda.current_device())
        self._stream = torch.cuda.Stream(self._device)
        self._graphs: list[Any] = []
        self.stream: int = self._stream.cuda_stream

    def attach(self) -> None:
        """Make torch's GPU that of the calling thread."""
        self._torch.cuda.set_device(self._device)

    def buffer(self, shape: Sequence[int], dtype: str) -> Buffer:
        """Return two new tensors, one of them pinned."""
        kind = getattr(self._torch, dtype)
        host = self._torch.empty(tuple(shape), dtype=kind, pin_memory=True)
        there = self._torch.empty(tuple(shape), dtype=kind, device=self._device)
        return Buffer(host.numpy(), there.data_ptr(), (host, there))

    def upload(self, buffer: Buffer) -> None:
        """Copy a tensor to the device."""
        host, there = buffer.owner
        with self._torch.cuda.stream(self._stream):
            there.copy_(host, non_blocking=True)

    def download(self, buffer: Buffer) -> None:
        """Copy a tensor from the device."""
        host, there = buffer.owner
        with self._torch.cuda.stream(self._stream):
            host.copy_(there, non_blocking=True)

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        """Record what `work` asks of the stream as a CUDA graph; other threads may use the GPU meanwhile."""
        graph = self._torch.cuda.CUDAGraph()
        with self._torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
            work()
        self._graphs.append(graph)

        def launch() -> None:
            with self._torch.cuda.stream(self._stream):
                graph.replay()

        return launch

    def mark(self, again: Any = None) -> Any:
        """Record an event."""
        event = again or self._torch.cuda.Event(enable_timing=True)
        event.record(self._stream)
        return event

    def milliseconds(self, first: Any, last: Any) -> float:
        """Return the time between two events, once both are past."""
        return float(first.elapsed_time(last))

    def synchronize(self) -> None:
        """Wait for the stream."""
        self._stream.synchronize()

    def close(self) -> None:
        """Forget the graphs; torch frees memory that nobody holds."""
        self._graphs.clear()
