"""The truth depth of a bag's images."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_ros.bags.bag_file import BagFile, decode_recorded
from depth_ros.errors import BagError, MessageError
from depth_ros.messages.decode import stamp_ns
from depth_ros.messages.depth_encoding import decode_depth

_log = logging.getLogger("depth_ros")


class Truths:
    """The truth topic read alongside: its messages may be recorded before or after their images."""

    def __init__(self, path: Path, topic: str | None) -> None:
        self._path = path
        self._messages = iter(()) if topic is None else self._read(topic)
        self._next: Any = None

    def at(self, stamp: int) -> NDArray[np.float32] | None:
        """Return the truth depth of exactly this stamp; stamps must be asked for in rising order."""
        while self._next is None or stamp_ns(self._next.header.stamp) < stamp:
            self._next = next(self._messages, None)
            if self._next is None:
                return None
        if stamp_ns(self._next.header.stamp) != stamp:
            return None
        try:
            depth = decode_depth(self._next)
        except MessageError as error:
            _log.warning("%s: the truth of stamp %d is left out: %s", self._path, stamp, error)
            return None
        return np.where(np.isfinite(depth), depth, np.float32(np.nan))

    def _read(self, topic: str) -> Iterator[Any]:
        with BagFile(self._path) as bag:
            for recorded in bag.messages([topic]):
                with suppress(BagError):
                    yield decode_recorded(recorded)
