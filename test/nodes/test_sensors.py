"""Several cameras and LiDARs on one node, age, and lost sensors: everything over real topics."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from numpy.typing import NDArray
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image

from depth_ros.engines.onnx_runtime import OnnxRuntimeEngine
from depth_ros.errors import ConfigError, NodeError
from depth_ros.frame import PointCloud, Source
from depth_ros.geometry.camera import Camera
from depth_ros.messages.decode import decode_array, decode_cloud, stamp_ns
from depth_ros.messages.encode import encode_camera, encode_cloud, encode_image
from depth_ros.nodes import inputs, sensors
from depth_ros.nodes.completion import CompletionNode
from depth_ros.nodes.config import SensorConfig
from depth_ros.nodes.factory import make
from depth_ros.nodes.inputs import LidarInput, topic_of
from depth_ros.nodes.qos import profile

pytestmark = pytest.mark.live
START = 10**18
MS = 1_000_000
CAMERA = Camera.from_focal(160, 120, 100, 100, 80, 60)
DEPTH, SOURCE = "depth/image_rect", "depth/source"
OPTICAL = [-0.5, 0.5, -0.5, 0.5]
"""A camera (z forward) on a body (x forward)."""


def wall(distance: float, low: float, high: float) -> NDArray[np.float32]:
    """Return points `distance` ahead of a LiDAR, from `low` to `high` to its left."""
    y, z = np.meshgrid(np.linspace(low, high, 60), np.linspace(-4, 4, 24))
    return np.stack([np.full(y.size, distance), y.ravel(), z.ravel()], axis=1).astype(np.float32)


class Rig:
    """A node with named sensors on the probe's executor, with topics to and from it; times in milliseconds."""

    def __init__(
        self, probe: Any, cameras: list[str], lidars: list[str], unplaced: Sequence[str] = (), **values: Any
    ) -> None:
        self.probe = probe
        probe.leave()
        given: dict[str, Any] = {"cameras": cameras, "lidars": lidars, "model": "classical", "pose_source": "none"}
        children = [f"{camera}_camera" for camera in cameras]
        children += [f"{lidar}_lidar" for lidar in lidars if lidar not in unplaced]
        given["extrinsics_links"] = [f"link{number}" for number in range(len(children))]
        for link, child in zip(given["extrinsics_links"], children, strict=True):
            given |= {f"extrinsics.{link}.parent": "base", f"extrinsics.{link}.child": child}
            if child.endswith("_camera"):
                given[f"extrinsics.{link}.quat"] = OPTICAL
        given |= values
        self.node = CompletionNode(parameter_overrides=[Parameter(k, value=v) for k, v in given.items()])
        self.node.start()
        probe.executor.add_node(self.node)
        self._publishers: dict[str, Any] = {}
        self.got: dict[str, list[Any]] = {}
        self.statuses: dict[str, Any] = {}
        probe.node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)

    def listen(self, camera: str) -> None:
        for name in (DEPTH, SOURCE):
            got = self.got.setdefault(topic_of(camera, name), [])
            self.probe.node.create_subscription(Image, topic_of(camera, name), got.append, profile("reliable", 20))

    def image(self, camera: str, at: int) -> None:
        stamp, frame = START + at * MS, f"{camera}_camera"
        picture = np.zeros((120, 160, 3), np.uint8)
        self._publish(topic_of(camera, "camera_info"), encode_camera(make, stamp, frame, CAMERA))
        self._publish(topic_of(camera, "image"), encode_image(make, stamp, frame, picture, "rgb8"))

    def scan(self, lidar: str, at: int, xyz: NDArray[np.float32]) -> None:
        cloud = encode_cloud(make, START + at * MS, f"{lidar}_lidar", PointCloud(xyz))
        self._publish(topic_of(lidar, "points"), cloud)

    def outputs(self, camera: str, name: str = DEPTH) -> dict[int, Any]:
        """Return the pictures that came, by time."""
        got = self.got.get(topic_of(camera, name), [])
        return {(stamp_ns(message.header.stamp) - START) // MS: decode_array(message) for message in got}

    def wait_for(self, camera: str, at: int) -> NDArray[Any]:
        self.probe.spin_until(lambda: at in self.outputs(camera) and at in self.outputs(camera, SOURCE))
        depth: NDArray[Any] = self.outputs(camera)[at]
        return depth

    def dropped(self, camera: str) -> dict[str, int]:
        return dict(self.node._statistics[camera].dropped)

    def _publish(self, topic: str, message: Any) -> None:
        if topic not in self._publishers:
            self._publishers[topic] = self.probe.node.create_publisher(type(message), topic, profile("reliable", 20))
            self.probe.spin_until(self._publishers[topic].get_subscription_count)
        self._publishers[topic].publish(message)
        self.probe.spin_for(0.1)  # topics overtake each other

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        self.statuses = {status.name: status for status in message.status}


@pytest.fixture
def rig(probe: Any) -> Iterator[Callable[..., Rig]]:
    made: list[Rig] = []

    def begin(cameras: list[str], lidars: list[str], **values: Any) -> Rig:
        made.append(Rig(probe, cameras, lidars, **values))
        return made[-1]

    yield begin
    for rig in made:
        rig.node.destroy_node()


def test_two_cameras_and_two_lidars(rig: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[Any] = []

    def counting(*given: Any) -> PointCloud:
        decoded.append(given)
        return decode_cloud(*given)

    monkeypatch.setattr(inputs, "decode_cloud", counting)
    subject = rig(["front", "rear"], ["top", "left"], max_wait=5.0)
    probe = subject.probe
    subject.listen("front")
    subject.scan("top", 0, wall(8.0, 0.0, 6.0))
    subject.scan("left", 10, wall(6.0, -6.0, 0.0))
    assert subject.node._sensors is not None
    rear = subject.node._sensors.channels["rear"]
    assert not rear.is_open, "a camera that nobody listens to costs nothing"
    subject.listen("rear")
    probe.spin_until(lambda: rear.is_open)
    subject.scan("top", 100, wall(8.0, 0.0, 6.0))
    subject.scan("left", 110, wall(6.0, -6.0, 0.0))
    for camera in ("front", "rear"):
        subject.image(camera, 90)
        depth = subject.wait_for(camera, 90)
        assert abs(float(np.nanmedian(depth[:, :70])) - 8) < 0.1
        assert abs(float(np.nanmedian(depth[:, 90:])) - 6) < 0.1
        assert subject.dropped(camera) == {}
    assert len(decoded) == 4, "every scan is decoded once"
    names = {"completion_node", "completion_node: front", "completion_node: rear"}
    probe.spin_until(lambda: set(subject.statuses) >= names)


def test_a_lidar_that_is_missing_is_said_and_not_waited_for(rig: Callable[..., Rig]) -> None:
    subject = rig([""], ["top", "left"])
    subject.listen("")
    subject.scan("top", 100, wall(8.0, -6.0, 6.0))
    subject.image("", 90)
    assert abs(float(np.nanmedian(subject.wait_for("", 90))) - 8) < 0.1
    assert subject.dropped("") == {"lidar_missing": 1}


def test_a_lidar_without_a_transform_is_left_out(rig: Callable[..., Rig]) -> None:
    subject = rig([""], ["top", "left"], unplaced=["left"])
    subject.listen("")
    subject.scan("top", 100, wall(8.0, -6.0, 6.0))
    subject.scan("left", 101, wall(3.0, -6.0, 6.0))
    subject.image("", 100)
    assert abs(float(np.nanmedian(subject.wait_for("", 100))) - 8) < 0.1
    assert subject.dropped("") == {"lidar_without_transform": 1}


def test_a_lidar_whose_subscription_fails_is_tried_again(
    rig: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    class Shy(LidarInput):
        def __init__(self, node: Any, name: str, *given: Any) -> None:
            tried.append(name)
            if tried.count("left") == 1 and name == "left":
                raise NodeError("not yet")
            super().__init__(node, name, *given)

    monkeypatch.setattr(sensors, "LidarInput", Shy)
    subject = rig([""], ["top", "left"])
    subject.listen("")
    subject.probe.spin_until(lambda: tried.count("left") == 2)
    assert tried == ["top", "left", "left"]


def test_after_a_jump_back_no_scan_of_the_time_before_is_used(rig: Callable[..., Rig]) -> None:
    """The LiDAR is covered from the second lap on; the first lap's scan was taken at the same time of the bag."""
    subject = rig([""], [""], lidar_lost="last_scan", last_scan_for=0.5, min_points=100)
    subject.listen("")
    subject.scan("", 5000, wall(8.0, -6.0, 6.0))
    subject.image("", 5000)
    subject.wait_for("", 5000)
    for at in (0, 5100):
        subject.scan("", at, wall(3.0, -6.0, 6.0)[:50])
        subject.image("", at)
    subject.probe.spin_until(lambda: subject.dropped("").get("too_sparse") == 2)
    assert set(subject.outputs("")) == {5000}


def test_the_last_scan_of_a_lost_lidar_serves_flagged_and_for_a_while(rig: Callable[..., Rig]) -> None:
    subject = rig([""], [""], lidar_lost="last_scan", last_scan_for=0.5, max_wait=0.05)
    subject.listen("")
    subject.scan("", 0, wall(8.0, -6.0, 6.0))
    subject.image("", 0)
    subject.wait_for("", 0)
    subject.image("", 400)
    depth = subject.wait_for("", 400)
    assert abs(float(np.nanmedian(depth)) - 8) < 0.1
    assert set(np.unique(subject.outputs("", SOURCE)[0])) <= {Source.NONE, Source.MEASURED, Source.COMPLETED}
    assert set(np.unique(subject.outputs("", SOURCE)[400])) <= {Source.NONE, Source.OUTDATED}
    assert "0.4 s" in subject.node._statistics[""].degradation
    subject.image("", 600)
    subject.probe.spin_until(lambda: subject.dropped("") == {"scan_too_far": 1})
    subject.probe.spin_until(lambda: not subject.node._statistics[""].degradation)  # nor is there anything to degrade
    subject.scan("", 700, wall(8.0, -6.0, 6.0))
    subject.image("", 700)
    subject.wait_for("", 700)
    assert subject.node._statistics[""].degradation == ""
    assert set(subject.outputs("")) == {0, 400, 700}


def test_a_scan_that_is_too_sparse_is_replaced_by_the_last_usable_one(rig: Callable[..., Rig]) -> None:
    subject = rig([""], [""], lidar_lost="last_scan", last_scan_for=0.5, min_points=100)
    subject.listen("")
    for at, points in ((0, wall(8.0, -6.0, 6.0)), (100, wall(3.0, -6.0, 6.0)[:50]), (800, wall(3.0, -6.0, 6.0)[:50])):
        subject.scan("", at, points)
        subject.image("", at)
    assert abs(float(np.nanmedian(subject.wait_for("", 100))) - 8) < 0.1
    assert set(np.unique(subject.outputs("", SOURCE)[100])) <= {Source.NONE, Source.OUTDATED}
    subject.probe.spin_until(lambda: subject.dropped("") == {"too_sparse": 1})


def test_what_is_too_old_is_not_completed(rig: Callable[..., Rig]) -> None:
    subject = rig([""], [""], max_age=5.0)
    subject.listen("")
    subject.scan("", 0, wall(8.0, -6.0, 6.0))
    subject.image("", 0)
    subject.probe.spin_until(lambda: subject.dropped("") == {"too_late": 1})
    assert subject.node.set_parameters([Parameter("max_age", value=0.0)])[0].successful
    subject.scan("", 100, wall(8.0, -6.0, 6.0))
    subject.image("", 100)
    subject.wait_for("", 100)


def test_stages_are_timed(rig: Callable[..., Rig]) -> None:
    subject = rig([""], [""])
    subject.listen("")
    subject.scan("", 0, wall(8.0, -6.0, 6.0))
    subject.image("", 0)
    subject.wait_for("", 0)
    values = subject.node._statistics[""].values()
    for stage in ("decode", "pair", "rectify", "project", "complete", "encode", "publish", "latency"):
        assert f"{stage}_p50_ms" in values


@pytest.mark.parametrize("names", [["front", "front"], ["fr ont"], ["9lives"], ["front/"], []])
def test_names_that_cannot_be_namespaces_are_refused(names: list[str]) -> None:
    with pytest.raises(ConfigError):
        SensorConfig(cameras=names)
    with pytest.raises(ConfigError):
        SensorConfig(lidars=names)


class Held:
    """ONNX Runtime, made to gain by batches: `n` of every run; it waits for the gate, and fails on N of `broken`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.n: list[int] = []
        self.gate, self.broken = Event(), 0
        self.gate.set()
        infer = OnnxRuntimeEngine._infer

        def held(engine: OnnxRuntimeEngine, given: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
            self.n.append(len(given["image"]))
            assert self.gate.wait(60)
            if self.n[-1] == self.broken:
                raise RuntimeError("no room for two")
            return infer(engine, given)

        monkeypatch.setattr(OnnxRuntimeEngine, "_infer", held)
        monkeypatch.setattr(OnnxRuntimeEngine, "batches", True)


def learned(rig: Callable[..., Rig], toy: Path) -> Rig:
    """Return a rig of two cameras with a model, both of which have given depth."""
    # What waits to be sent is superseded, too: here nothing is to be lost.
    given = {"guard_share": 0.0, "sync_slop": 1.0, "lost_after": 5.0, "queue_policy": "all"}
    subject = rig(["front", "rear"], ["top"], model=str(toy), engine="onnxruntime", **given)
    assert subject.node._sensors is not None
    for camera, at in (("front", 0), ("rear", 10)):
        subject.listen(camera)
        channel = subject.node._sensors.channels[camera]
        subject.probe.spin_until(lambda channel=channel: channel.is_open)
        subject.scan("top", at, wall(8.0, -6.0, 6.0))
        subject.image(camera, at)
        subject.wait_for(camera, at)
    return subject


def meet(subject: Rig, held: Held) -> None:
    """Have an image of each camera wait, prepared, while another of the front one is inferred."""
    held.gate.clear()
    held.n.clear()
    subject.scan("top", 100, wall(8.0, -6.0, 6.0))
    subject.image("front", 100)
    subject.probe.spin_until(lambda: held.n)
    subject.scan("top", 200, wall(8.0, -6.0, 6.0))
    for camera, at in (("front", 200), ("rear", 210)):
        subject.image(camera, at)
    assert subject.node._completer is not None
    finisher = subject.node._completer._stages._finisher
    subject.probe.spin_until(lambda: finisher.waiting() == {"front", "rear"})
    held.gate.set()


@pytest.mark.parametrize("batch", [None, 2])
def test_images_that_wait_when_the_engine_is_free_are_inferred_at_once(
    rig: Callable[..., Rig], make_toy: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, batch: int | None
) -> None:
    pytest.importorskip("onnxruntime")
    held = Held(monkeypatch)
    subject = learned(rig, make_toy(batch=batch))
    meet(subject, held)
    front, rear = subject.wait_for("front", 200), subject.wait_for("rear", 210)
    assert held.n == [batch or 1, 2], "what came first did not wait for the others"
    assert np.array_equal(front, subject.outputs("front")[0], equal_nan=True)
    assert np.array_equal(rear, subject.outputs("rear")[10], equal_nan=True)
    assert set(subject.outputs("front")) == {0, 100, 200}
    assert set(subject.outputs("rear")) == {10, 210}
    for camera in ("front", "rear"):
        assert not subject.dropped(camera)
        assert subject.node._statistics[camera].depth_maps == len(subject.outputs(camera))
    held.n.clear()
    subject.image("rear", 300)
    subject.wait_for("rear", 300)
    assert held.n == [batch or 1], "the other camera is silent, and is not waited for"


def test_an_engine_that_fails_on_two_images_gets_one_by_one(
    rig: Callable[..., Rig],
    make_toy: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("onnxruntime")
    held = Held(monkeypatch)
    subject = learned(rig, make_toy(batch=None))
    held.broken = 2
    meet(subject, held)
    for camera, at in (("front", 200), ("rear", 210)):
        subject.wait_for(camera, at)
        assert not subject.dropped(camera)
    assert held.n == [1, 2, 1, 1]
    assert "inferred one by one from now on" in capfd.readouterr().err
    assert subject.node._pipeline is not None
    assert not subject.node._pipeline.fault


def test_what_became_too_old_beside_another_is_dropped_alone(
    rig: Callable[..., Rig], make_toy: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime")
    held = Held(monkeypatch)
    subject = learned(rig, make_toy(batch=None))
    completer = subject.node._completer
    assert completer is not None
    is_in_time = completer._is_in_time

    def judge(work: Any) -> bool:
        if not held.gate.is_set() or work.channel.name != "front":
            return bool(is_in_time(work))
        work.channel.statistics.drop("too_late", "it waited too long")
        return False

    monkeypatch.setattr(completer, "_is_in_time", judge)
    meet(subject, held)
    subject.wait_for("rear", 210)
    assert subject.dropped("front") == {"too_late": 1}
    assert held.n == [1, 1]
    assert set(subject.outputs("front")) == {0, 100}
