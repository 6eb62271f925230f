"""What the library tells through Python's logging, told by the node."""

from __future__ import annotations

import logging
from typing import Any

LIBRARY = logging.getLogger("depth_ros")


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
