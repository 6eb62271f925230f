"""Pairing by scan, with offsets, with several LiDARs, and with the last scan of a lost one."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from depth_ros.config import PairingConfig
from depth_ros.pairing import Pair, Pairer

MS = 1_000_000


def pairer(*lidars: str, last_scan_for: float = 0.0, image_alone: bool = False, **settings: Any) -> Pairer[str, str]:
    return Pairer(PairingConfig(**settings), lidars or ("",), last_scan_for=last_scan_for, image_alone=image_alone)


def scans(pair: Pair[str, str]) -> list[str]:
    return [scan.item for scan in pair.scans]


def feed(p: Pairer[str, str], events: list[tuple[int, str, int]]) -> list[Pair[str, str]]:
    """Give (arrival, sensor, stamp) in milliseconds; `image` or the name of a LiDAR; then time goes on for 2 s."""
    pairs = []
    for now, sensor, stamp in sorted(events):
        pairs += p.poll(now * MS)
        item = f"{sensor}{stamp}"
        if sensor == "image":
            pairs += p.add_image(stamp * MS, item, now * MS)
        else:
            pairs += p.add_scan(stamp * MS, item, now * MS, sensor)
    return pairs + p.poll((events[-1][0] + 2000) * MS)


def test_by_scan_every_scan_takes_the_nearest_image_and_the_others_are_left_out() -> None:
    p = pairer("lidar", pairing="scan")
    events = [(t, "image", t) for t in range(0, 1000, 33)] + [(t, "lidar", t) for t in range(0, 1000, 100)]
    pairs = feed(p, sorted(events))
    assert [pair.scan_stamp_ns // MS for pair in pairs] == list(range(0, 1000, 100))
    assert [pair.image_stamp_ns // MS for pair in pairs] == [
        min(range(0, 1000, 33), key=lambda t: abs(t - scan)) for scan in range(0, 1000, 100)
    ]
    assert p.counters["paired"] == 10


def test_by_scan_an_image_gives_one_output_at_most() -> None:
    p = pairer("lidar", pairing="scan")
    pairs = feed(p, [(0, "image", 0), (1, "lidar", 1), (30, "lidar", 30), (100, "image", 100)])
    assert [scans(pair) for pair in pairs] == [["lidar1"]]
    assert p.counters["image_taken"] == 1


def test_by_scan_without_an_image_is_counted() -> None:
    p = pairer("lidar", pairing="scan")
    assert feed(p, [(0, "lidar", 0)]) == []
    assert p.counters["scan_without_image"] == 1
    assert feed(p, [(3000, "image", 3000), (3000, "lidar", 3100), (3200, "image", 3200)]) == []
    assert p.counters["image_too_far"] == 1
    assert p.nearest_gap_ns == 100 * MS


@given(
    st.lists(st.integers(0, 2000), min_size=1, max_size=30, unique=True),
    st.lists(st.integers(0, 2000), min_size=1, max_size=30, unique=True),
)
def test_by_scan_no_scan_and_no_image_comes_twice(images: list[int], stamps: list[int]) -> None:
    p = pairer("lidar", pairing="scan", queue_size=1000)
    pairs = feed(p, sorted([(t, "image", t) for t in images] + [(t, "lidar", t) for t in stamps]))
    assert all(a.image_stamp_ns < b.image_stamp_ns for a, b in pairwise(pairs))
    assert all(a.scan_stamp_ns < b.scan_stamp_ns for a, b in pairwise(pairs))
    assert all(abs(pair.image_stamp_ns - pair.scan_stamp_ns) <= 60 * MS for pair in pairs)
    names = ("paired", "image_taken", "image_too_far", "scan_without_image")
    assert sum(p.counters[name] for name in names) == len(stamps)


def test_offsets_shift_the_pairing_and_leave_the_stamps_alone() -> None:
    p = pairer(image_offset=0.1, points_offset=-0.2)
    p.add_scan(300 * MS, "s", 0)
    (pair,) = p.add_image(0, "i", 0)
    assert (pair.image_stamp_ns, pair.scan_stamp_ns) == (0, 300 * MS)
    assert (pair.image_time_ns, pair.scans[0].time_ns) == (100 * MS, 100 * MS)


def test_several_lidars_give_one_scan_each_the_nearest_first() -> None:
    p = pairer("top", "left")
    pairs = feed(p, [(0, "top", 0), (20, "left", 20), (25, "image", 25), (100, "top", 100), (120, "left", 120)])
    assert [scans(pair) for pair in pairs] == [["left20", "top0"]]
    assert pairs[0].scan_stamp_ns == 20 * MS
    assert p.counters["lidar_missing"] == 0


def test_a_lidar_without_a_scan_is_waited_for_no_longer_than_max_wait() -> None:
    p = pairer("top", "left", max_wait=0.15)
    p.add_scan(0, "left0", 0, "left")
    p.add_scan(500 * MS, "top500", 500 * MS, "top")
    p.add_image(490 * MS, "i", 500 * MS)
    assert p.poll(649 * MS) == []
    assert [scans(pair) for pair in p.poll(650 * MS)] == [["top500"]]
    assert p.counters["lidar_missing"] == 1


def test_a_lidar_that_is_lost_is_not_waited_for() -> None:
    p = pairer("top", "left", lost_after=1.0)
    p.add_scan(0, "left0", 0, "left")
    pairs = []
    for t in range(0, 3000, 100):
        pairs += p.add_scan(t * MS, f"top{t}", t * MS, "top")
        pairs += p.poll(t * MS + MS)
        pairs += p.add_image(t * MS, f"image{t}", t * MS + MS)
    late = {pair.image_stamp_ns // MS for pair in pairs}
    assert set(range(1200, 3000, 100)) <= late  # each as soon as it came
    assert all(scans(pair) == [f"top{pair.image_stamp_ns // MS}"] for pair in pairs if pair.image_stamp_ns)


def test_an_image_that_no_lidar_saw_is_dropped() -> None:
    p = pairer("top", "left")
    assert feed(p, [(0, "top", 0), (0, "left", 0), (500, "image", 500)]) == []
    assert p.counters["scan_too_far"] == 1


def test_several_lidars_jump_back_together() -> None:
    p = pairer("top", "left", queue_size=100)
    starts, stamps = (0, 2000, 4000), range(0, 2000, 100)
    pairs = feed(p, [(start + t, sensor, t) for start in starts for t in stamps for sensor in ("left", "top", "image")])
    assert [pair.image_stamp_ns // MS for pair in pairs] == [*stamps] * 3
    assert [len(pair.scans) for pair in pairs] == [1] + [2] * 59  # a LiDAR that never came is not waited for


def test_the_last_scan_of_a_lost_lidar_is_used_as_long_as_it_is_asked_for() -> None:
    p = pairer(last_scan_for=0.5, max_wait=0.15)
    p.add_scan(0, "s", 0)
    pairs = []
    for t in range(0, 1000, 100):
        pairs += p.add_image(t * MS, "i", t * MS)
        pairs += p.poll((t + 99) * MS)
    pairs += p.poll(3000 * MS)
    assert [(pair.image_stamp_ns // MS, pair.outdated) for pair in pairs] == [
        (0, False),
        *((t, True) for t in range(100, 600, 100)),
    ]
    assert p.counters["outdated"] == 5
    assert p.counters["scan_too_far"] == 4


def test_a_scan_within_the_slop_is_preferred_to_the_last_one() -> None:
    p = pairer(last_scan_for=1.0, max_wait=0.15)
    p.add_scan(0, "old", 0)
    p.add_image(200 * MS, "i", 200 * MS)
    assert [(scans(pair), pair.outdated) for pair in p.add_scan(210 * MS, "new", 300 * MS)] == [(["new"], False)]


def test_no_scan_of_the_future_is_used_outdated() -> None:
    p = pairer(last_scan_for=10.0)
    p.add_scan(300 * MS, "s", 0)
    assert p.add_image(0, "i", 0) == []
    assert p.counters["scan_too_far"] == 1


def test_scans_of_a_lidar_that_died_before_a_jump_back_belong_to_no_image_after_it() -> None:
    """The images jump to a time that the dead LiDAR had seen: its scans are of the lap before."""
    p = pairer(last_scan_for=1.0)
    for t in range(0, 5000, 100):
        p.add_scan(t * MS, f"s{t}", t * MS)
        p.add_image(t * MS, f"i{t}", t * MS)
    for t in range(5000, 10000, 100):
        p.add_image(t * MS, f"i{t}", t * MS)
    pairs = []
    for t in range(4700, 6000, 100):
        pairs += p.add_image(t * MS, f"again{t}", (5300 + t) * MS)
    assert pairs + p.poll(20_000 * MS) == []


def test_an_image_that_is_let_alone_waits_for_its_scan_and_then_goes_without() -> None:
    p = pairer(image_alone=True, max_wait=0.15)
    p.add_scan(0, "s", 0)
    assert [scans(pair) for pair in p.add_image(0, "i", 0)] == [["s"]]
    assert p.add_image(200 * MS, "i", 200 * MS) == []
    assert p.poll(349 * MS) == []
    (alone,) = p.poll(350 * MS)
    assert (alone.image_stamp_ns, alone.scans, alone.outdated) == (200 * MS, (), False)
    p.add_image(400 * MS, "i", 400 * MS)
    assert [scans(pair) for pair in p.add_scan(410 * MS, "late", 500 * MS)] == [["late"]]
    assert dict(p.counters) == {"paired": 3, "alone": 1}


def test_the_last_scan_goes_before_none() -> None:
    p = pairer(image_alone=True, last_scan_for=0.3, max_wait=0.1)
    p.add_scan(0, "s", 0)
    pairs = [pair for t in (200, 400) for pair in (*p.add_image(t * MS, "i", t * MS), *p.poll((t + 100) * MS))]
    assert [(len(pair.scans), pair.outdated) for pair in pairs] == [(1, True), (0, False)]


def test_without_any_lidar_every_image_is_a_pair_at_once() -> None:
    p: Pairer[str, str] = Pairer(PairingConfig(), (), image_alone=True)
    stamps = [0, 100, 100, 200, 150, 300]
    pairs = [pair for t in stamps for pair in p.add_image(t * MS, f"i{t}", t * MS)]
    assert [pair.image_stamp_ns // MS for pair in pairs] == [0, 100, 200, 300]
    assert not any(pair.scans for pair in pairs)
    assert not p.waits
    assert dict(p.counters) == {"paired": 4, "image_duplicate": 1, "image_out_of_order": 1}
    jumped: Pairer[str, str] = Pairer(PairingConfig(), (), image_alone=True)
    for t in (5000, 5100, 0, 100):
        (pair,) = jumped.add_image(t * MS, f"i{t}", t * MS)
        assert pair.image == f"i{t}"
