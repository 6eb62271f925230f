from __future__ import annotations

import builtins
import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from depth_ros.training.logs import Board, CsvLog, RunLog


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_rows_are_there_at_once(tmp_path: Path) -> None:
    log = CsvLog(tmp_path / "log.csv", 0)
    log.add({"step": 1, "loss": 0.123456789})
    assert read(tmp_path / "log.csv") == [{"step": "1", "loss": "0.123457"}]
    log.add({"step": 2, "loss": 0.1, "new": 3})
    assert [row["step"] for row in read(tmp_path / "log.csv")] == ["1", "2"]


def test_a_resumed_run_cuts_what_came_later(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    log = CsvLog(path, 0)
    for step in (10, 20, 30):
        log.add({"step": step, "loss": 0.5})
    with path.open("a") as file:
        file.write("1")
    log = CsvLog(path, 20)
    log.add({"step": 25, "loss": 0.25})
    assert [row["step"] for row in read(path)] == ["10", "20", "25"]


def test_a_new_run_starts_an_empty_file(tmp_path: Path) -> None:
    CsvLog(tmp_path / "log.csv", 0).add({"step": 5, "loss": 1.0})
    CsvLog(tmp_path / "log.csv", 0).add({"step": 1, "other": 2.0})
    assert read(tmp_path / "log.csv") == [{"step": "1", "other": "2"}]


def test_without_tensorboard_one_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any) -> Any:
        if "tensorboard" in name:
            raise ImportError(name)
        return real(name, *args)

    monkeypatch.setattr(builtins, "__import__", without)
    with caplog.at_level("INFO"):
        board = Board(tmp_path / "board", 0)
    board.scalars("train", {"loss": 1.0}, 1)
    board.picture("a", np.zeros((4, 4, 3), np.uint8), 1)
    board.close()
    assert "pip install tensorboard" in caplog.text
    assert not (tmp_path / "board").exists()


def test_a_validation_is_told_and_kept(tmp_path: Path) -> None:
    lines: list[str] = []
    log = RunLog(tmp_path, 0, lines.append)
    log.validation({"step": 4, "set": "synthetic", "image": "no image", "mae_mm": 12.34567})
    log.pictures({"one": np.zeros((4, 4, 3), np.uint8)}, 4)
    log.close()
    assert lines == ["  synthetic  no image  mae_mm 12.35"]
    assert read(tmp_path / "validation.csv")[0]["mae_mm"] == "12.3457"
