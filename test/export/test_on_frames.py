from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from depth_ros.bags.sample import Sample
from depth_ros.bags.source import open_source
from depth_ros.config import CompletionConfig
from depth_ros.engines.onnx_runtime import OnnxRuntimeEngine
from depth_ros.errors import EvaluationError, ExportError, ModelError
from depth_ros.export.cards import write_card
from depth_ros.export.on_frames import Judged, check_source, graph_inputs, judge, split_frames
from depth_ros.export.quantize import quantize
from depth_ros.models.card import read_card
from depth_ros.pipelines.factory import make_pipeline
from depth_ros.synthetic.bag import write_synthetic_bag


class Numbers:
    """A source whose frames are named by their numbers."""

    def __init__(self, *numbers: int) -> None:
        self.name, self.faults, self._numbers = "numbers", [""], numbers

    def samples(self) -> Iterator[Any]:
        return (Sample(str(number), None, truth=np.ones(1)) for number in self._numbers)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    path = tmp_path_factory.mktemp("synthetic") / "street"
    write_synthetic_bag(path, 0.5, 4, width=150, height=90, lidar="spin16")
    return [sample._replace(truth=None) for sample in open_source(path).samples()]


def copy_with(source: Path, out: Path, **facts: Any) -> Path:
    out.write_bytes(source.read_bytes())
    write_card(out, replace(read_card(source), **facts))
    return out


@pytest.mark.parametrize(
    ("given", "most", "calibrating", "judging"),
    [
        ([range(2)], 32, [0], [1]),
        ([range(5)], 5, [0, 2, 4], [1, 3]),
        ([range(5)], 4, [0, 4], [2]),
        ([range(100)], 8, [0, 32, 64, 96], [16, 48, 80]),
        ([range(3), range(10, 13)], 6, [0, 2, 11], [1, 10, 12]),
    ],
)
def test_frames_are_spread_and_shared_out_in_turn(
    given: list[range], most: int, calibrating: list[int], judging: list[int]
) -> None:
    split = split_frames([Numbers(*numbers) for numbers in given], most)
    assert [int(sample.name) for sample in split.calibrating] == calibrating
    assert [int(sample.name) for sample in split.judging] == judging
    assert all(sample.truth is None for sample in (*split.calibrating, *split.judging))


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_frames_are_none(count: int) -> None:
    with pytest.raises(ExportError, match=f"numbers gives {count} frames: give 2 or more"):
        split_frames([Numbers(*range(count))], 32)


def test_inputs_are_what_the_engine_gets_when_the_frame_is_completed(
    exported: Path, street: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[dict[str, Any]] = []
    run = OnnxRuntimeEngine.run

    def listen(engine: OnnxRuntimeEngine, inputs: dict[str, Any]) -> dict[str, Any]:
        heard.append(inputs)
        return run(engine, inputs)

    pipeline = make_pipeline(CompletionConfig(model=str(exported), engine="onnxruntime"))
    monkeypatch.setattr(OnnxRuntimeEngine, "run", listen)
    pipeline.process(street[0].frame)
    assert len(heard) == 1
    (found,) = graph_inputs(exported, street[:1])
    assert found["sparse_depth"].shape == (1, 96, 160)
    assert found["sparse_depth"].any()
    assert list(found) == list(heard[0])
    for name, array in found.items():
        np.testing.assert_array_equal(array, heard[0][name])


def test_a_frame_without_a_scan_is_left_out_and_all_of_them_are_an_error(exported: Path, street: list[Sample]) -> None:
    blind = street[0]._replace(name="blind", frame=replace(street[0].frame, points=None))
    assert len(graph_inputs(exported, [blind, *street[:2]])) == 2
    with pytest.raises(EvaluationError, match=r"^frame blind: the frame has no LiDAR points"):
        graph_inputs(exported, [blind])


def test_files_are_judged_side_by_side_on_held_out_beams(exported: Path, street: list[Sample], tmp_path: Path) -> None:
    files = {"f32": exported, "u8s8": tmp_path / "u8s8.onnx", "s8s8": tmp_path / "same.onnx"}
    quantize(exported, files["u8s8"], graph_inputs(exported, street[::2]))
    files["s8s8"].write_bytes(exported.read_bytes())
    (before, integer, same), facts = judge(files, street[1::2], "street")
    assert before.values["ratio"] == same.values["ratio"] == 1
    assert same.values["rmse_mm"] == before.values["rmse_mm"] > 0
    assert integer.values["rmse_mm"] != before.values["rmse_mm"]
    assert integer.values["ratio"] == integer.values["rmse_mm"] / before.values["rmse_mm"]
    assert integer.values["time_ms"] > 0
    assert np.isnan(same.values["time_ms"])
    assert facts["frames"] == len(street[1::2])
    assert facts["given"] == "ring 0 of every 4"
    assert facts["scored on"] == "the returns of the other rings"


@pytest.mark.parametrize(
    ("ratio", "accepted"), [(0.9, True), (1.0199, True), (1.0201, False), (float("nan"), False), (float("inf"), False)]
)
def test_more_than_two_per_cent_worse_is_refused(ratio: float, accepted: bool) -> None:
    assert Judged("u8s8", Path("a.onnx"), {"ratio": ratio}).accepted is accepted


def test_models_that_cannot_be_quantised(exported: Path, tmp_path: Path) -> None:
    assert check_source(exported) == read_card(exported)
    for facts, told in (
        ({"task": "metric"}, "is a metric model: held-out beams judge completion models alone"),
        ({"precision": "int8"}, "is int8 already: give the f32 file"),
        ({"precision": "f16"}, "is f16 already"),
    ):
        with pytest.raises(ExportError, match=told):
            check_source(copy_with(exported, tmp_path / "a.onnx", **facts))
    with pytest.raises(ModelError, match="must be computed in f32"):
        check_source(copy_with(exported, tmp_path / "a.onnx", exact=True))
    (tmp_path / "a.onnx.data").write_bytes(b"0")
    with pytest.raises(ExportError, match="has its weights in a file beside it"):
        check_source(copy_with(exported, tmp_path / "a.onnx"))
    bare = onnx.load(exported)
    del bare.metadata_props[:]
    onnx.save(bare, tmp_path / "bare.onnx")
    with pytest.raises(ModelError, match="has no card"):
        check_source(tmp_path / "bare.onnx")
