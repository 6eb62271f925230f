"""A plan that runs: its tensors bound once, its work recorded once as a CUDA graph, replayed for every frame."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_ros.engines.device import Buffer, Device
from depth_ros.engines.trt_build import DTYPES, errors_logged, logger
from depth_ros.errors import EngineError

Arrays = dict[str, NDArray[Any]]
STAGES = ("upload", "compute", "download")
_log = logging.getLogger("depth_ros.engines")


class Plan:
    """A plan on the GPU. jitted: what TensorRT-RTX kept of the kernels that it made for this GPU, or empty.

    Raises EngineError when TensorRT does not take it on this GPU.
    """

    def __init__(self, trt: Any, plan: bytes, jitted: bytes = b"") -> None:
        self._trt = trt
        self._runtime = trt.Runtime(logger(trt))
        self.engine = self._runtime.deserialize_cuda_engine(plan)
        if self.engine is None:
            raise EngineError(f"{trt.__name__} does not take its own plan on this GPU: {errors_logged(trt)}")
        self._config: Any = None
        self._kernels: Any = None
        if hasattr(trt, "IRuntimeCache"):
            self._config = self.engine.create_runtime_config()
            self._kernels = self._config.create_runtime_cache()
            if jitted:
                self._kernels.deserialize(jitted)
            self._config.set_runtime_cache(self._kernels)

    def context(self) -> Any:
        """Return something that executes the plan; each has memory of its own."""
        config = self._config
        made = self.engine.create_execution_context(**({} if config is None else {"runtime_config": config}))
        if made is None:
            raise EngineError(f"{self._trt.__name__} has no memory for the plan: {errors_logged(self._trt)}")
        return made

    def jitted(self) -> bytes:
        """Return the kernels that were made for this GPU since, empty where plans hold kernels already."""
        kept = None if self._kernels is None else self._kernels.serialize()
        return b"" if kept is None else bytes(kept)


class Lane:
    """A plan and one stream. Work is started and finished; another lane may work meanwhile.

    with_graph: whether the work is a CUDA graph; False where it could not be recorded (it then runs step by step).
    """

    def __init__(self, trt: Any, plan: Plan, device: Device) -> None:
        self._trt, self._device = trt, device
        self._context = plan.context()
        self._inputs: dict[str, Buffer] = {}
        self._outputs: dict[str, Buffer] = {}
        for index in range(plan.engine.num_io_tensors):
            self._bind(plan.engine, plan.engine.get_tensor_name(index))
        unknown = self._context.infer_shapes()
        if unknown:
            raise EngineError(f"the plan leaves open: {', '.join(unknown)}")
        self._marks: list[Any] = [None] * (len(STAGES) + 1)
        self._enqueue()
        device.synchronize()
        self._launch = self._enqueue
        self.with_graph = self._record()

    def start(self, inputs: Mapping[str, NDArray[Any]]) -> None:
        """Begin with a frame; the arrays may be changed as soon as this returns."""
        self._device.attach()
        for name, buffer in self._inputs.items():
            np.copyto(buffer.host, inputs[name])
        self._upload()
        self._launch()
        self._download()

    def finish(self) -> Arrays:
        """Wait for the frame that was begun and return its outputs, which belong to the caller."""
        self._device.attach()
        self._device.synchronize()
        return {name: buffer.host.copy() for name, buffer in self._outputs.items()}

    def timed(self, inputs: Mapping[str, NDArray[Any]], *, with_graph: bool = True) -> dict[str, float]:
        """Run a frame, with or without the graph, and return what each of STAGES took on the GPU (ms)."""
        self._device.attach()
        for name, buffer in self._inputs.items():
            np.copyto(buffer.host, inputs[name])
        self._marks[0] = self._device.mark(self._marks[0])
        compute = self._launch if with_graph else self._enqueue
        for number, step in enumerate((self._upload, compute, self._download), 1):
            step()
            self._marks[number] = self._device.mark(self._marks[number])
        self._device.synchronize()
        pairs = zip(STAGES, self._marks, self._marks[1:])  # noqa: B905 (the last mark begins no stage)
        return {stage: self._device.milliseconds(first, last) for stage, first, last in pairs}

    def close(self) -> None:
        """Free memory and stream."""
        self._context = None
        self._inputs, self._outputs = {}, {}
        self._device.close()

    def _bind(self, engine: Any, name: str) -> None:
        kind = engine.get_tensor_dtype(name).name
        shape = tuple(engine.get_tensor_shape(name))
        buffer = self._device.buffer(shape, DTYPES[kind])
        if not self._context.set_tensor_address(name, buffer.address):
            raise EngineError(f"tensor {name} cannot be bound: {errors_logged(self._trt)}")
        is_input = engine.get_tensor_mode(name) == self._trt.TensorIOMode.INPUT
        (self._inputs if is_input else self._outputs)[name] = buffer

    def _upload(self) -> None:
        for buffer in self._inputs.values():
            self._device.upload(buffer)

    def _download(self) -> None:
        for buffer in self._outputs.values():
            self._device.download(buffer)

    def _enqueue(self) -> None:
        if not self._context.execute_async_v3(self._device.stream):
            raise EngineError(f"{self._trt.__name__} could not run the plan: {errors_logged(self._trt)}")

    def _record(self) -> bool:
        """Record the work, after one run of it: the first allocates, which a graph cannot."""
        try:
            self._launch = self._device.capture(self._enqueue)
        except (EngineError, RuntimeError) as error:
            _log.warning("the plan runs without a CUDA graph, step by step: %s", error)
            return False
        return True
