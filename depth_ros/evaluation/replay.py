"""Run every sample of every source through every method, and score what comes out."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from itertools import chain
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple, TypeVar

import numpy as np

from depth_ros.bags.sample import FrameSource, Sample
from depth_ros.classical.nearest import nearest_fill
from depth_ros.config import CompletionConfig, MonocularConfig, without_lidar
from depth_ros.errors import DepthRosError, EvaluationError
from depth_ros.evaluation.cases import NONE, PROTOCOL, Case, Estimate, EvaluationConfig, make_cases, score_case
from depth_ros.evaluation.plots import save_comparison
from depth_ros.evaluation.report import PICTURES
from depth_ros.evaluation.result import Picture, Result, Score
from depth_ros.frame import Frame
from depth_ros.parallel import parallel_map
from depth_ros.pipelines.base import BUILD, Pipeline
from depth_ros.pipelines.factory import make_monocular, make_pipeline, resolve

T = TypeVar("T")
Watch = Callable[[Iterable[Any]], Iterable[Any]]

NEAREST = "nearest"
DEFAULTS = CompletionConfig()
_log = logging.getLogger("depth_ros")


class Method(NamedTuple):
    """What answers, by its name in tables; config: None is plain nearest fill, a bare MonocularConfig no completion."""

    name: str
    config: MonocularConfig | None


@dataclass(frozen=True)
class Task:
    """One sample for every method; `number` counts the samples of its source."""

    source: str
    number: int
    sample: Sample
    methods: tuple[Method, ...]
    config: EvaluationConfig


class Outcome(NamedTuple):
    """What one task found, and in words what was given and what was scored; fault: why it found nothing, or empty."""

    source: str
    number: int
    scores: list[Score]
    given: str = ""
    scored: str = ""
    fault: str = ""


def replay(
    sources: Sequence[FrameSource],
    models: Sequence[str],
    config: EvaluationConfig,
    *,
    completion: CompletionConfig = DEFAULTS,
    no_image: bool = False,
    folder: Path | None = None,
    pictures: int = 6,
    workers: int = 1,
    watch: Watch = iter,
) -> Result:
    """Score `models` on all `sources`.

    models: as in `CompletionConfig.model`, or `nearest` for plain nearest fill. completion: the other settings.
    no_image: score every model a second time, without its image. folder: where pictures of `pictures` samples of every
    source go; None = no pictures. workers: processes. watch: wraps the stream of samples (progress).
    A sample that cannot be scored is left out, counted in the facts and named in a warning. Raises EvaluationError
    when nothing is left.
    """
    if workers > 1 and not completion.threads:
        completion = replace(completion, threads=1)
    methods = _alone(models, completion) if config.input == NONE else _methods(models, completion, no_image)
    if config.input == NONE and no_image:
        raise EvaluationError("without image and without input there is nothing to make depth of: give one")
    facts = _run_by(methods)
    named = _named(sources)
    found: list[Outcome] = list(watch(parallel_map(_score_sample, _tasks(named, methods, config), workers)))
    outcomes = [outcome for outcome in found if not outcome.fault]
    unread = [f"{name}/{fault}" for name, source in named.items() for fault in source.faults]
    left_out = left_out_facts([*(outcome.fault for outcome in found), *unread], "frames")
    scores = list(chain.from_iterable(outcome.scores for outcome in outcomes))
    if not any(score.values["pixels"] for score in scores):
        raise EvaluationError(f"nothing to score in {', '.join(named)}: no known depth")
    chosen = {(name, number) for name in named for number in _shown(name, outcomes, pictures)}
    shown = (task for task in _tasks(named, methods, config) if (task.source, task.number) in chosen)
    drawn = [] if folder is None else list(watch(parallel_map(partial(_draw_sample, folder), shown, workers)))
    return Result(
        title=f"Depth of {', '.join(named)}",
        scores=scores,
        facts={
            "frames": len(outcomes),
            **left_out,
            **facts,
            "given": "; ".join(dict.fromkeys(outcome.given for outcome in outcomes)),
            "scored on": "; ".join(dict.fromkeys(outcome.scored for outcome in outcomes)),
        },
        protocol=list(PROTOCOL),
        config={
            "models": ", ".join(models),
            "evaluation": asdict(config),
            "completion": {name: value for name, value in asdict(completion).items() if name != "model"},
            "workers": workers,
        },
        pictures=list(chain.from_iterable(drawn)),
    )


def left_out_facts(faults: Sequence[str], what: str) -> dict[str, Any]:
    """Return how many of `what` were left out and why the first was, and warn; faults: one each, empty = none.

    Raises EvaluationError with the first fault when all have one.
    """
    real = [fault for fault in faults if fault]
    if not real:
        return {"left out": 0}
    if len(real) == len(faults):
        raise EvaluationError(real[0] if len(real) == 1 else f"{real[0]} (and so all {len(real)} {what})")
    _log.warning("%d of %d %s are left out; first: %s", len(real), len(faults), what, real[0])
    return {"left out": len(real), "first left out": real[0]}


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


def _methods(models: Sequence[str], completion: CompletionConfig, no_image: bool) -> tuple[Method, ...]:
    """Name every model once, whatever it is called by, and again without its image."""
    methods = {}
    for model in models:
        config = replace(completion, model=model)
        name = model if model == NEAREST else resolve(model, config)
        methods[name] = None if model == NEAREST else replace(config, model=name)
        if no_image and model != NEAREST:
            methods[f"{name}, no image"] = replace(config, model=name, use_image=False)
    return tuple(Method(*entry) for entry in methods.items())


def _alone(models: Sequence[str], completion: CompletionConfig) -> tuple[Method, ...]:
    """Name every model once, each to make depth of the image alone."""
    return tuple(Method(model, without_lidar(replace(completion, model=model))) for model in dict.fromkeys(models))


def _run_by(methods: Sequence[Method]) -> dict[str, str]:
    """Make the pipelines, and return what runs those that hold a model."""
    facts = [pipeline.facts for pipeline in map(_pipeline, methods) if pipeline is not None]
    texts = dict.fromkeys(f"{fact['model']} by {fact['engine']}" for fact in facts if "engine" in fact)
    return {"models": "; ".join(texts)} if texts else {}


def _named(sources: Sequence[FrameSource]) -> dict[str, FrameSource]:
    """Give every source a name of its own."""
    names = Counter(source.name for source in sources)
    return {s.name if names[s.name] == 1 else f"{s.name} ({place})": s for place, s in enumerate(sources, 1)}


def _shown(source: str, outcomes: Sequence[Outcome], wanted: int) -> list[int]:
    numbers = [outcome.number for outcome in outcomes if outcome.source == source]
    return [numbers[place] for place in spread(len(numbers), wanted)]


def _tasks(sources: dict[str, FrameSource], methods: tuple[Method, ...], config: EvaluationConfig) -> Iterator[Task]:
    for name, source in sources.items():
        for number, sample in enumerate(source.samples()):
            yield Task(name, number, sample, methods, config)


def _score_sample(task: Task) -> Outcome:
    scores: list[Score] = []
    try:
        for frame, case in make_cases(*task.sample, task.config):
            for method in task.methods:
                scores += score_case(task.source, method.name, case, _estimate(method, frame, case))
    except DepthRosError as error:
        return Outcome(task.source, task.number, [], fault=f"{task.source}/{task.sample.name}: {error}")
    return Outcome(task.source, task.number, scores, case.given, case.scored)


def _draw_sample(folder: Path, task: Task) -> list[Picture]:
    """Draw the first case of a sample, once per method."""
    frame, case = next(make_cases(*task.sample, task.config))
    pictures = []
    for method in task.methods:
        found = _estimate(method, frame, case)
        score = score_case(task.source, method.name, case, found)[0]
        stem = f"{task.source}_{task.number:04d}_{method.name}"
        pictures.append(draw_case(folder, stem, f"{task.source} / {case.name}: {method.name}", case, found, score))
    return pictures


@lru_cache(maxsize=8)
def _pipeline(method: Method) -> Pipeline | None:
    if isinstance(method.config, CompletionConfig):
        return make_pipeline(method.config)
    return None if method.config is None else make_monocular(method.config)


def _estimate(method: Method, frame: Frame, case: Case) -> Estimate:
    """Run one method; plain nearest fill is the reference that every method must beat and states no sigma."""
    pipeline, build_s = _pipeline(method), 0.0
    start = perf_counter()
    if pipeline is None:
        near = nearest_fill(case.sparse).depth
        depth = np.where(near > 0, near, np.float32(np.nan))
        sigma = np.full_like(depth, np.nan)
    else:
        found = pipeline.process(frame)
        depth, sigma, build_s = found.depth, found.sigma, found.timings.get(BUILD, 0.0)
    return Estimate(depth, sigma, 1e3 * (perf_counter() - start - build_s))
