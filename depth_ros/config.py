"""Settings, written once: the node's parameters, the YAML file and the command line all build these objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, TypeVar

from depth_ros.errors import ConfigError

T = TypeVar("T")


def setting(
    default: Any,
    description: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    read_only: bool = False,
) -> Any:
    """Declare one dataclass field with what a parameter descriptor needs: description, range or choices."""
    metadata = {"description": description, "low": low, "high": high, "choices": choices, "read_only": read_only}
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata=metadata)
    return field(default=default, metadata=metadata)


def check(config: Any) -> None:
    """Raise ConfigError, naming the setting, when a value is outside its declared range or choices."""
    for entry in fields(config):
        value, rules = getattr(config, entry.name), entry.metadata
        if rules.get("choices") and value not in rules["choices"]:
            raise ConfigError(f"{entry.name} is '{value}': give one of {', '.join(rules['choices'])}")
        low, high = rules.get("low"), rules.get("high")
        if low is not None and not value >= low:
            raise ConfigError(f"{entry.name} is {value}: the least is {low}")
        if high is not None and not value <= high:
            raise ConfigError(f"{entry.name} is {value}: the most is {high}")


def from_mapping(kind: type[T], values: Mapping[str, Any]) -> T:
    """Build the settings object `kind` from names and values; an unknown name or a wrong type is a ConfigError."""
    known = {entry.name: entry for entry in fields(kind)}  # type: ignore[arg-type]
    for name, value in values.items():
        if name not in known:
            raise ConfigError(f"unknown setting '{name}': known are {', '.join(known)}")
        expected = type(getattr(kind(), name))
        if expected is float and isinstance(value, int) and not isinstance(value, bool):
            continue
        if type(value) is not expected:
            raise ConfigError(f"{name} is {value!r}: give a value of type {expected.__name__}")
    return kind(**values)


@dataclass(frozen=True)
class MonocularConfig:
    """How an image alone becomes a DepthMap."""

    model: str = setting(
        "auto", "auto (the bundled metric model, where there is one) or the file of a metric model", read_only=True
    )
    engine: str = setting(
        "auto",
        "what runs the model: tensorrt, tensorrt_rtx, openvino, onnxruntime, or auto: the first of these that can",
        choices=("auto", "tensorrt", "tensorrt_rtx", "openvino", "onnxruntime"),
        read_only=True,
    )
    precision: str = setting(
        "auto",
        "arithmetic of the engine: auto (the processor's fastest: bf16 where it has AMX, TF32 on a GPU), f32 (exact), "
        "bf16, f16",
        choices=("auto", "f32", "bf16", "f16"),
        read_only=True,
    )
    while_building: str = setting(
        "wait",
        "while TensorRT builds, seconds to minutes: wait (frames are left out), or let onnxruntime answer",
        choices=("wait", "onnxruntime"),
        read_only=True,
    )
    threads: int = setting(
        0,
        "threads of the engine; 0: the processors that the process may use, at most 4",
        low=0,
        high=256,
        read_only=True,
    )
    min_depth: float = setting(0.1, "depth nearer than this (m along z) is -Inf", low=0.0, high=1000.0)
    max_depth: float = setting(120.0, "depth farther than this (m along z) is +Inf", low=0.1, high=10000.0)

    def __post_init__(self) -> None:
        check(self)
        if self.max_depth <= self.min_depth:
            raise ConfigError(f"max_depth {self.max_depth} must exceed min_depth {self.min_depth}")


@dataclass(frozen=True)
class CompletionConfig(MonocularConfig):
    """How a Frame becomes a DepthMap."""

    model: str = setting(
        "auto",
        "auto (the bundled model, or classical where no engine runs it), classical, a bundled name or a model file",
        read_only=True,
    )
    min_depth: float = setting(
        0.5,
        "points nearer than this (m along z) are left out; depth that still comes out so is -Inf",
        low=0.0,
        high=1000.0,
    )
    max_depth: float = setting(
        120.0,
        "points farther than this (m along z) are left out; depth that still comes out so is +Inf",
        low=0.1,
        high=10000.0,
    )
    use_image: bool = setting(True, "let the image guide the completion")
    see_through: bool = setting(True, "drop LiDAR points that the camera cannot see because of the LiDAR's offset")
    paste_measured: bool = setting(True, "where a kept return falls on a pixel, the depth is that return")


def without_lidar(config: CompletionConfig) -> MonocularConfig:
    """Return the settings of the same model and engine on an image alone, the range its own."""
    shared = {name: getattr(config, name) for name in ("model", "engine", "precision", "while_building", "threads")}
    return MonocularConfig(**shared)


def as_completion(config: MonocularConfig) -> CompletionConfig:
    """Return the same settings as those that every pipeline takes."""
    return CompletionConfig(**asdict(config))


@dataclass(frozen=True)
class GuardConfig:
    """How the depth is checked against the LiDAR itself, and what is done without a usable scan."""

    guard_share: float = setting(
        0.02,
        "share of the LiDAR points that are held out of a frame to check its depth; 0: no check",
        low=0.0,
        high=0.5,
    )
    guard_warn: float = setting(
        0.03, "median residual |depth - point| / point at the held-out points that is a warning", low=0.0, high=10.0
    )
    guard_error: float = setting(
        0.10, "median residual |depth - point| / point at the held-out points that is an error", low=0.0, high=10.0
    )
    guard_shift: bool = setting(
        True, "once a second, see whether the scan's depth edges lie where the picture has edges (extrinsics, time)"
    )
    min_points: int = setting(
        100, "a scan that leaves fewer points than this in the image is too sparse", low=0, high=1000000
    )
    lidar_lost: str = setting(
        "silent",
        "without a usable scan: silent (no output), last_scan (the last usable one, flagged in depth/source), or "
        "monocular (the model alone, source 3; the model must be a metric one)",
        choices=("silent", "last_scan", "monocular"),
    )
    last_scan_for: float = setting(1.0, "how old the scan of last_scan may be (s)", low=0.0, high=60.0)

    def __post_init__(self) -> None:
        check(self)
        if self.guard_error < self.guard_warn:
            raise ConfigError(f"guard_error {self.guard_error} is less than guard_warn {self.guard_warn}: swap them")


NO_GUARD = GuardConfig(guard_share=0.0, min_points=0)
"""Every point is used, and any number of them will do."""


@dataclass(frozen=True)
class QueueConfig:
    """What waits, and for how long."""

    max_age: float = setting(
        0.0, "an image that is older than this when its turn comes is dropped (s); 0: never", low=0.0, high=60.0
    )
    queue_size: int = setting(30, "messages of each sensor that are kept at most", low=1, high=1000)
    queue_policy: str = setting(
        "latest", "latest: newest image first, older ones dropped; all: every one in order", choices=("latest", "all")
    )

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class PairingConfig(QueueConfig):
    """Which scan belongs to which image."""

    pairing: str = setting(
        "image",
        "image: an output per image, with the nearest scan; scan: one per scan, with the nearest image",
        choices=("image", "scan"),
    )
    sync_slop: float = setting(0.06, "largest distance in time between image and scan (s)", low=0.0, high=10.0)
    image_offset: float = setting(
        0.0,
        "added to the images' stamps, for pairing and deskew: negative where they are late (s)",
        low=-10.0,
        high=10.0,
    )
    points_offset: float = setting(
        0.0,
        "added to the scans' stamps, for pairing and deskew: negative where they are late (s)",
        low=-10.0,
        high=10.0,
    )
    max_wait: float = setting(0.15, "how long an image waits for a scan that may be nearer (s)", low=0.0, high=10.0)
    lost_after: float = setting(
        1.0, "how long an image without any scan within sync_slop waits before it is dropped (s)", low=0.0, high=60.0
    )
