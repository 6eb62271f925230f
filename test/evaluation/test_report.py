from __future__ import annotations

import math
import re
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from depth_ros.errors import EvaluationError
from depth_ros.evaluation.report import headline, text_table, write_report
from depth_ros.evaluation.result import ALL_RANGES, INSIDE, OUTSIDE, Picture, Result, Score


def result(picture: str = "pictures/a.png", name: str = "drive") -> Result:
    scores = []
    for frame, shift in (("0", 0.0), ("1", 20.0)):
        for method, mae in (("classical", 123.0), ("nearest", 456.0)):
            values = {"pixels": 5.0, "mae_mm": mae + shift, "delta1": 0.5, "within_1_sigma": math.nan}
            scores += [
                Score(name, frame, method, INSIDE, ALL_RANGES, values),
                Score(name, frame, method, INSIDE, "0-10 m", {**values, "mae_mm": mae / 3}),
                Score(name, frame, method, OUTSIDE, ALL_RANGES, {**values, "mae_mm": 999.0}),
            ]
    return Result(
        "Depth of <drive>",
        scores,
        {"frames": 2},
        ["A sentence."],
        {"evaluation": {"holdout": 4}},
        pictures=[Picture(picture, "t", "c")],
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pictures").mkdir()
    cv2.imwrite(str(tmp_path / "pictures" / "a.png"), np.zeros((2, 2, 3), np.uint8))
    return tmp_path


class Checker(HTMLParser):
    """Keeps the links, and that every tag that is opened is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [str(value) for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img", "br", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_page_is_whole_and_needs_nothing_from_outside(folder: Path) -> None:
    page = write_report(result(), folder).read_text()
    checker = Checker()
    checker.feed(page)
    assert checker.open == []
    assert checker.links
    assert all(link.startswith("data:image/png;base64,") for link in checker.links)
    assert "http" not in page
    assert "url(" not in page
    assert Result.load(folder / "metrics.json").title == "Depth of <drive>"


def test_page_shows_every_part(folder: Path) -> None:
    page = re.sub(r"<[^>]*>", " ", write_report(result(), folder).read_text())
    for text in (
        "Depth of &lt;drive&gt;",
        "133",
        "466",
        "41",
        "999",
        "A sentence.",
        "evaluation.holdout",
        "numpy",
        "Every frame",
    ):
        assert text in page, text


def test_names_are_escaped(folder: Path) -> None:
    assert "<script>" not in write_report(result(name="<script>"), folder).read_text()


def test_page_without_pictures_and_scores(tmp_path: Path) -> None:
    assert "Pictures" not in write_report(Result("Empty", []), tmp_path).read_text()


def test_missing_picture_and_unwritable_folder_are_said(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="cannot be read"):
        write_report(result("pictures/none.jpg"), tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(EvaluationError, match="cannot be written"):
        write_report(Result("Empty", []), tmp_path / "file")


def test_text_table_aligns_and_marks_the_best() -> None:
    lines = text_table(headline(result().means())).splitlines()
    assert lines[0].split("  ")[0] == "method"
    assert "MAE [mm]" in lines[0]
    assert lines[1].split()[:2] == ["classical", "133*"]
    assert lines[2].split()[:2] == ["nearest", "466"]
    assert lines[1].index("133*") == lines[2].index("466 ")
    assert "sigma" not in lines[0], "a column without a value is left out"


def test_a_tie_marks_both_and_a_single_row_marks_none() -> None:
    table = headline([mean for mean in result().means() if mean.method == "nearest"])
    assert not any(cell.best for group in table.groups for row in group for cell in row.cells)
    both = headline(result().means())
    (classical, nearest) = both.groups[0]
    assert classical.cells[1].best
    assert nearest.cells[1].best


def test_several_sources_are_named_and_compared_apart() -> None:
    table = headline([*result().means(), *result(name="other").means()])
    assert table.labels == ("source", "method")
    assert [[row.names[0] for row in group] for group in table.groups] == [["drive"] * 2, ["other"] * 2]
