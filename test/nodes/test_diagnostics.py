"""What /diagnostics says: the worst thing in words, at its level, and every figure."""

from __future__ import annotations

from itertools import pairwise

import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.executors import SingleThreadedExecutor

from depth_ros.config import GuardConfig
from depth_ros.frame import Residual
from depth_ros.nodes import counts
from depth_ros.nodes.counts import Statistics
from depth_ros.nodes.diagnostics import DiagnosticPublisher, Report, summarise
from test.nodes.conftest import Log

OK, WARN, ERROR, STALE = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR, DiagnosticStatus.STALE
FACTS = {"model": "classical"}
TIMINGS = {"decode": 0.002, "project": 0.004, "infer": 0.05, "encode": 0.001}


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(counts, "monotonic", clock)
    return clock


class Watched:
    """Statistics with their report; each `tell` is a second later."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.log = clock, Log()
        self.statistics = Statistics(self.log)
        self.report = Report(self.statistics)

    def flow(self, count: int = 10, residual: Residual | None = None) -> None:
        for _ in range(count):
            self.statistics.receive("images")
            self.statistics.publish(0.08, 0.06, TIMINGS, residual)

    def tell(self, idle: str = "", guard: GuardConfig = GuardConfig()) -> DiagnosticStatus:  # noqa: B008 (frozen)
        self.clock.now += 1
        return self.report.status("node", FACTS, idle, guard)


@pytest.fixture
def watched(clock: Clock) -> Watched:
    return Watched(clock)


def values_of(status: DiagnosticStatus) -> dict[str, str]:
    return {value.key: value.value for value in status.values}


def test_depth_that_flows_is_ok(watched: Watched) -> None:
    watched.flow()
    status = watched.tell()
    assert (status.level, status.message, status.name) == (OK, "10.0 depth maps/s", "node")
    values = values_of(status)
    assert values["model"] == "classical"
    assert values["rate_hz"] == "10.00"
    assert (values["images"], values["depth_maps"], values["degradation"]) == ("10", "10", "none")
    assert values["infer_p50_ms"] == values["infer_p95_ms"] == values["infer_p99_ms"] == "50.0"
    assert values["age_p99_ms"] == "80.0"
    assert values["latency_p50_ms"] == "60.0"
    assert values["residual_median_percent"] == values["scan_shift_right_px"] == "none"


def test_drops_are_a_warning_with_their_reasons_for_ten_seconds(watched: Watched) -> None:
    watched.flow()
    watched.statistics.drop("scan_too_far", "no scan near", count=3)
    watched.statistics.drop("bad_image", "no image")
    watched.statistics.drop("lidar_missing", "completed from the others")
    status = watched.tell()
    assert status.level == WARN
    told = "dropped in the last 1 s: 3 scan_too_far, 1 bad_image; worse in the last 1 s: 1 lidar_missing"
    assert status.message == f"{told}; 10.0 depth maps/s"
    assert values_of(status)["dropped.scan_too_far"] == "3"
    levels = []
    for _ in range(12):
        watched.flow()
        levels.append(watched.tell().level)
    assert levels == [WARN] * 9 + [OK] * 3


def test_a_few_drops_among_many_frames_are_no_warning(watched: Watched) -> None:
    levels = []
    for second in range(60):
        watched.flow(19)
        if second % 5 == 4:
            watched.statistics.drop("bad_image", "no image")
        levels.append(watched.tell().level)
    assert set(levels) == {OK}


def test_drops_about_the_bound_do_not_make_the_level_flap(watched: Watched) -> None:
    levels = []
    for second in range(60):
        watched.flow(19)
        watched.statistics.drop("bad_image", "no image", count=1 + second % 2)
        levels.append(watched.tell().level)
    assert sum(before != after for before, after in pairwise(levels)) <= 1


def test_what_is_left_out_on_purpose_is_no_warning(watched: Watched) -> None:
    watched.flow()
    watched.statistics.drop("superseded", "a newer pair came")
    status = watched.tell()
    assert status.level == OK
    assert values_of(status)["dropped.superseded"] == "1"
    assert watched.log.lines == ["info dropped (superseded, 1 so far): a newer pair came"]
    watched.statistics.drop("no_subscribers", "nobody listens to the depth topics")
    assert len(watched.log.lines) == 1, "that a listener has left is not worth a line for every pair in work"


def test_a_degradation_of_every_other_frame_does_not_flap(watched: Watched) -> None:
    levels = []
    for second in range(20):
        watched.flow()
        watched.statistics.degradation = "completed from a scan 0.4 s old" if second % 2 and second < 10 else ""
        levels.append(watched.tell().level)
    assert levels == [OK] + [WARN] * 13 + [OK] * 6


def test_depth_that_is_off_its_own_points_is_an_error_before_all_else(watched: Watched) -> None:
    watched.flow(10, Residual(0.2, 0.3, 200))
    watched.statistics.drop("bad_image", "no image")
    watched.statistics.degradation = "completed from a scan 0.4 s old"
    status = watched.tell()
    assert status.level == ERROR
    assert status.message.startswith("the depth is off its own LiDAR points by 20.0 %")
    assert status.message.endswith(
        "degraded: completed from a scan 0.4 s old; dropped in the last 1 s: 1 bad_image; 10.0 depth maps/s"
    )
    values = values_of(status)
    assert (values["residual_median_percent"], values["residual_points"]) == ("20.00", "200")
    assert values["degradation"] == "completed from a scan 0.4 s old"


@pytest.mark.parametrize(("median", "level"), [(0.004, OK), (0.05, WARN), (0.2, ERROR)])
def test_bounds_of_the_residual(watched: Watched, median: float, level: bytes) -> None:
    watched.flow(10, Residual(median, 0.3, 200))
    assert watched.tell().level == level


def test_one_bad_frame_does_not_flap(watched: Watched) -> None:
    levels = []
    for _ in range(5):
        watched.flow(9, Residual(0.003, 0.02, 200))
        watched.flow(1, Residual(0.5, 0.6, 200))
        levels.append(watched.tell().level)
    assert set(levels) == {OK}


def test_nothing_coming_in_is_stale(watched: Watched) -> None:
    watched.flow()
    assert [watched.tell().level for _ in range(3)] == [OK, OK, OK]
    status = watched.tell()
    assert status.level == STALE
    assert status.message == "no depth map for 3 s: no message arrives; 0.0 depth maps/s"
    watched.statistics.cause = "no publisher on /points: start the LiDAR"
    assert "4 s: no publisher on /points: start the LiDAR" in watched.tell().message
    watched.statistics.cause = ""
    watched.flow()
    assert watched.tell().level == OK


@pytest.mark.parametrize(
    ("topics", "reason"),
    [
        (("images", "scans"), "5 no_transform"),
        (("images",), "no scans"),
        (("camera_infos",), "no images and no scans"),
    ],
)
def test_nothing_coming_out_is_an_error_with_the_reason(watched: Watched, topics: tuple[str, ...], reason: str) -> None:
    for _ in range(5):
        for topic in topics:
            watched.statistics.receive(topic)
        watched.statistics.drop("no_transform", "no transform from lidar to camera")
        status = watched.tell()
    assert status.level == ERROR
    assert status.message == f"no depth map for 5 s, but messages arrive: {reason}; 0.0 depth maps/s"


def test_a_camera_of_one_image_in_five_seconds_is_no_error(watched: Watched) -> None:
    levels = []
    for second in range(40):
        if second % 5 == 0:
            watched.flow(1)
        levels.append(watched.tell().level)
    assert set(levels[10:]) == {OK}


def test_an_idle_node_is_ok_and_is_given_time_when_it_wakes(watched: Watched) -> None:
    for _ in range(10):
        assert (watched.tell("not active").level, watched.tell("not active").message) == (OK, "not active")
    watched.statistics.idle = "waiting for a subscriber"
    assert watched.tell().message == "waiting for a subscriber"
    watched.statistics.idle = ""
    assert [watched.tell().level for _ in range(3)] == [OK, OK, STALE]


def test_a_restart_ends_a_silence_that_nobody_saw_end(watched: Watched) -> None:
    for _ in range(5):
        watched.tell()
    watched.report.restart()
    assert [watched.tell().level for _ in range(3)] == [OK, OK, STALE]


def test_an_engine_that_is_being_built_is_a_warning(watched: Watched) -> None:
    watched.statistics.building = "the engine for 640x480"
    told = [watched.tell() for _ in range(4)]
    assert [status.level for status in told] == [OK, OK, WARN, WARN]
    assert "no depth map for 3 s: the engine for 640x480 is being built" in told[2].message


@pytest.mark.parametrize("received", ["images", "scans"])
def test_a_silent_sensor_is_the_same_error_of_one_camera_and_of_several(clock: Clock, received: str) -> None:
    cameras = {"front": Statistics(Log()), "rear": Statistics(Log())}
    reports = {camera: Report(statistics) for camera, statistics in cameras.items()}
    for _ in range(4):
        clock.now += 1
        cameras["front"].publish(0.08, 0.06, TIMINGS)
        for statistics in cameras.values():
            statistics.receive(received)
        found = {camera: report.status(camera, FACTS, "", GuardConfig()) for camera, report in reports.items()}
    assert (found["front"].level, found["rear"].level) == (OK, ERROR)
    node = summarise("node", found, FACTS)
    assert (node.level, node.message) == (ERROR, f"rear: {found['rear'].message}")


def test_a_node_with_cameras_tells_the_worst_of_them(clock: Clock) -> None:
    front, rear = Watched(clock), Watched(clock)
    front.flow()
    rear.flow()
    rear.statistics.drop("bad_image", "no image")
    cameras = {"front": front.tell(), "rear": rear.tell()}
    status = summarise("node", cameras, FACTS)
    assert (status.level, status.name) == (WARN, "node")
    assert status.message == "rear: dropped in the last 2 s: 1 bad_image; 5.0 depth maps/s"
    assert values_of(status) == FACTS
    for _ in range(10):
        front.flow()
        rear.flow()
        told = {"front": front.tell(), "rear": rear.tell()}
    assert summarise("node", told, FACTS).level == OK


@pytest.mark.usefixtures("ros")
@pytest.mark.parametrize(
    ("cameras", "names"), [([""], ["subject"]), (["front", "rear"], ["subject", "subject: front", "subject: rear"])]
)
def test_statuses_as_they_are_published(cameras: list[str], names: list[str]) -> None:
    node, executor = rclpy.create_node("subject"), SingleThreadedExecutor()
    executor.add_node(node)
    got: list[DiagnosticArray] = []
    node.create_subscription(DiagnosticArray, "/diagnostics", got.append, 10)
    publisher = DiagnosticPublisher(node, {camera: Statistics(Log()) for camera in cameras})
    for _ in range(100):
        publisher.publish(FACTS, "not active")
        executor.spin_once(timeout_sec=0.05)
        if got:
            break
    assert [status.name for status in got[0].status] == names
    assert got[0].header.stamp.sec > 0
    executor.shutdown()
    node.destroy_node()


def test_work_that_does_not_end_is_said(watched: Watched) -> None:
    for _ in range(4):
        watched.statistics.receive("images")
        watched.statistics.receive("scans")
        status = watched.tell()
    assert status.message == "no depth map for 4 s, but messages arrive: no completion has ended; 0.0 depth maps/s"
