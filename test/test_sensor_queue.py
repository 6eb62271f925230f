"""One sensor's queue: in the order of stamps, and when nothing nearer can come."""

from __future__ import annotations

from depth_ros.sensor_queue import REMEMBERED_INTERVALS, Entry, SensorQueue


def entry(time: int) -> Entry:
    return Entry(time, time, f"e{time}", time)


def queue(*times: int) -> SensorQueue:
    made = SensorQueue("scan", "top", 0)
    for time in times:
        made.see(entry(time))
        made.insert(entry(time))
    return made


def test_entries_are_sorted_in_and_none_twice() -> None:
    subject = queue(10, 30, 20)
    assert not subject.insert(entry(20))
    assert [waiting.time_ns for waiting in subject.waiting] == [10, 20, 30]
    assert (subject.newest_ns, subject.arrival_ns) == (30, 20)


def test_nearest_and_the_last_before() -> None:
    subject = queue(10, 20, 30)
    nearest, before = subject.nearest(entry(26)), subject.before(entry(26))
    assert nearest is not None
    assert before is not None
    assert (nearest.time_ns, before.time_ns) == (30, 20)
    assert subject.before(entry(10)) is None
    assert queue().nearest(entry(0)) is None


def test_a_later_one_settles_unless_it_is_of_another_time() -> None:
    assert queue(10, 20).is_final(entry(15), 100, 1000)
    assert not queue(10, 5000).is_final(entry(15), 100, 1000)


def test_a_steady_sensor_settles_what_is_nearer_than_half_its_interval() -> None:
    steady = queue(*range(0, 100 * (REMEMBERED_INTERVALS + 1), 100))
    newest = steady.newest_ns or 0
    assert steady.is_final(entry(newest + 50), 60, 1000)
    assert not steady.is_final(entry(newest + 51), 60, 1000)
    assert not steady.is_final(entry(newest + 50), 40, 1000)
    assert not queue(0, 100).is_final(entry(110), 60, 1000)
