"""From an ONNX file to a plan: TensorRT's parser and builder, those of classic TensorRT or of TensorRT-RTX.

The module is injected (`trt` everywhere), since the two differ in nothing that is used here. Networks are strongly
typed: the precision of the arithmetic stands in the file, and no builder flag changes it, except TF32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import RLock
from typing import Any, NamedTuple

from depth_ros.engines.base import Shapes, TensorSpec
from depth_ros.errors import BuildCancelledError, EngineError

Progress = Callable[[float], bool]
"""Is told the share that is done, 0 to 1, and answers whether to go on."""
DTYPES = {
    "FLOAT": "float32",
    "HALF": "float16",
    "BF16": "bfloat16",
    "INT8": "int8",
    "UINT8": "uint8",
    "INT32": "int32",
    "INT64": "int64",
    "BOOL": "bool",
}
NARROW = {"FP8": "f8", "INT8": "int8", "HALF": "f16", "BF16": "bf16"}
"""Arithmetic by the type of a layer's answer, the narrowest first."""
MOST_MESSAGES = 100
_building = RLock()


class Signature(NamedTuple):
    """What a graph takes and gives, and the narrowest arithmetic in it: f8, int8, f16, bf16 or f32."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    precision: str


def read_signature(trt: Any, path: Path) -> Signature:
    """Parse an ONNX file; raises EngineError, with node and operator, when TensorRT does not take it."""
    with _parsed(trt, path) as (_, network):
        inputs = tuple(_spec(network.get_input(i)) for i in range(network.num_inputs))
        outputs = tuple(_spec(network.get_output(i)) for i in range(network.num_outputs))
        return Signature(inputs, outputs, _precision(network))


def build_plan(trt: Any, path: Path, shapes: Shapes, *, tf32: bool, progress: Progress | None = None) -> bytes:
    """Return the plan of an ONNX file for inputs of exactly these shapes.

    tf32: let float32 products be rounded to TF32 where the GPU has it. progress: is told how far the build is.

    Raises EngineError with the parser's or the builder's own words, BuildCancelledError when `progress` says stop, and
    KeyboardInterrupt, in order, when that came during the build.
    """
    with _parsed(trt, path) as (builder, network):
        _fix_shapes(network, path, shapes)
        config = builder.create_builder_config()
        if not tf32:
            config.clear_flag(trt.BuilderFlag.TF32)
        monitor = None if progress is None else _make_monitor(trt, progress)
        if monitor is not None:
            config.progress_monitor = monitor
        plan = builder.build_serialized_network(network, config)
        if monitor is not None and monitor.raised is not None:
            raise monitor.raised
        if monitor is not None and monitor.cancelled:
            raise BuildCancelledError(f"the build of {path.name} was cancelled")
        if plan is None:
            raise EngineError(f"{path} cannot be built by {trt.__name__}: {errors_logged(trt)}")
        return bytes(plan)


@cache
def logger(trt: Any) -> Any:
    """Return the logger of this process; TensorRT keeps the first that it is given. Errors are kept in `messages`."""

    class Logger(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.messages: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity <= trt.ILogger.Severity.ERROR:
                self.messages.append(" ".join(message.split()))
                del self.messages[:-MOST_MESSAGES]

    return Logger()


def errors_logged(trt: Any) -> str:
    """Return what TensorRT has logged as errors since last asked, in one line."""
    messages = logger(trt).messages
    text = "; ".join(dict.fromkeys(messages))
    messages.clear()
    return text[:500] or "no reason was given"


@contextmanager
def _parsed(trt: Any, path: Path) -> Iterator[tuple[Any, Any]]:
    """Hold the builder and the network of an ONNX file; one at a time, as all share one logger."""
    with _building:
        log = logger(trt)
        log.messages.clear()
        builder = trt.Builder(log)
        network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
        parser = trt.OnnxParser(network, log)
        if not parser.parse_from_file(str(path)):
            raise EngineError(f"{path} cannot be read by {trt.__name__}: {_parser_errors(trt, parser)}")
        try:
            yield builder, network
        except RuntimeError as error:  # asked for something that does not follow, such as a shape
            raise EngineError(f"{path} cannot be built by {trt.__name__}: {error} {errors_logged(trt)}") from error


def _parser_errors(trt: Any, parser: Any) -> str:
    """Return the first error of a parser with its node and operator, and how many more there are."""
    count = parser.num_errors
    if not count:
        return errors_logged(trt)
    error = parser.get_error(0)
    name, operator = error.node_name(), error.node_operator()
    where = f"node '{name}' ({operator}): " if name or operator else ""
    more = f" (and {count - 1} more)" if count > 1 else ""
    return f"{where}{' '.join(error.desc().split())[:300]}{more}"


def _fix_shapes(network: Any, path: Path, shapes: Shapes) -> None:
    for index in range(network.num_inputs):
        tensor = network.get_input(index)
        tensor.shape = shapes[tensor.name]
    for index in range(network.num_outputs):
        spec = _spec(network.get_output(index))
        if None in spec.shape:
            raise EngineError(f"{path}: the size of the output {spec} does not follow from the inputs: export it anew")


def _spec(tensor: Any) -> TensorSpec:
    dtype = tensor.dtype.name
    return TensorSpec(tensor.name, DTYPES.get(dtype, dtype.lower()), tuple(s if s >= 0 else None for s in tensor.shape))


def _precision(network: Any) -> str:
    found = {network.get_layer(i).get_output_type(0).name for i in range(network.num_layers)}
    return next((name for dtype, name in NARROW.items() if dtype in found), "f32")


def _make_monitor(trt: Any, progress: Progress) -> Any:
    """Return a monitor of the builder; nothing may be raised through the library, so it is kept for later."""

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.share, self.cancelled = Share(), False
            self.raised: BaseException | None = None

        def phase_start(self, name: str, _parent: str | None, steps: int) -> None:
            self.share.start(name, steps)

        def phase_finish(self, name: str) -> None:
            self.share.finish(name)

        def step_complete(self, name: str, step: int) -> bool:
            try:
                self.cancelled = self.cancelled or not progress(self.share.step(name, step))
            except BaseException as error:  # also Ctrl-C, which Python hands to whatever runs
                self.raised = error
            return not self.cancelled and self.raised is None

    return Monitor()


class Share:
    """How much of nested phases is done, 0 to 1; it never goes back."""

    def __init__(self) -> None:
        self._phases: dict[str, tuple[int, int]] = {}
        """By name, outermost first: steps done, steps."""
        self._most = 0.0

    def start(self, name: str, steps: int) -> None:
        """Note a phase within those that have started and not finished."""
        self._phases[name] = (0, max(steps, 1))

    def finish(self, name: str) -> None:
        """Forget a phase."""
        self._phases.pop(name, None)

    def step(self, name: str, step: int) -> float:
        """Note that a phase has done its step number `step`, from 0, and return the share."""
        if name in self._phases:
            steps = self._phases[name][1]
            self._phases[name] = (min(step + 1, steps), steps)
        share, part = 0.0, 1.0
        for done, steps in self._phases.values():
            share += part * min(done, steps) / steps
            part /= steps
        self._most = min(1.0, max(self._most, share))
        return self._most
