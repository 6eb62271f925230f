"""The verb `train calibrate`: makes sigma hold its share of the errors on held-out samples."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from depth_ros.cli.options import whole
from depth_ros.errors import TrainingError

EXAMPLE = """example:
  depth_ros train calibrate --weights runs/first/best.safetensors --pool pools/first --out calibrated.safetensors"""


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
    add("--weights", required=True, type=Path, metavar="FILE", help="safetensors of the completion network")
    add("--pool", required=True, type=Path, metavar="DIR", help="pool whose held-out samples judge")
    add("--out", required=True, type=Path, metavar="FILE", help="safetensors to write")
    add("--samples", type=whole(1), default=64, metavar="N", help="held-out samples at most (%(default)s)")
    add("--json", action="store_true", help="print the outcome as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Calibrate, write, say the factor."""
    try:
        from depth_ros.export.to_onnx import load_network
        from depth_ros.training.calibrate import SHARE, calibrate_sigma
        from depth_ros.training.checkpoint import load_tensors, save_tensors
        from depth_ros.training.run import VALIDATION
        from depth_ros.training.validate import synthetic_problems
    except ImportError as error:
        raise TrainingError(f"training needs {error.name}: pip install torch safetensors") from None
    network = load_network(args.weights)
    gain = calibrate_sigma(network, synthetic_problems(args.pool / VALIDATION, args.samples))
    _, facts = load_tensors(args.weights)
    save_tensors(args.out, network.state_dict(), {**facts, "sigma_gain": round(gain, 4)})
    if args.json:
        print(json.dumps({"weights": str(args.out), "sigma_gain": gain, "share": SHARE}))
        return 0
    print(f"{args.out}: sigma times {gain:.3f}, so that one sigma holds {SHARE:.1%} of the errors on held-out samples")
    return 0
