"""Depth of the image alone, in metres: what a metric model answers, and nothing else."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from depth_ros.classical.fill import Completion
from depth_ros.config import NO_GUARD, CompletionConfig, GuardConfig
from depth_ros.errors import CompletionError, ModelError
from depth_ros.frame import DepthMap, Frame, Source
from depth_ros.geometry.camera import Camera
from depth_ros.models.card import ModelCard
from depth_ros.models.model import Arrays
from depth_ros.pipelines.base import Finish, Stopwatch, label_range, rectify
from depth_ros.pipelines.modelled import ModelPipeline, Runnable

VALID, SKY = 1, 2
"""Values of the contract's output `valid`."""
OF_LIDAR = ("sparse_depth", "prior_depth")


class MonocularDepth(ModelPipeline):
    """Dense depth of the image alone from a metric model; everything it answers is monocular (`Source.MONOCULAR`).

    Sky is +Inf, what the model calls invalid NaN, sigma NaN where the model gives none. LiDAR points of a frame are
    passed over, so that no guard holds any out. Of a camera that is not calibrated the model's focal head finds the
    focal length, in which the depth map's camera then is; a model without such a head refuses the frame. Raises
    ModelError when the model cannot make metres of an image alone.
    """

    tasks = ("metric",)
    needs_scan = False

    def __init__(self, config: CompletionConfig, model: Runnable, name: str, guard: GuardConfig = NO_GUARD) -> None:
        _check_alone(model.card, name)
        super().__init__(config, model, name, guard)

    @property
    def finds_focal(self) -> bool:
        """Whether the focal length of a frame may be unknown."""
        return self._model.finds_focal

    def prepare(self, frame: Frame) -> Finish:
        """Rectify the image of `frame`, and return what infers its depth."""
        if frame.rgb is None:
            raise CompletionError(f"{self.name} makes depth of the image, and the frame has none")
        if not frame.camera.calibrated and not self._model.finds_focal:
            raise CompletionError(
                f"no focal length is known, and {self._model.card.title} has no focal head to find it: calibrate the "
                "camera, or give a model with a focal head"
            )
        watch = Stopwatch()
        with watch.stage("rectify"):
            frame = rectify(frame)
        assert frame.rgb is not None
        inputs: Arrays = {"image": frame.rgb, "intrinsics": _intrinsics(frame.camera)}
        return self._ask(inputs, watch, partial(self._conclude, frame, watch))

    def _conclude(self, frame: Frame, watch: Stopwatch, found: Arrays) -> DepthMap:
        with watch.stage("assemble"):
            answer = _answer(self._model.card, found)
            label_range(answer, self._config)
            camera = frame.camera if frame.camera.calibrated else _found_camera(self._model.card, found, frame.camera)
        return DepthMap(frame.stamp_ns, frame.frame_id, camera, *answer, rgb=frame.rgb, timings=watch.seconds)


def _check_alone(card: ModelCard, name: str) -> None:
    if card.task == "relative":
        raise ModelError(
            f"{name} is a relative model, which knows no metres without LiDAR: use it with points (completion_node)"
        )
    if card.task != "metric" or set(card.inputs) & set(OF_LIDAR):
        raise ModelError(f"{name} is a {card.task} model that takes LiDAR depth: use it with points (completion_node)")


def _intrinsics(camera: Camera) -> NDArray[np.float32]:
    """Return fx, fy, cx, cy as the contract has them: a focal length of 0 is unknown."""
    known = 1.0 if camera.calibrated else 0.0
    return np.array(camera.intrinsics, np.float32) * np.array((known, known, 1, 1), np.float32)


def _answer(card: ModelCard, found: Arrays) -> Completion:
    """Return what the model says, with +Inf for sky; raises CompletionError when it cannot be depth or sigma."""
    valid = found.get("valid", np.full_like(found["depth"], VALID, np.uint8))
    answered, unknown = valid == VALID, np.float32(np.nan)
    for name in ("depth", "sigma"):
        bad = np.count_nonzero(answered & ~((found[name] > 0) & (found[name] < np.inf))) if name in found else 0
        if bad:
            raise CompletionError(
                f"{card.title} gave no {name} that can be for {bad} pixels: the frame is dropped; "
                "if this comes again, try precision f32 or another model"
            )
    depth = np.where(answered, found["depth"], unknown)
    sigma = np.where(answered, found["sigma"], unknown) if "sigma" in found else np.full_like(depth, unknown)
    depth[valid == SKY] = np.inf
    return Completion(depth, sigma, np.where(answered, Source.MONOCULAR, Source.NONE).astype(np.uint8))


def _found_camera(card: ModelCard, found: Arrays, camera: Camera) -> Camera:
    focal = float(found["focal"])
    if not 0 < focal < np.inf:
        raise CompletionError(f"{card.title} found a focal length of {focal} px: the frame is dropped")
    return Camera.uncalibrated(*camera.size, focal)
