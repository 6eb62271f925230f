"""Faults of time: clocks that jump, stop or start again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from builtin_interfaces.msg import Time
from rosgraph_msgs.msg import Clock

pytestmark = pytest.mark.live
fault = pytest.mark.fault
SECOND = 1_000_000_000


@fault(
    "time",
    broken="a bag starts again, three times",
    sees="dropped (image_time_jump) for what waited",
    recovers="with the first frame of the lap",
    quick=True,
)
def test_bag_loops(robot: Any) -> None:
    for _ in range(3):
        robot.drive(8)
        robot.expect_output()
        robot.jump(-8 * SECOND // 10)
        robot.recovers(within=1)
    robot.expect()


@fault("time", broken="all stamps fall by a year", sees="nothing is lost", recovers="with the first frame")
def test_backwards(robot: Any) -> None:
    robot.jump(-365 * 86_400 * SECOND)
    robot.recovers(within=1)
    robot.expect()


@fault("time", broken="all stamps rise by a year", sees="nothing is lost", recovers="with the first frame")
def test_forwards(robot: Any) -> None:
    robot.jump(365 * 86_400 * SECOND)
    robot.recovers(within=1)
    robot.expect()


@pytest.mark.parametrize(
    ("sensor", "seconds"),
    [
        pytest.param(
            sensor,
            seconds,
            id=f"{sensor} {way}",
            marks=fault(
                "time",
                broken=f"the clock of {sensor} alone jumps 100 s {way} and returns",
                sees="dropped (scan_too_far), or (image_time_jump) for what waited when it jumped",
                recovers="when the clocks agree again",
            ),
        )
        for sensor in ("image", "points")
        for way, seconds in (("back", -100), ("ahead", 100))
    ],
)
def test_one_clock_jumps(robot: Any, sensor: str, seconds: int) -> None:
    for _ in range(4):
        stamp = robot.tick()
        offset = {sensor: seconds * SECOND}
        robot.send("points", robot.scan_message(stamp + offset.get("points", 0)))
        robot.send("image", robot.image_message(stamp + offset.get("image", 0)))
    robot.spin(1.3)
    robot.recovers()
    robot.until(lambda: sum(robot.drops().values()) == 4)
    assert set(robot.drops()) <= {"scan_too_far", "image_time_jump"}


@fault(
    "time",
    broken="time jumps back while images wait for a scan",
    sees="dropped (image_time_jump)",
    recovers="with the first frame",
)
def test_backwards_while_images_wait(robot: Any) -> None:
    for _ in range(3):
        robot.send("image", robot.image_message(robot.tick()))
    robot.jump(-1000 * SECOND)
    robot.recovers()
    robot.expect("time jumped back", image_time_jump=3)


@pytest.fixture
def simulated(make_robot: Callable[..., Any]) -> Any:
    """A robot whose node runs on /clock."""
    robot = make_robot(started=False, use_sim_time=True)
    robot.clock = robot.node.create_publisher(Clock, "/clock", 10)
    robot.start()
    return robot


def show_clock(robot: Any, ns: int) -> None:
    robot.clock.publish(Clock(clock=Time(sec=ns // SECOND, nanosec=ns % SECOND)))
    robot.spin(0.05)


@fault(
    "time",
    broken="the simulation is reset: /clock and all stamps fall to zero",
    sees="nothing is lost",
    recovers="with the first frame",
)
def test_simulation_reset(simulated: Any) -> None:
    robot = simulated
    show_clock(robot, robot.stamp)
    robot.drive(3)
    robot.jump(SECOND - robot.stamp)
    show_clock(robot, robot.stamp)
    robot.recovers(within=1)
    robot.expect()


@fault(
    "time",
    broken="/clock stands still, or never comes",
    sees="nothing: waiting and diagnostics run on the machine's steady clock",
    recovers="nothing is lost",
)
def test_clock_stands_still(simulated: Any) -> None:
    robot = simulated
    show_clock(robot, robot.stamp)
    robot.send("image", robot.image_message(robot.tick()))
    robot.spin(1.3)
    robot.recovers()
    robot.expect("no scan within sync_slop", scan_too_far=1)
