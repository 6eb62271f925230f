"""One thread that does one kind of work, so that the executor stays free to receive."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Condition, Thread
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Worker(Generic[Item]):
    """Runs `process` on submitted items in its own thread: in turn one of every lane, each lane in its order.

    At most `size` items of a lane wait; one more drops its oldest, which `dropped` is told. `process` must not raise.
    """

    def __init__(self, process: Callable[[Item], None], dropped: Callable[[Item], None], size: int) -> None:
        self._process, self._dropped, self._size = process, dropped, size
        self._lanes: dict[str, deque[Item]] = {}
        """The lanes with items, the one whose turn it is first."""
        self._changed = Condition()
        self._busy = self._closed = False
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

    def hand_over(self, item: Item, lane: str = "") -> None:
        """Hand over an item once nothing waits and nothing is in work; a closed worker takes none."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or not (self._busy or self._lanes))
            if not self._closed:
                self._lanes[lane] = deque([item])
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

    def _next(self) -> Item:
        name, lane = next(iter(self._lanes.items()))
        item = lane.popleft()
        del self._lanes[name]
        if lane:
            self._lanes[name] = lane
        return item

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._lanes or self._closed)
                if self._closed:
                    return
                item = self._next()
                self._busy = True
            self._process(item)
            del item  # a frame is large, and the next may be long in coming
            with self._changed:
                self._busy = False
                self._changed.notify_all()
