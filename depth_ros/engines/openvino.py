"""OpenVINO on the CPU: the fast engine, several times so where the processor multiplies in bf16."""

from __future__ import annotations

import sys
from pathlib import Path
from threading import Lock
from typing import Any

from numpy.typing import NDArray

from depth_ros.engines.base import Engine, EngineInfo, Probe, Shapes, TensorSpec, translated
from depth_ros.engines.onnx_file import read_metadata
from depth_ros.errors import EngineError

REMEDY = "pip install openvino"
DEVICE = "CPU"
CAPABILITY = {"f32": "FP32", "bf16": "BF16", "f16": "FP16"}
_opening = Lock()
_cores: list[Any] = []


class OpenVinoEngine(Engine):
    """precision auto: what OpenVINO takes for this processor, bf16 where it has AMX; f32 is exact to 1e-6."""

    kind = "openvino"

    def __init__(self, path: Path, threads: int = 0, precision: str = "auto") -> None:
        super().__init__(path, threads, precision)
        read_metadata(path)
        with translated(f"openvino does not load ({REMEDY})"):
            self._core, self._version = _open()
        known = self._core.get_property(DEVICE, "OPTIMIZATION_CAPABILITIES")
        if precision != "auto" and CAPABILITY[precision] not in known:
            raise EngineError(f"this processor does not compute in {precision}: take precision auto or f32")
        with translated(f"{path} cannot be read by openvino"):
            self._graph = self._core.read_model(str(path))
            self.inputs = tuple(map(_spec, self._graph.inputs))
            self.outputs = tuple(map(_spec, self._graph.outputs))
        self._compiled: Any = None
        self._request: Any = None

    @classmethod
    def probe(cls) -> Probe:
        """Look whether openvino loads and finds the CPU."""
        try:
            core, version = _open()
            devices = core.available_devices
        except Exception as error:  # a broken library may raise anything
            return Probe("", f"openvino does not load ({' '.join(str(error).split())}): {REMEDY}")
        if DEVICE not in devices:
            return Probe("", f"openvino has no CPU plugin, only {devices}: {REMEDY}")
        return Probe(version)

    @property
    def info(self) -> EngineInfo:
        """What runs the graph."""
        precision, compiled = self.precision, self._compiled  # another thread may be building it anew
        if compiled is not None:
            precision = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
        return EngineInfo(self.kind, self._version, self.device, precision)

    def close(self) -> None:
        """Free the graph."""
        self._request = self._compiled = self._shapes = None

    def _build(self, shapes: Shapes) -> None:
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": self.threads,
            # A pinned thread could not give way to the completion of the next frame.
            "ENABLE_CPU_PINNING": False,
        }
        if self.precision != "auto":
            settings["INFERENCE_PRECISION_HINT"] = self.precision
        self._request = self._compiled = None
        self._graph.reshape({name: list(shape) for name, shape in shapes.items()})
        self._compiled = self._core.compile_model(self._graph, DEVICE, settings)
        self._request = self._compiled.create_infer_request()

    def _infer(self, inputs: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        found = self._request.infer(inputs, share_inputs=True)
        return {spec.name: found[spec.name] for spec in self.outputs}


def _open() -> tuple[Any, str]:
    """Return the Core, the same for the whole life of the process, and OpenVINO's version.

    Its CPU plugin gives the thread that opens it a stack for signals, and unmaps that memory with the Core. Of several
    Cores, freed in another order or thread, one leaves the stack in use but unmapped: the next Ctrl-C is a SIGSEGV.

    Its telemetry is left out. It would fork at the import, to report to its makers: a robot tells nobody, and a process
    with threads must not be forked (that child hung, and held the pipes of its parent open).
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    with _opening:
        if not _cores:
            _cores.append(openvino.Core())
    return _cores[0], openvino.__version__.partition("-")[0]


def _spec(port: Any) -> TensorSpec:
    sizes = tuple(None if size.is_dynamic else size.get_length() for size in port.get_partial_shape())
    return TensorSpec(port.get_any_name(), str(port.get_element_type().to_dtype()), sizes)
