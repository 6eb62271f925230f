from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from depth_ros.errors import EvaluationError
from depth_ros.evaluation.result import ALL_RANGES, COLUMNS, INSIDE, Picture, Result, Score


def score(frame: str, method: str = "classical", **values: float) -> Score:
    return Score("drive", frame, method, INSIDE, ALL_RANGES, {"pixels": 10.0, **values})


def result() -> Result:
    return Result(
        "Depth of drive",
        [score("0", mae_mm=100.0, time_ms=5.0), score("1", mae_mm=300.0, time_ms=100.0), score("2", mae_mm=math.nan)],
        facts={"frames": 3},
        protocol=["One sentence."],
        config={"evaluation": {"holdout": 4}},
        pictures=[Picture("pictures/a.jpg", "a", "b")],
    )


def test_means_leave_out_nan_and_take_the_median_time() -> None:
    (mean,) = result().means()
    assert mean.values["mae_mm"] == 200.0
    assert mean.values["time_ms"] == 52.5
    assert mean.values["pixels"] == 30.0
    assert mean.frames == 3


def test_frames_without_pixels_are_not_counted() -> None:
    empty = score("1", mae_mm=math.nan)
    empty.values["pixels"] = 0.0
    (mean,) = Result("t", [score("0", mae_mm=7.0), empty]).means()
    assert (mean.frames, mean.values["mae_mm"]) == (1, 7.0)


def test_means_keep_the_order_of_appearance() -> None:
    scores = [
        score("0", method="b", mae_mm=1.0),
        score("0", method="a", mae_mm=1.0),
        score("1", method="b", mae_mm=1.0),
    ]
    assert [mean.method for mean in Result("t", scores).means()] == ["b", "a"]


def test_json_round_trip(tmp_path: Path) -> None:
    stored = result()
    again = Result.load(stored.save(tmp_path / "new" / "metrics.json"))
    assert math.isnan(again.scores[2].values["mae_mm"])
    assert again.to_json() == stored.to_json()
    assert again.pictures == stored.pictures
    assert again.scores[:2] == stored.scores[:2]


def test_json_is_strict_and_holds_the_means() -> None:
    content = json.loads(result().to_json(), parse_constant=pytest.fail)
    assert content["means"][0]["values"]["mae_mm"] == 200.0
    assert content["scores"][2]["values"]["mae_mm"] is None
    assert {"depth_ros", "python", "numpy", "opencv", "scipy"} <= content["versions"].keys()


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "not json", '{"format": "depth_ros result 1", "scores": [{"values": 3}]}']
)
def test_what_is_no_result_is_said(tmp_path: Path, text: str) -> None:
    path = tmp_path / "metrics.json"
    path.write_text(text)
    with pytest.raises(EvaluationError, match=r"metrics\.json is no result"):
        Result.load(path)


def test_another_format_is_said(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    path.write_text('{"format": "depth_ros result 9"}')
    with pytest.raises(EvaluationError, match="this version reads"):
        Result.load(path)


def test_missing_and_unwritable_files_are_said(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="cannot be read"):
        Result.load(tmp_path / "none.json")
    (tmp_path / "file").write_text("")
    with pytest.raises(EvaluationError, match="cannot be written"):
        result().save(tmp_path / "file" / "metrics.json")


def test_columns_scale_shares_to_percent_and_show_a_dash_for_nothing() -> None:
    delta1 = next(column for column in COLUMNS if column.key == "delta1")
    assert delta1.text({"delta1": 0.98765}) == "98.77"
    assert delta1.text({"delta1": math.nan}) == delta1.text({}) == "-"
