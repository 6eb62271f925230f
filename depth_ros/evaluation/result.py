"""What an evaluation found, stored as one JSON file; tables and pages are made from it later."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from depth_ros import __version__
from depth_ros.errors import EvaluationError
from depth_ros.evaluation.metrics import mean_over_frames

FORMAT = "depth_ros result 1"
ALL_RANGES = "all"
INSIDE, OUTSIDE = "inside", "outside"


class Column(NamedTuple):
    """One value of a score as people read it: shown times `scale`; `better` is "lower", "higher" or "" (neither)."""

    key: str
    label: str
    unit: str
    digits: int
    better: str
    meaning: str
    scale: float = 1.0

    @property
    def heading(self) -> str:
        """Label with its unit."""
        return f"{self.label} [{self.unit}]"

    def text(self, values: Mapping[str, float]) -> str:
        """Return this column's value as text, a dash where there is none."""
        value = values.get(self.key, math.nan)
        return "-" if math.isnan(value) else f"{self.scale * value:.{self.digits}f}"


COLUMNS = (
    Column("mae_mm", "MAE", "mm", 0, "lower", "mean absolute error"),
    Column("rmse_mm", "RMSE", "mm", 0, "lower", "root mean square error"),
    Column("imae_per_km", "iMAE", "1/km", 2, "lower", "mean absolute error of inverse depth"),
    Column("irmse_per_km", "iRMSE", "1/km", 2, "lower", "root mean square error of inverse depth"),
    Column("abs_rel", "AbsRel", "%", 2, "lower", "mean absolute error relative to the true depth", 100),
    Column("delta1", "delta1", "%", 2, "higher", "share of pixels within a factor of 1.25 of the true depth", 100),
    Column("within_1_sigma", "in 1 sigma", "%", 1, "", "share of errors below the stated sigma; 68 is honest", 100),
    Column("within_2_sigma", "in 2 sigma", "%", 1, "", "share of errors below twice the sigma; 95 is honest", 100),
    Column(
        "ause_of_constant",
        "AUSE",
        "%",
        1,
        "lower",
        "how far from the oracle sigma ranks the errors (area under the sparsification error); 100: as a constant",
        100,
    ),
    Column("answered", "answered", "%", 1, "", "share of scored pixels where the method itself gives depth", 100),
    Column("time_ms", "time", "ms", 0, "", "median time per frame on this machine"),
)


class Score(NamedTuple):
    """One method on one frame, in one region and one range of true depth; a NaN value = nothing to score."""

    source: str
    frame: str
    method: str
    region: str
    range: str
    values: dict[str, float]


class Mean(NamedTuple):
    """The values of one method, averaged over the `frames` that have pixels in this region and range."""

    source: str
    method: str
    region: str
    range: str
    frames: int
    values: dict[str, float]


class Picture(NamedTuple):
    """A picture in the result's folder; `path` is relative to that folder."""

    path: str
    title: str
    caption: str


def used_versions() -> dict[str, str]:
    """Return the versions of what a figure depends on: this package, Python and the numeric libraries."""
    import cv2
    import numpy
    import scipy

    return {
        "depth_ros": __version__,
        "python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "numpy": numpy.__version__,
        "opencv": cv2.__version__,
        "scipy": scipy.__version__,
    }


@dataclass(frozen=True)
class Result:
    """A stored evaluation.

    title: what was evaluated. facts: short statements about the run, by name. protocol: sentences that say what was
    scored and how. config: the used settings. scores: per frame. pictures: in the order in which they are shown.
    """

    title: str
    scores: list[Score]
    facts: dict[str, Any] = field(default_factory=dict)
    protocol: list[str] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=used_versions)
    pictures: list[Picture] = field(default_factory=list)

    def means(self) -> list[Mean]:
        """Average the scores of every source, method, region and range over the frames, in order of appearance."""
        groups: dict[tuple[str, str, str, str], list[Score]] = {}
        for score in self.scores:
            groups.setdefault((score.source, score.method, score.region, score.range), []).append(score)
        return [_mean(*group, scores) for group, scores in groups.items()]

    def to_json(self) -> str:
        """Return strict JSON (NaN as null) with the averages written out for other tools."""
        content = {
            "format": FORMAT,
            **{name: getattr(self, name) for name in ("title", "facts", "protocol", "config", "versions")},
            "means": [mean._asdict() for mean in self.means()],
            "scores": [score._asdict() for score in self.scores],
            "pictures": [picture._asdict() for picture in self.pictures],
        }
        return json.dumps(_finite(content), indent=1, ensure_ascii=False, allow_nan=False, default=str) + "\n"

    def save(self, path: Path) -> Path:
        """Write `to_json` to `path`; raises EvaluationError where that is not possible."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self.to_json(), encoding="utf-8")
        except OSError as error:
            raise EvaluationError(f"result {path} cannot be written ({error.strerror}): give another path") from error
        return path

    @classmethod
    def load(cls, path: Path) -> Result:
        """Read a stored result; raises EvaluationError when the file is missing or is no result."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["format"] != FORMAT:
                raise EvaluationError(f"{path} has format '{content['format']}': this version reads '{FORMAT}'")
            scores = [Score(**{**entry, "values": _floats(entry["values"])}) for entry in content["scores"]]
            pictures = [Picture(**entry) for entry in content["pictures"]]
            plain = {name: content[name] for name in ("title", "facts", "protocol", "config", "versions")}
        except OSError as error:
            raise EvaluationError(f"result {path} cannot be read ({error.strerror}): check the path") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise EvaluationError(f"{path} is no result of an evaluation: give the JSON that evaluate wrote") from error
        return cls(scores=scores, pictures=pictures, **plain)


def _mean(source: str, method: str, region: str, span: str, scores: list[Score]) -> Mean:
    values = mean_over_frames([score.values for score in scores])
    times = [score.values.get("time_ms", math.nan) for score in scores]
    known = [time for time in times if not math.isnan(time)]
    if known:
        values["time_ms"] = median(known)
    return Mean(source, method, region, span, sum(score.values["pixels"] > 0 for score in scores), values)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): _finite(entry) for name, entry in value.items()}
    return [_finite(entry) for entry in value] if isinstance(value, (list, tuple)) else value


def _floats(values: Mapping[str, float | None]) -> dict[str, float]:
    return {name: math.nan if value is None else float(value) for name, value in values.items()}
