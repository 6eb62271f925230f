"""The three stages of a frame in three threads: prepare, finish, send."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from time import monotonic
from typing import Any, Generic, TypeVar

from depth_ros.nodes.worker import Worker

Item = TypeVar("Item")
Prepared = TypeVar("Prepared")
Finished = TypeVar("Finished")


class Stages(Generic[Item, Prepared, Finished]):
    """Each item goes through all stages, and none overtakes another of its lane.

    While items are finished, the next are prepared, and then wait: nothing is prepared to be dropped. At most `size`
    items of a lane wait before the first stage and as many before the last; one more drops the oldest of its lane,
    which `dropped` is told. The lanes take turns.

    ahead: so many prepared items wait at most, one of a lane. together: which of those that wait, one of a lane, to
    finish at once, the first among them; no item waits for another. A stage that gives nothing ends its item. No stage
    may raise.
    """

    def __init__(
        self,
        prepare: Callable[[Item], Prepared | None],
        finish: Callable[[list[Prepared]], Iterable[Finished]],
        send: Callable[[Finished], None],
        dropped: Callable[[Any], None],
        size: int,
        lane: Callable[[Any], str] = lambda _: "",
        ahead: Callable[[], int] = lambda: 1,
        together: Callable[[list[Prepared]], list[Prepared]] = lambda prepared: prepared[:1],
    ) -> None:
        def prepare_one(items: list[Item]) -> None:
            prepared = prepare(*items)
            if prepared is not None:
                self._finisher.submit(prepared, lane(prepared))

        def may_prepare(name: str) -> bool:
            waiting = self._finisher.waiting()
            return name not in waiting and len(waiting) < ahead()

        def finish_some(items: list[Prepared]) -> None:
            self._preparer.wake()
            for finished in finish(items):
                self._sender.submit(finished, lane(finished))

        self._sender: Worker[Finished] = Worker(lambda items: send(*items), dropped, size)
        self._finisher: Worker[Prepared] = Worker(finish_some, dropped, 1, together=together)
        self._preparer: Worker[Item] = Worker(prepare_one, dropped, size, may_prepare)
        self._lane = lane

    def submit(self, item: Item) -> None:
        """Hand over an item and return at once."""
        self._preparer.submit(item, self._lane(item))

    def resize(self, size: int) -> None:
        """Let at most `size` items of a lane wait from now on."""
        self._preparer.resize(size)
        self._sender.resize(size)

    def close(self, patience_s: float) -> bool:
        """Forget what waits and end the threads; False when one of them is not done within `patience_s`.

        It then ends after the item that it works on, or with the process.
        """
        end = monotonic() + patience_s
        closes = [worker.close for worker in (self._preparer, self._finisher, self._sender)]
        for close in closes:  # no thread takes another item while one is waited for
            close(0.0)
        ended = [close(max(0.0, end - monotonic())) for close in closes]
        return all(ended)
