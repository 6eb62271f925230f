"""Run every sample of every source through every method, and score what comes out."""

from __future__ import annotations

import multiprocessing
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import cv2
import numpy as np

from depth_ros.bags.source import FrameSource, Sample
from depth_ros.classical.nearest import nearest_fill
from depth_ros.config import CompletionConfig
from depth_ros.errors import DepthRosError, EvaluationError
from depth_ros.evaluation.cases import Case, EvaluationConfig, make_cases, score_case, sentences
from depth_ros.evaluation.plots import save_comparison
from depth_ros.evaluation.report import PICTURES
from depth_ros.evaluation.result import Picture, Result, Score
from depth_ros.frame import DepthMap, Source
from depth_ros.geometry.distortion import rectify_image
from depth_ros.pipelines.base import Pipeline
from depth_ros.pipelines.factory import make_pipeline, resolve

NEAREST = "nearest"


@dataclass(frozen=True)
class Task:
    """One sample for every method; pictures of it go into `folder`, where there is one."""

    source: str
    sample: Sample
    methods: tuple[str, ...]
    config: EvaluationConfig
    folder: Path | None
    number: int


class Outcome(NamedTuple):
    """What one task found."""

    scores: list[Score]
    pictures: list[Picture]


def replay(
    sources: Sequence[FrameSource],
    models: Sequence[str],
    config: EvaluationConfig,
    *,
    folder: Path | None = None,
    pictures: int = 6,
    workers: int = 1,
    watch: Callable[[Iterable[Outcome]], Iterable[Outcome]] = iter,
) -> Result:
    """Score `models` on all `sources`.

    models: as in `CompletionConfig.model`, or `nearest` for plain nearest fill. folder: where pictures of `pictures`
    samples of every source go; None = no pictures. workers: processes. watch: wraps the stream of outcomes (progress).
    Raises EvaluationError when a sample cannot be scored, and whatever a pipeline raises, with the sample's name.
    """
    methods = tuple(dict.fromkeys(resolve(model) for model in models))
    for method in methods:
        _pipeline(method)
    tasks = _tasks(sources, methods, config, folder, pictures)
    outcomes = list(watch(_run(tasks, workers)))
    scores = list(chain.from_iterable(outcome.scores for outcome in outcomes))
    if not any(score.values["pixels"] for score in scores):
        raise EvaluationError(f"nothing to score in {', '.join(source.name for source in sources)}: no known depth")
    return Result(
        title=f"Depth of {', '.join(dict.fromkeys(source.name for source in sources))}",
        scores=scores,
        facts={"frames": len(outcomes), "methods": ", ".join(methods), "input": config.input},
        protocol=sentences(config),
        config={"evaluation": asdict(config), "completion": asdict(CompletionConfig()), "workers": workers},
        pictures=list(chain.from_iterable(outcome.pictures for outcome in outcomes)),
    )


def _tasks(
    sources: Sequence[FrameSource],
    methods: tuple[str, ...],
    config: EvaluationConfig,
    folder: Path | None,
    pictures: int,
) -> Iterator[Task]:
    for place, source in enumerate(sources):
        name = source.name if sum(other.name == source.name for other in sources) == 1 else f"{source.name} ({place})"
        for number, sample in enumerate(source.samples()):
            drawn = folder if number < pictures else None
            yield Task(name, sample, methods, config, drawn, number)


def _run(tasks: Iterator[Task], workers: int) -> Iterator[Outcome]:
    """Yield the outcomes in the order of the tasks; few samples at a time are held in memory."""
    if workers <= 1:
        yield from map(_score_sample, tasks)
        return
    # Forked workers would inherit the locks of OpenCV's threads.
    context = multiprocessing.get_context("spawn")
    pending: deque[Future[Outcome]] = deque()
    with ProcessPoolExecutor(workers, mp_context=context, initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        try:
            for task in tasks:
                pending.append(pool.submit(_score_sample, task))
                if len(pending) > 2 * workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        except BrokenProcessPool as error:
            raise EvaluationError("a worker process was ended from outside (memory?): give fewer --workers") from error


def _score_sample(task: Task) -> Outcome:
    """Score all methods on all cases of one sample; pictures show its first case."""
    scores: list[Score] = []
    pictures: list[Picture] = []
    name, frame, truth = task.sample
    try:
        for number, case in enumerate(make_cases(name, frame, truth, task.config)):
            for method in task.methods:
                found, time_ms = _timed(method, case)
                found_scores = score_case(task.source, method, case, found, time_ms)
                scores += found_scores
                if task.folder is not None and number == 0:
                    pictures.append(_draw(task, method, case, found, found_scores[0]))
    except DepthRosError as error:
        raise EvaluationError(f"{task.source}, {name}: {error}") from error
    return Outcome(scores, pictures)


@lru_cache(maxsize=8)
def _pipeline(method: str) -> Pipeline | None:
    return None if method == NEAREST else make_pipeline(CompletionConfig(model=method))


def _timed(method: str, case: Case) -> tuple[DepthMap, float]:
    pipeline = _pipeline(method)
    start = perf_counter()
    found = _nearest(case) if pipeline is None else pipeline.process(case.frame)
    return found, 1e3 * (perf_counter() - start)


def _nearest(case: Case) -> DepthMap:
    """Return plain nearest fill, the reference that every method must beat; it states no sigma."""
    frame = case.frame
    near = nearest_fill(case.sparse).depth
    depth = np.where(near > 0, near, np.float32(np.nan))
    source = np.where(case.sparse > 0, Source.MEASURED, np.where(near > 0, Source.COMPLETED, Source.NONE))
    unknown = np.full_like(depth, np.nan)
    return DepthMap(frame.stamp_ns, frame.frame_id, frame.camera.rectified(), depth, unknown, source.astype(np.uint8))


def _draw(task: Task, method: str, case: Case, found: DepthMap, score: Score) -> Picture:
    assert task.folder is not None
    rgb = None if case.frame.rgb is None else rectify_image(case.frame.rgb, case.frame.camera)
    words = re.sub(r"[^A-Za-z0-9.-]+", "_", f"{task.source}_{task.number:04d}_{case.name}_{method}")
    truth = np.where(case.reference > 0, case.reference, np.float32(np.nan))
    title = f"{task.source} / {case.name}: {method}"
    save_comparison(task.folder / PICTURES / f"{words}.jpg", rgb, case.sparse, found.depth, truth, title)
    caption = f"{title}. MAE {score.values['mae_mm']:.0f} mm, RMSE {score.values['rmse_mm']:.0f} mm inside the covered rows."
    return Picture(f"{PICTURES}/{words}.jpg", title, caption)
