"""Where models are found: the bundled ones by name, all others by the path of their file."""

from __future__ import annotations

from pathlib import Path

from depth_ros.errors import ModelError

ASSETS = Path(__file__).parent / "assets"
BEST = "completion"
"""Name of the bundled model that `auto` stands for."""
METRIC = "metric"
"""Name of the bundled model that `auto` stands for where there is no LiDAR."""


def bundled_models() -> dict[str, Path]:
    """Return the bundled models by name."""
    return {path.stem: path for path in sorted(ASSETS.glob("*.onnx"))}


def find_model(name: str) -> Path:
    """Return the file of a bundled model or, when `name` is a path, that path; ModelError when there is none."""
    bundled = bundled_models()
    if name in bundled:
        return bundled[name]
    path = Path(name).expanduser()
    if path.is_file():
        return path
    known = ", ".join(["auto", "classical", *bundled])
    raise ModelError(f"unknown model '{name}': known are {known}, or give the path of a .onnx file")
