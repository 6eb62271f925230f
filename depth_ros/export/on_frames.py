"""INT8 on recorded frames: which calibrate and which judge, what a graph gets of them, and how its copies fare."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray

from depth_ros.bags.sample import FrameSource, Sample
from depth_ros.config import CompletionConfig
from depth_ros.engines.onnx_file import SIDECAR, is_quantised
from depth_ros.errors import DepthRosError, ExportError
from depth_ros.evaluation.cases import EvaluationConfig
from depth_ros.evaluation.replay import Watch, left_out_facts, replay
from depth_ros.evaluation.result import ALL_RANGES, INSIDE, Result
from depth_ros.export.quantize import MOST_WORSE
from depth_ros.models.card import ModelCard, read_card
from depth_ros.models.model import Arrays, Model
from depth_ros.pipelines.learned import LearnedCompletion

ENGINE = "onnxruntime"


class Split(NamedTuple):
    """Frames to calibrate on, and others to judge by."""

    calibrating: list[Sample]
    judging: list[Sample]


class Judged(NamedTuple):
    """How a file fared on held-out beams.

    scheme: f32, u8s8 or s8s8. values: rmse_mm and mae_mm, averaged over the frames; ratio, its RMSE in that of the f32
    file; time_ms, the median of the whole pipeline, NaN for s8s8, whose speed on a CPU says nothing of TensorRT's;
    megabytes.
    """

    scheme: str
    file: Path
    values: dict[str, float]

    @property
    def accepted(self) -> bool:
        """Whether it may be used in the place of the f32 file."""
        return self.values["ratio"] <= MOST_WORSE


def check_source(path: Path) -> ModelCard:
    """Return the card of a model that can be quantised; ExportError when it cannot be, ModelError when it is none."""
    card = read_card(path)
    if card.task != "completion":
        raise ExportError(f"{path} is a {card.task} model: held-out beams judge completion models alone, give one")
    if card.precision != "f32" or is_quantised(path):
        stored = "int8" if card.precision == "f32" else card.precision
        raise ExportError(f"{path} is {stored} already: give the f32 file that it was made from")
    if path.with_name(path.name + SIDECAR).exists():
        raise ExportError(f"{path} has its weights in a file beside it: only a model in one file is quantised")
    card.precision_for("int8")
    return card


def split_frames(sources: Sequence[FrameSource], most: int) -> Split:
    """Choose up to `most` frames, evenly spread over all that the sources give, and share them out in turn.

    One pass, in which no more than these are kept: whenever there are too many, every other one goes, so that half of
    `most` may be all. A truth is left aside: what judges is the scan. Raises ExportError when there are fewer than two.
    """
    kept: list[Sample] = []
    step = 1
    for number, sample in enumerate(chain.from_iterable(source.samples() for source in sources)):
        if number % step == 0:
            kept.append(sample._replace(truth=None))
        if len(kept) > most:
            kept, step = kept[::2], 2 * step
    if len(kept) < 2:
        given = ", ".join(source.name for source in sources)
        raise ExportError(f"{given} gives {len(kept)} frames: give 2 or more, to calibrate on and to judge by")
    return Split(kept[::2], kept[1::2])


def graph_inputs(path: Path, samples: Sequence[Sample], threads: int = 0) -> list[Arrays]:
    """Return what the completion gives the graph for whole scans, one batch of 1 per sample.

    A frame that cannot be completed is left out with a warning. Raises EvaluationError when none can, and ModelError
    when the model does not keep the contract.
    """
    model = _Listener(path, ENGINE, threads=threads)
    pipeline = LearnedCompletion(CompletionConfig(), model, str(path))
    faults = [_fault(pipeline, sample) for sample in samples]
    pipeline.close()
    left_out_facts(faults, "frames to calibrate on")
    return model.heard


def judge(
    files: Mapping[str, Path],
    samples: Sequence[Sample],
    name: str,
    holdout: int = 4,
    threads: int = 0,
    watch: Watch = iter,
) -> tuple[list[Judged], dict[str, Any]]:
    """Complete every `holdout`-th ring of the samples with each file, and score on the returns of the others.

    files: by scheme, f32 first. All take turns at each frame, on ONNX Runtime. name: of where the samples come from.
    Also returns the facts of the evaluation. A frame that one of the files cannot take counts for none. Raises
    EvaluationError when nothing is left.
    """
    result = replay(
        [_Kept(name, samples)],
        [str(path) for path in files.values()],
        EvaluationConfig(holdout=holdout),
        completion=CompletionConfig(engine=ENGINE, threads=threads),
        watch=watch,
    )
    means = {scheme: _mean(result, str(path)) for scheme, path in files.items()}
    rows = [
        Judged(scheme, path, _values(scheme, path, means[scheme], means["f32"]["rmse_mm"]))
        for scheme, path in files.items()
    ]
    return rows, result.facts


@dataclass
class _Kept:
    """Frames in memory as a FrameSource."""

    name: str
    kept: Sequence[Sample]
    faults: list[str] = field(default_factory=list)

    def samples(self) -> Iterator[Sample]:
        return iter(self.kept)


class _Listener(Model):
    """Keeps what the graph would get, and answers with the prior, so that nothing is inferred."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.heard: list[Arrays] = []

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> Arrays:
        self.heard.append(self.batch(inputs))
        return {"depth": inputs["prior_depth"]}


def _fault(pipeline: LearnedCompletion, sample: Sample) -> str:
    """Complete a frame; return why it cannot be, or nothing."""
    try:
        pipeline.process(sample.frame)
    except DepthRosError as error:
        return f"frame {sample.name}: {error}"
    return ""


def _mean(result: Result, method: str) -> dict[str, float]:
    wanted = (method, INSIDE, ALL_RANGES)
    return next(mean.values for mean in result.means() if (mean.method, mean.region, mean.range) == wanted)


def _values(scheme: str, path: Path, mean: Mapping[str, float], before: float) -> dict[str, float]:
    after = mean["rmse_mm"]
    return {
        "rmse_mm": after,
        "mae_mm": mean["mae_mm"],
        "ratio": after / before if before else 1.0 + after,
        "time_ms": math.nan if scheme == "s8s8" else mean["time_ms"],
        "megabytes": path.stat().st_size / 1e6,
    }
