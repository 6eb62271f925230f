"""The verb `model export`: from trained weights to a model file that every engine runs."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from depth_ros.cli.options import whole
from depth_ros.errors import ExportError

if TYPE_CHECKING:
    from depth_ros.export.quantize import Samples
    from depth_ros.models.card import ModelCard

EXAMPLE = """examples:
  depth_ros model export --weights runs/first/best.safetensors --out completion.onnx --version 1.0
  depth_ros model export --weights runs/first/best.safetensors --out completion_f16.onnx --precision f16
  depth_ros model export --weights runs/first/best.safetensors --out completion_int8.onnx --precision int8 \\
      --calibration pools/first
  depth_ros model export --transformers Depth-Anything-V2-Small-hf --preset depth-anything-v2-small --out network.onnx

  depth_ros model export --weights runs/metric/best.safetensors --out metric.onnx --canvas 160x512

The file appears only when it answers as torch does (f32: to 1e-4), or, INT8, when its errors on samples that it was not
calibrated on are at most 2 % above those of the f32 file. With --transformers it is the bare network, for `model
import` on a machine without torch; free in size where the architecture can be, and then checked at a second size."""
PRECISIONS = ("f32", "f16", "int8", "int8-symmetric")


def add_parser(subparsers: Any) -> None:
    """Register the verb with its arguments."""
    parser = subparsers.add_parser(
        "export",
        help="make a model file from trained weights",
        description="Write one ONNX file that does everything between raw pixels and metres, with its card, and check "
        "it against torch.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--weights", type=Path, metavar="FILE", help="safetensors of the completion or the metric network"
    )
    source.add_argument("--transformers", type=Path, metavar="FOLDER", help="checkpoint folder of a published model")
    add("--preset", metavar="P", help="which model the folder holds: see depth_ros model fetch --list")
    add("--out", required=True, type=Path, metavar="FILE", help="the model file to write (.onnx)")
    add("--name", help="of the model (the name of the file)")
    add("--version", default="0", help="of the model (%(default)s)")
    add(
        "--precision",
        choices=PRECISIONS,
        default="f32",
        help="f16: for GPUs; int8: for CPUs; int8-symmetric: for TensorRT (%(default)s)",
    )
    add("--size", metavar="HxW", help="fixed height and width, of a completion network multiples of 32 (free)")
    add("--canvas", metavar="HxW", help="what a metric network works on, multiples of 32 (that of the training)")
    add("--calibration", type=Path, metavar="POOL", help="training pool to calibrate and judge INT8 on")
    add(
        "--samples", type=whole(1), default=64, metavar="N", help="of the pool, to calibrate and to judge (%(default)s)"
    )
    for field, what in FIELDS.items():
        add(f"--{field.replace('_', '-')}", default="", metavar="TEXT", help=f"for the card: {what}")
    add("--json", action="store_true", help="print the outcome as JSON")
    parser.set_defaults(run=run)


FIELDS = {
    "licence": "licence of the weights (SPDX)",
    "description": "one line",
    "domain": "the images that it is good for, one line",
    "training_data": "what it learned from",
    "source_revision": "of the code that made it",
}


def run(args: argparse.Namespace) -> int:
    """Export, check, say what was made."""
    try:
        import onnx  # noqa: F401
        import torch  # noqa: F401
    except ImportError as error:
        raise ExportError(f"exporting needs {error.name}: pip install torch onnx onnxscript onnxruntime") from error

    if args.transformers is not None:
        return _network(args)
    integer = args.precision.startswith("int8")
    if integer and args.calibration is None:
        raise ExportError("INT8 needs samples to measure ranges on: give --calibration POOL")
    card, told = (_quantized if integer else _float)(args)
    if args.json:
        facts = {"model": str(args.out), "bytes": args.out.stat().st_size, "check": told, "card": vars(card)}
        print(json.dumps(facts, indent=2))
        return 0
    print(f"{args.out}: {card.title}, {args.precision}, {args.out.stat().st_size / 1e6:.1f} MB; {told}")
    return 0


def _network(args: argparse.Namespace) -> int:
    """Export the bare network of a checkpoint, with the signature of its preset."""
    from depth_ros.export.checkpoint import read_checkpoint
    from depth_ros.export.network import Shapes, export_network
    from depth_ros.export.presets import find_preset

    if not args.preset:
        raise ExportError("--transformers needs --preset: see depth_ros model fetch --list")
    size = _size(args.size)
    checkpoint = read_checkpoint(args.transformers, find_preset(args.preset))
    apart = export_network(
        checkpoint, args.out, None if size is None else Shapes(size, checkpoint.preset.prompt_size(size))
    )
    sizes = "free size" if size is None else f"{size[0]}x{size[1]}"
    if args.json:
        print(json.dumps({"network": str(args.out), "size": sizes, "apart": apart}, indent=2))
        return 0
    print(f"{args.out}: the network of {checkpoint.folder}, {sizes}, {apart:.0e} away from torch; next: model import")
    return 0


def _float(args: argparse.Namespace) -> tuple[ModelCard, str]:
    from depth_ros.export.metric import export_metric, is_metric
    from depth_ros.export.to_onnx import export_completion
    from depth_ros.training.checkpoint import load_tensors
    from depth_ros.training.config import trained_canvas

    if is_metric(args.weights):
        if args.precision != "f32":
            raise ExportError(f"{args.weights} holds a metric network, which is exported as f32 alone")
        canvas = _size(args.canvas, "--canvas") or trained_canvas(load_tensors(args.weights)[1])
        made, found = export_metric(args.weights, args.out, _card(args), size=_size(args.size), canvas=canvas)
        return made, f"canvas {canvas[0]}x{canvas[1]}; against torch: {found}"
    if args.canvas is not None:
        raise ExportError(f"--canvas is for a metric network: {args.weights} holds none")
    card, found = export_completion(
        args.weights, args.out, _card(args), precision=args.precision, size=_size(args.size)
    )
    return card, f"against torch: {found}"


def _quantized(args: argparse.Namespace) -> tuple[ModelCard, str]:
    from tempfile import TemporaryDirectory

    from depth_ros.export.quantize import check_accuracy, quantize
    from depth_ros.export.to_onnx import export_completion

    calibrating, judging = _samples(args)
    try:
        with TemporaryDirectory(prefix=".export", dir=args.out.parent) as folder:
            source, made = Path(folder, "f32.onnx"), Path(folder, "int8.onnx")
            export_completion(args.weights, source, _card(args), size=_size(args.size))
            card = quantize(source, made, calibrating, scheme="u8s8" if args.precision == "int8" else "s8s8")
            absolute, squared = check_accuracy(source, made, judging)
            made.replace(args.out)
    except OSError as error:
        raise ExportError(f"{args.out} cannot be written: {error.strerror}") from error
    return card, f"errors against f32: AbsRel {absolute:.3f}, RMSE {squared:.3f} times"


def _card(args: argparse.Namespace) -> ModelCard:
    from depth_ros.models.card import ModelCard
    from depth_ros.training.checkpoint import load_tensors

    _, facts = load_tensors(args.weights)
    training = {key: value if isinstance(value, str) else json.dumps(value) for key, value in facts.items()}
    texts = {field: getattr(args, field) for field in FIELDS}
    return ModelCard(args.name or args.out.stem, args.version, training=training, **texts)


def _size(text: str | None, option: str = "--size") -> tuple[int, int] | None:
    if text is None:
        return None
    try:
        height, width = map(int, text.lower().split("x"))
    except ValueError:
        raise ExportError(f"{option} {text}: give height and width, such as 352x1216") from None
    return height, width


def _samples(args: argparse.Namespace) -> tuple[Samples, Samples]:
    """Return samples to calibrate on and others to judge by, spread over the pool."""
    import numpy as np

    from depth_ros.networks.completion import SIZE_MULTIPLE
    from depth_ros.training.pool import Pool

    pool = Pool(args.calibration)
    height, width = _size(args.size) or pool.size
    if height > pool.size[0] or width > pool.size[1]:
        raise ExportError(f"the samples of {args.calibration} are {pool.size[0]}x{pool.size[1]}: too small for --size")
    window = slice(height // SIZE_MULTIPLE * SIZE_MULTIPLE), slice(width // SIZE_MULTIPLE * SIZE_MULTIPLE)
    numbers = np.unique(np.linspace(0, len(pool) - 1, 2 * args.samples).astype(int)).tolist()
    names = {"sparse": "sparse_depth", "prior": "prior_depth"}
    samples = []
    for number in numbers:
        sample = pool.read(number, window)
        as_float = {name: value if name == "image" else value.astype(np.float32) for name, value in sample.items()}
        samples.append({names.get(name, name): value[None] for name, value in as_float.items()})
    return samples[::2], samples[1::2]
