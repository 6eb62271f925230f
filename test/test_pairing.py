"""Pairing: nearest in time, settled as soon as it can be, and a counter for everything that goes unused."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from depth_ros.config import PairingConfig
from depth_ros.pairing import Pair, Pairer, Stamped

MS = 1_000_000


def pairer(**settings: float) -> Pairer[str, str]:
    return Pairer(PairingConfig(**settings))  # type: ignore[arg-type]


def test_image_waits_for_the_scan_after_it_and_takes_the_nearest() -> None:
    p = pairer()
    assert p.add_scan(0, "s0", 0) == []
    assert p.add_image(30 * MS, "i", 30 * MS) == []
    assert p.add_scan(50 * MS, "s50", 50 * MS) == [Pair(30 * MS, "i", 30 * MS, (Stamped("", 50 * MS, 50 * MS, "s50"),))]


def test_the_scan_before_wins_when_it_is_nearer() -> None:
    p = pairer()
    p.add_scan(0, "s0", 0)
    p.add_image(20 * MS, "i", 20 * MS)
    assert [pair.scan for pair in p.add_scan(50 * MS, "s50", 50 * MS)] == ["s0"]


def test_image_settles_at_once_when_a_later_scan_is_already_in() -> None:
    p = pairer()
    p.add_scan(10 * MS, "s", 0)
    assert len(p.add_image(0, "i", 0)) == 1


def test_image_settles_at_once_when_the_next_scan_cannot_be_nearer() -> None:
    p = pairer()
    for t in range(0, 1001, 100):
        p.add_scan(t * MS, f"s{t}", t * MS)
    assert [pair.scan for pair in p.add_image(1040 * MS, "near", 1040 * MS)] == ["s1000"]
    assert p.add_image(1060 * MS, "the next may be nearer", 1060 * MS) == []
    assert [pair.scan for pair in p.add_scan(1100 * MS, "s1100", 1100 * MS)] == ["s1100"]


def test_a_lost_scan_does_not_settle_images_early() -> None:
    p = pairer()
    for t in (10, 210):
        p.add_scan(t * MS, f"s{t}", t * MS)
    assert p.add_image(300 * MS, "i", 300 * MS) == []
    assert [pair.scan for pair in p.add_scan(310 * MS, "s310", 310 * MS)] == ["s310"]


def test_scans_stamped_at_their_start_serve_every_image() -> None:
    """Such a scan (10 Hz) arrives 100 ms after its stamp: the defaults must wait for it."""
    events = [(t + 100, "scan", t) for t in range(0, 3000, 100)] + [(t + 20, "image", t) for t in range(7, 2900, 33)]
    p, pairs = pairer(), []
    for now, kind, stamp in sorted(events):
        pairs += p.poll(now * MS)
        pairs += (p.add_image if kind == "image" else p.add_scan)(stamp * MS, kind, now * MS)
    assert len(pairs) == len(range(7, 2900, 33))
    assert max(abs(pair.image_stamp_ns - pair.scan_stamp_ns) for pair in pairs) <= 50 * MS


def test_image_settles_after_max_wait_without_a_later_scan() -> None:
    p = pairer(max_wait=0.05)
    p.add_scan(0, "s", 0)
    p.add_image(10 * MS, "i", 1000 * MS)
    assert p.poll(1049 * MS) == []
    assert [pair.scan for pair in p.poll(1050 * MS)] == ["s"]


def test_a_scan_serves_several_images() -> None:
    p = pairer()
    p.add_image(0, "a", 0)
    p.add_image(33 * MS, "b", 33 * MS)
    assert [pair.image for pair in p.add_scan(40 * MS, "s", 40 * MS)] == ["a", "b"]


def test_scan_beyond_the_slop_is_counted_with_its_distance() -> None:
    p = pairer(sync_slop=0.02)
    p.add_scan(0, "s", 0)
    p.add_image(100 * MS, "i", 0)
    assert p.poll(1000 * MS) == []
    assert p.counters["scan_too_far"] == 1
    assert p.nearest_gap_ns == 100 * MS


def test_image_without_a_scan_in_the_slop_waits_for_one_that_is_late() -> None:
    p = pairer(max_wait=0.05, lost_after=1.0)
    p.add_scan(0, "s0", 0)
    p.add_image(100 * MS, "i", 100 * MS)
    assert p.poll(900 * MS) == []
    assert [pair.scan for pair in p.add_scan(90 * MS, "late", 950 * MS)] == ["late"]


def test_image_without_any_scan_is_counted() -> None:
    p = pairer()
    p.add_image(0, "i", 0)
    assert p.poll(10**12) == []
    assert p.counters["image_without_scan"] == 1


def test_duplicates_are_counted_and_ignored() -> None:
    p = pairer()
    p.add_scan(0, "s", 0)
    p.add_scan(0, "again", 0)
    p.add_image(0, "i", 0)
    p.add_image(0, "again", 0)
    assert p.counters == {"scan_duplicate": 1, "paired": 1, "image_duplicate": 1}


def test_an_image_older_than_the_last_settled_one_is_dropped() -> None:
    p = pairer()
    p.add_scan(100 * MS, "s", 0)
    p.add_image(90 * MS, "i", 0)
    assert p.add_image(50 * MS, "late", 0) == []
    assert p.counters["image_out_of_order"] == 1


def test_scans_out_of_order_are_sorted_in() -> None:
    p = pairer()
    p.add_image(10 * MS, "i", 0)
    p.add_scan(5 * MS, "near", 0)
    p.add_scan(1 * MS, "late", 0)
    assert [pair.scan for pair in p.add_scan(60 * MS, "far", 1)] == ["near"]


def test_queues_are_bounded_and_drop_the_oldest() -> None:
    p = pairer(queue_size=2)
    for k in range(4):
        p.add_image(k * MS, str(k), 0)
    assert [pair.image for pair in p.add_scan(3 * MS, "s", 0)] == ["2", "3"]
    assert p.counters["image_queue_full"] == 2
    for k in range(10, 14):
        p.add_scan(k * MS, str(k), 0)
    assert p.counters["scan_unused"] == 2


def test_a_looping_bag_is_paired_again_from_its_start() -> None:
    p = pairer(queue_size=100)
    stamps = [k * 100 * MS for k in range(12)]
    for loop in range(3):
        pairs = [pair for stamp in stamps for pair in (*p.add_scan(stamp, "s", 0), *p.add_image(stamp, "i", 0))]
        assert [pair.image_stamp_ns for pair in pairs] == stamps, loop
    assert p.counters == {"paired": 36, "time_jump": 4, "image_time_jump": 0}  # two loops, each seen by both sensors


def test_a_late_scan_of_the_time_before_the_jump_does_not_settle_new_images() -> None:
    p = pairer()
    p.add_scan(5_000 * MS, "old", 0)
    p.add_image(5_000 * MS, "old", 0)
    p.add_image(0, "new", 0)
    assert p.add_scan(5_100 * MS, "late old", 1) == []
    assert [pair.scan for pair in p.add_scan(0, "new", 2)] == ["new"]


def test_one_stamp_from_the_future_does_not_stop_the_pairing() -> None:
    p = pairer()
    p.add_scan(10**18, "future", 0)
    pairs = []
    for k in range(5):
        pairs += p.add_image(k * 100 * MS, "i", k * 100 * MS)
        pairs += p.add_scan(k * 100 * MS, "s", k * 100 * MS)
    assert len(pairs) == 5


def test_flush_settles_what_waits() -> None:
    p = pairer()
    p.add_scan(0, "s", 0)
    p.add_image(MS, "i", 0)
    assert [pair.scan for pair in p.flush()] == ["s"]
    assert p.flush() == []


@given(
    st.lists(st.integers(0, 400), min_size=1, max_size=12, unique=True),
    st.integers(0, 99),
)
def test_offline_pairs_equal_a_brute_force_search(images: list[int], first: int) -> None:
    scans = range(first, 401, 40)
    p = pairer(queue_size=1000, max_wait=10.0, sync_slop=0.05)
    events = sorted([(t, "image") for t in images] + [(t, "scan") for t in scans])
    pairs = []
    for t, kind in events:
        pairs += (p.add_image if kind == "image" else p.add_scan)(t * MS, kind, t * MS)
    pairs += p.flush()
    distance = {t: min(abs(s - t) for s in scans) for t in images}
    assert {pair.image_stamp_ns // MS for pair in pairs} == {t for t in images if distance[t] <= 50}
    assert all(
        abs(pair.scan_stamp_ns - pair.image_stamp_ns) == distance[pair.image_stamp_ns // MS] * MS for pair in pairs
    )
    assert all(a.image_stamp_ns < b.image_stamp_ns for a, b in pairwise(pairs))
    assert p.counters["paired"] + p.counters["scan_too_far"] == len(images)
