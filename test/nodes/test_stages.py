"""Three stages in three threads: order kept, one item prepared ahead, orderly end."""

from __future__ import annotations

from threading import Event
from time import monotonic, sleep

from depth_ros.nodes.stages import Stages

PATIENCE_S = 10.0


def test_items_keep_their_order_and_a_stage_may_end_one() -> None:
    sent: list[str] = []
    last = Event()

    def send(text: str) -> None:
        sent.append(text)
        if text == "!39":
            last.set()

    stages: Stages[int, str, str] = Stages(
        lambda item: None if item % 10 == 3 else str(item),
        lambda texts: [f"!{text}" for text in texts if not text.endswith("7")],
        send,
        lambda _: None,
        100,
    )
    for item in range(40):
        stages.submit(item)
    assert last.wait(PATIENCE_S)
    assert sent == [f"!{item}" for item in range(40) if item % 10 not in (3, 7)]
    assert stages.close(PATIENCE_S)


def test_one_item_is_prepared_beside_the_one_that_is_finished_and_none_for_nothing() -> None:
    prepared: list[int] = []
    finishing, second, gate = Event(), Event(), Event()
    sent: list[int] = []
    dropped: list[object] = []
    all_sent = Event()

    def prepare(item: int) -> int:
        prepared.append(item)
        if len(prepared) == 2:
            second.set()
        return item

    def finish(items: list[int]) -> list[int]:
        finishing.set()
        gate.wait()
        return items

    def send(item: int) -> None:
        sent.append(item)
        if item == 4:
            all_sent.set()

    stages: Stages[int, int, int] = Stages(prepare, finish, send, dropped.append, 1)
    stages.submit(0)
    assert finishing.wait(PATIENCE_S)
    stages.submit(1)
    assert second.wait(PATIENCE_S)
    for item in (2, 3, 4):
        stages.submit(item)
    assert prepared == [0, 1]
    assert dropped == [2, 3]
    gate.set()
    assert all_sent.wait(PATIENCE_S)
    assert sent in ([0, 1, 4], [0, 4], [1, 4], [4])  # the last stage keeps the newest, too
    assert prepared == [0, 1, 4]
    assert stages.close(PATIENCE_S)


def test_it_ends_while_an_item_waits_for_the_one_before() -> None:
    finishing, preparing, gate = Event(), Event(), Event()
    prepared: list[int] = []

    def prepare(item: int) -> int:
        prepared.append(item)
        if item == 1:
            preparing.set()
        return item

    def finish(items: list[int]) -> list[int]:
        finishing.set()
        gate.wait()
        return items

    sent: list[int] = []
    stages: Stages[int, int, int] = Stages(prepare, finish, sent.append, lambda _: None, 1)
    stages.submit(0)
    assert finishing.wait(PATIENCE_S)
    stages.submit(1)
    assert preparing.wait(PATIENCE_S)
    stages.submit(2)
    assert not stages.close(0.05)
    gate.set()
    assert stages.close(PATIENCE_S)
    assert prepared == [0, 1]
    assert not sent


def test_what_is_prepared_and_waits_is_finished_at_once_one_of_a_lane() -> None:
    """Lanes a and b; the first of a is finished alone, as nothing waits beside it and nothing is waited for."""
    prepared: list[str] = []
    batches: list[list[str]] = []
    finishing, gate, all_sent = Event(), Event(), Event()
    sent: list[str] = []

    def prepare(item: str) -> str:
        prepared.append(item)
        return item

    def finish(items: list[str]) -> list[str]:
        batches.append(items)
        finishing.set()
        gate.wait()
        return items

    def send(item: str) -> None:
        sent.append(item)
        if item == "b2":
            all_sent.set()

    stages: Stages[str, str, str] = Stages(
        prepare, finish, send, lambda _: None, 9, lambda item: item[0], lambda: 2, lambda items: items[:2]
    )
    stages.submit("a0")
    assert finishing.wait(PATIENCE_S)
    for items, so_far in ((("a1", "a2"), ["a0", "a1"]), (("b1", "b2"), ["a0", "a1", "b1"])):
        for item in items:
            stages.submit(item)
        deadline = monotonic() + PATIENCE_S
        while prepared != so_far and monotonic() < deadline:
            sleep(0.005)
        sleep(0.1)
        assert prepared == so_far, "one of each lane waits, and no second"
    gate.set()
    assert all_sent.wait(PATIENCE_S)
    assert batches[:2] == [["a0"], ["a1", "b1"]]
    assert sorted(sent) == ["a0", "a1", "a2", "b1", "b2"]
    assert [item for item in sent if item[0] == "b"] == ["b1", "b2"]
    assert stages.close(PATIENCE_S)


def test_one_item_of_all_lanes_is_prepared_ahead_where_they_are_finished_one_by_one() -> None:
    prepared: list[str] = []
    finishing, gate, all_sent = Event(), Event(), Event()

    def prepare(item: str) -> str:
        prepared.append(item)
        return item

    def finish(items: list[str]) -> list[str]:
        finishing.set()
        gate.wait()
        return items

    def send(item: str) -> None:
        if item == "b1":
            all_sent.set()

    stages: Stages[str, str, str] = Stages(prepare, finish, send, lambda _: None, 9, lambda item: item[0])
    for item in ("a0", "a1", "b1"):
        stages.submit(item)
    assert finishing.wait(PATIENCE_S)
    sleep(0.1)
    assert prepared in (["a0", "a1"], ["a0", "b1"])
    gate.set()
    assert all_sent.wait(PATIENCE_S)
    assert stages.close(PATIENCE_S)
