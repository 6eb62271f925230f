"""How good a network is: errors relative to its prior's, on held-out synthetic samples and a real sequence."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from depth_ros.bags.sample import Sample
from depth_ros.bags.source import open_source
from depth_ros.config import CompletionConfig
from depth_ros.evaluation.cases import Case, Estimate, EvaluationConfig, make_cases, score_case
from depth_ros.evaluation.metrics import mean_over_frames
from depth_ros.evaluation.replay import spread
from depth_ros.models.model import pad
from depth_ros.networks.completion import SIZE_MULTIPLE
from depth_ros.pipelines.base import measure
from depth_ros.training.dataset import PoolDataset
from depth_ros.training.pictures import Rgb, draw_sheet
from depth_ros.training.pool import make_prior

Depth = NDArray[np.float32]
SEQUENCE = Path("kitti") / "sequence_2011_09_26"
HOLDOUT = 4
SELECTED_BY = ("mae_mm", "irmse_per_km")
SHOWN = ("mae_mm", "rmse_mm", "irmse_per_km", "within_1_sigma", "within_2_sigma")
PICTURES = 3
MODES = IMAGE, NO_IMAGE = "image", "no image"


class Problem(NamedTuple):
    """One frame to complete and to be scored on.

    case: what is scored. sparse: float32 [H,W], what the network gets, m, 0 = none. prior: float32 [H,W], the same.
    intrinsics: float32 [4], fx, fy, cx, cy in pixels. modes: with the image, without it, or both. prior_scores: of the
    prior alone, by metric.
    """

    case: Case
    sparse: Depth
    prior: Depth
    intrinsics: NDArray[np.float32]
    modes: tuple[str, ...]
    prior_scores: dict[str, float]


class Validation(NamedTuple):
    """rows: one per set and image mode, numbers by name. score: geometric mean of ratios to the prior, less is better.

    pictures: uint8 [H,W,3] RGB by name.
    """

    rows: list[dict[str, Any]]
    score: float
    pictures: dict[str, Rgb]


class CompletionValidator:
    """Scores a network on sets of problems, each with the image and without it.

    The score, by which weights are chosen, is the geometric mean over sets, image modes, MAE and iRMSE of the network's
    error over that of its prior: every set counts alike, whatever its scale.
    """

    def __init__(self, sets: dict[str, list[Problem]]) -> None:
        self._sets = {name: problems for name, problems in sets.items() if problems}

    def __call__(self, network: nn.Module, device: torch.device) -> Validation:
        """Score `network`, which is in evaluation mode."""
        rows: list[dict[str, Any]] = []
        ratios: list[float] = []
        pictures: dict[str, Rgb] = {}
        for name, problems in self._sets.items():
            for mode in MODES:
                chosen = [problem for problem in problems if mode in problem.modes]
                prior = mean_over_frames([problem.prior_scores for problem in chosen])
                found = [complete(network, problem, device, use_image=mode == IMAGE) for problem in chosen]
                means = mean_over_frames([_score(p, *f) for p, f in zip(chosen, found, strict=True)])
                if not all(map(_is_whole, chosen, found)):
                    ratios.append(math.inf)  # nearest fill would answer in its place
                own = {f"{metric}_ratio": means[metric] / prior[metric] for metric in SELECTED_BY}
                ratios += own.values()
                rows.append({"set": name, "image": mode, **{n: means[n] for n in SHOWN}, **own})
                for place in spread(len(chosen), PICTURES):
                    pictures[f"{name} {place} {mode}"] = _sheet(chosen[place], found[place][0])
        return Validation(rows, _geometric_mean(ratios), pictures)


@torch.inference_mode()
def complete(
    network: nn.Module, problem: Problem, device: torch.device, *, use_image: bool = True
) -> tuple[Depth, Depth]:
    """Return depth and sigma, float32 [H,W] in metres, NaN where the prior knows nothing, as the pipeline does."""
    rgb = problem.case.rgb
    height, width = problem.sparse.shape
    if rgb is None or not use_image:
        rgb = np.zeros((height, width, 3), np.uint8)
    size = height + -height % SIZE_MULTIPLE, width + -width % SIZE_MULTIPLE
    given: dict[str, NDArray[Any]] = {"image": rgb, "sparse_depth": problem.sparse, "prior_depth": problem.prior}
    batch = [np.ascontiguousarray(pad(name, array, size)) for name, array in given.items()]
    answer: tuple[Tensor, Tensor] = network(
        *(torch.from_numpy(a)[None].to(device) for a in (*batch, problem.intrinsics))
    )
    unknown = problem.prior <= 0
    depth, sigma = (one[0, :height, :width].float().cpu().numpy() for one in answer)
    return np.where(unknown, np.float32(np.nan), depth), np.where(unknown, np.float32(np.nan), sigma)


def synthetic_problems(directory: Path, count: int) -> list[Problem]:
    """Return up to `count` samples of a pool, whole and not augmented."""
    pool = PoolDataset(directory)
    return [_from_sample(f"sample {number}", pool[number]) for number in spread(len(pool), count)]


def real_problems(data: Path, count: int) -> list[Problem]:
    """Return `count` frames spread over the real sequence in `data`, every fourth ring given, each in another phase."""
    if not count or not (data / SEQUENCE).is_dir():
        return []
    samples = list(open_source(data / SEQUENCE).samples())
    return [
        problem
        for turn, place in enumerate(spread(len(samples), count))
        for problem in _from_frame(samples[place], turn % HOLDOUT)
    ]


def _from_sample(name: str, sample: dict[str, Tensor]) -> Problem:
    arrays = {key: value.numpy() for key, value in sample.items()}
    case = Case(name, arrays["image"], arrays["sparse_depth"], arrays["truth"], "", "")
    return make_problem(case, case.sparse, arrays["prior_depth"], arrays["intrinsics"])


def _from_frame(sample: Sample, phase: int) -> Iterator[Problem]:
    """Give the network what the live pipeline would give it of the kept rings."""
    config = EvaluationConfig(holdout=HOLDOUT, phase=phase)
    for given, case in make_cases(sample.name, sample.frame, sample.truth, config):
        frame, sparse, *_ = measure(given, CompletionConfig())
        intrinsics = np.array(frame.camera.intrinsics, np.float32)
        yield make_problem(case, sparse, make_prior(sparse, frame.rgb), intrinsics, (IMAGE,))
        yield make_problem(case, sparse, make_prior(sparse, None), intrinsics, (NO_IMAGE,))


def _is_whole(problem: Problem, found: tuple[Depth, Depth]) -> bool:
    depth = found[0][problem.prior > 0]
    return bool(np.isfinite(depth).all() and (depth > 0).all())


def _geometric_mean(ratios: list[float]) -> float:
    """Return the mean of what is a number; infinity where one is infinite or none is a number."""
    known = [ratio for ratio in ratios if ratio > 0]
    return math.exp(sum(map(math.log, known)) / len(known)) if known else math.inf


def make_problem(
    case: Case, sparse: Depth, prior: Depth, intrinsics: NDArray[np.float32], modes: tuple[str, ...] = MODES
) -> Problem:
    """Return the frame as a problem, with the scores of its prior."""
    nothing = np.full_like(prior, np.nan)
    known = np.where(prior > 0, prior, np.float32(np.nan))
    problem = Problem(case, sparse, prior, intrinsics, modes, {})
    return problem._replace(prior_scores=_score(problem, known, nothing))


def _score(problem: Problem, depth: Depth, sigma: Depth) -> dict[str, float]:
    """Score inside the covered rows."""
    return score_case("", "", problem.case, Estimate(depth, sigma, math.nan))[0].values


def _sheet(problem: Problem, depth: Depth) -> Rgb:
    case = problem.case
    image = np.zeros((*depth.shape, 3), np.uint8) if case.rgb is None else case.rgb
    return draw_sheet(image, problem.sparse, problem.prior, depth, case.reference)
