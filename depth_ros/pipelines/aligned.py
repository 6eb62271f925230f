"""Completion from any monocular model: its depth is the prior, and the scan makes metres of it."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from depth_ros.classical.fill import Completion
from depth_ros.classical.scale_fit import Aligned, Basis, align
from depth_ros.config import NO_GUARD, CompletionConfig, GuardConfig
from depth_ros.errors import CompletionError
from depth_ros.frame import DepthMap, Frame
from depth_ros.models.model import Arrays
from depth_ros.pipelines.base import Finish, Measured, measure
from depth_ros.pipelines.modelled import ModelPipeline, Runnable

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


class AlignedMonocular(ModelPipeline):
    """Dense depth from a monocular model, in the metres of the scan; see `classical.scale_fit.align`.

    Completed is what points near by vouch for; far from them the depth is monocular. With too few points the depth
    rests on less, down to a metric model alone, and a frame without a scan is taken as one without points; `facts` and
    the log say which.
    """

    tasks = ("metric", "relative")

    def __init__(self, config: CompletionConfig, model: Runnable, name: str, guard: GuardConfig = NO_GUARD) -> None:
        super().__init__(config, model, name, guard)
        self._basis: Basis | None = None
        self.needs_scan = model.card.task == "relative"

    @property
    def facts(self) -> dict[str, str]:
        """The model, what runs it, and what the metres of the last frame rest on."""
        return {**super().facts, **({} if self._basis is None else {"metres": SAID[self._basis]})}

    def prepare(self, frame: Frame) -> Finish:
        """Measure `frame`, and return what infers and aligns its depth."""
        if frame.rgb is None or not self._config.use_image:
            raise CompletionError(f"{self.name} makes depth of the image: give one and leave use_image on")
        guard = self._guard
        if frame.points is None and frame.sparse_depth is None:  # and nothing to guard the depth by
            frame = replace(frame, sparse_depth=np.zeros((frame.camera.height, frame.camera.width), np.float32))
            guard = NO_GUARD
        measured = measure(frame, self._config, guard)
        return self._ask(_inputs(measured), measured.watch, partial(self._conclude, measured))

    def _conclude(self, measured: Measured, found: Arrays) -> DepthMap:
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
