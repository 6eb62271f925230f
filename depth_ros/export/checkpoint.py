"""A checkpoint folder of transformers: what it holds, read before anything of it is loaded."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from depth_ros.errors import ExportError
from depth_ros.export.preset import Colour, Preset
from depth_ros.models.fetch import file_sha256

CLASSES = {
    "depth_anything": "DepthAnythingForDepthEstimation",
    "prompt_depth_anything": "PromptDepthAnythingForDepthEstimation",
    "depth_pro": "DepthProForDepthEstimation",
    "zoedepth": "ZoeDepthForDepthEstimation",
    "dpt": "DPTForDepthEstimation",
}
"""The classes of transformers, by the `model_type` that the folder names."""
PICKLES = (".bin", ".pt", ".pth", ".ckpt")
FILTERS = {2: "bilinear", 3: "bicubic"}
"""Pillow's numbers of filters."""


class Checkpoint(NamedTuple):
    """A folder, and the preset as its files say it.

    architecture: `model_type`. weights: its safetensors files. sha256: of them; of several, of their sums in order.
    """

    folder: Path
    architecture: str
    preset: Preset
    weights: tuple[Path, ...]
    sha256: str


def read_checkpoint(folder: Path, preset: Preset) -> Checkpoint:
    """Return what a folder holds; its sizes, normalisation and range of depth go before those of the preset.

    Raises ExportError, in one line, when the folder has no config.json, weights as pickle alone, a model of another
    architecture or task, or a pre-processing that is not known here.
    """
    if not preset.architecture:
        raise ExportError(f"{preset.name} is no model of transformers: give an ONNX file, not a folder")
    config = _json(folder / "config.json")
    architecture = str(config.get("model_type"))
    if architecture != preset.architecture:
        raise ExportError(
            f"{folder} holds a '{architecture}', and {preset.name} is a '{preset.architecture}': choose another preset"
        )
    weights = _weights(folder)
    preset = _ranged(folder, preset, config)
    if (folder / "preprocessor_config.json").exists():
        preset = _processed(folder, preset, _json(folder / "preprocessor_config.json"))
    return Checkpoint(folder, architecture, preset, weights, _sha256(weights))


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ExportError(
            f"{path} cannot be read ({error.strerror}): a checkpoint folder has config.json, preprocessor_config.json "
            f"and model.safetensors"
        ) from error
    except ValueError as error:
        raise ExportError(f"{path} is not JSON: {' '.join(str(error).split())}: download it again") from error
    if not isinstance(found, dict):
        raise ExportError(f"{path} is not a JSON object: download it again")
    return found


def _weights(folder: Path) -> tuple[Path, ...]:
    """Return the files of the weights: safetensors alone, since reading a pickle runs what is in it."""
    index = folder / "model.safetensors.index.json"
    if index.exists():
        names = _json(index).get("weight_map")
        files = sorted({str(name) for name in names.values()}) if isinstance(names, dict) else []
    else:
        files = ["model.safetensors"]
    missing = [name for name in files if "/" in name or not (folder / name).is_file()]
    if files and not missing:
        return tuple(folder / name for name in files)
    pickles = sorted(path.name for path in folder.iterdir() if path.suffix in PICKLES)
    told = f", only {pickles[0]}, and reading a pickle can run any code" if pickles else ""
    raise ExportError(f"{folder} has no {(missing or ['weights'])[0]}{told}: get the weights as safetensors")


def _ranged(folder: Path, preset: Preset, config: dict[str, Any]) -> Preset:
    """Return the preset with the range of depth of the checkpoint."""
    if preset.architecture != "depth_anything":
        return preset
    task = str(config.get("depth_estimation_type", "relative"))
    if task != preset.task:
        raise ExportError(f"{folder} holds a {task} model, and {preset.name} is {preset.task}: choose another preset")
    most = float(config.get("max_depth") or preset.limits[1])
    return replace(preset, limits=(preset.limits[0], most)) if task == "metric" else preset


def _processed(folder: Path, preset: Preset, settings: dict[str, Any]) -> Preset:
    """Return the preset with what the checkpoint's own preprocessor_config.json says."""
    try:
        return _with(preset, settings)
    except (KeyError, TypeError, ValueError, IndexError, ZeroDivisionError) as error:
        reason = " ".join(str(error).split())
        raise ExportError(
            f"{folder / 'preprocessor_config.json'} asks for what is not known here ({reason}): export it with "
            f"transformers and give the ONNX file"
        ) from error


def _with(preset: Preset, settings: dict[str, Any]) -> Preset:
    rule = preset.resize
    if not settings.get("do_resize", True) or settings.get("do_pad", rule.margin) != rule.margin:
        raise ValueError("a size that is free, or padding")
    multiple = int(settings.get("ensure_multiple_of", rule.multiple))
    rows, columns = _size(settings.get("size", rule.size))
    keeps = bool(settings.get("keep_aspect_ratio", rule.policy == "closest"))
    if not keeps:
        rows, columns = (round(side / multiple) * multiple for side in (rows, columns))
    name = rule.filter
    if "resample" in settings:
        resample = FILTERS[settings["resample"]]
        name = f"pil_{resample}" if name.startswith("pil_") else name
        if not name.startswith(("pil_", resample)):
            raise ValueError(f"a {resample} resize")
    mean, std = _normalisation(preset, settings)
    return replace(
        preset,
        resize=replace(
            rule, policy="closest" if keeps else "stretch", size=(rows, columns), multiple=multiple, filter=name
        ),
        mean=mean,
        std=std,
        # Canonical inverse depth is for the width that the network sees.
        canonical_focal=float(columns) if preset.focal_unit == "degrees" else preset.canonical_focal,
    )


def _size(given: Any) -> tuple[int, int]:
    if isinstance(given, int):
        return given, given
    rows, columns = (given["height"], given["width"]) if isinstance(given, dict) else given
    return int(rows), int(columns)


def _normalisation(preset: Preset, settings: dict[str, Any]) -> tuple[Colour, Colour]:
    """Return mean and deviation for RGB 0..255."""
    factor = float(settings.get("rescale_factor", 1 / 255)) if settings.get("do_rescale", True) else 1.0
    if not settings.get("do_normalize", True):
        return (0.0, 0.0, 0.0), (1 / factor, 1 / factor, 1 / factor)
    mean, std = (
        tuple(float(value) / factor for value in settings[name]) if name in settings else known
        for name, known in (("image_mean", preset.mean), ("image_std", preset.std))
    )
    return (mean[0], mean[1], mean[2]), (std[0], std[1], std[2])


def _sha256(files: tuple[Path, ...]) -> str:
    sums = [file_sha256(path) for path in files]
    return sums[0] if len(sums) == 1 else hashlib.sha256("".join(sums).encode()).hexdigest()
