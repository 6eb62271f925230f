"""Run every sample of every source through every method, and score what comes out."""

from __future__ import annotations

import multiprocessing
import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from itertools import chain
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple, TypeVar

import cv2
import numpy as np

from depth_ros.bags.source import FrameSource, Sample
from depth_ros.classical.nearest import nearest_fill
from depth_ros.config import CompletionConfig
from depth_ros.errors import DepthRosError, EvaluationError
from depth_ros.evaluation.cases import PROTOCOL, Case, Estimate, EvaluationConfig, make_cases, score_case
from depth_ros.evaluation.plots import save_comparison
from depth_ros.evaluation.report import PICTURES
from depth_ros.evaluation.result import Picture, Result, Score
from depth_ros.frame import Frame
from depth_ros.pipelines.base import Pipeline
from depth_ros.pipelines.factory import make_pipeline, resolve

T = TypeVar("T")
Watch = Callable[[Iterable[Any]], Iterable[Any]]

NEAREST = "nearest"


@dataclass(frozen=True)
class Task:
    """One sample for every method; `number` counts the samples of its source."""

    source: str
    number: int
    sample: Sample
    methods: tuple[str, ...]
    config: EvaluationConfig


class Outcome(NamedTuple):
    """What one task found, and in words what was given and what was scored."""

    source: str
    scores: list[Score]
    given: str
    scored: str


def replay(
    sources: Sequence[FrameSource],
    models: Sequence[str],
    config: EvaluationConfig,
    *,
    folder: Path | None = None,
    pictures: int = 6,
    workers: int = 1,
    watch: Watch = iter,
) -> Result:
    """Score `models` on all `sources`.

    models: as in `CompletionConfig.model`, or `nearest` for plain nearest fill. folder: where pictures of `pictures`
    samples of every source go; None = no pictures. workers: processes. watch: wraps the stream of samples (progress).
    Raises EvaluationError, with the sample's name, when one cannot be scored.
    """
    methods = tuple(dict.fromkeys(resolve(model) for model in models))
    for method in methods:
        _pipeline(method)
    named = _named(sources)
    outcomes = list(watch(_run(_score_sample, _tasks(named, methods, config), workers)))
    scores = list(chain.from_iterable(outcome.scores for outcome in outcomes))
    if not any(score.values["pixels"] for score in scores):
        raise EvaluationError(f"nothing to score in {', '.join(named)}: no known depth")
    counts = Counter(outcome.source for outcome in outcomes)
    chosen = {(name, number) for name in named for number in spread(counts[name], pictures)}
    shown = (task for task in _tasks(named, methods, config) if (task.source, task.number) in chosen)
    drawn = [] if folder is None else list(watch(_run(partial(_draw_sample, folder), shown, workers)))
    return Result(
        title=f"Depth of {', '.join(named)}",
        scores=scores,
        facts={
            "frames": len(outcomes),
            "given": "; ".join(dict.fromkeys(outcome.given for outcome in outcomes)),
            "scored on": "; ".join(dict.fromkeys(outcome.scored for outcome in outcomes)),
        },
        protocol=list(PROTOCOL),
        config={"evaluation": asdict(config), "completion": asdict(CompletionConfig()), "workers": workers},
        pictures=list(chain.from_iterable(drawn)),
    )


def spread(count: int, wanted: int) -> list[int]:
    """Choose up to `wanted` of the numbers below `count`, evenly from first to last."""
    return np.unique(np.linspace(0, count - 1, min(wanted, count)).round().astype(int)).tolist() if count else []


def draw_case(folder: Path, stem: str, title: str, case: Case, found: Estimate, score: Score) -> Picture:
    """Draw one case into `folder`; stem: start of the file's name. score: the one inside the covered rows."""
    path = Path(PICTURES) / (re.sub(r"[^A-Za-z0-9.-]+", "_", stem) + ".jpg")
    truth = np.where(case.reference > 0, case.reference, np.float32(np.nan))
    save_comparison(folder / path, case.rgb, case.sparse, found.depth, truth, title)
    mae, rmse = (f"{score.values[key]:.0f} mm" for key in ("mae_mm", "rmse_mm"))
    return Picture(path.as_posix(), title, f"{title}. Inside the covered rows: MAE {mae}, RMSE {rmse}.")


def _named(sources: Sequence[FrameSource]) -> dict[str, FrameSource]:
    """Give every source a name of its own."""
    names = Counter(source.name for source in sources)
    return {s.name if names[s.name] == 1 else f"{s.name} ({place})": s for place, s in enumerate(sources, 1)}


def _tasks(sources: dict[str, FrameSource], methods: tuple[str, ...], config: EvaluationConfig) -> Iterator[Task]:
    for name, source in sources.items():
        for number, sample in enumerate(source.samples()):
            yield Task(name, number, sample, methods, config)


def _run(work: Callable[[Task], T], tasks: Iterable[Task], workers: int) -> Iterator[T]:
    """Yield what `work` makes of the tasks, in their order; few samples at a time are held in memory."""
    if workers <= 1:
        yield from map(work, tasks)
        return
    # Forked workers would inherit the locks of OpenCV's threads.
    context = multiprocessing.get_context("spawn")
    pending: deque[Future[T]] = deque()
    with ProcessPoolExecutor(workers, mp_context=context, initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        try:
            for task in tasks:
                pending.append(pool.submit(work, task))
                if len(pending) > 2 * workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        except BrokenProcessPool as error:
            raise EvaluationError("a worker process was ended from outside (memory?): give fewer --workers") from error


def _score_sample(task: Task) -> Outcome:
    with _named_errors(task):
        scores: list[Score] = []
        for frame, case in make_cases(*task.sample, task.config):
            for method in task.methods:
                scores += score_case(task.source, method, case, _estimate(method, frame, case))
        return Outcome(task.source, scores, case.given, case.scored)


def _draw_sample(folder: Path, task: Task) -> list[Picture]:
    """Draw the first case of a sample, once per method."""
    with _named_errors(task):
        frame, case = next(make_cases(*task.sample, task.config))
        pictures = []
        for method in task.methods:
            found = _estimate(method, frame, case)
            score = score_case(task.source, method, case, found)[0]
            stem = f"{task.source}_{task.number:04d}_{method}"
            pictures.append(draw_case(folder, stem, f"{task.source} / {case.name}: {method}", case, found, score))
        return pictures


@contextmanager
def _named_errors(task: Task) -> Iterator[None]:
    try:
        yield
    except DepthRosError as error:
        raise EvaluationError(f"{task.source}/{task.sample.name}: {error}") from error


@lru_cache(maxsize=8)
def _pipeline(method: str) -> Pipeline | None:
    return None if method == NEAREST else make_pipeline(CompletionConfig(model=method))


def _estimate(method: str, frame: Frame, case: Case) -> Estimate:
    """Run one method; plain nearest fill is the reference that every method must beat and states no sigma."""
    pipeline = _pipeline(method)
    start = perf_counter()
    if pipeline is None:
        near = nearest_fill(case.sparse).depth
        depth = np.where(near > 0, near, np.float32(np.nan))
        sigma = np.full_like(depth, np.nan)
    else:
        found = pipeline.process(frame)
        depth, sigma = found.depth, found.sigma
    return Estimate(depth, sigma, 1e3 * (perf_counter() - start))
