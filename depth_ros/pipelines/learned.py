"""LiDAR completion with a model: the classical completion is the prior that the model refines."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from depth_ros.classical.fill import Completion, complete, paste
from depth_ros.errors import CompletionError
from depth_ros.frame import DepthMap, Frame, Source
from depth_ros.models.model import Arrays
from depth_ros.pipelines.base import Finish, Measured, measure
from depth_ros.pipelines.modelled import ModelPipeline


class LearnedCompletion(ModelPipeline):
    """Dense metric depth from one scan, its image and a completion model.

    Answered is what the classical completion covers, and nothing beyond it. Without `use_image` (night, fog) the model
    sees no image, and the prior is not guided by it. The prior of a frame may be made beside the inference of the one
    before.
    """

    tasks = ("completion",)

    def prepare(self, frame: Frame) -> Finish:
        """Measure `frame` and make its prior, and return what infers its depth."""
        measured = measure(frame, self._config, self._guard)
        with measured.watch.stage("prior"):
            prior = complete(measured.sparse, measured.guide, paste_measured=False, with_sigma=False)
        if not (prior.source != Source.NONE).any():
            return partial(measured.depth_map, prior)
        return self._ask(_inputs(measured, prior), measured.watch, partial(self._conclude, measured, prior))

    def _conclude(self, measured: Measured, prior: Completion, found: Arrays) -> DepthMap:
        with measured.watch.stage("assemble"):
            completion = self._assemble(found, measured.sparse, prior.source, prior.source != Source.NONE)
        return measured.depth_map(completion)

    def _assemble(
        self, found: Arrays, sparse: NDArray[np.float32], source: NDArray[np.uint8], covered: NDArray[np.bool_]
    ) -> Completion:
        """Keep the answer where there is coverage; raises CompletionError when it is no depth there."""
        unknown = np.float32(np.nan)
        depth = np.where(covered, found["depth"], unknown)
        sigma = np.where(covered, found["sigma"], unknown) if "sigma" in found else np.full_like(depth, unknown)
        stated = [depth, sigma] if "sigma" in found else [depth]
        bad = max(np.count_nonzero(covered) - np.count_nonzero((part > 0) & (part < np.inf)) for part in stated)
        if bad:
            raise CompletionError(
                f"{self._model.card.title} gave no depth or sigma that can be for {bad} pixels: the frame is dropped; "
                "if this comes again, try precision f32 or model classical"
            )
        if self._config.paste_measured:
            paste(depth, sigma, sparse, np.flatnonzero(source == Source.MEASURED))
        return Completion(depth, sigma, source)


def _inputs(measured: Measured, prior: Completion) -> Arrays:
    guide = measured.guide
    return {
        "image": np.zeros((*measured.sparse.shape, 3), np.uint8) if guide is None else guide,
        "sparse_depth": measured.sparse,
        "prior_depth": np.where(prior.source == Source.NONE, np.float32(0), prior.depth),
        "intrinsics": np.array(measured.frame.camera.intrinsics, np.float32),
    }
