"""ONNX Runtime on the CPU: the engine that is small, runs everywhere, and repeats itself to the bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from depth_ros.engines.base import Engine, EngineInfo, Probe, Shapes, TensorSpec, translated
from depth_ros.engines.onnx_file import read_metadata
from depth_ros.errors import EngineError

REMEDY = "pip install onnxruntime"
PROVIDERS = ["CPUExecutionProvider"]
FATAL = 4
DTYPES = {"float": "float32", "double": "float64"}


class OnnxRuntimeEngine(Engine):
    """Deterministic for a fixed number of threads on one machine; computes in the precision of the file."""

    kind = "onnxruntime"

    def __init__(self, path: Path, threads: int = 0, precision: str = "auto") -> None:
        super().__init__(path, threads, precision)
        if precision not in ("auto", "f32"):
            raise EngineError(f"onnxruntime computes as the file says, not in {precision}: take precision auto or f32")
        read_metadata(path)
        with translated(f"onnxruntime does not load ({REMEDY})"):
            import onnxruntime
        self._ort = onnxruntime
        # Only read here: the graph is optimised once the sizes are known.
        options = self._options()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        with translated(f"{path} cannot be read by onnxruntime"):
            session = onnxruntime.InferenceSession(str(path), options, providers=PROVIDERS)
        self._sizes = {entry.name: tuple(entry.shape) for entry in session.get_inputs()}
        self.inputs = tuple(map(_spec, session.get_inputs()))
        self.outputs = tuple(map(_spec, session.get_outputs()))
        self._session: Any = None

    @classmethod
    def probe(cls) -> Probe:
        """Look whether onnxruntime loads."""
        try:
            import onnxruntime
        except Exception as error:  # a broken library may raise anything
            return Probe("", f"onnxruntime does not load ({' '.join(str(error).split())}): {REMEDY}")
        return Probe(onnxruntime.__version__)

    @property
    def info(self) -> EngineInfo:
        """What runs the graph."""
        return EngineInfo(self.kind, self._ort.__version__, self.device, "f32")

    def close(self) -> None:
        """Free the session."""
        self._session = self._shapes = None

    def _build(self, shapes: Shapes) -> None:
        options = self._options()
        for name, shape in shapes.items():
            for free, size in zip(self._sizes[name], shape, strict=True):
                if isinstance(free, str):
                    options.add_free_dimension_override_by_name(free, size)
        self._session = self._ort.InferenceSession(str(self.path), options, providers=PROVIDERS)

    def _infer(self, inputs: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        names = [spec.name for spec in self.outputs]
        return dict(zip(names, self._session.run(names, inputs), strict=True))

    def _options(self) -> Any:
        options = self._ort.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = FATAL  # what fails is raised, and raised alone
        # A spinning thread takes its processor from the completion of the next frame.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        return options


def _spec(entry: Any) -> TensorSpec:
    """Return an input or output as onnxruntime describes it; type: `tensor(float)`."""
    dtype = entry.type.removeprefix("tensor(").removesuffix(")")
    return TensorSpec(
        entry.name, DTYPES.get(dtype, dtype), tuple(s if isinstance(s, int) else None for s in entry.shape)
    )
