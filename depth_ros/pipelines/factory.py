"""From the name of a model to the pipeline that runs it."""

from __future__ import annotations

from collections.abc import Callable

from depth_ros.config import CompletionConfig
from depth_ros.errors import ConfigError
from depth_ros.pipelines.base import Pipeline
from depth_ros.pipelines.completion import ClassicalCompletion

BEST_BUNDLED = "classical"
MODELS: dict[str, Callable[[CompletionConfig], Pipeline]] = {"classical": ClassicalCompletion}


def resolve(model: str) -> str:
    """Return the name that `model` stands for: `auto` is the best model that is bundled."""
    return BEST_BUNDLED if model == "auto" else model


def make_pipeline(config: CompletionConfig) -> Pipeline:
    """Build the pipeline of `config.model`; raises ConfigError when there is no such model."""
    name = resolve(config.model)
    if name not in MODELS:
        raise ConfigError(f"unknown model '{config.model}': known are auto, {', '.join(MODELS)}")
    return MODELS[name](config)
