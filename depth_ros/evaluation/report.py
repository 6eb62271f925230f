"""One HTML page, self-contained, from a stored result and its pictures."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from depth_ros.errors import EvaluationError
from depth_ros.evaluation.result import ALL_RANGES, COLUMNS, INSIDE, OUTSIDE, Column, Mean, Result, Score

PAGE, NUMBERS, PICTURES = "report.html", "metrics.json", "pictures"
TEMPLATE = Path(__file__).with_name("report.html.jinja")
_MEDIA = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}
Group = Sequence[tuple[tuple[str, ...], Mapping[str, float]]]


class Cell(NamedTuple):
    """One value as text; `best` marks the best of its column."""

    text: str
    best: bool = False


class Row(NamedTuple):
    """The row's names (method, frame, range) and its cells."""

    names: tuple[str, ...]
    cells: list[Cell]


class Table(NamedTuple):
    """A table for people: what its rows are called, and one cell per column; rows are compared within their group."""

    labels: tuple[str, ...]
    columns: list[Column]
    groups: list[list[Row]]


def write_report(result: Result, folder: Path) -> Path:
    """Write the page and the result's JSON into `folder`, where the result's pictures lie, and return the page's path.

    The page holds everything (pictures too), so that it can be sent as one file. Raises EvaluationError when a picture
    is missing or the folder cannot be written.
    """
    result.save(folder / NUMBERS)
    page = folder / PAGE
    try:
        page.write_text(render(result, folder), encoding="utf-8")
    except OSError as error:
        raise EvaluationError(f"report {page} cannot be written ({error.strerror}): give another folder") from error
    return page


def render(result: Result, folder: Path) -> str:
    """Return the page's HTML; `folder` is where the result's pictures lie."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(
        result=result,
        sources=[_sections(result, name) for name in dict.fromkeys(score.source for score in result.scores)],
        columns=COLUMNS,
        pictures=[(picture, _data_uri(folder / picture.path)) for picture in result.pictures],
    )


def headline(means: Sequence[Mean]) -> Table:
    """Return the table of each source's methods inside the covered rows, over all ranges."""
    chosen = [mean for mean in means if (mean.region, mean.range) == (INSIDE, ALL_RANGES)]
    several = len({mean.source for mean in chosen}) > 1
    sources = dict.fromkeys(mean.source for mean in chosen)
    groups = [
        [
            ((source, mean.method) if several else (mean.method,), mean.values)
            for mean in chosen
            if mean.source == source
        ]
        for source in sources
    ]
    return _table(("source", "method") if several else ("method",), groups)


def text_table(table: Table) -> str:
    """Return a table as aligned plain text; the best of a column carries an asterisk."""
    head = [*table.labels, *(f"{column.heading} " for column in table.columns)]
    body = [
        [*row.names, *(cell.text + ("*" if cell.best else " ") for cell in row.cells)]
        for group in table.groups
        for row in group
    ]
    widths = [max(map(len, column)) for column in zip(head, *body, strict=True)]
    lines = ["  ".join(_aligned(row, widths, len(table.labels))).rstrip() for row in (head, *body)]
    return "\n".join(lines)


def _aligned(words: list[str], widths: list[int], names: int) -> list[str]:
    left = [word.ljust(width) for word, width in zip(words[:names], widths[:names], strict=True)]
    return left + [word.rjust(width) for word, width in zip(words[names:], widths[names:], strict=True)]


def _sections(result: Result, source: str) -> dict[str, Any]:
    """Collect one source's tables: the headline, by range, outside, and per frame."""
    means = [mean for mean in result.means() if mean.source == source]
    inside = [mean for mean in means if mean.region == INSIDE]
    spans = dict.fromkeys(mean.range for mean in inside if mean.range != ALL_RANGES)
    by_range = [[((m.range, m.method), m.values) for m in inside if m.range == span] for span in spans]
    outside = [[((m.method,), m.values) for m in means if m.region == OUTSIDE]]
    scores = [s for s in result.scores if (s.source, s.region, s.range) == (source, INSIDE, ALL_RANGES)]
    frames = [[((s.frame, s.method), s.values) for s in scores if s.frame == name] for name in _names(scores)]
    return {
        "name": source,
        "frames": max((mean.frames for mean in means), default=0),
        "headline": headline(means),
        "by_range": _table(("range", "method"), by_range),
        "outside": _table(("method",), outside),
        "per_frame": _table(("frame", "method"), frames),
    }


def _names(scores: Sequence[Score]) -> list[str]:
    return list(dict.fromkeys(score.frame for score in scores))


def _table(labels: tuple[str, ...], groups: Sequence[Group]) -> Table:
    values = [values for group in groups for _, values in group]
    columns = [column for column in COLUMNS if any(column.text(entry) != "-" for entry in values)]
    return Table(labels, columns, [_group(columns, group) for group in groups])


def _group(columns: list[Column], rows: Group) -> list[Row]:
    best = {column.key: _best(column, [values for _, values in rows]) for column in columns}
    return [
        Row(names, [Cell(c.text(values), c.text(values) == best[c.key]) for c in columns]) for names, values in rows
    ]


def _best(column: Column, rows: list[Mapping[str, float]]) -> str | None:
    known = [values[column.key] for values in rows if not math.isnan(values.get(column.key, math.nan))]
    if len(known) < 2 or not column.better:
        return None
    return column.text({column.key: min(known) if column.better == "lower" else max(known)})


def _data_uri(path: Path) -> str:
    try:
        data = base64.b64encode(path.read_bytes()).decode("ascii")
    except OSError as error:
        raise EvaluationError(f"picture {path} cannot be read ({error.strerror}): run the evaluation again") from error
    return f"data:{_MEDIA.get(path.suffix.lower(), 'application/octet-stream')};base64,{data}"
