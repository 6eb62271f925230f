"""A model that is ready to run: its file, its card, and an engine."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_ros.engines import golden
from depth_ros.engines.base import Engine, image_size, shapes_at
from depth_ros.engines.factory import make_engine
from depth_ros.engines.onnx_file import is_quantised
from depth_ros.errors import BuildCancelledError, EngineError, ModelError
from depth_ros.models.card import read_card
from depth_ros.models.contract import check_answer, check_signature

Arrays = dict[str, NDArray[Any]]
SEED = 0
_log = logging.getLogger("depth_ros")


class Model:
    """One image at a time, or several at once (`at_once`); not for use by several threads at once.

    The arguments are those of `engines.factory.make_engine`, and cameras: how many there are whose images may be there
    at the same time. A model whose card is exact runs in f32. The engine is built for a small image here, so that a
    model that this machine cannot run is known at once, and anew when an image of another size comes; of cameras of
    several sizes each size has an engine, as building at every turn would be a stall.

    card: what the model is. engine: what runs it, the last that was built. fixed_size: height and width of its images,
    None = free. fixed_batch: N of the graph, None = free. Raises EngineError or ModelError, in one line.
    """

    def __init__(
        self,
        path: Path,
        engine: str = "auto",
        precision: str = "auto",
        threads: int = 0,
        *,
        meanwhile: bool = False,
        cameras: int = 1,
    ) -> None:
        self.path, self.card = path, read_card(path)
        self._building, self._share = "", 0.0
        self._goes_on: Callable[[], bool] = lambda: True
        least = self.card.size_multiple
        self._kind, self._threads, self._meanwhile = engine, threads, meanwhile
        self._precision = self.card.precision_for(precision)
        self.engine = make_engine(path, engine, threads, (2 * least, 2 * least), self._precision, meanwhile=meanwhile)
        self.engine.on_progress = self._progressed
        check_signature(self.card, self.engine.inputs, self.engine.outputs)
        self._takes = [spec.name for spec in self.engine.inputs]
        images = [spec.shape for spec in self.engine.inputs if len(spec.shape) > 2]
        self.fixed_size = (images[0][1], images[0][2]) if images else (None, None)
        self.fixed_batch = images[0][0] if images else None
        self._cameras, self._most = cameras, self.fixed_batch or cameras
        self._of_size: dict[tuple[int, int], Engine] = {}
        """By height and width, the one that has not run for longest coming first; one per camera at most."""
        self._batched: Engine | None = None
        """What runs a graph of free N for `_most` images at once, while all have come in one size."""

    @property
    def facts(self) -> dict[str, str]:
        """Name and version, what runs it, with the reason where something faster was refused, and what it knows."""
        note = f" ({self.engine.note})" if self.engine.note else ""
        domain = {"domain": self.card.domain} if self.card.domain else {}
        return {"model": self.card.title, "engine": f"{self.engine.info}{note}", **domain}

    @property
    def building(self) -> str:
        """What is being built right now, or empty; in steps of 10 % where that takes long."""
        done = int(10 * self._share) * 10
        return f"{self._building} ({done} % done)" if self._building and done else self._building

    def warm_size(self, width: int, height: int) -> tuple[int, int]:
        """Return width and height to warm up with: those it was last built for, or the given ones where it takes them.

        So an engine that builds for minutes is not built for a size that never comes.
        """
        last = image_size(self.engine.last_shapes() or {})
        if last is not None:
            return last[1], last[0]
        rows, columns = self.fixed_size
        return min(width, columns or width), min(height, rows or height)

    @property
    def finds_focal(self) -> bool:
        """Whether the graph has a focal head, so that it takes a focal length of 0 as unknown and gives its own."""
        return "focal" in {spec.name for spec in self.engine.outputs}

    def is_built(self, height: int, width: int) -> bool:
        """Whether an image of this size can be run without building the engine; raises as `run`."""
        size = self._size_for(height, width)
        return self._engine_for(size).is_built(shapes_at(self.engine.inputs, size))

    def build_while(self, goes_on: Callable[[], bool]) -> None:
        """Cancel a slow build, from now on, once `goes_on` says no; it is asked from the thread that builds."""
        self._goes_on = goes_on

    def build(self, height: int, width: int) -> None:
        """Build the engine for images of this size, unless that is done; raises as `run`.

        A batch is built for now or never: later, the images would have to wait for it.
        """
        self._building, self._share = f"the engine of {self.card.title} for {width}x{height}", 0.0
        try:
            size = self._size_for(height, width)
            self.engine = self._of_size[size] = self._engine_to_build(size)
            self.engine.fit(shapes_at(self.engine.inputs, size))
            self._fit_batched(size)
        finally:
            self._building = ""

    def warmed(self) -> None:
        """Forget the size that the engine was built for to warm up: it may be that of no camera."""
        self._of_size.clear()

    def go_together(self, one: tuple[int, int], other: tuple[int, int]) -> bool:
        """Whether images of these heights and widths can be given to `run_all` together."""
        try:
            return self._size_for(*one) == self._size_for(*other)
        except ModelError:
            return False

    def at_once(self, waiting: int) -> int:
        """Return how many of so many images that go together to give to `run_all`; 1 where `run` is as quick.

        A graph of fixed N computes N in any case. One of free N is built for one image and, where the engine gains by
        it, for as many as there are cameras, while their images come in one size; fewer are quicker one by one than
        filled up.
        """
        if self.fixed_batch is not None:
            return min(waiting, self._most)
        return self._most if self._batched is not None and waiting >= self._most else 1

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> Arrays:
        """Return the graph's outputs for one image.

        inputs: by name as in `contract.INPUTS`, without the batch axis; what the card does not ask for is left out.
        Images are [H,W] or [H,W,3] of any size: they are padded (see `pad`) to a size that the model takes, and cut
        back. Raises EngineError when the engine fails and ModelError when the image is too large.
        """
        return self._run([inputs])[0]

    def run_all(self, images: Sequence[Mapping[str, NDArray[Any]]]) -> list[Arrays]:
        """Return the graph's outputs for several images that go together, as many as `at_once` says; see `run`.

        When that fails, images come one by one from then on (`at_once`).
        """
        try:
            return self._run(images)
        except Exception as error:
            self._give_up_batches(error)
            raise

    def batch(self, inputs: Mapping[str, NDArray[Any]]) -> Arrays:
        """Return what `run` gives the graph for one image: its inputs alone, padded, with the batch axis."""
        size = self._size_for(*_image_size(inputs))
        return {name: pad(name, inputs[name], size)[None] for name in self._takes}

    def check(self) -> None:
        """Run made-up frames of two sizes, with and without measurements; ModelError when the answer is unfit."""
        least, random = 2 * self.card.size_multiple, np.random.default_rng(SEED)
        sizes = (
            [(least, least), (least, least + self.card.size_multiple)] if None in self.fixed_size else [self.fixed_size]
        )
        for height, width in sizes:
            inputs = _made_up(int(height or 1), int(width or 1), random)
            nothing = {name: array * (name == "intrinsics") for name, array in inputs.items()}
            for given in (inputs, {name: array.astype(inputs[name].dtype) for name, array in nothing.items()}):
                found = self.engine.run(_joined([self.batch(given)] * (self.fixed_batch or 1)))
                check_answer(self.card, found, (self.fixed_batch or 1, *given["sparse_depth"].shape))

    def compare(self, height: int, width: int) -> tuple[dict[str, golden.Gate], str]:
        """Return how far the engine's answer to a made-up frame is from ONNX Runtime's, by output, and what is wrong.

        The gate is that of the engine's arithmetic, or of INT8 where the file is quantised.
        """
        shapes = shapes_at(self.engine.inputs, self._size_for(height, width))
        frame = golden.made_up(self.engine.inputs, shapes)
        wanted = golden.reference(self.path, frame, self.engine.threads)
        found = self.engine.run(frame)
        return golden.compare(found, wanted, "int8" if is_quantised(self.path) else self.engine.info.precision)

    def close(self) -> None:
        """Free the engines."""
        for engine in {self.engine, *self._of_size.values()}:
            engine.close()
        self._close_batched()

    def _run(self, images: Sequence[Mapping[str, NDArray[Any]]]) -> list[Arrays]:
        engine = self._batched if len(images) > 1 else None
        engine = engine or self._used(self._size_for(*_image_size(images[0])))
        # A graph of fixed N takes no fewer.
        filled = [*images, *[images[-1]] * ((self.fixed_batch or 1) - len(images))]
        found = engine.run(_joined([self.batch(inputs) for inputs in filled]))
        return [
            {name: array[n, :height, :width] if array.ndim == 3 else array[n] for name, array in found.items()}
            for n, (height, width) in enumerate(map(_image_size, images))
        ]

    def _engine_for(self, size: tuple[int, int]) -> Engine:
        return self._of_size.get(size, self.engine)

    def _used(self, size: tuple[int, int]) -> Engine:
        if size in self._of_size:
            self._of_size[size] = self._of_size.pop(size)
        return self._engine_for(size)

    def _engine_to_build(self, size: tuple[int, int]) -> Engine:
        if size in self._of_size or self.engine not in self._of_size.values():
            return self._engine_for(size)
        if len(self._of_size) >= self._cameras:
            return self._of_size.pop(next(iter(self._of_size)))
        given = self._kind, self._threads, None, self._precision
        engine = make_engine(self.path, *given, meanwhile=self._meanwhile)
        engine.on_progress = self._progressed
        return engine

    def _fit_batched(self, size: tuple[int, int]) -> None:
        if self.fixed_batch is not None or self._most == 1 or not self.engine.batches or len(self._of_size) > 1:
            self._close_batched()
            return
        try:
            if self._batched is None:
                kind = self.engine.info.kind
                self._batched = make_engine(self.path, kind, self._threads, None, self._precision)
                self._batched.on_progress = self._progressed
            self._batched.fit(shapes_at(self.engine.inputs, size, self._most))
        except BuildCancelledError:
            self._close_batched()
            raise
        except EngineError as error:
            self._give_up_batches(error)

    def _give_up_batches(self, error: Exception) -> None:
        if self._most > 1:
            _log.warning("%s: the images of several cameras are inferred one by one from now on: %s", self.path, error)
        self._most = 1
        self._close_batched()

    def _close_batched(self) -> None:
        if self._batched is not None:
            self._batched.close()
            self._batched = None

    def _progressed(self, share: float) -> bool:
        self._share = share
        return self._goes_on()

    def _size_for(self, height: int, width: int) -> tuple[int, int]:
        wanted = padded_size((height, width), self.card.size_multiple)
        rows, columns = (fixed or size for fixed, size in zip(self.fixed_size, wanted, strict=True))
        if rows < height or columns < width:
            raise ModelError(f"{self.path} takes images of {columns}x{rows} at most, this one is {width}x{height}")
        return rows, columns


def padded_size(size: tuple[int, int], multiple: int) -> tuple[int, int]:
    """Return the least height and width that are multiples and hold an image of `size`."""
    rows, columns = (-(-side // multiple) * multiple for side in size)
    return rows, columns


def pad(name: str, array: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Return the graph's input `name`, [H,W] or [H,W,3], at `size` (height, width), enlarged at right and bottom.

    Picture and prior go on as they are at their edge, measurements do not: a black margin of unknown depth looks like a
    part of the scene, and costs the last rows and columns of the answer much of what the model gains. What is no image
    stays as it is.
    """
    if array.ndim < 2 or array.shape[:2] == size:
        return array
    border = cv2.BORDER_CONSTANT if name == "sparse_depth" else cv2.BORDER_REPLICATE
    return cv2.copyMakeBorder(array, 0, size[0] - array.shape[0], 0, size[1] - array.shape[1], border)


def _joined(batches: Sequence[Arrays]) -> Arrays:
    if len(batches) == 1:
        return batches[0]
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def _image_size(inputs: Mapping[str, NDArray[Any]]) -> tuple[int, int]:
    height, width = next(array.shape[:2] for array in inputs.values() if array.ndim > 1)
    return height, width


def _made_up(height: int, width: int, random: np.random.Generator) -> Arrays:
    """Return a slanted plane under a sky of no prior, a tenth of it measured, with an image of noise."""
    prior = np.tile(np.linspace(50, 2, height, dtype=np.float32)[:, None], (1, width))
    prior[: height // 4] = 0
    return {
        "image": random.integers(0, 256, (height, width, 3)).astype(np.uint8),
        "sparse_depth": np.where(random.random((height, width)) < 0.1, prior, np.float32(0)),
        "prior_depth": prior,
        "intrinsics": np.array([width, width, width / 2, height / 2], np.float32),
    }
