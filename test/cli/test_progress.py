"""What a long verb shows of its progress: a bar on a terminal, else a plain line every ten seconds, at one place."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from depth_ros import cli
from depth_ros.cli import progress
from depth_ros.cli.progress import shown, watched


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "monotonic", clock)
    return clock


def frames(clock: Clock, count: int, each_s: float) -> Iterator[int]:
    for number in range(count):
        clock.now += each_s
        yield number


def test_where_there_is_no_terminal_a_line_comes_every_ten_seconds(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    assert list(watched(frames(clock, 25, 1.0), 25, what="rendering", unit="frames")) == list(range(25))
    told = capsys.readouterr()
    assert told.err.splitlines() == ["rendering: 10 of 25 frames", "rendering: 20 of 25 frames"]
    assert told.out == ""


def test_what_is_done_sooner_tells_nothing(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(list(watched(frames(clock, 99, 0.1), what="scoring", unit="frames"))) == 99
    assert capsys.readouterr().err == ""


def test_items_slower_than_that_are_each_told(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    list(watched(frames(clock, 2, 60.0), what="scoring", unit="frames"))
    assert capsys.readouterr().err.splitlines() == ["scoring: 1 frames", "scoring: 2 frames"]


def test_of_how_much_it_is_may_be_known_late(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with shown("model.onnx", "MB") as tell:
        clock.now = 10
        tell(12.4)
        clock.now = 20
        tell(25.0, 100.0)
    assert capsys.readouterr().err.splitlines() == ["model.onnx: 12 MB", "model.onnx: 25 of 100 MB"]


def test_a_terminal_shows_a_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tqdm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with shown("model.onnx", "MB") as tell:
        tell(30.0, 60.0)
    list(watched(range(3), 3, what="rendering", unit="frames"))
    told = capsys.readouterr().err
    assert "\rrendering:" in told
    assert "3/3" in told or "0/3" in told
    assert "\n" not in told


def test_it_is_the_one_place() -> None:
    folder = Path(cli.__file__).parent
    others = [path.name for path in folder.glob("*.py") if path.name != "progress.py"]
    assert [name for name in others if "tqdm import" in (folder / name).read_text()] == []
