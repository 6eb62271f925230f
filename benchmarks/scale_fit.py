"""How well a monocular prior becomes metres by a few points: distorted ground truth as the prior, on real frames.

The prior is the truth with an unknown scale (and shift, of a relative prior), a low-frequency warp of 10 % and a fine
noise of 2 %; holes of the truth get the nearest depth. The points are random pixels of the truth with 0.5 % noise, 10 %
of them anything within the scene's range. Scored is the truth under 80 m that was not given; what is infinitely far
counts as 120 m. The prior is no network's: real ones err at edges and on whole objects. Needs the frames:

    DEPTH_ROS_TEST_DATA=<folder> python -m benchmarks.scale_fit [--points 100 1000] [--json FILE] [--pictures DIR]
"""

from __future__ import annotations

import argparse
import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from time import process_time
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_ros.bags.source import open_source
from depth_ros.classical.fill import complete
from depth_ros.classical.nearest import nearest_fill
from depth_ros.classical.scale_fit import align
from depth_ros.evaluation.holdout import answer_everywhere
from depth_ros.evaluation.metrics import mean_over_frames, score, sigma_coverage
from depth_ros.evaluation.result import used_versions
from depth_ros.frame import Source

Depth = NDArray[np.float32]
Floats = NDArray[np.float64]

SETS = {
    "ICL-NUIM living room": ("rgbd/icl_nuim", 1),
    "NYU basement": ("rgbd/nyu_basement", 1),
    "NYU hallway": ("rgbd/nyu_hallway", 1),
    "iBims plants": ("rgbd/ibims_plants", 1),
    "7-Scenes red kitchen": ("rgbd/seven_scenes_redkitchen", 6),
    "KITTI depth_gt": ("kitti/depth_gt", 1),
}
MOST_M, FARTHEST_M = 80.0, 120.0
WARP, NOISE, POINT_NOISE, WRONG = 0.1, 0.02, 0.005, 0.1
SEEDS = (0, 1)
SHOWN = ("mae_mm", "rmse_mm", "abs_rel")


class Trial(NamedTuple):
    """What the methods get, and what they are scored on (0 = nothing); float32 [H,W] each."""

    prior: Depth
    sparse: Depth
    reference: Depth
    rgb: NDArray[np.uint8] | None
    relative: bool


def make_trial(truth: Depth, rgb: NDArray[np.uint8] | None, relative: bool, count: int, seed: int) -> Trial:
    """Distort a truth and draw its points."""
    random = np.random.default_rng(seed)
    known = np.isfinite(truth) & (truth > 0) & (truth < MOST_M)
    whole = nearest_fill(np.where(known, truth, np.float32(0))).depth
    noise = cv2.GaussianBlur(random.standard_normal(truth.shape).astype(np.float32), (0, 0), 6)
    depth = whole * _warp(truth.shape, random) * np.exp(NOISE * noise / noise.std())
    prior = np.exp(random.normal(0, 0.5)) * depth
    if relative:
        inverse = 1 / depth
        prior = random.uniform(0.2, 20) * (inverse + random.uniform(-0.3, 0.3) * np.quantile(inverse, 0.9))
    chosen = random.choice(np.flatnonzero(known), count, replace=False)
    sparse = np.zeros_like(truth)
    sparse.flat[chosen] = truth.flat[chosen] * np.exp(POINT_NOISE * random.standard_normal(count))
    wrong = chosen[: int(WRONG * count)]
    low, high = np.quantile(truth[known], (0.02, 0.98))
    sparse.flat[wrong] = random.uniform(float(low), float(high), len(wrong))
    return Trial(prior.astype(np.float32), sparse, np.where(known & (sparse == 0), truth, np.float32(0)), rgb, relative)


def _warp(shape: tuple[int, ...], random: np.random.Generator) -> Depth:
    bend = cv2.resize(random.standard_normal((4, 4)), shape[::-1], interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.exp(WARP * (bend - bend.mean()) / bend.std()), dtype=np.float32)


Solver = Callable[[Floats, Floats], tuple[float, float]]
"""From x and y to slope and shift."""


def least_squares(x: Floats, y: Floats) -> tuple[float, float]:
    """Fit by plain least squares."""
    slope, shift = np.linalg.lstsq(np.column_stack([x, np.ones_like(x)]), y, rcond=None)[0]
    return float(slope), float(shift)


def huber(x: Floats, y: Floats) -> tuple[float, float]:
    """Fit by Huber's loss, reweighted from least squares."""
    slope, shift = least_squares(x, y)
    for _ in range(20):
        residual = np.abs(y - slope * x - shift)
        weight = np.sqrt(np.minimum(1, 1.345 * 1.4826 * np.median(residual) / np.maximum(residual, 1e-12)))
        design = weight[:, None] * np.column_stack([x, np.ones_like(x)])
        slope, shift = np.linalg.lstsq(design, weight * y, rcond=None)[0]
    return float(slope), float(shift)


def theil_sen(x: Floats, y: Floats) -> tuple[float, float]:
    """Take the median slope over random pairs, and the median shift."""
    one, other = np.random.default_rng(0).integers(0, len(x), (2, 5000))
    apart = x[one] != x[other]
    slope = float(np.median((y[one] - y[other])[apart] / (x[one] - x[other])[apart]))
    return slope, float(np.median(y - slope * x))


def fitted(trial: Trial, solve: Solver) -> Depth:
    """Apply a global fit: in inverse depth for a relative prior, a scale of depth for a metric one."""
    at = trial.sparse > 0
    prior, depth = trial.prior[at].astype(np.float64), trial.sparse[at].astype(np.float64)
    if not trial.relative:
        return np.asarray(trial.prior * _scale(prior, depth, solve), dtype=np.float32)
    slope, shift = solve(prior, 1 / depth)
    return np.asarray(1 / np.maximum(slope * trial.prior + shift, 1 / FARTHEST_M), dtype=np.float32)


def _scale(prior: Floats, depth: Floats, solve: Solver) -> float:
    if solve is least_squares:
        return float(prior @ depth / (prior @ prior))
    ratio = depth / prior
    centre = float(np.median(ratio))
    for _ in range(20 if solve is huber else 0):
        residual = np.abs(ratio - centre)
        weight = np.minimum(1, 1.345 * 1.4826 * np.median(residual) / np.maximum(residual, 1e-12))
        centre = float(weight @ ratio / weight.sum())
    return centre


def methods(trial: Trial) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield each method with its scores."""
    for name, solve in (("least squares", least_squares), ("Huber", huber), ("Theil-Sen", theil_sen)):
        yield name, score(fitted(trial, solve), trial.reference)
    start = process_time()
    found = align(trial.prior, trial.sparse, relative=trial.relative)
    spent = 1e3 * (process_time() - start)
    fit, prior = found.fit, trial.prior
    scaled = 1 / np.maximum(fit.scale * prior + fit.shift, 1 / FARTHEST_M) if trial.relative else prior / fit.scale
    yield "global fit", score(scaled, trial.reference)
    scored, beyond = trial.reference > 0, np.isposinf(found.depth)
    shares = {
        "within_1_sigma": sigma_coverage(found.depth, found.sigma, trial.reference),
        "within_2_sigma": sigma_coverage(found.depth, found.sigma, trial.reference, 2),
        "completed": float((found.source[scored] == Source.COMPLETED).mean()),
        "beyond": float(beyond[scored].mean()),
        "cpu_ms": spent,
    }
    yield "fit and field", {**score(np.where(beyond, np.float32(FARTHEST_M), found.depth), trial.reference), **shares}
    completion = complete(trial.sparse, trial.rgb)
    answer = answer_everywhere(completion.depth, trial.sparse, scored)
    yield "points alone (classical)", score(answer.depth, trial.reference)


def trials(data: Path, folder: str, every: int, relative: bool, count: int) -> Iterator[Trial]:
    """Yield the trials of a set."""
    for sample in list(open_source(data / folder).samples())[::every]:
        assert sample.truth is not None
        for seed in SEEDS:
            yield make_trial(sample.truth, sample.frame.rgb, relative, count, seed)


def main() -> None:
    """Print a table per kind of prior, number of points and set."""
    cv2.setNumThreads(1)
    args = _arguments()
    data = Path(os.environ.get("DEPTH_ROS_TEST_DATA") or "?")
    if not data.is_dir():
        raise SystemExit("scale_fit needs the real frames: set DEPTH_ROS_TEST_DATA to their folder")
    record: dict[str, dict[str, dict[str, float]]] = {}
    for relative in (True, False):
        for count in args.points:
            for name, (folder, every) in SETS.items():
                title = f"{name}, {'relative' if relative else 'metric'} prior, {count} points"
                rows: dict[str, list[dict[str, float]]] = defaultdict(list)
                for trial in trials(data, folder, every, relative, count):
                    for method, values in methods(trial):
                        rows[method].append(values)
                record[title] = {method: mean_over_frames(values) for method, values in rows.items()}
                _print(title, record[title])
                if args.pictures:
                    _draw(args.pictures / f"{title}.png".replace(" ", "_").replace(",", ""), trial)
    if args.json:
        args.json.write_text(json.dumps({"versions": used_versions(), "sets": record}, indent=1) + "\n", "utf-8")


def _print(title: str, rows: dict[str, dict[str, float]]) -> None:
    print(f"\n{title}\n{'':26}{'MAE mm':>9}{'RMSE mm':>9}{'AbsRel %':>9}")
    for method, values in rows.items():
        mae, rmse, rel = (values[name] for name in SHOWN)
        print(f"{method:26}{mae:9.0f}{rmse:9.0f}{100 * rel:9.2f}")
    ours = rows["fit and field"]
    names = ("within_1_sigma", "within_2_sigma", "completed", "beyond", "cpu_ms")
    print("  " + ", ".join(f"{name} {ours[name]:.3g}" for name in names), flush=True)


def _draw(path: Path, trial: Trial) -> None:
    """Write prior's global fit, the aligned depth, the truth, and the error of the first two (red = 20 %)."""
    found = align(trial.prior, trial.sparse, relative=trial.relative)
    reference = trial.reference
    shown = [fitted(trial, least_squares), np.where(np.isfinite(found.depth), found.depth, FARTHEST_M), reference]
    low, high = np.log(np.quantile(reference[reference > 0], (0.01, 0.99)))
    errors = [np.abs(one / np.maximum(reference, 1e-6) - 1) / 0.2 * (reference > 0) for one in shown[:2]]
    sigma = np.nan_to_num(found.sigma / found.depth) / 0.2
    parts = [(np.log(np.maximum(one, 1e-3)) - low) / (high - low) for one in shown]
    tiles = [
        cv2.applyColorMap((255 * np.clip(one, 0, 1)).astype(np.uint8), cv2.COLORMAP_TURBO)
        for one in [*parts, *errors, sigma]
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.vstack([np.hstack(tiles[:3]), np.hstack(tiles[3:])]))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, nargs="+", default=[100, 1000], help="points per image (%(default)s)")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    parser.add_argument("--pictures", type=Path, help="draw the last trial of each table into this folder")
    return parser.parse_args()


if __name__ == "__main__":
    main()
