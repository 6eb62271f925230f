"""What a training run is made of: one dataclass, from a YAML file and `name=value` on the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar, overload

import yaml

from depth_ros.config import check, from_mapping, setting
from depth_ros.errors import ConfigError

CONFIG = "config.yaml"
"""Name of the file of settings in a run's folder."""


@dataclass(frozen=True)
class RunConfig:
    """Choices of every run; together with the pool and the code they decide the weights."""

    pool: str = setting("pools/completion", "folder of the pool of samples")
    pool_samples: int = setting(16384, "samples of the pool, where it has to be made", low=1)
    pool_seed: int = setting(0, "seed of the pool, where it has to be made", low=0)
    validation_samples: int = setting(48, "held-out synthetic samples, in the pool's folder `validation`", low=0)
    real_frames: int = setting(5, "frames of the real sequence that validation takes; 0 = none", low=0)

    batch: int = setting(4, "crops of one step, per process", low=1)
    image_blend: float = setting(0.3, "share of images mixed with another one of the batch", low=0.0, high=1.0)
    image_jitter: float = setting(0.5, "share of images with channels swapped and light changed", low=0.0, high=1.0)
    seed: int = setting(0, "seed of weights, order and augmentation", low=0)
    weights: str = setting("", "checkpoint to start from (.safetensors); empty: random weights")

    steps: int = setting(16400, "optimiser steps of the whole schedule", low=1)
    lr: float = setting(1e-3, "learning rate at its peak", low=0.0)
    warm_up: int = setting(500, "steps from 0 to the peak; then a half cosine to 0", low=0)
    weight_decay: float = setting(0.01, "of AdamW, on weights of more than one dimension", low=0.0)
    clip_norm: float = setting(1.0, "largest norm of the gradient", low=0.0)
    ema_decay: float = setting(0.999, "of the moving average of weights and BatchNorm statistics", low=0.0, high=1.0)

    device: str = setting("auto", "where to train", choices=("auto", "cpu", "cuda"))
    bf16: bool = setting(True, "autocast to bfloat16")
    channels_last: bool = setting(True, "memory layout NHWC")
    compile: bool = setting(False, "torch.compile the network (CPU: needs a C++ compiler)")
    threads: int = setting(0, "threads of torch on the CPU; 0 = its own choice", low=0, high=256)
    data_workers: int = setting(0, "processes that read and crop samples; 0 = a thread of this one", low=0, high=256)

    log_every: int = setting(50, "steps per line and per row of log.csv", low=1)
    checkpoint_every: int = setting(500, "steps per saved state", low=1)
    validate_every: int = setting(4000, "steps per validation", low=1)

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class TrainConfig(RunConfig):
    """Choices of a run of the completion network."""

    crop_height: int = setting(192, "rows of a crop, pixels", low=32)
    crop_width: int = setting(384, "columns of a crop, pixels", low=32)
    image_dropout: float = setting(0.5, "share of samples whose image is taken away", low=0.0, high=1.0)

    @property
    def crop(self) -> tuple[int, int]:
        """Height and width of a crop, pixels."""
        return self.crop_height, self.crop_width


@dataclass(frozen=True)
class MetricConfig(RunConfig):
    """Choices of a run of the metric network; the defaults that differ from those of `RunConfig` are its own."""

    pool: str = setting("pools/metric", "folder of the pool of samples")
    batch: int = setting(8, "pictures of one step, per process", low=1)
    image_blend: float = setting(0.0, "share of images mixed with another one of the batch", low=0.0, high=1.0)
    steps: int = setting(20000, "optimiser steps of the whole schedule", low=1)
    lr: float = setting(2e-3, "learning rate at its peak", low=0.0)
    validate_every: int = setting(2000, "steps per validation", low=1)

    windows: str = setting(
        "", "folder of a pool of the completion network, whose samples are seen beside; empty = none"
    )
    windows_share: float = setting(0.4, "share of the samples that come from `windows`", low=0.0, high=1.0)
    canvas_height: int = setting(192, "rows of what the network works on, pixels", low=32)
    canvas_width: int = setting(352, "columns of what the network works on, pixels", low=32)
    unknown_camera: float = setting(
        0.3, "share of samples of whole cameras whose principal point is not told", low=0.0, high=1.0
    )

    @property
    def canvas(self) -> tuple[int, int]:
        """Height and width of what the network works on, pixels."""
        return self.canvas_height, self.canvas_width


def trained_canvas(facts: Mapping[str, Any]) -> tuple[int, int]:
    """Return the canvas that a run's facts name; the default's where they name none."""
    config, canvas = facts.get("config"), MetricConfig().canvas
    if not isinstance(config, Mapping):
        return canvas
    height, width = config.get("canvas_height"), config.get("canvas_width")
    return (height, width) if isinstance(height, int) and isinstance(width, int) else canvas


Kind = TypeVar("Kind", bound=RunConfig)


@overload
def read_config(path: str | Path | None, overrides: Sequence[str] = (), *, kind: type[Kind], **given: Any) -> Kind: ...


@overload
def read_config(path: str | Path | None, overrides: Sequence[str] = (), **given: Any) -> TrainConfig: ...


def read_config(
    path: str | Path | None, overrides: Sequence[str] = (), *, kind: type[RunConfig] = TrainConfig, **given: Any
) -> RunConfig:
    """Read a YAML file of settings (None = the defaults), then `name=value` texts, then `given` values but None.

    Raises ConfigError, naming file and setting, on what is unknown, of another type or out of range.
    """
    values = {} if path is None else _read_yaml(Path(path))
    for text in overrides:
        name, separator, value = text.partition("=")
        if not separator:
            raise ConfigError(f"--set '{text}': give name=value")
        values[name.strip()] = _scalar(value)
    values |= {name: value for name, value in given.items() if value is not None}
    try:
        return from_mapping(kind, values)
    except ConfigError as error:
        raise ConfigError(str(error) if path is None else f"{path}: {error}") from None


def write_config(config: RunConfig, path: Path) -> None:
    """Write all settings as a file that `read_config` takes."""
    path.write_text(yaml.safe_dump(asdict(config), sort_keys=False), encoding="utf-8")


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: cannot be read as YAML: {' '.join(str(error).split())}") from None
    if values is None:
        return {}
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        raise ConfigError(f"{path}: give lines `name: value`")
    return {name: _scalar(value) if isinstance(value, str) else value for name, value in values.items()}


def _scalar(text: str) -> Any:
    """Read a value as YAML does, and 1e-3, which YAML 1.1 takes for text, as a number."""
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        return text
    if not isinstance(value, str):
        return text if value is None else value
    try:
        return float(value)
    except ValueError:
        return value
