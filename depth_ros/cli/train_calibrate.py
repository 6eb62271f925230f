"""The verb `train calibrate`: makes sigma hold its share of the errors on held-out samples."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from depth_ros.cli.options import whole
from depth_ros.errors import TrainingError

if TYPE_CHECKING:
    from depth_ros.training.calibrate import Calibration
    from depth_ros.training.checkpoint import Facts

EXAMPLE = """examples:
  depth_ros train calibrate --weights runs/first/best.safetensors --pool pools/first --out calibrated.safetensors
  depth_ros train calibrate --weights runs/metric/best.safetensors --pool pools/metric --out calibrated.safetensors

The weights say which network it is. Of a metric network the sigma of the focal length that it tells is scaled too."""
SIGMA, FOCAL = "sigma", "focal_sigma"
TITLES = {SIGMA: "sigma", FOCAL: "sigma of the focal length"}


def add_parser(subparsers: Any) -> None:
    """Register the verb with its arguments."""
    parser = subparsers.add_parser(
        "calibrate",
        help="scale sigma on held-out samples",
        description="Multiply the sigma of trained weights by one factor, chosen on the held-out samples of a pool.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--weights",
        required=True,
        type=Path,
        metavar="FILE",
        help="safetensors of the completion or the metric network",
    )
    add("--pool", required=True, type=Path, metavar="DIR", help="pool of that network whose held-out samples judge")
    add("--out", required=True, type=Path, metavar="FILE", help="safetensors to write")
    add("--samples", type=whole(1), default=64, metavar="N", help="held-out samples at most (%(default)s)")
    add("--json", action="store_true", help="print the outcome as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Calibrate, write, say the factors."""
    try:
        from depth_ros.export.metric import is_metric
        from depth_ros.training.calibrate import SHARE
        from depth_ros.training.checkpoint import load_tensors
    except ImportError as error:
        raise TrainingError(f"training needs {error.name}: pip install torch safetensors") from None
    _, facts = load_tensors(args.weights)
    found = (_metric if is_metric(args.weights) else _completion)(args, facts)
    if args.json:
        figures = {
            f"{name}_{figure}": value for name, told in found.items() for figure, value in told._asdict().items()
        }
        print(json.dumps({"weights": str(args.out), "share": SHARE, **figures}))
        return 0
    for name, told in found.items():
        print(
            f"{args.out}: {TITLES[name]} times {told.gain:.3f}, so that one sigma holds {told.after:.1%} of the errors "
            f"on held-out samples (before: {told.before:.1%})"
        )
    return 0


def _completion(args: argparse.Namespace, facts: Facts) -> dict[str, Calibration]:
    from depth_ros.export.to_onnx import load_network
    from depth_ros.training.calibrate import calibrate_sigma
    from depth_ros.training.run import VALIDATION
    from depth_ros.training.validate import synthetic_problems

    network = load_network(args.weights)
    found = {SIGMA: calibrate_sigma(network, synthetic_problems(args.pool / VALIDATION, args.samples))}
    _save(args.out, network, facts, found)
    return found


def _metric(args: argparse.Namespace, facts: Facts) -> dict[str, Calibration]:
    from depth_ros.export.metric import load_metric
    from depth_ros.training.config import trained_canvas
    from depth_ros.training.metric_calibrate import calibrate_metric
    from depth_ros.training.metric_dataset import MetricSamples
    from depth_ros.training.run import VALIDATION

    network = load_metric(args.weights)
    samples = MetricSamples(args.pool / VALIDATION, trained_canvas(facts), augment=False)
    depth, focal = calibrate_metric(network, samples, args.samples)
    found = {SIGMA: depth, FOCAL: focal}
    _save(args.out, network, facts, found)
    return found


def _save(out: Path, network: Any, facts: Facts, found: dict[str, Calibration]) -> None:
    from depth_ros.training.checkpoint import save_tensors

    gains = {f"{name}_gain": round(told.gain, 4) for name, told in found.items()}
    save_tensors(out, network.state_dict(), {**facts, **gains})
