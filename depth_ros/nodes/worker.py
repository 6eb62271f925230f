"""One thread that does one kind of work, so that the executor stays free to receive."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Condition, Thread
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Worker(Generic[Item]):
    """Runs `process` on submitted items in its own thread: in turn one of every lane, each lane in its order.

    At most `size` items of a lane wait; one more drops its oldest, which `dropped` is told. may_start: whether a lane
    may have its turn; call `wake` when that may have changed. together: told the oldest item of every such lane, in
    turn, it answers which to process at once, the first among them. None of these may raise.
    """

    def __init__(
        self,
        process: Callable[[list[Item]], None],
        dropped: Callable[[Item], None],
        size: int,
        may_start: Callable[[str], bool] = lambda _: True,
        together: Callable[[list[Item]], list[Item]] = lambda items: items[:1],
    ) -> None:
        self._process, self._dropped, self._size = process, dropped, size
        self._may_start, self._together = may_start, together
        self._lanes: dict[str, deque[Item]] = {}
        """The lanes with items, the one whose turn it is first."""
        self._changed = Condition()
        self._closed = False
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def submit(self, item: Item, lane: str = "") -> None:
        """Hand over an item and return at once; a closed worker takes none."""
        with self._changed:
            if self._closed:
                return
            self._lanes.setdefault(lane, deque()).append(item)
            self._changed.notify_all()
        self._trim()

    def waiting(self) -> set[str]:
        """Return the lanes that have items waiting."""
        with self._changed:
            return set(self._lanes)

    def wake(self) -> None:
        """Look again whose turn it is."""
        with self._changed:
            self._changed.notify_all()

    def resize(self, size: int) -> None:
        """Let at most `size` items of a lane wait from now on."""
        self._size = size
        self._trim()

    def close(self, patience_s: float) -> bool:
        """Forget what waits and end the thread; False when the item in work is not done within `patience_s`.

        The thread then ends after that item, or with the process.
        """
        with self._changed:
            self._closed = True
            self._lanes.clear()
            self._changed.notify_all()
        self._thread.join(patience_s)
        return not self._thread.is_alive()

    def _trim(self) -> None:
        with self._changed:
            surplus = [lane.popleft() for lane in self._lanes.values() for _ in range(len(lane) - self._size)]
        for item in surplus:
            self._dropped(item)

    def _next(self) -> list[Item]:
        oldest = {name: lane[0] for name, lane in self._lanes.items() if self._may_start(name)}
        taken = self._together(list(oldest.values())) if oldest else []
        for name, item in oldest.items():
            if any(item is one for one in taken):
                lane = self._lanes.pop(name)
                lane.popleft()
                if lane:
                    self._lanes[name] = lane
        return taken

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._closed and not (items := self._next()):
                    self._changed.wait()
                if self._closed:
                    return
            self._process(items)
            del items  # a frame is large, and the next may be long in coming
