"""An engine that builds for minutes need not keep anyone waiting: a quick one answers until it is ready."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Thread
from typing import Any

from numpy.typing import NDArray

from depth_ros.engines.base import Arrays, Engine, EngineInfo, Probe, Shapes, checked
from depth_ros.errors import BuildCancelledError, EngineError

_log = logging.getLogger("depth_ros.engines")


class MeanwhileEngine(Engine):
    """Answers as `stand_in` while `proper` is built in a thread of its own, and as `proper` from then on.

    What fails to build is an EngineError of the next `fit` or `run`, as it would be without the stand-in. A build for a
    size that is no longer asked for is cancelled.
    """

    def __init__(self, proper: Engine, stand_in: Engine) -> None:
        super().__init__(proper.path, proper.threads, proper.precision)
        self.inputs, self.outputs = proper.inputs, proper.outputs
        self._proper, self._stand_in = proper, stand_in
        proper.on_progress = self._progressed
        self._builder: Thread | None = None
        self._fault: EngineError | None = None
        self._share, self._closed = 0.0, False
        self._asked: Shapes = {}
        self._being_built: Shapes = {}

    @classmethod
    def probe(cls) -> Probe:
        """Tell nothing: it is made of engines that are probed."""
        return Probe("", "it is no engine of its own")

    @property
    def info(self) -> EngineInfo:
        """What answers now."""
        return (self._proper if self._shapes is not None else self._stand_in).info

    @property
    def note(self) -> str:  # type: ignore[override]
        """What is being built meanwhile, in steps of 10 %."""
        if self._shapes is not None:
            return ""
        return f"{self._proper.info.kind} is being built, {int(10 * self._share) * 10} % done"

    def last_shapes(self) -> Shapes | None:
        """Return what the engine proper remembers."""
        return self._proper.last_shapes()

    def is_built(self, shapes: Shapes) -> bool:
        """Whether inputs of these shapes can be run at once, by either."""
        return shapes == self._shapes or (self._builder is not None and self._stand_in.is_built(shapes))

    def fit(self, shapes: Shapes) -> None:
        """Have either ready for these shapes; starts to build the engine proper, and takes it when it is built."""
        self._asked = dict(shapes)
        if self._builder is not None and not self._builder.is_alive():
            self._builder = None
            if self._fault is not None:
                fault, self._fault = self._fault, None
                raise fault
        if self._builder is None and self._proper.is_built(shapes):
            if shapes != self._shapes:
                _log.info("%s: %s answers from now on", self.path.name, self._proper.info)
            self._shapes = dict(shapes)
            return
        self._shapes = None
        self._stand_in.fit(shapes)
        if self._builder is None:
            self._share, self._being_built = 0.0, self._asked
            self._builder = Thread(target=self._build_aside, args=(self._asked,), name="engine builder", daemon=True)
            self._builder.start()

    def run(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        """Return every output by name; raises as `Engine.run`."""
        arrays = checked(self.inputs, inputs)
        self.fit({name: array.shape for name, array in arrays.items()})
        return (self._proper if self._shapes is not None else self._stand_in).run(arrays)

    def close(self) -> None:
        """Cancel the build, wait for its end, and free both."""
        self._closed = True
        if self._builder is not None:
            self._builder.join()
        self._shapes = None
        self._stand_in.close()
        self._proper.close()

    def _build(self, shapes: Shapes) -> None:
        self._proper.fit(shapes)

    def _infer(self, inputs: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        return self._proper.run(inputs)

    def _build_aside(self, shapes: Shapes) -> None:
        try:
            self._proper.fit(shapes)
        except BuildCancelledError:
            pass
        except EngineError as error:
            self._fault = error

    def _progressed(self, share: float) -> bool:
        self._share = share
        return not self._closed and self._being_built == self._asked and self.on_progress(share)


def with_stand_in(proper: Engine, make: Callable[[], Engine]) -> Engine:
    """Return an engine that does not keep waiting: `proper` itself where it builds quickly."""
    return MeanwhileEngine(proper, make()) if proper.builds_slowly else proper
