"""The verbs `model import` and `model fetch`: published models, from their files to the model contract."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from depth_ros.cli.progress import shown
from depth_ros.errors import ExportError

if TYPE_CHECKING:
    from depth_ros.export.preset import Preset
    from depth_ros.models.card import ModelCard

IMPORT_EXAMPLE = """examples:
  depth_ros model import models/model.onnx --preset metric3d-v2-small --size 720x1280 --out metric3d.onnx
  depth_ros model import Depth-Anything-V2-Metric-Indoor-Small-hf --preset depth-anything-v2-metric-indoor \\
      --size 480x640 --out indoor.onnx

A folder is a checkpoint of transformers: config.json, preprocessor_config.json and model.safetensors. The file that is
made is for images of one size, and for the engines as they are: nothing else is needed where it runs."""
NEEDS = {
    False: "pip install onnx onnxruntime",
    True: "pip install torch transformers safetensors onnx onnxscript onnxruntime",
}
"""Packages by whether a folder is imported."""
FETCH_EXAMPLE = "examples: depth_ros model fetch --list; depth_ros model fetch metric3d-v2-small --out models"


def add_parsers(verbs: Any) -> None:
    """Register both verbs with their arguments."""
    wrap = verbs.add_parser(
        "import",
        help="wrap a published model into the model contract",
        epilog=IMPORT_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = wrap.add_argument
    add("file", type=Path, metavar="FILE|FOLDER", help="an ONNX file, its external data beside it, or a checkpoint")
    add("--preset", required=True, metavar="P", help="which model it is: see depth_ros model fetch --list")
    add("--size", required=True, metavar="HxW", help="height and width of the camera's images")
    add("--out", required=True, type=Path, metavar="FILE", help="the model file to write (.onnx)")
    add("--sha256", default="", metavar="SUM", help="what the SHA-256 of the file or of the weights must be")
    add("--version", default="0", help="for the card (%(default)s)")
    wrap.set_defaults(run=run_import)
    fetch = verbs.add_parser("fetch", help="download the files of a published model", epilog=FETCH_EXAMPLE)
    fetch.add_argument("preset", nargs="?", metavar="PRESET", help="name of the model")
    fetch.add_argument("--list", action="store_true", help="name the models that are known")
    fetch.add_argument("--out", type=Path, default=Path(), metavar="DIR", help="folder for the files (here)")
    fetch.set_defaults(run=run_fetch)
    for verb in (wrap, fetch):
        verb.add_argument("--json", action="store_true", help="print the outcome as JSON")


def run_import(args: argparse.Namespace) -> int:
    """Wrap, check, say what was made."""
    from depth_ros.export.presets import find_preset

    size, preset = _size(args.size), find_preset(args.preset)
    try:
        card, told = (_import_checkpoint if args.file.is_dir() else _import_file)(args, preset, size)
    except ImportError as error:
        raise ExportError(f"this needs {error.name}: {NEEDS[args.file.is_dir()]}") from error
    except MemoryError as error:
        raise ExportError(f"{args.file} and images of {args.size} need more memory than there is here") from error
    if args.json:
        print(json.dumps({"model": str(args.out), "card": vars(card)}, indent=1))
        return 0
    licence = card.licence or f"not stated, see {card.training['source']}"
    print(f"{args.out}: {card.title}, {card.task}, for images of {size[1]}x{size[0]}; licence: {licence}{told}")
    return 0


def _import_file(args: argparse.Namespace, preset: Preset, size: tuple[int, int]) -> tuple[ModelCard, str]:
    import onnx  # noqa: F401

    from depth_ros.export.published import import_published

    return import_published(args.file, args.out, preset, size, sha256=args.sha256, version=args.version), ""


def _import_checkpoint(args: argparse.Namespace, preset: Preset, size: tuple[int, int]) -> tuple[ModelCard, str]:
    from depth_ros.export.checkpoint import read_checkpoint

    read_checkpoint(args.file, preset)  # what is wrong with the folder is said before torch is asked for
    import onnx  # noqa: F401

    from depth_ros.export.network import import_checkpoint

    card, apart = import_checkpoint(args.file, args.out, preset, size, sha256=args.sha256, version=args.version)
    return card, f"; {apart:.0e} away from torch"


def run_fetch(args: argparse.Namespace) -> int:
    """Download what the preset names, with a bar."""
    from depth_ros.export.presets import PRESETS, find_preset

    if args.list or args.preset is None:
        return _list(PRESETS, args.json)
    preset = find_preset(args.preset)
    if not preset.downloads:
        raise ExportError(f"no ONNX file of {preset.name} is known to be published: {_by_hand(preset)}")
    files = [_fetch(args.out / preset.name / _name(entry.url), entry.url, entry.sha256) for entry in preset.downloads]
    told = {"preset": preset.name, "licence": preset.licence, "files": [str(path) for path in files]}
    text = f"{files[0]}: licence {preset.licence or 'not stated'}; next: depth_ros model import"
    print(json.dumps(told, indent=1) if args.json else text)
    return 0


def _by_hand(preset: Preset) -> str:
    if preset.checkpoint:
        return (
            f"download config.json, preprocessor_config.json and model.safetensors of {preset.checkpoint} into a "
            f"folder and give that to depth_ros model import"
        )
    return f"{preset.by_hand}, and give its file to depth_ros model import"


def _size(text: str) -> tuple[int, int]:
    try:
        height, width = map(int, text.lower().split("x"))
    except ValueError:
        raise ExportError(f"--size {text}: give height and width of the camera's images, such as 720x1280") from None
    return height, width


def _fetch(path: Path, url: str, sha256: str) -> Path:
    from depth_ros.models.fetch import fetch

    with shown(path.name, "MB") as tell:
        return fetch(url, path, sha256, lambda have, whole: tell(have / 1e6, whole / 1e6))


def _name(url: str) -> str:
    return url.rsplit("/", 1)[1]


def _list(presets: dict[str, Preset], as_json: bool) -> int:
    rows = [
        {"name": p.name, "task": p.task, "licence": p.licence, "source": p.source, "onnx": bool(p.downloads)}
        for p in presets.values()
    ]
    lines = [f"{row['name']:32s} {row['task']:11s} {row['licence'] or '?':14s} {row['source']}" for row in rows]
    print(json.dumps(rows, indent=1) if as_json else "\n".join(lines))
    return 0
