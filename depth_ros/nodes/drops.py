"""Whatever goes wrong with one message or frame is a counted drop of its sensor: the node lives on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from traceback import format_exc
from typing import Protocol

from depth_ros.errors import DepthRosError, NodeError, SparseScanError

REASONS: dict[type[DepthRosError], str] = {NodeError: "no_transform", SparseScanError: "too_sparse"}


class Counting(Protocol):
    """What counts messages and drops: `Statistics`, or several of them together."""

    def receive(self, topic: str) -> None:
        """Count a message of an input."""

    def drop(self, reason: str, text: str, *, count: int = 1) -> None:
        """Count something that was dropped, and say why."""


@contextmanager
def drops_counted(statistics: Counting, otherwise: str) -> Iterator[None]:
    """Count what the body of the with statement raises, known errors by `REASONS` or as `otherwise`."""
    try:
        yield
    except DepthRosError as error:
        reason = next((reason for kind, reason in REASONS.items() if isinstance(error, kind)), otherwise)
        statistics.drop(reason, str(error))
    except Exception as error:  # a bug must not end the node; its traceback is logged with the first of its kind
        statistics.drop(f"internal_{type(error).__name__}", f"unexpected error, please report:\n{format_exc()}")
