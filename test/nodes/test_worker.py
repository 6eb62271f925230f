"""The inference thread: bounded queue, oldest dropped, orderly end."""

from __future__ import annotations

from threading import Event
from time import monotonic, sleep
from weakref import ref

from depth_ros.nodes.worker import Worker

PATIENCE_S = 10.0


def held_worker(size: int) -> tuple[Worker[int], Event, Event, list[int], list[int]]:
    """Return a worker that is busy with item 0 until the gate opens."""
    entered, gate = Event(), Event()
    done: list[int] = []
    dropped: list[int] = []

    def process(items: list[int]) -> None:
        entered.set()
        gate.wait()
        done.extend(items)

    worker = Worker(process, dropped.append, size)
    worker.submit(0)
    entered.wait()
    return worker, gate, entered, done, dropped


def test_with_one_place_the_newest_waits() -> None:
    worker, gate, _, done, dropped = held_worker(1)
    for item in (1, 2, 3):
        worker.submit(item)
    assert dropped == [1, 2]
    gate.set()
    while done != [0, 3]:
        pass
    assert worker.close(PATIENCE_S)


def test_a_smaller_queue_drops_the_oldest_at_once() -> None:
    worker, gate, _, _, dropped = held_worker(5)
    for item in range(1, 6):
        worker.submit(item)
    worker.resize(2)
    assert dropped == [1, 2, 3]
    gate.set()
    assert worker.close(PATIENCE_S)


def test_close_lets_the_item_in_work_finish_and_forgets_the_rest() -> None:
    worker, gate, _, done, dropped = held_worker(5)
    worker.submit(1)
    gate.set()
    assert worker.close(PATIENCE_S)
    worker.submit(2)
    assert done in ([0], [0, 1])
    assert dropped == []


def test_close_does_not_wait_for_ever_and_nothing_is_processed_after_it() -> None:
    worker, gate, _, done, _ = held_worker(5)
    worker.submit(1)
    assert not worker.close(0.05)
    gate.set()
    assert worker.close(PATIENCE_S)
    assert done == [0]


def test_nothing_is_held_once_it_is_done() -> None:
    class Large: ...

    taken = Event()
    worker: Worker[Large] = Worker(lambda _: taken.set(), lambda _: None, 1)
    item = Large()
    held = ref(item)
    worker.submit(item)
    del item
    assert taken.wait(PATIENCE_S)
    deadline = monotonic() + PATIENCE_S
    while held() is not None and monotonic() < deadline:
        sleep(0.01)
    assert held() is None
    assert worker.close(PATIENCE_S)


def test_lanes_take_turns_and_lose_only_their_own_items() -> None:
    done: list[str] = []
    dropped: list[str] = []
    busy, gate, last = Event(), Event(), Event()

    def process(items: list[str]) -> None:
        busy.set()
        gate.wait()
        done.extend(items)
        if items == ["slow"]:
            last.set()

    worker = Worker(process, dropped.append, 2)
    worker.submit("first", "a")
    assert busy.wait(PATIENCE_S)
    for number in range(5):
        worker.submit(f"a{number}", "a")
    worker.submit("b0", "b")
    worker.submit("slow", "c")
    gate.set()
    assert last.wait(PATIENCE_S)
    worker.submit("b1", "b")
    assert dropped == ["a0", "a1", "a2"]
    assert done[:4] == ["first", "a3", "b0", "slow"]
    assert worker.close(PATIENCE_S)


def test_the_oldest_of_several_lanes_are_processed_at_once_as_told() -> None:
    done: list[list[str]] = []
    busy, gate, last = Event(), Event(), Event()

    def process(items: list[str]) -> None:
        busy.set()
        gate.wait()
        done.append(items)
        if "a2" in items:
            last.set()

    worker = Worker(
        process,
        lambda _: None,
        5,
        together=lambda items: [item for item in items if item[0] != "b" or item is items[0]],
    )
    worker.submit("first")
    assert busy.wait(PATIENCE_S)
    for item in ("a1", "b1", "c1", "a2", "c2"):
        worker.submit(item, item[0])
    gate.set()
    assert last.wait(PATIENCE_S)
    assert done == [["first"], ["a1", "c1"], ["b1", "a2", "c2"]]
    assert worker.close(PATIENCE_S)


def test_a_lane_that_may_not_start_waits_until_it_may() -> None:
    done: list[str] = []
    closed = {"a"}
    came = Event()

    def process(items: list[str]) -> None:
        done.extend(items)
        came.set()

    worker = Worker(process, lambda _: None, 5, may_start=lambda lane: lane not in closed)
    worker.submit("a0", "a")
    worker.submit("b0", "b")
    assert came.wait(PATIENCE_S)
    assert (done, worker.waiting()) == (["b0"], {"a"})
    came.clear()
    closed.clear()
    worker.wake()
    assert came.wait(PATIENCE_S)
    assert done == ["b0", "a0"]
    assert worker.close(PATIENCE_S)
