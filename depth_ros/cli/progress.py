"""How far a long verb is, on standard error: a bar on a terminal, elsewhere (a log, CI) a plain line now and then."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from time import monotonic
from typing import TypeVar

Item = TypeVar("Item")
Tell = Callable[..., None]
"""Is told how much is done and, where that was not known before, of how much."""
EVERY_S = 10.0
"""A plain line comes no more often; what is done sooner needs none."""


def watched(items: Iterable[Item], total: int | None = None, *, what: str, unit: str) -> Iterator[Item]:
    """Yield the items, and show how many are done; what: the work ("rendering"), unit: of the items ("frames")."""
    with shown(what, unit, total) as tell:
        for done, item in enumerate(items, 1):
            yield item
            tell(done)


@contextmanager
def shown(what: str, unit: str, total: float | None = None) -> Iterator[Tell]:
    """Yield what is told how much of `total` is done, in `unit`, and shows it until the end of the with statement."""
    if sys.stderr.isatty() and find_spec("tqdm") is not None:
        from tqdm import tqdm

        with tqdm(desc=what, total=total, unit=f" {unit}", leave=False) as bar:

            def draw(done: float, of: float | None = None) -> None:
                bar.total = of or bar.total
                bar.update(round(done - bar.n, 1))

            yield draw
    else:
        yield _lines(what, unit, total)


def _lines(what: str, unit: str, total: float | None) -> Tell:
    last = monotonic()

    def write(done: float, of: float | None = None) -> None:
        nonlocal last
        now, whole = monotonic(), of or total
        if now - last < EVERY_S:
            return
        last = now
        sys.stderr.write(f"{what}: {done:.0f}{f' of {whole:.0f}' if whole else ''} {unit}\n")
        sys.stderr.flush()

    return write
