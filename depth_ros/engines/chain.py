"""The engine of `auto`: the first that can, and when it fails to build, the next."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from numpy.typing import NDArray

from depth_ros.engines.base import Arrays, Engine, EngineInfo, Probe, Shapes, checked
from depth_ros.errors import BuildCancelledError, EngineError

Makers = Mapping[str, Callable[[], Engine]]
_log = logging.getLogger("depth_ros.engines")


class ChainedEngine(Engine):
    """Answers as the first of several engines that can be made and, when it comes to a size, built.

    makers: by name, in the order in which they are tried. Raises EngineError, with every reason, when none can be made.
    """

    def __init__(self, makers: Makers) -> None:
        self._makers, self._refused = dict(makers), list[str]()
        self._fault = ""
        self._engine = self._next()
        super().__init__(self._engine.path, self._engine.threads, self._engine.precision)
        self.inputs, self.outputs = self._engine.inputs, self._engine.outputs

    @classmethod
    def probe(cls) -> Probe:
        """Tell nothing: its engines are probed one by one."""
        return Probe("", "auto is no engine of its own")

    @property
    def engine(self) -> Engine:
        """The engine that answers now."""
        return self._engine

    @property
    def info(self) -> EngineInfo:
        """What runs the graph."""
        return self._engine.info

    @property
    def note(self) -> str:  # type: ignore[override]
        """Why what was taken first was given up, or what the engine that answers now says of itself."""
        return self._fault or self._engine.note

    @property
    def batches(self) -> bool:  # type: ignore[override]
        """Whether what answers now gains by several images at once."""
        return self._engine.batches

    def last_shapes(self) -> Shapes | None:
        """Return what the engine that answers now remembers."""
        return self._engine.last_shapes()

    def is_built(self, shapes: Shapes) -> bool:
        """Whether inputs of these shapes can be run without building."""
        return self._engine.is_built(shapes)

    def fit(self, shapes: Shapes) -> None:
        """Build what answers now; when it cannot be, give it up for the next, with the reason logged."""
        while not self._fits(shapes):
            self._engine = self._next()
            _log.warning("%s runs instead: %s", self._engine.info.kind, self._fault)

    def run(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        """Return every output by name; raises as `Engine.run`."""
        arrays = checked(self.inputs, inputs)
        self.fit({name: array.shape for name, array in arrays.items()})
        return self._engine.run(arrays)

    def run_all(self, frames: Iterable[Arrays]) -> Iterator[dict[str, NDArray[Any]]]:
        """Yield the outputs for every frame, in order."""
        waiting = iter(frames)
        for first in waiting:
            yield self.run(first)
            yield from self._engine.run_all(waiting)

    def close(self) -> None:
        """Free the graph."""
        self._engine.close()

    def _build(self, shapes: Shapes) -> None:
        self._engine.fit(shapes)

    def _infer(self, inputs: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        return self._engine.run(inputs)

    def _fits(self, shapes: Shapes) -> bool:
        """Build what answers now; False when it cannot be, which is why something else will answer."""
        self._engine.on_progress = self.on_progress
        try:
            self._engine.fit(shapes)
        except BuildCancelledError:
            raise
        except EngineError as error:
            self._engine.close()
            self._fault = str(error)
            self._refused.append(self._fault)
            return False
        return True

    def _next(self) -> Engine:
        """Make the first of those that are left; what is said of the others is logged."""
        while self._makers:
            name = next(iter(self._makers))
            try:
                engine = self._makers.pop(name)()
            except EngineError as error:
                self._refused.append(str(error))
                continue
            for reason in self._refused:
                _log.info("engine %s is taken: %s", name, reason)
            return engine
        raise EngineError("; ".join(self._refused))
