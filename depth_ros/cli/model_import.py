"""The verbs `model import` and `model fetch`: published models, from their files to the model contract."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from depth_ros.errors import ExportError

if TYPE_CHECKING:
    from depth_ros.export.presets import Preset

IMPORT_EXAMPLE = (
    "example: depth_ros model import models/model.onnx --preset metric3d-v2-small --size 720x1280 --out metric3d.onnx"
)
FETCH_EXAMPLE = "examples: depth_ros model fetch --list; depth_ros model fetch metric3d-v2-small --out models"


def add_parsers(verbs: Any) -> None:
    """Register both verbs with their arguments."""
    wrap = verbs.add_parser("import", help="wrap a published ONNX file into the model contract", epilog=IMPORT_EXAMPLE)
    add = wrap.add_argument
    add("file", type=Path, metavar="FILE", help="the ONNX file, its external data beside it")
    add("--preset", required=True, metavar="P", help="which model it is: see depth_ros model fetch --list")
    add("--size", required=True, metavar="HxW", help="height and width of the camera's images")
    add("--out", required=True, type=Path, metavar="FILE", help="the model file to write (.onnx)")
    add("--sha256", default="", metavar="SUM", help="what the file's SHA-256 must be")
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
    try:
        import onnx  # noqa: F401
    except ImportError as error:
        raise ExportError(f"importing needs {error.name}: pip install onnx onnxruntime") from error
    from depth_ros.export.presets import find_preset
    from depth_ros.export.published import import_published

    size, preset = _size(args.size), find_preset(args.preset)
    card = import_published(args.file, args.out, preset, size, sha256=args.sha256, version=args.version)
    if args.json:
        print(json.dumps({"model": str(args.out), "card": vars(card)}, indent=1))
        return 0
    licence = card.licence or f"not stated, see {card.training['source']}"
    print(f"{args.out}: {card.title}, {card.task}, for images of {size[1]}x{size[0]}; licence: {licence}")
    return 0


def run_fetch(args: argparse.Namespace) -> int:
    """Download what the preset names, with a bar."""
    from depth_ros.export.presets import PRESETS, find_preset

    if args.list or args.preset is None:
        return _list(PRESETS, args.json)
    preset = find_preset(args.preset)
    if not preset.downloads:
        raise ExportError(f"no file of {preset.name} is known to be published as ONNX: export it from {preset.source}")
    files = [_fetch(args.out / preset.name / _name(entry.url), entry.url, entry.sha256) for entry in preset.downloads]
    told = {"preset": preset.name, "licence": preset.licence, "files": [str(path) for path in files]}
    text = f"{files[0]}: licence {preset.licence or 'not stated'}; next: depth_ros model import"
    print(json.dumps(told, indent=1) if args.json else text)
    return 0


def _size(text: str) -> tuple[int, int]:
    try:
        height, width = map(int, text.lower().split("x"))
    except ValueError:
        raise ExportError(f"--size {text}: give height and width of the camera's images, such as 720x1280") from None
    return height, width


def _fetch(path: Path, url: str, sha256: str) -> Path:
    from tqdm import tqdm

    from depth_ros.models.fetch import fetch

    with tqdm(desc=path.name, unit="B", unit_scale=True, disable=None) as bar:

        def progress(have: int, whole: int) -> None:
            bar.total = whole or None
            bar.update(have - bar.n)

        return fetch(url, path, sha256, progress)


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
