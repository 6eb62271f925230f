"""What the library logs, the node says."""

from __future__ import annotations

import logging

from depth_ros.nodes.logs import RosLogHandler


class Listener:
    """What a ROS logger is asked to say."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []

    def info(self, text: str) -> None:
        self.said.append(("info", text))

    def warning(self, text: str) -> None:
        self.said.append(("warning", text))


def test_records_are_passed_on_until_it_is_closed() -> None:
    listener, library = Listener(), logging.getLogger("depth_ros")
    handler = RosLogHandler(listener)
    library.debug("not this")
    library.info("%d in %s", 1, "time")
    library.warning("late")
    handler.close()
    library.warning("too late")
    assert listener.said == [("info", "1 in time"), ("warning", "late")]
    assert handler not in library.handlers
