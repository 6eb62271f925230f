from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import sleep
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from depth_ros.bags.sample import Sample
from depth_ros.bags.source import open_source
from depth_ros.config import CompletionConfig
from depth_ros.errors import EvaluationError, ModelError
from depth_ros.evaluation.cases import EvaluationConfig
from depth_ros.evaluation.replay import replay, spread
from depth_ros.evaluation.result import ALL_RANGES, INSIDE, Result
from depth_ros.frame import PointCloud
from depth_ros.pipelines.factory import resolve


@dataclass
class Listed:
    """A FrameSource in memory."""

    name: str
    items: list[Sample]
    faults: list[str] = field(default_factory=list)

    def samples(self) -> Iterator[Sample]:
        return iter(self.items)


def named(sample: Sample, count: int) -> list[Sample]:
    return [sample._replace(name=str(number)) for number in range(count)]


def whole(result: Result) -> dict[tuple[str, str, str], dict[str, float]]:
    return {
        (score.source, score.frame, score.method): {k: v for k, v in score.values.items() if k != "time_ms"}
        for score in result.scores
        if (score.region, score.range) == (INSIDE, ALL_RANGES)
    }


def test_every_sample_of_every_source_is_scored_by_every_method(sample: Sample) -> None:
    sources = [Listed("a", named(sample, 2)), Listed("b", named(sample, 1))]
    result = replay(sources, ["auto", "classical", "nearest"], EvaluationConfig())
    frames = [("a", "0"), ("a", "1"), ("b", "0")]
    # auto is the bundled model where an engine can run it, and the classical completion elsewhere.
    methods = dict.fromkeys([resolve("auto"), "classical", "nearest"])
    assert list(whole(result)) == [(*frame, method) for frame in frames for method in methods]
    assert result.facts["frames"] == 3
    assert result.facts["given"] == "ring 0 of every 4"
    assert result.config["evaluation"]["holdout"] == 0


def test_time_is_without_the_making_of_the_engine_and_what_runs_it_is_said(
    sample: Sample, make_toy: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime")
    from depth_ros.engines.onnx_runtime import OnnxRuntimeEngine

    build, slow_ms = OnnxRuntimeEngine._build, 2000

    def slow_build(self: OnnxRuntimeEngine, shapes: Any) -> None:
        sleep(slow_ms / 1e3)
        build(self, shapes)

    monkeypatch.setattr(OnnxRuntimeEngine, "_build", slow_build)
    completion = CompletionConfig(engine="onnxruntime", threads=1)
    result = replay([Listed("a", [sample])], [str(make_toy())], EvaluationConfig(), completion=completion)
    assert result.scores[0].values["time_ms"] < slow_ms
    assert result.facts["models"].startswith("toy 1.0 by onnxruntime ")
    assert result.facts["models"].endswith(" on CPU, 1 thread, f32")


def test_without_the_image_is_a_row_of_its_own(sample: Sample) -> None:
    result = replay([Listed("a", [sample])], ["classical", "nearest"], EvaluationConfig(), no_image=True)
    assert [method for _, _, method in whole(result)] == ["classical", "classical, no image", "nearest"]


def test_completion_beats_nearest_fill_on_flat_ground(sample: Sample) -> None:
    result = replay([Listed("a", [sample])], ["classical", "nearest"], EvaluationConfig())
    mae = {method: values["mae_mm"] for (_, _, method), values in whole(result).items()}
    assert mae["classical"] < 0.5 * mae["nearest"]
    assert all(value["answered"] > 0.9 for value in whole(result).values())


def test_nearest_states_no_sigma(sample: Sample) -> None:
    (values,) = whole(replay([Listed("a", [sample])], ["nearest"], EvaluationConfig())).values()
    assert math.isnan(values["within_1_sigma"])


def test_workers_find_the_same(tmp_path: Path, sample: Sample) -> None:
    source = Listed("a", named(sample, 5))
    alone, together = (
        replay([source], ["classical"], EvaluationConfig(), workers=workers, folder=tmp_path, pictures=1)
        for workers in (1, 2)
    )
    assert whole(alone) == whole(together)
    assert alone.pictures == together.pictures


def test_equal_names_of_sources_are_told_apart(sample: Sample) -> None:
    result = replay([Listed("a", [sample]), Listed("a", [sample])], ["nearest"], EvaluationConfig())
    assert {score.source for score in result.scores} == {"a (1)", "a (2)"}


def test_pictures_are_spread_over_a_source_and_drawn_per_method(tmp_path: Path, sample: Sample) -> None:
    source = Listed("a/b", named(sample, 5))
    result = replay([source], ["classical", "nearest"], EvaluationConfig(), folder=tmp_path, pictures=2)
    assert [picture.title for picture in result.pictures] == [
        "a/b / 0: classical",
        "a/b / 0: nearest",
        "a/b / 4: classical",
        "a/b / 4: nearest",
    ]
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == [
        "a_b_0000_classical.jpg",
        "a_b_0000_nearest.jpg",
        "a_b_0004_classical.jpg",
        "a_b_0004_nearest.jpg",
    ]
    assert "MAE" in result.pictures[0].caption


def test_spread_goes_from_first_to_last() -> None:
    assert spread(25, 3) == [0, 12, 24]
    assert spread(2, 6) == [0, 1]
    assert spread(5, 1) == [0]
    assert spread(5, 0) == spread(0, 5) == []


def test_progress_sees_every_sample(sample: Sample) -> None:
    seen = []

    def watch(outcomes: Iterable[Any]) -> Iterator[Any]:
        for outcome in outcomes:
            seen.append(outcome)
            yield outcome

    replay([Listed("a", named(sample, 3))], ["nearest"], EvaluationConfig(), watch=watch)
    assert len(seen) == 3


def faulty(sample: Sample) -> list[Sample]:
    """Frames 1 and 2 are good; 0 has an empty cloud, 3 an image of another size, 4 a truth of another size."""
    empty = replace(sample.frame, points=PointCloud(np.zeros((0, 3), np.float32)))
    small = replace(sample.frame, rgb=np.zeros((48, 80, 3), np.uint8))
    changed: dict[int, dict[str, Any]] = {
        0: {"frame": empty},
        3: {"frame": small},
        4: {"truth": np.ones((48, 80), np.float32)},
    }
    return [entry._replace(**changed.get(number, {})) for number, entry in enumerate(named(sample, 5))]


@pytest.mark.parametrize("workers", [1, 2])
def test_faulty_frames_are_left_out_and_counted(
    sample: Sample, tmp_path: Path, workers: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        source = Listed("a", faulty(sample))
        result = replay([source], ["classical"], EvaluationConfig(), workers=workers, folder=tmp_path, pictures=5)
    assert [frame for _, frame, _ in whole(result)] == ["1", "2"]
    assert (result.facts["frames"], result.facts["left out"]) == (2, 3)
    assert result.facts["first left out"].startswith("a/0: the scan holds no points")
    assert len(result.pictures) == 2
    (warning,) = [record.getMessage() for record in caplog.records]
    assert warning.startswith("3 of 5 frames are left out; first: a/0: the scan holds no points")


def test_frames_that_the_source_could_not_read_are_counted(sample: Sample) -> None:
    facts = replay([Listed("a", [sample], ["7: cut"])], ["nearest"], EvaluationConfig()).facts
    assert (facts["frames"], facts["left out"], facts["first left out"]) == (1, 1, "a/7: cut")


def test_good_frames_leave_nothing_out(sample: Sample) -> None:
    facts = replay([Listed("a", [sample])], ["nearest"], EvaluationConfig()).facts
    assert facts["left out"] == 0
    assert "first left out" not in facts


def test_nothing_left_names_the_first_fault(sample: Sample) -> None:
    broken = sample._replace(name="7", frame=replace(sample.frame, points=None))
    for workers in (1, 2):
        with pytest.raises(EvaluationError, match=r"^a/7: there is no LiDAR scan"):
            replay([Listed("a", [broken])], ["nearest"], EvaluationConfig(), workers=workers)
    with pytest.raises(EvaluationError, match=r"^a/7: there is no LiDAR scan.* \(and so all 2 frames\)"):
        replay([Listed("a", [broken, broken])], ["nearest"], EvaluationConfig())


def test_nothing_to_score_and_unknown_model_are_said(sample: Sample, truth: NDArray[np.float32]) -> None:
    with pytest.raises(EvaluationError, match="nothing to score in a"):
        replay([Listed("a", [])], ["nearest"], EvaluationConfig())
    unknown = sample._replace(truth=np.full_like(truth, np.nan))
    with pytest.raises(EvaluationError, match="nothing to score in a"):
        replay([Listed("a", [unknown])], ["nearest"], EvaluationConfig())
    with pytest.raises(ModelError, match="unknown model 'magic'"):
        replay([Listed("a", [sample])], ["magic"], EvaluationConfig())


@pytest.mark.real
def test_reference_figures_of_nearest_fill_on_kitti(real_data: Path) -> None:
    sources = [open_source(real_data / "kitti" / name) for name in ("object_training", "object_testing")]
    result = replay(sources, ["nearest"], EvaluationConfig(holdout=4))
    values = whole(result).values()
    assert len(values) == 11
    assert np.mean([entry["rmse_mm"] for entry in values]) == pytest.approx(2793, rel=0.03)
    assert np.mean([entry["mae_mm"] for entry in values]) == pytest.approx(1004, rel=0.03)
