"""TensorRT, classic (Jetson, data centre) or RTX (workstations): the engines that compile a graph for one GPU.

Building takes seconds to minutes, so plans are kept (`plan_cache`), and none is used that has not answered a made-up
frame as ONNX Runtime does (`golden`), each time that it is loaded.
"""

from __future__ import annotations

import logging
import platform
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import Any, ClassVar

from numpy.typing import NDArray

from depth_ros.engines import golden, trt_probe
from depth_ros.engines.base import Engine, EngineInfo, Probe, Shapes, checked, translated
from depth_ros.engines.device import make_device
from depth_ros.engines.device_cuda import read_gpu
from depth_ros.engines.onnx_file import content_sha256
from depth_ros.engines.plan_cache import BadPlanError, Facts, PlanCache, Stored
from depth_ros.engines.trt_build import build_plan, read_signature
from depth_ros.engines.trt_run import Arrays, Lane, Plan
from depth_ros.errors import EngineError

REVISION = 1
"""To be raised when a plan that was built by older code is not to be used any more."""
TELL_EVERY_S = 5.0
LANES = 2
"""So many frames are worked on at once by `run_all`."""
ANEW = "`depth_ros model build --anew` tries again"
_log = logging.getLogger("depth_ros.engines")


class TensorRtEngine(Engine):
    """Classic TensorRT, 10.3 to 11.4; its plans are for one kind of GPU.

    The precision stands in the file: `auto` takes it as it is and lets float32 products be rounded to TF32, `f32` does
    not; another one must be that of the file. differences: from the reference, by output, once built.
    """

    kind = "tensorrt"
    builds_slowly = True
    batches = True
    portable: ClassVar[bool] = False
    """Whether a plan runs on other GPUs than that of the machine that built it, and is built without one."""

    def __init__(self, path: Path, threads: int = 0, precision: str = "auto") -> None:
        super().__init__(path, threads, precision)
        self._digest = content_sha256(path)
        with translated(f"{self.kind} does not load"):
            self._trt = import_module(self.kind)
        signature = read_signature(self._trt, path)
        self.inputs, self.outputs = signature.inputs, signature.outputs
        self._tf32 = precision == "auto"
        self._arithmetic = "tf32" if signature.precision == "f32" and self._tf32 else signature.precision
        if precision not in ("auto", signature.precision):
            raise EngineError(
                f"{self.kind} computes as the file says, and {path} is {signature.precision}, not {precision}: export "
                "it so, or take precision auto"
            )
        self.device = "GPU"
        self.differences: dict[str, golden.Gate] = {}
        self._plan: Plan | None = None
        self._lanes: list[Lane] = []

    @classmethod
    def probe(cls) -> Probe:
        """Look, in another process, whether this TensorRT loads and finds a GPU."""
        return trt_probe.probe(cls.kind)

    @property
    def info(self) -> EngineInfo:
        """What runs the graph."""
        return EngineInfo(self.kind, self._trt.__version__, self.device, self._arithmetic)

    def last_shapes(self) -> Shapes | None:
        """Return the shapes of the plan of this file that was built last."""
        known = {"file": self._digest, "engine": self.kind, "tf32": self._tf32}
        try:
            facts = PlanCache().newest(lambda facts: all(facts.get(name) == value for name, value in known.items()))
        except EngineError:  # said when it is built
            return None
        return None if facts is None else {name: tuple(shape) for name, shape in facts["shapes"].items()}

    def build_ahead(self, shapes: Shapes, *, anew: bool = False) -> str:
        """Have the plan for these shapes in the cache, without running it; `anew`: build it in any case.

        Returns `found` or `built`. Raises as `fit`.
        """
        cache, facts = PlanCache(), self._facts(shapes)
        with translated(f"{self.path} cannot be built by {self.kind}"), cache.lock(facts, partial(self.on_progress, 0)):
            if not anew and self._load(cache, facts) is not None:
                return "found"
            stored = self._make(facts, shapes)
            cache.store(stored)
            return "built"

    def run_all(self, frames: Iterable[Mapping[str, NDArray[Any]]]) -> Iterator[Arrays]:
        """Yield the outputs for every frame, in order; a frame is copied while the one before is computed."""
        busy: deque[Lane] = deque()
        for number, frame in enumerate(frames):
            arrays = checked(self.inputs, frame)
            shapes = {name: array.shape for name, array in arrays.items()}
            while busy and (len(busy) == LANES or not self.is_built(shapes)):
                yield busy.popleft().finish()
            self.fit(shapes)
            busy.append(self._lane(number % LANES))
            busy[-1].start(arrays)
        while busy:
            yield busy.popleft().finish()

    def time_stages(self, inputs: Arrays, *, with_graph: bool = True) -> dict[str, float]:
        """Run a frame for whose shapes the engine is built, and return what each stage took on the GPU (ms)."""
        return self._lane(0).timed(checked(self.inputs, inputs), with_graph=with_graph)

    def close(self) -> None:
        """Free the GPU's memory."""
        self._shapes = None
        for lane in self._lanes:
            lane.close()
        self._lanes, self._plan = [], None

    def _build(self, shapes: Shapes) -> None:
        self.close()
        cache, facts = PlanCache(), self._facts(shapes)
        with cache.lock(facts, partial(self.on_progress, 0)):
            stored = self._load(cache, facts)
            if stored is not None and self._starts(cache, stored, shapes):
                return
            stored = self._make(facts, shapes)
            wrong = self._start(cache, stored, shapes)
            if wrong:
                self.close()
                _keep(cache, Stored(b"", facts, {"refused": wrong}))
                raise EngineError(f"{self.path.name} was refused: {self.info}: {wrong}; {ANEW}")
            _keep(cache, stored)

    def _infer(self, inputs: dict[str, NDArray[Any]]) -> Arrays:
        lane = self._lane(0)
        lane.start(inputs)
        return lane.finish()

    def _lane(self, number: int) -> Lane:
        """Return a lane of the plan, each made when it is first asked for."""
        assert self._plan is not None
        while len(self._lanes) <= number:
            device = make_device()
            try:
                self._lanes.append(Lane(self._trt, self._plan, device))
            except BaseException:
                device.close()
                raise
        return self._lanes[number]

    def _load(self, cache: PlanCache, facts: Facts) -> Stored | None:
        """Return the plan of the cache, None when there is none that can be used; raises when it was refused before."""
        try:
            stored = cache.load(facts)
        except BadPlanError as error:
            _log.warning("%s; it is built anew", error)
            return None
        if stored is not None and "refused" in stored.notes:
            raise EngineError(f"{self.path.name} was refused when it was built: {stored.notes['refused']}; {ANEW}")
        return stored

    def _make(self, facts: Facts, shapes: Shapes) -> Stored:
        """Build the plan, and have ONNX Runtime answer the frame of the self-test."""
        start = last = perf_counter()

        def tell(share: float) -> bool:
            nonlocal last
            if perf_counter() - last > TELL_EVERY_S:
                last = perf_counter()
                _log.info("%s: %s has built %.0f %%", self.path.name, self.kind, 100 * share)
            return self.on_progress(share)

        plan = build_plan(self._trt, self.path, shapes, tf32=self._tf32, progress=tell)
        took = perf_counter() - start
        wanted = golden.reference(self.path, golden.made_up(self.inputs, shapes), self.threads)
        _log.info("%s: built by %s in %.1f s, %.1f MB", self.path.name, self.kind, took, len(plan) / 1e6)
        return Stored(plan, facts, {"build_seconds": round(took, 3), "reference": wanted})

    def _starts(self, cache: PlanCache, stored: Stored, shapes: Shapes) -> bool:
        """Whether a plan of the cache runs and answers as it should; why not is logged, and it is built anew."""
        try:
            wrong = self._start(cache, stored, shapes)
        except EngineError as error:
            wrong = str(error)
        if wrong:
            self.close()
            _log.warning("the stored plan of %s is built anew: %s", self.path.name, wrong)
        return not wrong

    def _start(self, cache: PlanCache, stored: Stored, shapes: Shapes) -> str:
        """Load a plan, test it, and keep the kernels it made; returns what is wrong with its answer, or nothing."""
        gpu = read_gpu()
        self.device = f"GPU {gpu.name}"
        known = self._kernels(cache, stored.facts)
        self._plan = Plan(self._trt, stored.plan, known)
        found = self._infer(golden.made_up(self.inputs, shapes))
        made = self._plan.jitted()
        if made not in (b"", known):
            _keep(cache, Stored(made, _kernel_facts(stored.facts), {}))
        self.differences, wrong = golden.compare(found, stored.notes["reference"], self._arithmetic)
        return wrong

    def _kernels(self, cache: PlanCache, facts: Facts) -> bytes:
        """Return the kernels that TensorRT-RTX made for this plan and GPU, if it did."""
        try:
            stored = cache.load(_kernel_facts(facts))
        except BadPlanError as error:
            _log.warning("%s; its kernels are made anew", error)
            return b""
        return b"" if stored is None else stored.plan

    def _facts(self, shapes: Shapes) -> Facts:
        """Return all that a plan depends on."""
        facts: dict[str, Any] = {
            "file": self._digest,
            "revision": REVISION,
            "engine": self.kind,
            "version": self._trt.__version__,
            "tf32": self._tf32,
            "shapes": {name: list(shape) for name, shape in shapes.items()},
            "system": [platform.system(), platform.machine()],
        }
        return facts if self.portable else {**facts, "gpu": read_gpu()}


class TensorRtRtxEngine(TensorRtEngine):
    """TensorRT-RTX: plans are built without a GPU, and run on all that it supports; kernels are made where they run."""

    kind = "tensorrt_rtx"
    portable = True


def _keep(cache: PlanCache, stored: Stored) -> None:
    """Store what runs already; a full disk is no reason not to run it."""
    try:
        cache.store(stored)
    except EngineError as error:
        _log.warning("%s; it will be built at every start", error)


def _kernel_facts(facts: Facts) -> Facts:
    return {**facts, "part": "kernels", "gpu": read_gpu()}
