"""What every engine shares: its face, the check of its inputs, and building for the sizes at hand."""

from __future__ import annotations

import logging
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from depth_ros.errors import EngineError

Arrays = Mapping[str, NDArray[Any]]
Shapes = dict[str, tuple[int, ...]]

PRECISIONS = ("auto", "f32", "bf16", "f16")
MOST_THREADS = 4
"""What `threads` 0 takes at most: the other programs of a robot live on the same processor."""
_log = logging.getLogger("depth_ros.engines")


class TensorSpec(NamedTuple):
    """An input or output of a graph; dtype: numpy's name, shape: None where the size is free."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]

    def __str__(self) -> str:
        """Return it as `image uint8 [1, ?, ?, 3]`."""
        sizes = ", ".join("?" if size is None else str(size) for size in self.shape)
        return f"{self.name} {self.dtype} [{sizes}]"


class EngineInfo(NamedTuple):
    """What runs the graph: kind of engine, version of its library, device, precision of the arithmetic."""

    kind: str
    version: str
    device: str
    precision: str

    def __str__(self) -> str:
        """Return it in words."""
        return f"{self.kind} {self.version} on {self.device}, {self.precision}"


class Probe(NamedTuple):
    """Whether an engine can run on this machine: version of its library, or, in one line, why not and what to do."""

    version: str
    reason: str = ""


class Engine(ABC):
    """A graph that runs; not for use by several threads at once.

    inputs, outputs: what the file declares. A free size is fixed when the engine is built: at the first `run` or by
    `fit`, and anew when an input comes in another size. Construction raises EngineError when the file cannot be used.
    """

    kind: ClassVar[str]
    builds_slowly: ClassVar[bool] = False
    """Whether building takes so long that it is done for the sizes alone that are needed."""
    batches: bool = False
    """Whether several images in one run take clearly less time than one after the other."""
    on_progress: Callable[[float], bool] = staticmethod(lambda _: True)
    """Is told what share of a slow build is done, and answers whether to go on."""
    note: str = ""
    """Why this runs and not what would be faster; empty when nothing was refused on the way."""
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def __init__(self, path: Path, threads: int, precision: str) -> None:
        if precision not in PRECISIONS:
            raise EngineError(f"unknown precision '{precision}': known are {', '.join(PRECISIONS)}")
        self.path, self.threads, self.precision = path, count_threads(threads), precision
        self.device = f"CPU, {self.threads} thread" + "s" * (self.threads > 1)
        self._shapes: Shapes | None = None
        self._has_run = False

    @classmethod
    @abstractmethod
    def probe(cls) -> Probe:
        """Look whether this engine's library is there and loads; never raises."""

    @property
    @abstractmethod
    def info(self) -> EngineInfo:
        """What runs the graph; the precision is known once the engine is built."""

    @abstractmethod
    def _build(self, shapes: Shapes) -> None:
        """Make the graph ready for inputs of these shapes."""

    @abstractmethod
    def _infer(self, inputs: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Run the built graph."""

    @abstractmethod
    def close(self) -> None:
        """Free the graph; the engine is not to be used afterwards."""

    def last_shapes(self) -> Shapes | None:
        """Return the shapes that the graph was last built for on this machine, where that is remembered."""
        return None

    def is_built(self, shapes: Shapes) -> bool:
        """Whether inputs of these shapes can be run without building."""
        return shapes == self._shapes

    def fit(self, shapes: Shapes) -> None:
        """Build for inputs of these shapes, unless that is done; raises EngineError when the library cannot."""
        if self.is_built(shapes):
            return
        start = perf_counter()
        self._shapes = None
        with translated(f"{self.path} cannot be built by {self.kind}"):
            self._build(shapes)
        self._shapes = dict(shapes)
        sizes = ", ".join(f"{name} {'x'.join(map(str, shape))}" for name, shape in shapes.items())
        level, again = (logging.INFO, " anew, as the size changed,") if self._has_run else (logging.DEBUG, "")
        took = perf_counter() - start
        _log.log(level, "%s: built%s in %.2f s by %s for %s", self.path.name, again, took, self.info, sizes)

    def run(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        """Return every output by name; raises EngineError when the inputs do not fit or the library fails.

        inputs: one array for every input of the graph, of its dtype and shape. The outputs belong to the caller.
        """
        arrays = checked(self.inputs, inputs)
        self.fit({name: array.shape for name, array in arrays.items()})
        self._has_run = True
        with translated(f"{self.path} failed in {self.kind}"):
            return self._infer(arrays)

    def run_all(self, frames: Iterable[Arrays]) -> Iterator[dict[str, NDArray[Any]]]:
        """Yield the outputs for every frame, in order; engines that can work on several at once do."""
        return map(self.run, frames)


class translated:  # noqa: N801 (read as a word: with translated(...))
    """Turn whatever a foreign library raises in the body of the with statement into an EngineError of one line."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, EngineError):
            text = " ".join(str(error).split())
            raise EngineError(f"{self._what}: {text[:300] or type(error).__name__}") from error


def checked(specs: Sequence[TensorSpec], inputs: Arrays) -> dict[str, NDArray[Any]]:
    """Return the inputs, contiguous and in the graph's order; EngineError when one is missing, unknown or unfit."""
    names = [spec.name for spec in specs]
    if set(names) != set(inputs):
        raise EngineError(f"the graph takes {', '.join(names)}, it was given {', '.join(inputs) or 'nothing'}")
    for spec in specs:
        array = inputs[spec.name]
        fits = len(array.shape) == len(spec.shape) and all(
            want in (None, got) for want, got in zip(spec.shape, array.shape, strict=True)
        )
        if not fits or array.dtype != spec.dtype:
            raise EngineError(f"the graph takes {spec}, it was given {array.dtype} {list(array.shape)}")
    return {name: np.ascontiguousarray(inputs[name]) for name in names}


def shapes_at(specs: Sequence[TensorSpec], shape: tuple[int, int], batch: int = 1) -> Shapes:
    """Return the shapes of a graph's inputs for images of height and width `shape`, `batch` of them where N is free.

    Inputs of three axes and more are images, [N,H,W,...].
    """
    fixed: Shapes = {}
    for spec in specs:
        sizes: tuple[int, ...] = (batch, *shape) if len(spec.shape) > 2 else (batch,)
        sizes += (1,) * (len(spec.shape) - len(sizes))
        fixed[spec.name] = tuple(want or got for want, got in zip(spec.shape, sizes, strict=True))
    return fixed


def image_size(shapes: Shapes) -> tuple[int, int] | None:
    """Return height and width of the images among the shapes of a graph's inputs; None when it takes none."""
    return next(((shape[1], shape[2]) for shape in shapes.values() if len(shape) > 2), None)


def count_threads(threads: int) -> int:
    """Return the number of threads that `threads` asks for; 0: the processors that we may use, at most MOST_THREADS."""
    if threads > 0:
        return threads
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(usable, MOST_THREADS)
