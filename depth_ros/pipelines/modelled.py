"""What every pipeline with a model shares: its facts, its sizes, and the run, of one frame or of several at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Protocol, TypeVar

from numpy.typing import NDArray

from depth_ros.config import NO_GUARD, CompletionConfig, GuardConfig
from depth_ros.errors import ModelError
from depth_ros.frame import DepthMap
from depth_ros.models.card import ModelCard
from depth_ros.models.model import Arrays
from depth_ros.pipelines.base import BUILD, Finish, Pipeline, Stopwatch

Self = TypeVar("Self", bound="ModelPipeline")
Outcome = DepthMap | Exception
"""Of one frame: its depth, or why there is none."""


class Runnable(Protocol):
    """What a pipeline asks of a model, which `models.model.Model` has; fakes will do."""

    @property
    def building(self) -> str:
        """What is being built right now, or empty."""

    @property
    def card(self) -> ModelCard:
        """What the model is, and its task."""

    @property
    def facts(self) -> dict[str, str]:
        """The model, and what runs it."""

    @property
    def finds_focal(self) -> bool:
        """Whether it has a focal head, so that the focal length may be unknown."""

    def warm_size(self, width: int, height: int) -> tuple[int, int]:
        """Return width and height to warm up with, the given ones where nothing is better."""

    def is_built(self, height: int, width: int) -> bool:
        """Whether an image of this size can be run at once."""

    def build_while(self, goes_on: Callable[[], bool]) -> None:
        """Cancel a slow build once `goes_on` says no."""

    def build(self, height: int, width: int) -> None:
        """Make ready for images of this size."""

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> Arrays:
        """Return the outputs of the contract, [H,W] each (`focal`: a number), for one frame without the batch axis."""

    def warmed(self) -> None:
        """Forget the size that was run to warm up."""

    def go_together(self, one: tuple[int, int], other: tuple[int, int]) -> bool:
        """Whether images of these heights and widths can be run at once."""

    def at_once(self, waiting: int) -> int:
        """Return how many of so many images that go together to run at once."""

    def run_all(self, images: Sequence[Mapping[str, NDArray[Any]]]) -> list[Arrays]:
        """Return what `run` does, for several images that go together."""

    def close(self) -> None:
        """Free the engine."""


@dataclass(frozen=True, eq=False)
class Inference:
    """The second half of a frame's work where a model does it: what it is asked, and what makes depth of its answer."""

    model: Runnable
    inputs: Arrays
    watch: Stopwatch
    conclude: Callable[[Arrays], DepthMap]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the image."""
        height, width = self.inputs["image"].shape[:2]
        return height, width

    def __call__(self) -> DepthMap:
        """Do it for this frame alone; the engine is built first where none is for its size."""
        if not self.model.is_built(*self.size):
            with self.watch.stage(BUILD):
                self.model.build(*self.size)
        with self.watch.stage("infer"):
            found = self.model.run(self.inputs)
        return self.conclude(found)


def go_together(one: Finish, other: Finish) -> bool:
    """Whether the second halves of two frames can be done at once; never raises."""
    if not (isinstance(one, Inference) and isinstance(other, Inference)):
        return False
    return one.model is other.model and one.model.go_together(one.size, other.size)


def finish_all(halves: Sequence[Finish]) -> Iterator[Outcome]:
    """Do the second halves of frames that go together, in one inference, and yield what becomes of each, in order.

    One by one where they are not as many as the model takes at once, where its engine is to be built first, and where
    the inference of all together fails.
    """
    inferences = [half for half in halves if isinstance(half, Inference)]
    if 1 < len(inferences) == len(halves) == inferences[0].model.at_once(len(halves)):
        halves = _inferred(inferences)
    yield from map(_outcome, halves)


def _inferred(inferences: Sequence[Inference]) -> Sequence[Finish]:
    """Return what is left to do of each."""
    model, size = inferences[0].model, inferences[0].size
    try:
        if not model.is_built(*size):
            return inferences
        with ExitStack() as stages:
            for inference in inferences:
                stages.enter_context(inference.watch.stage("infer"))
            answers = model.run_all([inference.inputs for inference in inferences])
    except Exception:  # which of them is to blame, each alone will tell
        return inferences
    return [partial(inference.conclude, found) for inference, found in zip(inferences, answers)]  # noqa: B905


def _outcome(half: Finish) -> Outcome:
    try:
        return half()
    except Exception as error:  # one frame's, and not that of the others
        return error


class ModelPipeline(Pipeline):
    """A pipeline around one model, which pipelines of other settings share.

    name: as in `CompletionConfig.model`. Raises ModelError when the task of the model is none of `tasks`.
    """

    tasks: ClassVar[tuple[str, ...]]

    def __init__(self, config: CompletionConfig, model: Runnable, name: str, guard: GuardConfig = NO_GUARD) -> None:
        if model.card.task not in self.tasks:
            raise ModelError(f"{name} is a {model.card.task} model: give one of task {' or '.join(self.tasks)}")
        self._config, self._guard, self._model = config, guard, model
        self.name = name

    @property
    def facts(self) -> dict[str, str]:
        """Name and version of the model, and what runs it."""
        return self._model.facts

    @property
    def building(self) -> str:
        """The engine, while it is built for images of another size."""
        return self._model.building

    @property
    def warm_size(self) -> tuple[int, int]:
        """Width and height of a made-up frame that the model takes."""
        return self._model.warm_size(*super().warm_size)

    def warmed(self) -> None:
        """Forget the size of the made-up frame."""
        self._model.warmed()

    def at_once(self, waiting: int) -> int:
        """Return how many of so many prepared frames that go together to infer at once."""
        return self._model.at_once(waiting)

    def build_while(self, goes_on: Callable[[], bool]) -> None:
        """Cancel the build of the engine once `goes_on` says no."""
        self._model.build_while(goes_on)

    def configured(self: Self, config: CompletionConfig, guard: GuardConfig = NO_GUARD) -> Self:
        """Return this pipeline with other settings, its model shared."""
        return type(self)(config, self._model, self.name, guard)

    def close(self) -> None:
        """Free the engine."""
        self._model.close()

    def _ask(self, inputs: Arrays, watch: Stopwatch, conclude: Callable[[Arrays], DepthMap]) -> Inference:
        """Return what asks the model, and makes depth of its answer with `conclude`."""
        return Inference(self._model, inputs, watch, conclude)
