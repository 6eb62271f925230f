"""Tallies of methods on a set of frames, kept on disk: a number is computed once for the same code and model."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from benchmarks.accuracy.methods import SOURCES, Method, estimate, fingerprint
from benchmarks.accuracy.sets import DataSet, Given, read_set
from depth_ros.evaluation.tally import Tally, tally
from depth_ros.parallel import parallel_map

CACHE = Path("bench_output") / "accuracy"
SCORING = (
    Path(__file__).with_name("sets.py"),
    *(SOURCES / "evaluation" / f"{name}.py" for name in ("cases", "holdout", "tally", "calibration", "metrics")),
    *sorted(SOURCES.glob("bags/*.py")),
)
"""What decides, beside the method, what is scored and how."""


class Scores(NamedTuple):
    """One method on one set: the tallies, and for each the image that it belongs to."""

    images: list[str]
    tallies: list[Tally]


def score_set(data: Path, chosen: DataSet, methods: Sequence[Method], phases: int, workers: int) -> dict[str, Scores]:
    """Return the scores by the methods' names; what is on disk already is not computed again."""
    files = {method: _file(data, chosen, method, phases) for method in methods}
    missing = tuple(method for method, file in files.items() if not file.is_file())
    found = {method: Scores([], []) for method in missing}
    given = read_set(data, chosen, phases) if missing else iter(())
    for image, rows in parallel_map(partial(_score, missing), given, workers):
        for method, tallies in zip(missing, rows, strict=True):
            found[method].images.extend([image] * len(tallies))
            found[method].tallies.extend(tallies)
    for method, scores in found.items():
        files[method].parent.mkdir(parents=True, exist_ok=True)
        files[method].write_bytes(pickle.dumps(tuple(scores)))
    return {method.name: Scores(*pickle.loads(file.read_bytes())) for method, file in files.items()}


def _score(methods: tuple[Method, ...], given: Given) -> tuple[str, list[list[Tally]]]:
    rows = [[tally(case, estimate(method, frame, case)) for method in methods] for frame, case in given.cases()]
    return given.image, [list(column) for column in zip(*rows, strict=True)]


def _file(data: Path, chosen: DataSet, method: Method, phases: int) -> Path:
    what = hashlib.sha256(repr((data.resolve(), chosen, phases, fingerprint(method))).encode())
    for path in SCORING:
        what.update(path.read_bytes())
    return CACHE / f"{chosen.name}_{method.name}_{what.hexdigest()[:16]}.pickle".replace(" ", "_").replace("/", "_")
