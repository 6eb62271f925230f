"""Completion from any monocular model: its depth is the prior, and the scan makes metres of it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from depth_ros.classical.fill import Completion
from depth_ros.classical.scale_fit import Aligned, Basis, align
from depth_ros.config import NO_GUARD, CompletionConfig, GuardConfig
from depth_ros.errors import CompletionError, ModelError
from depth_ros.frame import DepthMap, Frame
from depth_ros.models.card import ModelCard
from depth_ros.models.model import Arrays
from depth_ros.pipelines.base import BUILD, Finish, Measured, Pipeline, measure

VALID, SKY = 1, 2
"""Values of the contract's output `valid`."""
SAID = {
    Basis.NOTHING: "nothing: too few points, or they contradict the prior; no depth",
    Basis.PRIOR: "the model alone: no points",
    Basis.SCALE: "one scale: the points are too few, or all at one depth",
    Basis.SCALE_AND_SHIFT: "scale and shift: too few points for a local correction",
    Basis.FIELD: "scale and a local correction from the points",
}
"""What the metres rest on, for people."""
_log = logging.getLogger("depth_ros")


class MonocularModel(Protocol):
    """What the pipeline asks of a model, which `models.model.Model` has; fakes will do."""

    @property
    def building(self) -> str:
        """What is being built right now, or empty."""

    @property
    def card(self) -> ModelCard:
        """What the model is; its task is metric or relative."""

    @property
    def facts(self) -> dict[str, str]:
        """The model, and what runs it."""

    @property
    def fixed_size(self) -> tuple[int | None, int | None]:
        """Height and width of its images, None = free."""

    def is_built(self, height: int, width: int) -> bool:
        """Whether an image of this size can be run at once."""

    def build(self, height: int, width: int) -> None:
        """Make ready for images of this size."""

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> Arrays:
        """Return `depth` (metric) or `inverse_depth` (relative), and perhaps `sigma` and `valid`, [H,W] each."""

    def close(self) -> None:
        """Free the engine."""


class AlignedMonocular(Pipeline):
    """Dense depth from a monocular model, in the metres of the scan; see `classical.scale_fit.align`.

    Completed is what points near by vouch for; far from them the depth is monocular. With too few points the depth
    rests on less, down to a metric model alone, and a frame without a scan is taken as one without points; `facts` and
    the log say which. name: as in `CompletionConfig.model`. Raises ModelError when the model is not a monocular one.
    """

    def __init__(
        self, config: CompletionConfig, model: MonocularModel, name: str, guard: GuardConfig = NO_GUARD
    ) -> None:
        if model.card.task not in ("metric", "relative"):
            raise ModelError(f"{name} is a {model.card.task} model: give one of task metric or relative")
        self._config, self._guard, self._model = config, guard, model
        self._basis: Basis | None = None
        self.name = name

    @property
    def facts(self) -> dict[str, str]:
        """The model, what runs it, and what the metres of the last frame rest on."""
        return {**self._model.facts, **({} if self._basis is None else {"metres": SAID[self._basis]})}

    @property
    def building(self) -> str:
        """The engine, while it is built for images of another size."""
        return self._model.building

    @property
    def warm_size(self) -> tuple[int, int]:
        """Width and height of a made-up frame that the model takes."""
        width, height = super().warm_size
        rows, columns = self._model.fixed_size
        return min(width, columns or width), min(height, rows or height)

    def configured(self, config: CompletionConfig, guard: GuardConfig = NO_GUARD) -> AlignedMonocular:
        """Return this pipeline with other settings, its model shared."""
        return AlignedMonocular(config, self._model, self.name, guard)

    def prepare(self, frame: Frame) -> Finish:
        """Measure `frame`, and return what infers and aligns its depth."""
        if frame.rgb is None or not self._config.use_image:
            raise CompletionError(f"{self.name} makes depth of the image: give one and leave use_image on")
        if frame.points is None and frame.sparse_depth is None:
            frame = replace(frame, sparse_depth=np.zeros((frame.camera.height, frame.camera.width), np.float32))
        return partial(self._finish, measure(frame, self._config, self._guard))

    def close(self) -> None:
        """Free the engine."""
        self._model.close()

    def _finish(self, measured: Measured) -> DepthMap:
        if not self._model.is_built(*measured.sparse.shape):
            with measured.watch.stage(BUILD):
                self._model.build(*measured.sparse.shape)
        with measured.watch.stage("infer"):
            found = self._model.run(_inputs(measured))
        with measured.watch.stage("align"):
            relative = self._model.card.task == "relative"
            prior = self._prior(found["inverse_depth" if relative else "depth"], found.get("valid"), relative)
            aligned = align(prior, measured.sparse, relative=relative, paste_measured=self._config.paste_measured)
            self._say(aligned.basis)
        return measured.depth_map(_completion(aligned, found))

    def _prior(
        self, answer: NDArray[np.float32], valid: NDArray[np.uint8] | None, relative: bool
    ) -> NDArray[np.float32]:
        """Return the answer, NaN where the model calls it invalid; raises CompletionError when it cannot be depth."""
        asked = np.ones(answer.shape, np.bool_) if valid is None else valid == VALID
        bad = np.count_nonzero(asked & ~(np.isfinite(answer) & (relative | (answer > 0))))
        if bad:
            raise CompletionError(
                f"{self._model.card.title} gave no depth that can be for {bad} pixels: the frame is dropped; "
                "if this comes again, try precision f32 or another model"
            )
        return np.where(asked, answer, np.float32(np.nan))

    def _say(self, basis: Basis) -> None:
        """Log when the metres come to rest on something else, loudly when on less than all."""
        if basis != self._basis and (basis != Basis.FIELD or self._basis is not None):
            level = logging.INFO if basis == Basis.FIELD else logging.WARNING
            _log.log(level, "%s: the metres rest on %s", self.name, SAID[basis])
        self._basis = basis


def _completion(aligned: Aligned, found: Arrays) -> Completion:
    """Return the depth with what only the model knows: its own sigma where no point speaks, and the sky, +Inf."""
    depth, sigma, source = aligned.depth, aligned.sigma, aligned.source
    if aligned.basis == Basis.PRIOR and "sigma" in found:
        sigma = np.where(np.isfinite(depth), found["sigma"], np.float32(np.nan))
    if "valid" in found:
        depth[(found["valid"] == SKY) & np.isnan(depth)] = np.inf
    return Completion(depth, sigma, source)


def _inputs(measured: Measured) -> Arrays:
    assert measured.frame.rgb is not None
    return {
        "image": measured.frame.rgb,
        "sparse_depth": measured.sparse,
        "intrinsics": np.array(measured.frame.camera.intrinsics, np.float32),
    }
