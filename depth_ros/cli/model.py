"""The verb `model`: the model files that are here, what they are, and whether they run."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from depth_ros.cli import model_bench, model_build, model_export, model_import, model_quantize
from depth_ros.cli.options import add_engine

if TYPE_CHECKING:
    from pathlib import Path

    from depth_ros.models.card import ModelCard

ABOUT = "What models are here, what they are, whether and how fast they run; and how one is made."
EXAMPLE = "examples: depth_ros model list; depth_ros model check completion"
LIST_EXAMPLE = "example: depth_ros model list"
INFO_EXAMPLE = "example: depth_ros model info completion"
CHECK_EXAMPLE = "examples: depth_ros model check completion; depth_ros model check mine.onnx --engine onnxruntime"


def add_parser(subparsers: Any) -> None:
    """Register the verb with its sub-verbs."""
    parser = subparsers.add_parser(
        "model",
        help="list, describe, check, build, time, export, quantise, import and fetch models",
        description=ABOUT,
        epilog=EXAMPLE,
    )
    verbs = parser.add_subparsers(dest="model_verb", metavar="VERB", required=True)
    listing = verbs.add_parser("list", help="the bundled models", epilog=LIST_EXAMPLE)
    listing.set_defaults(run=run_list)
    info = verbs.add_parser("info", help="the card of a model", epilog=INFO_EXAMPLE)
    info.set_defaults(run=run_info)
    check = verbs.add_parser("check", help="whether a model keeps the contract and runs here", epilog=CHECK_EXAMPLE)
    check.set_defaults(run=run_check)
    add_engine(check)
    check.add_argument(
        "--size", metavar="HxW", help="of the frame that is compared with ONNX Runtime's answer (256x256)"
    )
    for verb in (info, check):
        verb.add_argument("model", metavar="MODEL", help="a bundled name or a model file")
    for verb in (listing, info, check):
        verb.add_argument("--json", action="store_true", help="print it as JSON")
    model_build.add_parser(verbs)
    model_bench.add_parser(verbs)
    model_export.add_parser(verbs)
    model_quantize.add_parser(verbs)
    model_import.add_parsers(verbs)


def run_list(args: argparse.Namespace) -> int:
    """Print name, version, size and description of every bundled model."""
    from depth_ros.models.card import read_card
    from depth_ros.models.store import METRIC, bundled_models
    from depth_ros.pipelines.factory import resolve

    cards = {name: (path, read_card(path)) for name, path in bundled_models().items()}
    auto, alone = resolve("auto"), METRIC if METRIC in cards else None
    if args.json:
        rows = [{"name": name, **_facts(path, card)} for name, (path, card) in cards.items()]
        print(json.dumps({"auto": auto, "auto_without_lidar": alone, "models": rows}, indent=1))
        return 0
    print("classical       no weights: Delaunay in inverse depth, guided by the image")
    for name, (path, card) in cards.items():
        print(f"{name:15s} {card.version}, {path.stat().st_size / 1e6:.1f} MB: {card.description or card.task}")
    print(f"auto is {auto}, and without LiDAR {alone or 'nothing: give the file of a metric model'}")
    return 0


def run_info(args: argparse.Namespace) -> int:
    """Print the card of a model; needs no engine."""
    from depth_ros.models.card import read_card
    from depth_ros.models.store import find_model

    path = find_model(args.model)
    facts = _facts(path, read_card(path))
    print(json.dumps(facts, indent=1) if args.json else "\n".join(_lines(facts)))
    return 0


def run_check(args: argparse.Namespace) -> int:
    """Read, build and run a model on made-up frames, and compare it with ONNX Runtime; what is wrong is an error."""
    from depth_ros.cli.model_build import parse_size
    from depth_ros.errors import ModelError
    from depth_ros.models.card import check_data, read_card
    from depth_ros.models.model import Model
    from depth_ros.models.store import find_model

    path = find_model(args.model)
    check_data(path, read_card(path))
    model = Model(path, args.engine, args.precision, args.threads)
    model.check()
    size = parse_size(args.size) if args.size else tuple(side or 256 for side in model.fixed_size)
    differences, wrong = model.compare(*size)
    if wrong:
        raise ModelError(f"{model.card.title} on {model.engine.info}: {wrong}")
    facts = {
        **model.facts,
        "against ONNX Runtime": {
            name: f"p99 {gate.p99:.1e}, mean {gate.mean:.1e}" for name, gate in differences.items()
        },
        "inputs": [str(spec) for spec in model.engine.inputs],
        "outputs": [str(spec) for spec in model.engine.outputs],
    }
    print(json.dumps(facts, indent=1) if args.json else "\n".join([*_lines(facts), "keeps the contract"]))
    return 0


def _facts(path: Path, card: ModelCard) -> dict[str, Any]:
    return {**asdict(card), "file": str(path), "megabytes": round(path.stat().st_size / 1e6, 2)}


def _lines(facts: dict[str, Any]) -> list[str]:
    lines: list[str] = []
    for name, fact in facts.items():
        if isinstance(fact, dict):
            lines += [f"{name}.{key}: {item}" for key, item in fact.items()]
        else:
            lines.append(f"{name}: {', '.join(map(str, fact)) if isinstance(fact, (list, tuple)) else fact}")
    return lines
