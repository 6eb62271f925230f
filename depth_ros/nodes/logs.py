"""How the node talks: what the library tells through Python's logging, and how seldom it repeats itself."""

from __future__ import annotations

import logging
import re
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

LIBRARY = logging.getLogger("depth_ros")
FIRST_WAIT_S, LAST_WAIT_S = 10.0, 600.0
QUIET_S = 60.0
WORDINGS = 8
NUMBER = re.compile(r"[0-9][0-9.]*")


@dataclass
class _Kind:
    """What is known of one kind: when the last one passed, when the last one came, and in which wordings."""

    wait_s: float = FIRST_WAIT_S / 2
    passed_s: float = float("-inf")
    came_s: float = 0.0
    wordings: set[str] = field(default_factory=set)


class Backoff:
    """Lets the first of every kind pass, and what recurs ever more seldom: after 10 s, 20 s, 40 s, ... 10 min.

    So a fault that lasts an hour is a dozen lines. What has not come for a minute is new again. A text of another
    wording (numbers aside) is not kept back for longer than 10 s; after eight wordings of one kind it is.
    """

    def __init__(self) -> None:
        self._kinds: dict[Hashable, _Kind] = {}

    def passes(self, kind: Hashable, now_s: float, text: str = "") -> bool:
        """Tell whether one more of `kind` is to be said at `now_s`, of a clock that never jumps."""
        known = self._kinds.setdefault(kind, _Kind())
        if now_s - known.came_s > QUIET_S:
            known = self._kinds[kind] = _Kind()
        known.came_s = now_s
        wording = NUMBER.sub("#", text)
        is_new = wording not in known.wordings and len(known.wordings) < WORDINGS
        if now_s - known.passed_s < (min(FIRST_WAIT_S, known.wait_s) if is_new else known.wait_s):
            return False
        known.passed_s, known.wait_s = now_s, min(2 * known.wait_s, LAST_WAIT_S)
        known.wordings.add(wording)
        return True


class RosLogHandler(logging.Handler):
    """Hands the library's records, from INFO on, to a ROS logger until it is closed."""

    def __init__(self, logger: Any) -> None:
        super().__init__(logging.INFO)
        self._logger = logger
        LIBRARY.setLevel(logging.INFO)
        LIBRARY.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Pass one record on."""
        # Two lines of code on purpose: rclpy refuses one call that logs at two levels.
        if record.levelno >= logging.WARNING:
            self._logger.warning(record.getMessage())
        else:
            self._logger.info(record.getMessage())

    def close(self) -> None:
        """Leave the library's logger."""
        LIBRARY.removeHandler(self)
        super().close()
