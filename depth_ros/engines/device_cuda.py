"""The GPU through CUDA's driver library alone, which is there wherever the GPU can be used: nothing to install.

Function names and constants are those of the CUDA driver API, versions 11 to 13.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from ctypes import POINTER, byref, c_char_p, c_float, c_int, c_size_t, c_uint, c_uint64, c_void_p
from functools import cache
from typing import Any

import numpy as np

from depth_ros.engines.device import Buffer, Gpu
from depth_ros.errors import EngineError

LIBRARY = "libcuda.so.1"
HOST_MAPPED = 2
STREAM_NON_BLOCKING = 1
CAPTURE_THREAD_LOCAL = 1
PROCESSORS, INTEGRATED, MAJOR, MINOR = 16, 18, 75, 76
"""CUdevice_attribute."""
OUT = POINTER(c_void_p)
SIGNATURES: dict[str, tuple[Any, ...]] = {
    "cuInit": (c_uint,),
    "cuDriverGetVersion": (POINTER(c_int),),
    "cuDeviceGetCount": (POINTER(c_int),),
    "cuDeviceGet": (POINTER(c_int), c_int),
    "cuDeviceGetName": (c_char_p, c_int, c_int),
    "cuDeviceGetAttribute": (POINTER(c_int), c_int, c_int),
    "cuDevicePrimaryCtxRetain": (OUT, c_int),
    "cuDevicePrimaryCtxRelease_v2": (c_int,),
    "cuCtxSetCurrent": (c_void_p,),
    "cuMemGetInfo_v2": (POINTER(c_size_t), POINTER(c_size_t)),
    "cuMemAlloc_v2": (POINTER(c_uint64), c_size_t),
    "cuMemFree_v2": (c_uint64,),
    "cuMemHostAlloc": (OUT, c_size_t, c_uint),
    "cuMemHostGetDevicePointer_v2": (POINTER(c_uint64), c_void_p, c_uint),
    "cuMemFreeHost": (c_void_p,),
    "cuMemcpyHtoDAsync_v2": (c_uint64, c_void_p, c_size_t, c_void_p),
    "cuMemcpyDtoHAsync_v2": (c_void_p, c_uint64, c_size_t, c_void_p),
    "cuStreamCreate": (OUT, c_uint),
    "cuStreamSynchronize": (c_void_p,),
    "cuStreamDestroy_v2": (c_void_p,),
    "cuStreamBeginCapture_v2": (c_void_p, c_int),
    "cuStreamEndCapture": (c_void_p, OUT),
    "cuGraphInstantiateWithFlags": (OUT, c_void_p, c_uint64),
    "cuGraphLaunch": (c_void_p, c_void_p),
    "cuGraphExecDestroy": (c_void_p,),
    "cuGraphDestroy": (c_void_p,),
    "cuEventCreate": (OUT, c_uint),
    "cuEventRecord": (c_void_p, c_void_p),
    "cuEventElapsedTime": (POINTER(c_float), c_void_p, c_void_p),
    "cuEventDestroy_v2": (c_void_p,),
}


class Driver:
    """The functions of the library; each raises EngineError, with CUDA's words, when it does not answer 0."""

    def __init__(self, library: Any) -> None:
        self._library = library
        self._explain = library.cuGetErrorString
        self._explain.argtypes = (c_int, POINTER(c_char_p))
        for name, types in SIGNATURES.items():
            function = getattr(library, name)
            function.argtypes, function.restype = types, c_int

    def __call__(self, name: str, *arguments: Any) -> None:
        """Call the function `name`."""
        answer = getattr(self._library, name)(*arguments)
        if answer:
            raise EngineError(f"{name} of the GPU's driver failed: {self._words(answer)}")

    def new(self, name: str, *arguments: Any) -> c_void_p:
        """Call a function whose first argument is where a new handle goes, and return the handle."""
        handle = c_void_p()
        self(name, byref(handle), *arguments)
        return handle

    def number(self, name: str, *arguments: Any) -> int:
        """Call a function whose first argument is where an int goes, and return that."""
        value = c_int()
        self(name, byref(value), *arguments)
        return value.value

    def _words(self, answer: int) -> str:
        text = c_char_p()
        known = self._explain(answer, byref(text)) == 0 and text.value is not None
        return f"{(text.value or b'').decode()} ({answer})" if known else f"error {answer}"


@cache
def open_driver() -> Driver:
    """Load and initialise the library; raises EngineError where there is no GPU that can be used."""
    try:
        driver = Driver(ctypes.CDLL(LIBRARY))
    except (OSError, AttributeError) as error:
        text = str(error).replace(": ", ", ")  # what follows a colon is the remedy
        raise EngineError(f"there is no NVIDIA driver ({text}): install one, or take engine onnxruntime") from error
    driver("cuInit", 0)
    if not driver.number("cuDeviceGetCount"):
        raise EngineError("the NVIDIA driver shows no GPU: check CUDA_VISIBLE_DEVICES and the container's settings")
    return driver


def read_gpu() -> Gpu:
    """Return what the first GPU is; raises EngineError where there is none."""
    driver = open_driver()
    device = driver.number("cuDeviceGet", 0)
    name = ctypes.create_string_buffer(256)
    driver("cuDeviceGetName", name, 256, device)
    major, minor, processors = (
        driver.number("cuDeviceGetAttribute", attribute, device) for attribute in (MAJOR, MINOR, PROCESSORS)
    )
    cuda = driver.number("cuDriverGetVersion")
    return Gpu(name.value.decode(), (major, minor), processors, (cuda // 1000, cuda % 1000 // 10))


def free_memory() -> tuple[int, int]:
    """Return the bytes of the GPU's memory that are free, and all of them."""
    free, total = c_size_t(), c_size_t()
    open_driver()("cuMemGetInfo_v2", byref(free), byref(total))
    return free.value, total.value


class CudaDevice:
    """A stream of the first GPU, in the context that all libraries of a process share.

    Where GPU and processor share their memory (Jetson), a tensor lies in it once, and nothing is copied.
    """

    def __init__(self) -> None:
        self._cuda = open_driver()
        self._device = self._cuda.number("cuDeviceGet", 0)
        self._shared = bool(self._cuda.number("cuDeviceGetAttribute", INTEGRATED, self._device))
        self._context = self._cuda.new("cuDevicePrimaryCtxRetain", self._device)
        self._free: list[tuple[str, Any]] = [("cuDevicePrimaryCtxRelease_v2", self._device)]
        """What frees what was made, in the order in which it was made."""
        self.attach()
        stream = self._made("cuStreamDestroy_v2", "cuStreamCreate", STREAM_NON_BLOCKING)
        self.stream = stream.value or 0

    def attach(self) -> None:
        """Make the shared context that of the calling thread."""
        self._cuda("cuCtxSetCurrent", self._context)

    def buffer(self, shape: Sequence[int], dtype: str) -> Buffer:
        """Return new pinned memory, and its counterpart on the device."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        pinned = self._made("cuMemFreeHost", "cuMemHostAlloc", size, HOST_MAPPED)
        address = c_uint64()
        if self._shared:
            self._cuda("cuMemHostGetDevicePointer_v2", byref(address), pinned, 0)
        else:
            self._cuda("cuMemAlloc_v2", byref(address), size)
            self._free.append(("cuMemFree_v2", address))
        memory = (ctypes.c_byte * size).from_address(pinned.value or 0)
        return Buffer(np.frombuffer(memoryview(memory), dtype).reshape(shape), address.value, self)

    def upload(self, buffer: Buffer) -> None:
        """Copy a tensor to the device, unless it lies there already."""
        if not self._shared:
            self._cuda("cuMemcpyHtoDAsync_v2", buffer.address, buffer.host.ctypes.data, buffer.host.nbytes, self.stream)

    def download(self, buffer: Buffer) -> None:
        """Copy a tensor from the device, unless it lies here already."""
        if not self._shared:
            self._cuda("cuMemcpyDtoHAsync_v2", buffer.host.ctypes.data, buffer.address, buffer.host.nbytes, self.stream)

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        """Record what `work` asks of the stream as a CUDA graph; other threads may use the GPU meanwhile."""
        self._cuda("cuStreamBeginCapture_v2", self.stream, CAPTURE_THREAD_LOCAL)
        graph = c_void_p()
        try:
            work()
        finally:
            self._cuda("cuStreamEndCapture", self.stream, byref(graph))
        self._free.append(("cuGraphDestroy", graph))
        ready = self._made("cuGraphExecDestroy", "cuGraphInstantiateWithFlags", graph, 0)
        return lambda: self._cuda("cuGraphLaunch", ready, self.stream)

    def mark(self, again: Any = None) -> Any:
        """Record an event."""
        event = again or self._made("cuEventDestroy_v2", "cuEventCreate", 0)
        self._cuda("cuEventRecord", event, self.stream)
        return event

    def milliseconds(self, first: Any, last: Any) -> float:
        """Return the time between two events, once both are past."""
        value = c_float()
        self._cuda("cuEventElapsedTime", byref(value), first, last)
        return value.value

    def synchronize(self) -> None:
        """Wait for the stream."""
        self._cuda("cuStreamSynchronize", self.stream)

    def close(self) -> None:
        """Free all that was made, the last first."""
        if self._free:
            self.attach()
        while self._free:
            self._cuda(*self._free.pop())

    def _made(self, undo: str, name: str, *arguments: Any) -> c_void_p:
        handle = self._cuda.new(name, *arguments)
        self._free.append((undo, handle))
        return handle
