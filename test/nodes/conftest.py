"""A ROS context of its own for the tests of the nodes, and a probe that feeds and watches a running node."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from numpy.typing import NDArray
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from depth_ros.frame import PointCloud
from depth_ros.geometry.camera import Camera
from depth_ros.geometry.rigid import to_xyz_quat
from depth_ros.messages.decode import stamp_ns
from depth_ros.messages.encode import encode_camera, encode_cloud, encode_image
from depth_ros.nodes.factory import make
from depth_ros.nodes.outputs import KINDS
from depth_ros.nodes.qos import profile

PATIENCE_S = 15.0
CAMERA = Camera.from_focal(160, 120, 100, 100, 80, 60)


@pytest.fixture
def ros(domain: int) -> Iterator[None]:
    """Initialise rclpy for one test."""
    rclpy.init(domain_id=domain)
    yield
    rclpy.try_shutdown()


class Log:
    """A logger of ROS that keeps what it is told, with its level."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, text: str) -> None:
        self.lines.append(f"info {text}")

    def warning(self, text: str) -> None:
        self.lines.append(f"warning {text}")


class Logged:
    """A node that keeps what it logs."""

    def __init__(self, node: Any) -> None:
        self._node = node
        self.lines: list[str] = []
        self.info = self.error = self.warning = lambda text, **_: self.lines.append(text)

    def get_logger(self) -> Any:
        return self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._node, name)


@pytest.fixture
def node(ros: None) -> Iterator[Any]:  # noqa: ARG001 (a fixture used for what it does)
    node = rclpy.create_node("subject")
    yield Logged(node)
    node.destroy_node()


class Probe:
    """A node that publishes to and listens to completion_node; spun by the test itself."""

    def __init__(self, reliability: str = "reliable") -> None:
        self.node = rclpy.create_node("probe")
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        kinds = {"image": Image, "camera_info": CameraInfo, "points": PointCloud2}
        qos = profile(reliability, 20)
        self.inputs = {topic: self.node.create_publisher(kind, topic, qos) for topic, kind in kinds.items()}
        self.got: dict[str, list[Any]] = {topic: [] for topic in KINDS}
        self.listeners: list[Any] = []
        self.listen()
        self.diagnostics: dict[str, str] = {}
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)

    def listen(self) -> None:
        qos = profile("reliable", 20)
        subscribe = self.node.create_subscription
        self.listeners = [subscribe(kind, topic, self.got[topic].append, qos) for topic, kind in KINDS.items()]

    def leave(self) -> None:
        while self.listeners:
            self.node.destroy_subscription(self.listeners.pop())

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        self.diagnostics = {value.key: value.value for value in message.status[0].values}

    def spin_until(self, done: Callable[[], Any], patience_s: float = PATIENCE_S) -> None:
        deadline = time.monotonic() + patience_s
        while not done():
            assert time.monotonic() < deadline, f"never came; got {self.stamps()}, diagnostics {self.diagnostics}"
            self.executor.spin_once(timeout_sec=0.05)

    def spin_for(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.executor.spin_once(timeout_sec=0.05)

    def wait_for_node(self) -> None:
        self.spin_until(lambda: all(output.get_subscription_count() for output in self.inputs.values()))
        self.spin_until(lambda: all(self.node.count_publishers(topic) for topic in KINDS))
        self.spin_until(lambda: self.diagnostics)
        self.spin_for(0.5)  # the node's side may see a match a little later than ours

    def stamps(self) -> dict[str, list[int]]:
        return {topic: [stamp_ns(m.header.stamp) for m in messages] for topic, messages in self.got.items()}

    def drops(self) -> dict[str, int]:
        named = {key.partition(".")[2]: int(v) for key, v in self.diagnostics.items() if key.startswith("dropped.")}
        return {reason: count for reason, count in named.items() if reason != "no_subscribers"}

    def send_info(self, stamp: int, camera: Camera = CAMERA) -> None:
        self.inputs["camera_info"].publish(encode_camera(make, stamp, "camera", camera))

    def send_image(self, stamp: int, image: Image | None = None) -> None:
        self.inputs["image"].publish(image_message(stamp) if image is None else image)
        self.spin_for(0.03)  # a burst longer than the node's keep-last would overwrite itself

    def send_scan(self, stamp: int, xyz: NDArray[np.float32] | None = None, frame: str = "lidar") -> None:
        points = scan_points() if xyz is None else xyz
        self.inputs["points"].publish(encode_cloud(make, stamp, frame, PointCloud(points)))

    def close(self) -> None:
        self.executor.shutdown()
        self.node.destroy_node()


def image_message(stamp: int, width: int = 160, height: int = 120) -> Image:
    picture = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return encode_image(make, stamp, "camera", picture, "rgb8")


def scan_points() -> NDArray[np.float32]:
    """Return points of a wall 8 m ahead in a LiDAR frame (x forward, y left, z up)."""
    y, z = np.meshgrid(np.linspace(-5, 5, 60), np.linspace(-3, 3, 16))
    return np.stack([np.full(y.size, 8.0), y.ravel(), z.ravel()], axis=1).astype(np.float32)


@pytest.fixture
def probe(ros: None) -> Iterator[Probe]:  # noqa: ARG001 (a fixture used for what it does)
    probe = Probe()
    yield probe
    probe.close()


class Process:
    """A child process that must end with 0 on SIGINT, its output kept."""

    def __init__(self, module: str, *arguments: str) -> None:
        command = [sys.executable, "-m", module, *arguments]
        self._child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def stop(self, how: int = signal.SIGINT) -> tuple[int, str]:
        self._child.send_signal(how)
        return self.wait()

    def wait(self) -> tuple[int, str]:
        try:
            output, _ = self._child.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            output, _ = self._child.communicate()
        return self._child.returncode, output

    def kill(self) -> None:
        if self._child.poll() is None:
            self._child.kill()
            self._child.communicate()


@pytest.fixture
def start(domain: int) -> Iterator[Callable[..., Process]]:  # noqa: ARG001
    """Start `python -m module arguments...`; what still runs at the end of the test is killed."""
    started: list[Process] = []

    def begin(module: str, *arguments: str) -> Process:
        started.append(Process(module, *arguments))
        return started[-1]

    yield begin
    for process in started:
        process.kill()


class FakeTf2(ModuleType):
    """A fake tf2_ros: transforms by (target, source), each a function of the stamp; it notes what it is asked.

    newest: by the frames, the last stamp that is known, 0 = static. waited: seconds of patience that were asked for.
    """

    def __init__(self) -> None:
        super().__init__("tf2_ros")
        self.known: dict[tuple[str, str], Callable[[int], NDArray[np.float64]]] = {}
        self.newest: dict[tuple[str, str], int] = {}
        self.asked: list[tuple[str, str, int]] = []
        self.waited: list[float] = []
        self.listeners: list[Any] = []
        self.unregistered = self.cleared = 0
        fake = self

        class TransformException(Exception):
            pass

        class Buffer:
            def lookup_transform(self, target: str, source: str, when: Any, timeout: Any) -> Any:
                key, stamp = (target, source), when.nanoseconds
                fake.asked.append((*key, stamp))
                fake.waited.append(timeout.nanoseconds / 1e9)
                if key not in fake.known:
                    raise TransformException(f"{source} is\nnot known")
                newest = fake.newest.get(key, 0)
                if newest and stamp > newest:
                    raise TransformException("extrapolation into the future")
                stamp = stamp or newest
                xyz, quat = to_xyz_quat(fake.known[key](stamp))
                return SimpleNamespace(
                    header=SimpleNamespace(stamp=SimpleNamespace(sec=stamp // 10**9, nanosec=stamp % 10**9)),
                    transform=SimpleNamespace(
                        translation=SimpleNamespace(**dict(zip("xyz", xyz.tolist(), strict=True))),
                        rotation=SimpleNamespace(**dict(zip("xyzw", quat.tolist(), strict=True))),
                    ),
                )

            def clear(self) -> None:
                fake.cleared += 1

        class TransformListener:
            def __init__(self, buffer: Any, node: Any) -> None:
                assert isinstance(buffer, Buffer)
                assert node is not None
                fake.listeners.append(self)

            def callback(self, data: Any) -> None:
                pass

            def static_callback(self, data: Any) -> None:
                pass

            def unregister(self) -> None:
                fake.unregistered += 1

        self.Buffer, self.TransformListener, self.TransformException = Buffer, TransformListener, TransformException


@pytest.fixture
def fake_tf2(monkeypatch: pytest.MonkeyPatch) -> FakeTf2:
    fake = FakeTf2()
    monkeypatch.setitem(sys.modules, "tf2_ros", fake)
    return fake
