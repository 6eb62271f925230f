"""What every pipeline with a model shares: its facts, its sizes, and the run that is built for when it must be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Protocol, TypeVar

from numpy.typing import NDArray

from depth_ros.config import NO_GUARD, CompletionConfig, GuardConfig
from depth_ros.errors import ModelError
from depth_ros.models.card import ModelCard
from depth_ros.models.model import Arrays
from depth_ros.pipelines.base import BUILD, Pipeline, Stopwatch

Self = TypeVar("Self", bound="ModelPipeline")


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

    def close(self) -> None:
        """Free the engine."""


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

    def build_while(self, goes_on: Callable[[], bool]) -> None:
        """Cancel the build of the engine once `goes_on` says no."""
        self._model.build_while(goes_on)

    def configured(self: Self, config: CompletionConfig, guard: GuardConfig = NO_GUARD) -> Self:
        """Return this pipeline with other settings, its model shared."""
        return type(self)(config, self._model, self.name, guard)

    def close(self) -> None:
        """Free the engine."""
        self._model.close()

    def _infer(self, inputs: Arrays, watch: Stopwatch) -> Arrays:
        """Run the model on one frame; its engine is built first where none is for this size."""
        size = inputs["image"].shape[:2]
        if not self._model.is_built(*size):
            with watch.stage(BUILD):
                self._model.build(*size)
        with watch.stage("infer"):
            return self._model.run(inputs)
