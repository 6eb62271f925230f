"""The verb `model build`: compile a model for a camera's size ahead of time, so that the node starts at once."""

from __future__ import annotations

import argparse
import json
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from depth_ros.cli.options import whole
from depth_ros.cli.progress import Tell, shown
from depth_ros.errors import EngineError

if TYPE_CHECKING:
    from depth_ros.engines.tensorrt import TensorRtEngine

SIZE = "352x1216"
EXAMPLE = """examples:
  depth_ros model build completion --size 720x1280
  depth_ros model build completion_f16.onnx --engine tensorrt --size 352x1216 --size 720x1280 --anew

The plan is kept in ~/.cache/depth_ros/plans (DEPTH_ROS_PLANS names another folder), which must be yours alone. Built
on a machine with the GPU, it is tested there. TensorRT-RTX builds without one, and tests when a plan is first used."""


def add_parser(subparsers: Any) -> None:
    """Register the verb with its arguments."""
    parser = subparsers.add_parser(
        "build",
        help="compile a model with TensorRT ahead of time",
        description="Build the plan of a model for a camera's size, test it where there is a GPU, and keep it.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("model", metavar="MODEL", help="a bundled name or a model file")
    add("--size", action="append", metavar="HxW", help=f"height and width of the images; again for more ({SIZE})")
    add(
        "--engine",
        choices=("auto", "tensorrt", "tensorrt_rtx"),
        default="auto",
        help="auto: the first that is installed (%(default)s)",
    )
    add("--precision", choices=("auto", "f32"), default="auto", help="f32: no TF32 (%(default)s)")
    add(
        "--cameras",
        type=whole(1),
        default=1,
        metavar="N",
        help="of the node: for several, also the plan for all their images at once (%(default)s)",
    )
    add("--anew", action="store_true", help="build although there is a plan, or one was refused")
    add("--json", action="store_true", help="print the outcome as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Build every size, with a bar, and say what was done."""
    from depth_ros.engines.factory import ENGINES
    from depth_ros.models.card import read_card
    from depth_ros.models.model import padded_size
    from depth_ros.models.store import find_model

    path = find_model(args.model)
    card = read_card(path)
    kind = _installed() if args.engine == "auto" else args.engine
    if find_spec(kind) is None:
        raise EngineError(ENGINES[kind].probe().reason)
    engine: Any = ENGINES[kind](path, 0, card.precision_for(args.precision))
    rows = []
    for text in args.size or [SIZE]:
        size = padded_size(parse_size(text), card.size_multiple)
        for images in sorted({1, args.cameras if _has_free_batch(engine) else 1}):
            with shown(f"{kind} {images} x {size[1]}x{size[0]}", "%", 100) as tell:
                engine.on_progress = partial(_listen, tell)
                rows.append(_built(engine, size, images, anew=args.anew))
    engine.close()
    print(json.dumps(rows, indent=1) if args.json else "\n".join(map(_line, rows)))
    return 0


def _listen(tell: Tell, share: float) -> bool:
    tell(round(100 * share))
    return True


def parse_size(text: str) -> tuple[int, int]:
    """Return height and width of a text such as 352x1216; raises EngineError when it is not one."""
    try:
        height, width = map(int, text.lower().split("x"))
    except ValueError:
        height = width = 0
    if min(height, width) <= 0:
        raise EngineError(f"--size {text}: give height and width, such as {SIZE}")
    return height, width


def _has_free_batch(engine: TensorRtEngine) -> bool:
    return any(len(spec.shape) > 2 and spec.shape[0] is None for spec in engine.inputs)


def _built(engine: TensorRtEngine, size: tuple[int, int], images: int, *, anew: bool) -> dict[str, Any]:
    from depth_ros.engines.base import image_size, shapes_at

    shapes = shapes_at(engine.inputs, size, images)
    done = engine.build_ahead(shapes, anew=anew)
    probe = engine.probe()
    if not probe.reason:
        engine.fit(shapes)
    return {
        "size": list(image_size(shapes) or size),
        "images": next((shape[0] for shape in shapes.values() if len(shape) > 2), 1),
        "engine": engine.info._asdict(),
        "plan": done,
        "differences": {name: gate._asdict() for name, gate in engine.differences.items()},
        "not_tested": probe.reason,
    }


def _line(row: dict[str, Any]) -> str:
    height, width = row["size"]
    told = [f"{name} p99 {gate['p99']:.1e}" for name, gate in row["differences"].items()]
    tested = (
        f"NOT TESTED HERE: {row['not_tested']}" if row["not_tested"] else f"against ONNX Runtime: {', '.join(told)}"
    )
    images, engine = f"{row['images']} x " * (row["images"] > 1), row["engine"]
    made = f"{row['plan']} by {engine['kind']} {engine['version']}, {engine['precision']}"
    return f"{images}{width}x{height}: {made}; {tested}"


def _installed() -> str:
    from depth_ros.engines.factory import ENGINES

    kinds = [kind for kind, engine in ENGINES.items() if engine.builds_slowly]
    for kind in kinds:
        if find_spec(kind) is not None:
            return kind
    raise EngineError("; ".join(ENGINES[kind].probe().reason for kind in kinds))
