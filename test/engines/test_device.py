"""The driver's functions as we call them, on a stand-in compiled from fake_cuda.c; torch's, on a recording fake."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from depth_ros.engines import device_cuda
from depth_ros.engines.device import Gpu, make_device
from depth_ros.engines.device_cuda import CudaDevice, free_memory, read_gpu
from depth_ros.engines.device_torch import TorchDevice
from depth_ros.errors import EngineError

SOURCE = Path(__file__).with_name("fake_cuda.c")
COMPILER = shutil.which("cc") or shutil.which("gcc")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if COMPILER is None:
        pytest.skip("THE CALLS OF THE GPU'S DRIVER ARE NOT TESTED: no C compiler")
    out = tmp_path_factory.mktemp("cuda") / "libcuda_fake.so"
    subprocess.run([COMPILER, "-shared", "-fPIC", "-Wall", "-Werror", "-o", str(out), str(SOURCE)], check=True)
    return out


@pytest.fixture
def fake(library: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The stand-in; what is set in it is undone."""
    monkeypatch.setattr(device_cuda, "LIBRARY", str(library))
    device_cuda.open_driver.cache_clear()
    handle = ctypes.CDLL(str(library))
    start = {"fake_devices": 1, "fake_shared": 0, "fake_fail": 0, "fake_alive": 0, "fake_synchronised": 0}
    for name, value in start.items():
        put(handle, name, value)
    yield handle
    device_cuda.open_driver.cache_clear()


def put(handle: Any, name: str, value: int) -> None:
    ctypes.c_int.in_dll(handle, name).value = value


def alive(handle: Any) -> int:
    return ctypes.c_int.in_dll(handle, "fake_alive").value


@pytest.mark.parametrize("shared", [0, 1])
def test_what_goes_up_comes_down_and_everything_is_freed(fake: Any, shared: int) -> None:
    put(fake, "fake_shared", shared)
    device = make_device()
    assert isinstance(device, CudaDevice)
    first, second = device.buffer((2, 3), "float32"), device.buffer((1, 2, 2, 3), "uint8")
    assert (first.host.shape, str(first.host.dtype), second.host.nbytes) == ((2, 3), "float32", 12)
    first.host[:] = 7
    device.upload(first)
    first.host[:] = 0 if not shared else 7
    device.download(first)
    device.synchronize()
    assert (first.host == 7).all()
    assert (first.address == first.host.ctypes.data) == bool(shared)
    assert ctypes.c_float.from_address(first.address).value == 7
    device.close()
    device.close()
    assert alive(fake) == 0


def test_a_graph_does_again_what_was_recorded(fake: Any) -> None:
    device = CudaDevice()
    buffer = device.buffer((4,), "float32")

    def work() -> None:
        device.upload(buffer)

    launch = device.capture(work)
    there = (ctypes.c_float * 4).from_address(buffer.address)
    buffer.host[:] = 5
    assert there[0] == 0, "recording does nothing"
    launch()
    assert there[3] == 5
    buffer.host[:] = 6
    launch()
    assert there[3] == 6
    device.close()
    assert alive(fake) == 0


@pytest.mark.usefixtures("fake")
def test_an_error_while_recording_ends_the_recording() -> None:
    device = CudaDevice()
    buffer = device.buffer((1,), "float32")

    def broken() -> None:
        raise EngineError("no")

    with pytest.raises(EngineError, match="no"):
        device.capture(broken)
    buffer.host[:] = 2
    device.upload(buffer)
    assert ctypes.c_float.from_address(buffer.address).value == 2
    device.close()


def test_marks_tell_time_and_can_be_used_again(fake: Any) -> None:
    device = CudaDevice()
    first, last = device.mark(), device.mark()
    assert device.milliseconds(first, last) == 1.5
    before = alive(fake)
    assert device.mark(first) is first
    assert alive(fake) == before
    device.close()
    assert alive(fake) == 0


@pytest.mark.usefixtures("fake")
def test_the_gpu_is_described() -> None:
    assert read_gpu() == Gpu("Fake Orin", (8, 7), 16, (12, 6))
    assert free_memory() == (1000, 8 << 30)


def test_no_gpu_is_one_known_error_in_the_drivers_words(fake: Any) -> None:
    put(fake, "fake_fail", 100)
    with pytest.raises(EngineError, match=r"cuInit .* failed: no CUDA-capable device is detected \(100\)"):
        read_gpu()
    put(fake, "fake_fail", 35)
    with pytest.raises(EngineError, match="failed: error 35"):
        CudaDevice()
    put(fake, "fake_fail", 0)
    put(fake, "fake_devices", 0)
    with pytest.raises(EngineError, match="shows no GPU"):
        read_gpu()


def test_no_driver_is_one_known_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_cuda, "LIBRARY", "libcuda_absent.so.1")
    device_cuda.open_driver.cache_clear()
    with pytest.raises(EngineError, match=r"no NVIDIA driver .*libcuda_absent"):
        read_gpu()
    device_cuda.open_driver.cache_clear()


class FakeTorch:
    """torch.cuda as TorchDevice uses it, on the CPU."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.current: Any = None
        stream = SimpleNamespace(cuda_stream=77, synchronize=lambda: self.calls.append("synchronize"))
        self.cuda = SimpleNamespace(
            is_available=lambda: True,
            current_device=lambda: 0,
            set_device=lambda _: None,
            Stream=lambda _: stream,
            stream=self._on,
            CUDAGraph=lambda: SimpleNamespace(replay=lambda: self.calls.append("replay")),
            graph=self._graph,
            Event=lambda **_: SimpleNamespace(record=lambda _: None, elapsed_time=lambda _: 2),
        )
        self.float32 = np.float32

    def device(self, kind: str, number: int) -> str:
        return f"{kind}:{number}"

    def empty(self, shape: tuple[int, ...], dtype: Any, pin_memory: bool = False, device: str = "cpu") -> Any:
        assert pin_memory == (device == "cpu")
        array = np.zeros(shape, dtype)

        def copy(other: Any, non_blocking: bool) -> None:
            assert non_blocking
            assert self.current == 77, "not on our stream"
            np.copyto(array, other.numpy())

        return SimpleNamespace(numpy=lambda: array, data_ptr=lambda: array.ctypes.data, copy_=copy)

    @contextmanager
    def _on(self, stream: Any) -> Iterator[None]:
        self.current = stream.cuda_stream
        yield
        self.current = None

    @contextmanager
    def _graph(self, graph: Any, stream: Any, capture_error_mode: str) -> Iterator[None]:
        assert (graph is not None, stream.cuda_stream, capture_error_mode) == (True, 77, "thread_local")
        yield
        self.calls.append("captured")


def test_torch_serves_where_it_is_loaded_already(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = FakeTorch()
    monkeypatch.setitem(sys.modules, "torch", torch)
    device = make_device()
    assert isinstance(device, TorchDevice)
    device.attach()
    buffer = device.buffer((2, 2), "float32")
    buffer.host[:] = 3
    device.upload(buffer)
    buffer.host[:] = 0
    device.download(buffer)
    assert (buffer.host == 3).all()
    device.capture(lambda: torch.calls.append("work"))()
    device.synchronize()
    assert torch.calls == ["work", "captured", "replay", "synchronize"]
    assert device.milliseconds(device.mark(), device.mark(device.mark())) == 2.0
    device.close()
