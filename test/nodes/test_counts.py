"""What a node counts: which drops are said and how often, and the figures by name."""

from __future__ import annotations

import numpy as np
import pytest

from depth_ros.config import GuardConfig
from depth_ros.frame import DepthMap
from depth_ros.geometry.camera import Camera
from depth_ros.nodes import counts
from depth_ros.nodes.counts import STAGES, Statistics
from depth_ros.nodes.health import ShiftWatch
from test.nodes.conftest import Log

TIMINGS = {"decode": 0.002, "project": 0.004, "infer": 0.05, "encode": 0.001}


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Counted:
    """Statistics with their log and their clock."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.log = clock, Log()
        self.statistics = Statistics(self.log)

    def flow(self, count: int = 10) -> None:
        for _ in range(count):
            self.statistics.receive("images")
            self.statistics.publish(0.08, 0.06, TIMINGS)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    clock = Clock()
    monkeypatch.setattr(counts, "monotonic", clock)
    return Counted(clock)


def test_the_keys_come_in_the_order_of_the_work_and_stay(counted: Counted) -> None:
    counted.statistics.record("publish", 0.001)
    counted.statistics.record("own", 0.001)
    counted.flow()
    told = [list(counted.statistics.values()) for _ in range(2)]
    assert told[0] == told[1]
    timed = [key.partition("_p50_ms")[0] for key in told[0] if key.endswith("_p50_ms")]
    assert timed == [*(stage for stage in STAGES if stage in {*TIMINGS, "publish", "age", "latency"}), "own"]


def test_an_hour_of_one_fault_is_a_dozen_lines(counted: Counted) -> None:
    for number in range(36_000):
        counted.statistics.drop("bad_image", f"image {number} is broken")
        counted.clock.now += 0.1
    at = [int(line.split()[3]) // 10 for line in counted.log.lines]
    assert at[:6] == [0, 10, 30, 70, 150, 310]
    assert len(at) == 11
    assert counted.statistics.drops()["bad_image"].lines == 11


def test_another_fault_of_the_same_reason_is_said_soon(counted: Counted) -> None:
    for text in ["the encoding is unknown"] * 60 + ["the size is wrong"] * 20:
        counted.statistics.drop("bad_image", text)
        counted.clock.now += 1
    assert [line.split("so far): ")[1] for line in counted.log.lines][-1] == "the size is wrong"
    assert [line.split()[3] for line in counted.log.lines] == ["1", "11", "31", "61"]


def test_a_fault_that_comes_back_after_a_while_is_said_at_once(counted: Counted) -> None:
    for _ in range(100):
        counted.statistics.drop("bad_image", "broken")
        counted.clock.now += 1
    before = len(counted.log.lines)
    counted.clock.now += 90
    counted.statistics.drop("bad_image", "broken")
    assert len(counted.log.lines) == before + 1


def test_what_found_no_partner_is_said_once_depth_flows_again(counted: Counted) -> None:
    counted.flow(1)
    counted.clock.now += 0.2
    counted.statistics.drop("scan_too_far", "no scan within sync_slop")
    assert not counted.log.lines
    counted.flow(1)
    assert counted.log.lines == ["warning dropped (scan_too_far, 1 so far): no scan within sync_slop"]


def test_a_silence_is_not_blamed_on_the_pairing(counted: Counted) -> None:
    """The LiDAR stops for half a minute: that its scans are far from the images is no question of clocks."""
    counted.flow(1)
    for _ in range(30):
        counted.clock.now += 1
        counted.statistics.drop("scan_too_far", "no scan within sync_slop")
    counted.flow(1)
    assert not counted.log.lines
    assert counted.statistics.drops()["scan_too_far"].times == 30


def test_an_age_that_two_clocks_make_is_left_out_and_said_once(counted: Counted) -> None:
    for _ in range(100):
        counted.statistics.publish(1.79e9, 0.06, TIMINGS)
    values = counted.statistics.values()
    assert not [key for key in values if key.startswith("age_")]
    assert values["latency_p50_ms"] == "60.0"
    (line,) = counted.log.lines
    assert "stamped 20718 days before this node's clock: play a bag with --clock" in line
    counted.flow()
    assert counted.statistics.values()["age_p99_ms"] == "80.0"


def test_a_moment_of_another_time_as_before_the_first_clock_is_not_worth_a_line(counted: Counted) -> None:
    counted.statistics.publish(-1.79e9, 0.06, TIMINGS)
    counted.flow()
    assert not counted.log.lines


def test_the_scan_is_compared_with_the_picture_where_that_is_wanted(
    counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[float] = []
    monkeypatch.setattr(ShiftWatch, "look", lambda _self, _map, now: seen.append(now))
    depth = np.full((4, 4), 5, np.float32)
    depth_map = DepthMap(0, "camera", Camera.from_focal(4, 4, 4, 4, 2, 2), depth, depth, depth.astype(np.uint8))
    for wanted in (True, False):
        counted.statistics.look(depth_map, GuardConfig(guard_shift=wanted))
    assert seen == [counted.clock.now]
