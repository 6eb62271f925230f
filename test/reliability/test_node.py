"""Faults of what the node does itself: the completion, its parameters, its transitions, its extrinsics."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from time import sleep
from typing import Any

import numpy as np
import pytest
from rclpy.exceptions import ParameterNotDeclaredException

from depth_ros.errors import EngineError
from depth_ros.frame import DepthMap, Frame
from depth_ros.geometry.rigid import from_xyz_quat
from depth_ros.nodes import fallback
from depth_ros.pipelines.base import Finish, Pipeline
from depth_ros.pipelines.completion import ClassicalCompletion
from depth_ros.pipelines.factory import make_pipeline

pytestmark = pytest.mark.live
fault = pytest.mark.fault
TRANSITIONS = ("configure", "activate", "deactivate", "cleanup")


class Breakable:
    """Stands before a pipeline: `fault`, once set, is called in its place with the frame; None lets it through."""

    def __init__(self) -> None:
        self.fault: Callable[[], None] | None = None

    def wrap(self, pipeline: Pipeline) -> Pipeline:
        prepare = pipeline.prepare

        def broken(frame: Frame) -> Finish:
            finish = prepare(frame)

            def run() -> DepthMap:
                if self.fault is not None:
                    self.fault()
                return finish()

            return run

        pipeline.prepare = broken  # type: ignore[method-assign]
        return pipeline


@pytest.fixture
def breakable(monkeypatch: pytest.MonkeyPatch) -> Breakable:
    made = Breakable()
    monkeypatch.setattr(fallback, "make_pipeline", lambda *settings: made.wrap(make_pipeline(*settings)))
    return made


def raising(error: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


@fault(
    "completion",
    broken="the engine fails on 3 frames",
    sees="dropped (not_completed): the engine's reason",
    recovers="with the first frame that it completes",
    quick=True,
)
def test_engine_fails(breakable: Breakable, robot: Any) -> None:
    breakable.fault = raising(EngineError("the device is lost"))
    drive_in_vain(robot)
    breakable.fault = None
    robot.recovers()
    robot.expect("the device is lost", not_completed=3)


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(
            error,
            id=type(error).__name__,
            marks=fault(
                "completion",
                broken=f"a bug: {type(error).__name__} on 3 frames",
                sees=f"dropped (internal_{type(error).__name__}), with the traceback once",
                recovers="with the first frame without it",
            ),
        )
        for error in (ZeroDivisionError("a bug"), MemoryError("no room"))
    ],
)
def test_bug(breakable: Breakable, robot: Any, error: Exception) -> None:
    breakable.fault = raising(error)
    drive_in_vain(robot)
    breakable.fault = None
    robot.recovers()
    robot.expect("please report", **{f"internal_{type(error).__name__}": 3})
    robot.forgive("Traceback", "please report")


@fault(
    "completion",
    broken="slower than the camera, queue_policy latest",
    sees="dropped (superseded), counted",
    recovers="at once: the newest frame is the one that is answered",
)
def test_slow(breakable: Breakable, make_robot: Callable[..., Any]) -> None:
    robot = make_robot(queue_policy="latest")
    breakable.fault = lambda: sleep(0.3)
    robot.drive(10)
    robot.expect_output()
    breakable.fault = None
    robot.recovers()
    robot.expect()
    assert int(robot.diagnostics["dropped.superseded"]) > 0


@fault(
    "completion",
    broken="slower than the camera, queue_policy all",
    sees="dropped (queue_full)",
    recovers="when it is fast again: the newest frames are kept",
)
def test_slow_and_every_frame_wanted(breakable: Breakable, make_robot: Callable[..., Any]) -> None:
    robot = make_robot(queue_size=3)
    breakable.fault = lambda: sleep(0.3)
    robot.drive(10)
    robot.expect_output()
    breakable.fault = None
    robot.recovers()
    robot.expect("completion is slower than the camera", queue_full=-1)


def drive_in_vain(robot: Any, frames: int = 3) -> None:
    for _ in range(frames):
        stamp = robot.tick()
        robot.send("points", robot.scan_message(stamp))
        robot.send("image", robot.image_message(stamp))
    robot.spin(0.3)


STORM: dict[str, tuple[Any, ...]] = {
    "max_depth": (50.0, 30.0, 120.0),
    "min_depth": (1.0, 0.5),
    "see_through": (False, True),
    "use_image": (False, True),
    "paste_measured": (False, True),
    "queue_size": (1, 50, 30),
    "queue_policy": ("latest", "all"),
    "max_wait": (0.0, 0.15),
    "cloud_stride": (2, 1),
    "depth_encoding": ("16UC1", "32FC1"),
    "image_is_rectified": ("true", "false", "auto"),
}


class Builder:
    """An engine that takes a second for the first frame, and says so meanwhile."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, breakable: Breakable) -> None:
        self.what = ""
        monkeypatch.setattr(ClassicalCompletion, "building", property(lambda _: self.what))
        breakable.fault, self._breakable = self._build, breakable

    def _build(self) -> None:
        self.what = "the engine for 160x96"
        sleep(1.0)
        self.what, self._breakable.fault = "", None


@fault(
    "completion",
    broken="an engine is built, queue_policy latest",
    sees="dropped (building), counted, with the remedy",
    recovers="with the newest frame when it is built",
)
def test_built_latest(monkeypatch: pytest.MonkeyPatch, breakable: Breakable, make_robot: Callable[..., Any]) -> None:
    robot = make_robot(queue_policy="latest")
    Builder(monkeypatch, breakable)
    robot.drive(5)
    robot.expect_output()
    robot.recovers()
    robot.expect("is being built", building=-1)
    assert int(robot.diagnostics["dropped.building"]) > 0


@fault(
    "completion",
    broken="an engine is built, queue_policy all",
    sees="older depth; age in /diagnostics",
    recovers="nothing is lost, up to queue_size frames",
)
def test_built_all(monkeypatch: pytest.MonkeyPatch, breakable: Breakable, robot: Any) -> None:
    Builder(monkeypatch, breakable)
    robot.drive(8)
    robot.expect_output()
    robot.recovers()
    robot.expect()


@fault(
    "node",
    broken="a storm of parameters: 300 changes while frames come, back to the start at its end",
    sees="nothing; a frame is settled by what was in force",
    recovers="at once",
)
def test_parameter_storm(robot: Any) -> None:
    changes = [(name, value) for name, values in STORM.items() for value in values] * 12
    for number, (name, value) in enumerate(changes):
        assert robot.set(name, value).successful
        if number % 10 == 0:
            drive_in_vain_quickly(robot)
    robot.forget()
    robot.recovers()
    assert set(robot.drops()) <= {"scan_too_far", "image_without_scan"}


def drive_in_vain_quickly(robot: Any) -> None:
    stamp = robot.tick()
    robot.send("points", robot.scan_message(stamp), 0)
    robot.send("image", robot.image_message(stamp), 0)


@fault(
    "node",
    broken="wrong parameters: out of range, of another type, read-only, unknown",
    sees="each is refused: with its name, and its range, choices or type",
    recovers="at once: nothing changes",
    quick=True,
)
def test_wrong_parameters(robot: Any) -> None:
    for name, value, told in (
        ("max_depth", -1.0, ("max_depth", "0.1", "10000.0")),
        ("queue_size", "many", ("queue_size", "'many'", "a string", "an integer")),
        ("model", "auto", ("model", "read-only")),
        ("queue_policy", "newest", ("queue_policy", "latest, all")),
    ):
        answer = robot.set(name, value)
        assert not answer.successful
        assert all(word in answer.reason for word in told), answer.reason
    with pytest.raises(ParameterNotDeclaredException):
        robot.set("max_dpeth", 3.0)
    robot.recovers(within=1)
    robot.expect()


@fault(
    "node",
    broken="transitions in every order: all 64 rows of three, allowed or not, while frames come",
    sees="a transition that is not allowed is refused",
    recovers="when it is active again",
)
def test_transitions(robot: Any) -> None:
    for row in itertools.product(TRANSITIONS, repeat=3):
        for transition in row:
            allowed_or_not(getattr(robot.subject, f"trigger_{transition}"))
        robot.drive()
    for transition in ("deactivate", "cleanup", "configure", "activate"):
        allowed_or_not(getattr(robot.subject, f"trigger_{transition}"))
    robot.wait_until_connected()
    robot.recovers()


def allowed_or_not(transition: Callable[[], Any]) -> None:
    try:
        transition()
    except Exception as error:  # rclpy has no class of its own for a transition that is not allowed
        assert "Transition is not registered" in str(error) or "transition" in str(error).lower()  # noqa: PT017


@fault(
    "node",
    broken="deactivated in the middle of a frame, then activated",
    sees="nothing: what waited is forgotten",
    recovers="when it is active again",
    quick=True,
)
def test_deactivated_at_work(breakable: Breakable, robot: Any) -> None:
    breakable.fault = lambda: sleep(0.2)
    robot.drive(3)
    robot.subject.trigger_deactivate()
    breakable.fault = None
    robot.drive(2)
    robot.subject.trigger_activate()
    robot.wait_until_connected()
    robot.recovers()


@fault(
    "points",
    broken="silent for 3 frames, lidar_lost: last_scan",
    sees="depth/source 4 (outdated); 'degraded: completed from a scan 0.3 s older than the image' in /diagnostics",
    recovers="nothing is lost",
    quick=True,
)
def test_last_scan(make_robot: Callable[..., Any]) -> None:
    robot = make_robot(lidar_lost="last_scan", last_scan_for=0.5)
    robot.last_scan_ns = 500_000_000
    for _ in range(3):
        robot.send_image(robot.tick())
    robot.expect_output()
    robot.until(lambda: "older than the image" in robot.diagnostics.get("degradation", ""))
    robot.recovers()
    robot.expect()


@fault(
    "transform",
    broken="the extrinsics file is missing, then there",
    sees="'cannot configure: extrinsics_file ... cannot be read'",
    recovers="with the next configure",
)
def test_extrinsics_file_arrives(make_robot: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "extrinsics.yaml"
    robot = make_robot(started=False, extrinsics_source="file", extrinsics_file=str(path))
    robot.subject.start()
    robot.expect("cannot configure: extrinsics_file")
    path.write_text(
        "extrinsics:\n  lidar: {parent: camera, child: lidar, xyz: [0.1, -0.2, 0.3], quat: [0.5, -0.5, 0.5, 0.5]}\n"
    )
    robot.start()
    robot.recovers()
    robot.expect()


@fault(
    "transform",
    broken="the extrinsics change at run time",
    sees="nothing",
    recovers="the next frame has the new ones",
    quick=True,
)
def test_extrinsics_change(robot: Any) -> None:
    assert robot.set("extrinsics.lidar.xyz", [0.2, 0.0, -0.1]).successful
    robot.T_cam_lidar = from_xyz_quat([0.2, 0.0, -0.1], [0.5, -0.5, 0.5, 0.5])
    robot.recovers(within=1)
    robot.expect()


@fault(
    "transform",
    broken="the extrinsics are set to something that is no motion",
    sees="refused: 'unit quaternion'",
    recovers="at once: nothing changes",
)
def test_extrinsics_no_motion(robot: Any) -> None:
    for value in ([0.0, 0.0, 0.0, 5.0], [float("nan")] * 4, [1.0]):
        answer = robot.set("extrinsics.lidar.quat", value)
        assert not answer.successful
        assert "quat" in answer.reason
    robot.recovers(within=1)
    robot.expect()
    assert np.isfinite(robot.T_cam_lidar).all()
