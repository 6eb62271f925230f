"""From the name of a model to the pipeline that runs it."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import cache

from depth_ros.config import NO_GUARD, CompletionConfig, GuardConfig, MonocularConfig, as_completion
from depth_ros.errors import EngineError, ModelError
from depth_ros.models.model import Model
from depth_ros.models.store import BEST, METRIC, bundled_models, find_model
from depth_ros.pipelines.aligned import AlignedMonocular
from depth_ros.pipelines.base import Pipeline
from depth_ros.pipelines.completion import NAME as CLASSICAL
from depth_ros.pipelines.completion import ClassicalCompletion
from depth_ros.pipelines.learned import LearnedCompletion
from depth_ros.pipelines.monocular import MonocularDepth

DEFAULT = CompletionConfig()
_log = logging.getLogger("depth_ros")


def make_pipeline(config: CompletionConfig, guard: GuardConfig = NO_GUARD, cameras: int = 1) -> Pipeline:
    """Build the pipeline of `config.model`, which checks its depth as `guard` says, for so many cameras.

    `auto` is the bundled model, and the classical completion, with the reason logged once, where the model cannot be
    used and no engine or precision was asked for by name. Raises ModelError or EngineError, in one line, when what was
    asked for by name cannot be had.
    """
    if config.model == CLASSICAL:
        return ClassicalCompletion(config, guard)
    if config.model != "auto":
        return _learned(config, config.model, guard, cameras)
    if BEST not in bundled_models():
        _warn_once(f"model auto is {CLASSICAL}, as this installation holds no model {BEST}: install it anew")
        return ClassicalCompletion(config, guard)
    try:
        return _learned(config, BEST, guard, cameras)
    except (EngineError, ModelError) as error:
        if (config.engine, config.precision) != ("auto", "auto"):
            raise
        _warn_once(f"model auto is {CLASSICAL}, as {BEST} cannot be used: {error}")
        return ClassicalCompletion(config, guard)


def make_monocular(config: MonocularConfig, cameras: int = 1) -> MonocularDepth:
    """Build the pipeline that makes metres of the image alone with `config.model`; `auto` is the bundled metric model.

    cameras: how many there are.

    Raises ModelError or EngineError, in one line, when that cannot be had.
    """
    if config.model == CLASSICAL:
        raise ModelError(f"{CLASSICAL} makes depth of LiDAR points: without them give the file of a metric model")
    if config.model == "auto" and METRIC not in bundled_models():
        raise ModelError(
            "this installation holds no metric model: give one as model, a file that `depth_ros model import` made"
        )
    name = METRIC if config.model == "auto" else config.model
    return MonocularDepth(as_completion(config), _open(config, name, cameras), name)


def resolve(model: str, config: CompletionConfig = DEFAULT) -> str:
    """Return the name that `model` stands for here, with the engine of `config`; raises as `make_pipeline`."""
    if model != "auto":
        return model
    pipeline = make_pipeline(replace(config, model=model))
    pipeline.close()
    return pipeline.name


def _learned(config: CompletionConfig, name: str, guard: GuardConfig, cameras: int) -> Pipeline:
    model = _open(config, name, cameras)
    kind = LearnedCompletion if model.card.task == "completion" else AlignedMonocular
    return kind(config, model, name, guard)


def _open(config: MonocularConfig, name: str, cameras: int) -> Model:
    meanwhile = config.while_building == "onnxruntime"
    given = config.engine, config.precision, config.threads
    return Model(find_model(name), *given, meanwhile=meanwhile, cameras=cameras)


@cache
def _warn_once(text: str) -> None:
    _log.warning("%s", text)
