"""What a run tells and writes as it goes: lines, rows of CSV, TensorBoard where that is installed."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from depth_ros.training.pictures import Rgb

Tell = Callable[[str], None]
TRAIN_LOG, VALIDATION_LOG, BOARD = "log.csv", "validation.csv", "tensorboard"
_log = logging.getLogger("depth_ros")


class CsvLog:
    """A CSV file that grows by rows, of which the column `step` says when; a resumed run cuts what came after it.

    The first row of a new file decides the columns.
    """

    def __init__(self, path: Path, after_step: int) -> None:
        self._path = path
        with path.open(newline="", encoding="utf-8") if path.is_file() else _nothing() as file:
            reader = csv.DictReader(file)
            whole = [row for row in reader if None not in row.values()]  # a power cut may leave half a row
            kept = [row for row in whole if int(row["step"]) <= after_step]
        self._columns = list(reader.fieldnames or ()) if kept else []
        path.unlink(missing_ok=True)
        for row in kept:
            self.add(row)

    def add(self, row: Mapping[str, Any]) -> None:
        """Append one row; values of columns that the file has not are left out."""
        new = not self._columns
        self._columns = self._columns or list(row)
        with self._path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self._columns, extrasaction="ignore")
            if new or file.tell() == 0:
                writer.writeheader()
            writer.writerow({name: _short(value) for name, value in row.items()})


class Board:
    """TensorBoard's files, or nothing where it is not installed."""

    def __init__(self, folder: Path, after_step: int) -> None:
        self._writer: Any = None
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            _log.info("no TensorBoard curves and pictures: pip install tensorboard brings them")
            return
        self._writer = SummaryWriter(str(folder), purge_step=after_step + 1 if after_step else None)

    def scalars(self, group: str, values: Mapping[str, float], step: int) -> None:
        """Add one point to the curve of every value."""
        if self._writer is not None:
            for name, value in values.items():
                self._writer.add_scalar(f"{group}/{name}", value, step)

    def picture(self, name: str, picture: Rgb, step: int) -> None:
        """Add a picture, uint8 [H,W,3] RGB."""
        if self._writer is not None:
            self._writer.add_image(name, picture, step, dataformats="HWC")

    def close(self) -> None:
        """Write what is left."""
        if self._writer is not None:
            self._writer.close()


class RunLog:
    """All that a run tells: lines to `tell`, log.csv, validation.csv and tensorboard/ in `out`.

    after_step: where the run goes on; what a killed run wrote later than that is cut.
    """

    def __init__(self, out: Path, after_step: int, tell: Tell) -> None:
        self.tell = tell
        self._train = CsvLog(out / TRAIN_LOG, after_step)
        self._validation = CsvLog(out / VALIDATION_LOG, after_step)
        self._board = Board(out / BOARD, after_step)

    def train(self, line: str, row: Mapping[str, float]) -> None:
        """Tell how training goes; row: numbers by name, of which one is `step`."""
        self.tell(line)
        self._train.add(row)
        self._board.scalars("train", row, int(row["step"]))

    def validation(self, row: Mapping[str, Any]) -> None:
        """Tell one row of a validation: `step`, words, and numbers by name."""
        words = [value for value in row.values() if isinstance(value, str)]
        numbers = {name: value for name, value in row.items() if isinstance(value, float)}
        self.tell("  ".join(["", *words, *(f"{name} {value:.4g}" for name, value in numbers.items())]))
        self._validation.add(row)
        self._board.scalars(f"validation {' '.join(words)}", numbers, row["step"])

    def pictures(self, pictures: Mapping[str, Rgb], step: int) -> None:
        """Add pictures, uint8 [H,W,3] RGB by name, to the board."""
        for name, picture in pictures.items():
            self._board.picture(name, picture, step)

    def close(self) -> None:
        """Write what is left."""
        self._board.close()


def _short(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value


def _nothing() -> io.StringIO:
    return io.StringIO()
