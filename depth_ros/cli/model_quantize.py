"""The verb `model quantize`: INT8 copies of a model, calibrated and judged on the frames of a bag."""

from __future__ import annotations

import argparse
import json
import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from depth_ros.cli.options import add_reading, add_threads, open_chosen, whole
from depth_ros.cli.progress import watched
from depth_ros.errors import ExportError

if TYPE_CHECKING:
    from depth_ros.export.on_frames import Judged
    from depth_ros.models.card import ModelCard

EXAMPLE = """examples:
  depth_ros model quantize completion MY_BAG --out int8
  depth_ros model quantize mine.onnx DRIVE_1 DRIVE_2 --out int8 --frames 64 --topic image=/left/image_raw

NAME_int8.onnx (activations u8, weights s8) is for CPUs, NAME_int8_trt.onnx (s8 and s8, symmetric) for TensorRT. Frames
are taken evenly from all that is given; every other one calibrates, with its whole scan, and the rest judge: of these
every N-th ring is given, and the returns of the others are scored, for the model and both copies in turns, on ONNX
Runtime. A copy whose RMSE is more than 2 % above that of the model is refused, with the figures, and exit code 1."""
_log = logging.getLogger("depth_ros")
FILES = {"u8s8": "_int8.onnx", "s8s8": "_int8_trt.onnx"}
"""What the name of the file of each scheme has more than that of the model."""


def add_parser(subparsers: Any) -> None:
    """Register the verb with its arguments."""
    parser = subparsers.add_parser(
        "quantize",
        help="make INT8 copies of a model from the frames of a bag",
        description="Quantise a completion model on recorded frames, for CPUs and for TensorRT, and compare the copies "
        "with it on held-out LiDAR beams.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("model", metavar="MODEL", help="a bundled name or a model file, f32")
    add("sources", nargs="+", metavar="SOURCE", help="bag or folder of frames, with LiDAR scans")
    add("--out", required=True, type=Path, metavar="DIR", help="folder for the files")
    add("--frames", type=whole(2), default=32, metavar="N", help="to take at most, half to calibrate (%(default)s)")
    add("--holdout", type=whole(2, 64), default=4, metavar="N", help="every N-th ring is given to judge (%(default)s)")
    add_threads(parser)
    add_reading(parser)
    add("--overwrite", action="store_true", help="replace files that are there")
    add("--json", action="store_true", help="print the outcome as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Quantise, judge, keep what is accepted, print the table; a copy that is refused is an error."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise ExportError(f"quantising needs {error.name}: pip install onnx onnxruntime") from error
    from depth_ros.export.on_frames import check_source
    from depth_ros.models.store import find_model

    source = find_model(args.model)
    card = check_source(source)
    outs = {scheme: args.out / f"{source.stem}{suffix}" for scheme, suffix in FILES.items()}
    for out in outs.values():
        if out.exists() and not args.overwrite:
            raise ExportError(f"{out}: exists already: give another --out, or --overwrite")
    rows, told = _quantized(args, source, outs)
    _report(args, card, rows, told)
    refused = [row for row in rows[1:] if not row.accepted]
    if refused:
        raise ExportError("; ".join(_refusal(row, rows[0]) for row in refused))
    return 0


def _quantized(args: argparse.Namespace, source: Path, outs: dict[str, Path]) -> tuple[list[Judged], dict[str, Any]]:
    """Make the copies, judge them, and move those that are accepted to their place."""
    from depth_ros.engines.onnx_file import content_sha256
    from depth_ros.export.on_frames import graph_inputs, judge, split_frames
    from depth_ros.export.quantize import METHOD, quantize

    opened = [open_chosen(args, path) for path in args.sources]
    names = ", ".join(entry.name for entry in opened)
    calibrating, judging = split_frames(opened, args.frames)
    if faults := [fault for entry in opened for fault in entry.faults]:
        _log.warning("%d frames are left out; first: %s", len(faults), faults[0])
    inputs = graph_inputs(source, calibrating, args.threads)
    told = {"frames_of": names, "left_out": len(faults), "calibrated_on": len(inputs)}
    facts = {"quantised_from": content_sha256(source), "quantised_on": f"{len(inputs)} frames of {names}"}
    with _folder(args.out) as folder:
        made = {scheme: folder / out.name for scheme, out in outs.items()}
        for scheme, path in made.items():
            quantize(source, path, inputs, scheme=scheme, facts={**facts, "quantisation": f"{scheme}, {METHOD}"})
        inputs.clear()
        rows, found = judge(
            {"f32": source, **made},
            judging,
            names,
            args.holdout,
            args.threads,
            partial(watched, what="judging", unit="frames"),
        )
        for row in rows[1:]:
            if row.accepted:
                row.file.replace(outs[row.scheme])
    return [row._replace(file=outs.get(row.scheme, source)) for row in rows], {**told, **found}


@contextmanager
def _folder(out: Path) -> Iterator[Path]:
    """Yield a folder in `out` that goes when all is done; what cannot be written there is an ExportError."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".quantize", dir=out) as folder:
            yield Path(folder)
    except OSError as error:
        raise ExportError(f"{error.filename or out} cannot be written: {error.strerror or error}") from error


def _report(args: argparse.Namespace, card: ModelCard, rows: list[Judged], told: dict[str, Any]) -> None:
    if args.json:
        print(json.dumps({"model": card.title, **told, "files": [_facts(row) for row in rows]}, indent=1))
        return
    engine = told["models"].rpartition(" by ")[2]
    print(
        f"{card.title}: calibrated on {told['calibrated_on']} frames of {told['frames_of']}, judged on "
        f"{told['frames']} others ({told['given']} given, scored on {told['scored on']}) by {engine}"
    )
    print(_table(rows))


def _facts(row: Judged) -> dict[str, Any]:
    values = {name: value if math.isfinite(value) else None for name, value in row.values.items()}
    return {"scheme": row.scheme, "file": str(row.file), "accepted": row.accepted, **values}


def _table(rows: list[Judged]) -> str:
    from depth_ros.evaluation.report import Cell, Row, Table, text_table
    from depth_ros.evaluation.result import COLUMNS, Column

    known = {column.key: column for column in COLUMNS}
    columns = [
        known["rmse_mm"]._replace(digits=1),
        known["mae_mm"]._replace(digits=1),
        Column("ratio", "RMSE", "of f32", 3, "lower", "root mean square error in that of the f32 file"),
        known["time_ms"],
        Column("megabytes", "size", "MB", 1, "lower", "of the file"),
    ]
    said = ["", *("" if row.accepted else "refused" for row in rows[1:])]
    lines = [
        Row((row.scheme, str(row.file), outcome), [Cell(column.text(row.values)) for column in columns])
        for row, outcome in zip(rows, said, strict=True)
    ]
    return text_table(Table(("", "file", ""), columns, [lines]))


def _refusal(row: Judged, first: Judged) -> str:
    from depth_ros.export.quantize import MOST_WORSE

    return (
        f"{row.file} is refused: RMSE {row.values['rmse_mm']:.1f} mm on held-out beams is {row.values['ratio']:.3f} "
        f"times the {first.values['rmse_mm']:.1f} mm of {first.file.name}, the most is {MOST_WORSE}: calibrate on more "
        "or other frames, or stay with f32"
    )
