"""From scores to tables, ratios with intervals, and the gates that a bundled model has to pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.methods import CLASSICAL
from benchmarks.accuracy.scores import Scores
from depth_ros.evaluation.paired import Ratio, ratio_by_image, ratio_by_tile
from depth_ros.evaluation.tally import metrics_of, tile_sums

LEAST_IMAGES = 5
COMPARED = {"rmse_mm": ("square", 2), "mae_mm": ("absolute", 1), "irmse_per_km": ("inverse_square", 2)}
COLUMNS = {
    "rmse_mm": "RMSE mm", "mae_mm": "MAE mm", "irmse_per_km": "iRMSE", "imae_per_km": "iMAE", "delta1": "delta1",
    "within_1_sigma": "in 1 s", "within_2_sigma": "in 2 s", "ause_sigma": "AUSE", "ause_constant": "const.",
    "ause_depth": "depth", "answered": "answered",
}  # fmt: skip
MUST = {"KITTI stills 1/4": (1.0, 0.9, 0.9), "KITTI stills 1/8": (1.0, 0.9, 0.9)}
FALLBACK, GOAL = (1.05, 0.95, np.inf), (0.9, 0.85, np.inf)
MOST_WORSE = 1.1
STILLS = SIGMA_SETS = ("KITTI stills 1/2", "KITTI stills 1/4", "KITTI stills 1/8")
IN_1_SIGMA, IN_2_SIGMA = (0.60, 0.76), 0.88


class Gate(NamedTuple):
    """One demand on a method; required: shipping depends on it."""

    method: str
    what: str
    value: str
    passed: bool
    required: bool = True

    def __str__(self) -> str:
        """Return a line for people."""
        verdict = "passed" if self.passed else ("MISSED" if self.required else "not reached")
        return f"{verdict:12} {self.method:20} {self.what}: {self.value}"


def summary(scores: dict[str, Scores]) -> dict[str, Any]:
    """Return per method the means over images, and the ratios to the classical completion with their intervals."""
    classical = scores[CLASSICAL]
    report = {}
    for name, one in scores.items():
        values = {key: _by_image(one.images, column) for key, column in metrics_of(one.tallies).items()}
        means = {
            key: float(np.nanmean(column)) if np.isfinite(column).any() else None for key, column in values.items()
        }
        ratios = {metric: _ratio(one, classical, metric)._asdict() for metric in COMPARED}
        report[name] = {"images": len(set(one.images)), "cases": len(one.images), **means, "to_classical": ratios}
    return report


def pooled(parts: Sequence[dict[str, Scores]]) -> dict[str, Scores]:
    """Join the scores of several sets, method by method."""
    return {
        name: Scores(
            [i for part in parts for i in part[name].images], [t for part in parts for t in part[name].tallies]
        )
        for name in parts[0]
    }


def text(name: str, report: dict[str, Any]) -> str:
    """Return one set's table."""
    first = next(iter(report.values()))
    head = f"{'':20}" + "".join(f"{label:>9}" for label in COLUMNS.values())
    lines = [f"\n{name}: {first['images']} images, {first['cases']} cases", head + "   RMSE, MAE, iRMSE to classical"]
    for method, values in report.items():
        ratios = [str(Ratio(**values["to_classical"][metric])) for metric in COMPARED]
        lines.append(
            f"{method:20}" + "".join(f"{_number(values[key]):>9}" for key in COLUMNS) + "   " + "  ".join(ratios)
        )
    return "\n".join(lines)


def gates(report: dict[str, Any], method: str) -> Iterator[Gate]:
    """Yield the demands on a method, as far as the sets were scored."""
    for name, values in report.items():
        if method not in values:
            continue
        one = values[method]
        ratios = {metric: Ratio(**ratio) for metric, ratio in one["to_classical"].items()}
        value = ", ".join(f"{metric.split('_')[0]} {ratio}" for metric, ratio in ratios.items())
        if name in MUST:
            yield Gate(method, f"{name}, gate", value, _below(ratios, MUST[name]))
            yield Gate(
                method, f"{name}, ships at all (MAE <= 0.95, RMSE <= 1.05)", value, _below(ratios, FALLBACK), False
            )
            yield Gate(method, f"{name}, goal of a GPU-trained one", value, _below(ratios, GOAL), False)
        elif "1/16" not in name:
            fine = not any(ratio.significantly_worse for ratio in ratios.values())
            small = name in STILLS or max(ratio.value for ratio in ratios.values()) <= MOST_WORSE
            more = "" if name in STILLS else f", at most {MOST_WORSE - 1:.0%} worse"
            yield Gate(method, f"{name}, not significantly worse{more}", value, fine and small)
        if name in SIGMA_SETS:
            yield _sigma_gate(method, name, one)


def _sigma_gate(method: str, name: str, values: dict[str, Any]) -> Gate:
    one, two, area, constant = (
        values[key] or np.nan for key in ("within_1_sigma", "within_2_sigma", "ause_sigma", "ause_constant")
    )
    shown = f"{one:.1%} within one, {two:.1%} within two, AUSE {area:.3f}, of a constant {constant:.3f}"
    passed = IN_1_SIGMA[0] <= one <= IN_1_SIGMA[1] and two >= IN_2_SIGMA and area < constant
    return Gate(method, f"{name}, sigma", shown, bool(passed))


def _below(ratios: dict[str, Ratio], most: tuple[float, ...]) -> bool:
    return all(ratio.value <= limit for ratio, limit in zip(ratios.values(), most, strict=True))


def _ratio(ours: Scores, theirs: Scores, metric: str) -> Ratio:
    """Compare by image; where there are too few images, by tile."""
    if len(set(ours.images)) >= LEAST_IMAGES:
        pair = [_by_image(scores.images, metrics_of(scores.tallies)[metric]) for scores in (ours, theirs)]
        known = np.isfinite(pair).all(axis=0)
        return ratio_by_image(pair[0][known], pair[1][known])
    sums, power = COMPARED[metric]
    pixels = tile_sums(theirs.tallies, "pixels")
    known = pixels.any(axis=1)
    mine, other = (tile_sums(scores.tallies, sums)[known] for scores in (ours, theirs))
    return ratio_by_tile(mine, other, pixels[known], power)


def _by_image(images: Sequence[str], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average the cases of every image that have a value; NaN where none has."""
    names = list(dict.fromkeys(images))
    number = np.array([names.index(image) for image in images])
    known = np.isfinite(values)
    count = np.bincount(number[known], minlength=len(names))
    with np.errstate(invalid="ignore"):
        means: NDArray[np.float64] = np.bincount(number[known], values[known], minlength=len(names)) / count
    return means


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.{0 if abs(value) >= 100 else 3 if abs(value) < 10 else 1}f}"
