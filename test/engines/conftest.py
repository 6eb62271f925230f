"""A fake TensorRT and a fake GPU, which record what is asked of them: they test the logic around the real ones alone.

The fake's plan is a note of the file and the shapes; executing it runs ONNX Runtime. What it cannot show: that a real
TensorRT takes the calls (`test_trt_build.py` and `test_trt_api.py` show part of that) and what it answers on a GPU.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from depth_ros.engines import tensorrt, trt_build, trt_probe
from depth_ros.engines.base import Probe, TensorSpec
from depth_ros.engines.device import Buffer, Gpu
from depth_ros.engines.onnx_runtime import OnnxRuntimeEngine

GPU = Gpu("Fake GPU", (8, 7), 16, (12, 6))


class Severity(enum.IntEnum):
    INTERNAL_ERROR, ERROR, WARNING = 0, 1, 2


class Mode(enum.Enum):
    INPUT, OUTPUT = 0, 1


class FakeDevice:
    """Device memory is host memory; a graph is the list of what was asked while it was recorded."""

    def __init__(self, fake: FakeTensorRt) -> None:
        self.fake, self.stream, self.closed = fake, len(fake.devices) + 1, False
        self._recording: list[Callable[[], None]] | None = None
        fake.devices.append(self)

    def attach(self) -> None:
        assert not self.closed

    def buffer(self, shape: Sequence[int], dtype: str) -> Buffer:
        there = np.zeros(shape, dtype)
        address = len(self.fake.memory) + 1000
        self.fake.memory[address] = there
        return Buffer(np.zeros(shape, dtype), address, there)

    def upload(self, buffer: Buffer) -> None:
        self._do("upload", lambda: np.copyto(buffer.owner, buffer.host))

    def download(self, buffer: Buffer) -> None:
        self._do("download", lambda: np.copyto(buffer.host, buffer.owner))

    def execute(self, work: Callable[[], None]) -> None:
        self._do("execute", work)

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        if self.fake.no_graphs:
            raise RuntimeError("operation not permitted when stream is capturing")
        steps: list[Callable[[], None]] = []
        self._recording = steps
        work()
        self._recording = None
        self.fake.calls.append("captured")

        def launch() -> None:
            self.fake.calls.append("graph")
            for step in steps:
                step()

        return launch

    def mark(self, again: Any = None) -> float:
        assert again is None or isinstance(again, float)
        self.fake.calls.append("mark")
        return float(len(self.fake.calls))

    def milliseconds(self, first: float, last: float) -> float:
        return last - first

    def synchronize(self) -> None:
        self.fake.calls.append("synchronize")

    def close(self) -> None:
        self.closed = True

    def _do(self, name: str, work: Callable[[], None]) -> None:
        if self._recording is not None:
            self._recording.append(work)
            return
        self.fake.calls.append(name)
        work()


class FakeTensorRt(SimpleNamespace):
    """The module; `calls` is what was asked of GPU and builder, in order.

    To be set: parse_error, build_error, wrong (a factor on every answer), refuses (plans), no_graphs, steps (of a
    build). `jit` makes of it one that keeps the kernels of a GPU, as TensorRT-RTX does.
    """

    __name__ = "tensorrt"
    __version__ = "10.3.0"
    Severity = Severity
    TensorIOMode = Mode
    NetworkDefinitionCreationFlag = SimpleNamespace(STRONGLY_TYPED=1)
    BuilderFlag = SimpleNamespace(TF32="TF32")

    class ILogger:
        Severity = Severity

    class IProgressMonitor:
        pass

    def __init__(self) -> None:
        super().__init__(parse_error=None, build_error="", wrong=1.0, refuses=False, no_graphs=False, steps=4)
        self.calls: list[str] = []
        self.memory: dict[int, Any] = {}
        self.devices: list[FakeDevice] = []

    def jit(self) -> None:
        self.IRuntimeCache = object

    def __hash__(self) -> int:  # type: ignore[override]
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def Builder(self, log: Any) -> Any:
        return FakeBuilder(self, log)

    def OnnxParser(self, network: Any, _log: Any) -> Any:
        return FakeParser(self, network)

    def Runtime(self, log: Any) -> Any:
        return SimpleNamespace(deserialize_cuda_engine=lambda plan: self._deserialise(plan, log))

    def _deserialise(self, plan: bytes, log: Any) -> Any:
        self.calls.append("deserialise")
        if self.refuses or not plan.startswith(b"{"):
            log.log(Severity.ERROR, "Magic tag does not match")
            return None
        return FakeEngine(self, json.loads(plan))


class FakeBuilder:
    def __init__(self, fake: FakeTensorRt, log: Any) -> None:
        self.fake, self.log = fake, log

    def create_network(self, flags: int) -> Any:
        assert flags == 1 << 1, "not strongly typed"
        return SimpleNamespace(path=None)

    def create_builder_config(self) -> Any:
        return SimpleNamespace(clear_flag=lambda flag: self.fake.calls.append(f"no {flag}"), progress_monitor=None)

    def build_serialized_network(self, network: Any, config: Any) -> bytes | None:
        self.fake.calls.append("build")
        if self.fake.build_error:
            self.log.log(Severity.ERROR, self.fake.build_error)
            return None
        if config.progress_monitor is not None:
            config.progress_monitor.phase_start("building", None, self.fake.steps)
            for step in range(self.fake.steps):
                if not config.progress_monitor.step_complete("building", step):
                    return None
            config.progress_monitor.phase_finish("building")
        shapes = {tensor.name: list(tensor.shape) for tensor in network.inputs}
        return json.dumps({"path": str(network.path), "shapes": shapes}).encode()


class FakeParser:
    def __init__(self, fake: FakeTensorRt, network: Any) -> None:
        self.fake, self.network = fake, network
        self.num_errors = 0 if fake.parse_error is None else 2

    def get_error(self, number: int) -> Any:
        assert number == 0
        return self.fake.parse_error

    def parse_from_file(self, path: str) -> bool:
        engine, network = OnnxRuntimeEngine(Path(path), 1), self.network
        network.path, network.inputs, network.outputs = Path(path), _tensors(engine.inputs), _tensors(engine.outputs)
        network.num_inputs, network.num_outputs, network.num_layers = len(network.inputs), len(network.outputs), 1
        network.get_input, network.get_output = network.inputs.__getitem__, lambda n: _sized(network, n)
        network.get_layer = lambda _: SimpleNamespace(get_output_type=lambda _: SimpleNamespace(name="FLOAT"))
        return self.num_errors == 0


class FakeEngine:
    def __init__(self, fake: FakeTensorRt, plan: dict[str, Any]) -> None:
        self.fake, self.onnx = fake, OnnxRuntimeEngine(Path(plan["path"]), 1)
        images = plan["shapes"]["image"][:3]
        specs = (*self.onnx.inputs, *self.onnx.outputs)
        self.shapes = {spec.name: plan["shapes"].get(spec.name, images) for spec in specs}
        self.dtypes = {spec.name: "UINT8" if spec.dtype == "uint8" else "FLOAT" for spec in specs}
        self.names, self.num_io_tensors = [spec.name for spec in specs], len(specs)
        self.get_tensor_name, self.get_tensor_shape = self.names.__getitem__, self.shapes.__getitem__

    def get_tensor_dtype(self, name: str) -> Any:
        return SimpleNamespace(name=self.dtypes[name])

    def get_tensor_mode(self, name: str) -> Mode:
        return Mode.INPUT if name in {spec.name for spec in self.onnx.inputs} else Mode.OUTPUT

    def create_runtime_config(self) -> Any:
        """Return a configuration whose cache holds what was loaded, or the one kernel that is made."""
        kernels = bytearray()

        def load(known: bytes) -> bool:
            self.fake.calls.append("kernels loaded")
            kernels.extend(known)
            return True

        cache = SimpleNamespace(deserialize=load, serialize=lambda: bytes(kernels) or b"kernel")
        return SimpleNamespace(create_runtime_cache=lambda: cache, set_runtime_cache=lambda given: given is cache)

    def create_execution_context(self, runtime_config: Any = None) -> Any:
        assert (runtime_config is not None) == hasattr(self.fake, "IRuntimeCache")
        return FakeContext(self)


class FakeContext:
    def __init__(self, engine: FakeEngine) -> None:
        self.engine, self.bound = engine, dict[str, int]()

    def set_tensor_address(self, name: str, address: int) -> bool:
        self.bound[name] = address
        return True

    def infer_shapes(self) -> list[str]:
        return [name for name in self.engine.names if name not in self.bound]

    def execute_async_v3(self, stream: int) -> bool:
        fake = self.engine.fake
        fake.devices[stream - 1].execute(self._work)
        return True

    def _work(self) -> None:
        engine, memory = self.engine, self.engine.fake.memory
        found = engine.onnx.run({spec.name: memory[self.bound[spec.name]] for spec in engine.onnx.inputs})
        for name, array in found.items():
            memory[self.bound[name]][...] = array * engine.fake.wrong


def _tensors(specs: Sequence[TensorSpec]) -> list[Any]:
    return [
        SimpleNamespace(
            name=spec.name,
            dtype=SimpleNamespace(name="UINT8" if spec.dtype == "uint8" else "FLOAT"),
            shape=tuple(-1 if size is None else size for size in spec.shape),
        )
        for spec in specs
    ]


def _sized(network: Any, number: int) -> Any:
    """Return an output, whose sizes follow from those of the images."""
    network.outputs[number].shape = network.inputs[0].shape[:3]
    return network.outputs[number]


@pytest.fixture
def fake_tensorrt(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeTensorRt]:
    """A fake TensorRT on a fake GPU, with an empty cache of plans."""
    pytest.importorskip("onnxruntime")
    fake = FakeTensorRt()
    monkeypatch.setenv("DEPTH_ROS_PLANS", str(tmp_path / "plans"))
    monkeypatch.setattr(tensorrt, "import_module", lambda _: fake)
    monkeypatch.setattr(tensorrt, "read_gpu", lambda: GPU)
    monkeypatch.setattr(tensorrt, "make_device", lambda: FakeDevice(fake))
    monkeypatch.setattr(trt_probe, "probe", lambda module: Probe("10.3.0") if module == "tensorrt" else Probe("", "no"))
    yield fake
    trt_build.logger.cache_clear()
