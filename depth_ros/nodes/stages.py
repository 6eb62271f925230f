"""The three stages of a frame in three threads: prepare, finish, send."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any, Generic, TypeVar

from depth_ros.nodes.worker import Worker

Item = TypeVar("Item")
Prepared = TypeVar("Prepared")
Finished = TypeVar("Finished")


class Stages(Generic[Item, Prepared, Finished]):
    """Each item goes through all stages, and none overtakes another of its lane.

    While one item is finished, the next is prepared, and then waits: nothing is prepared to be dropped. At most `size`
    items of a lane wait before the first stage and as many before the last; one more drops the oldest of its lane,
    which `dropped` is told. The lanes take turns. A stage that returns None ends its item. No stage may raise.
    """

    def __init__(
        self,
        prepare: Callable[[Item], Prepared | None],
        finish: Callable[[Prepared], Finished | None],
        send: Callable[[Finished], None],
        dropped: Callable[[Any], None],
        size: int,
        lane: Callable[[Any], str] = lambda _: "",
    ) -> None:
        def prepare_one(item: Item) -> None:
            prepared = prepare(item)
            if prepared is not None:
                self._finisher.hand_over(prepared)

        def finish_one(prepared: Prepared) -> None:
            finished = finish(prepared)
            if finished is not None:
                self._sender.submit(finished, lane(finished))

        self._sender = Worker(send, dropped, size)
        self._finisher = Worker(finish_one, dropped, 1)
        self._preparer = Worker(prepare_one, dropped, size)
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
        self._preparer.close(0.0)
        # The preparer may be waiting for the finisher, whose end is therefore waited for first.
        workers: tuple[Worker[Prepared] | Worker[Item] | Worker[Finished], ...] = (
            self._finisher,
            self._preparer,
            self._sender,
        )
        ended = [worker.close(max(0.0, end - monotonic())) for worker in workers]
        return all(ended)
