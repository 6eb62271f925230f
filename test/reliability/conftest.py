"""A robot that can break each of its sensors, and that proves every output of the node to be neither wrong nor stale.

The robot drives towards a wall with a box before it: every image and every scan shows another distance, so that an
output made of anything but its own image and its own scan differs from the completion of the two made offline.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from numpy.typing import NDArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from depth_ros.config import CompletionConfig, GuardConfig
from depth_ros.frame import DepthMap, Frame, PointCloud
from depth_ros.geometry.camera import Camera
from depth_ros.geometry.rigid import from_xyz_quat, invert
from depth_ros.messages.decode import decode_array, decode_image, stamp_ns
from depth_ros.messages.encode import encode_camera, encode_cloud, encode_image
from depth_ros.nodes.completion import CompletionNode
from depth_ros.nodes.factory import make
from depth_ros.nodes.outputs import KINDS
from depth_ros.nodes.qos import profile
from depth_ros.pipelines.factory import make_pipeline
from depth_ros.pipelines.guard import outdated

PATIENCE_S = 20.0
TICK = 100_000_000
START = 1_700_000_000_000_000_000
WIDTH, HEIGHT = 160, 96
CAMERA = Camera.from_focal(WIDTH, HEIGHT, 100, 100, (WIDTH - 1) / 2, (HEIGHT - 1) / 2)
XYZ, QUAT = [0.1, -0.2, 0.3], [0.5, -0.5, 0.5, 0.5]
PARAMETERS = {
    "model": "classical",
    "queue_policy": "all",
    "lost_after": 1.0,
    "extrinsics.lidar.parent": "camera",
    "extrinsics.lidar.child": "lidar",
    "extrinsics.lidar.xyz": XYZ,
    "extrinsics.lidar.quat": QUAT,
}
INPUTS = {"image": Image, "camera_info": CameraInfo, "points": PointCloud2}
SLOP = 60_000_000
# What is left out on purpose is no answer to a fault.
DELIBERATE = {"no_subscribers", "superseded"}
BUGS = {"Traceback", "please report"}
T_CAM_LIDAR = from_xyz_quat(XYZ, QUAT)


ORDER = (
    "image",
    "camera_info",
    "points",
    "odometry",
    "transform",
    "time",
    "completion",
    "node",
    "subscriber",
    "process",
)
BEGIN, END = "<!-- faults: begin -->", "<!-- faults: end -->"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fault-table", metavar="FILE", help="write the table of the faults into FILE, between its marks")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Leave every fault but the quick ones to `make reliability`."""
    mark = item.get_closest_marker("fault")
    if mark is not None and not mark.kwargs.get("quick"):
        item.add_marker("reliability")


def pytest_collection_finish(session: pytest.Session) -> None:
    path = session.config.getoption("fault_table", None)
    if path:
        page = Path(path)
        head, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
        page.write_text(f"{head}{BEGIN}\n{fault_table(session.items)}{END}{rest.partition(END)[2]}", encoding="utf-8")


def fault_table(items: list[pytest.Item]) -> str:
    """Return the table of all faults among `items`, numbered."""
    marks = [{**mark.kwargs, "where": mark.args[0]} for item in items for mark in item.iter_markers("fault")]
    rows = sorted(marks, key=lambda row: ORDER.index(row["where"]))
    lines = [
        f"{len(rows)} faults.",
        "",
        "| # | where | what is broken | what the user sees | recovers |",
        "|---|---|---|---|---|",
        *(
            f"| {number} | {row['where']} | {row['broken']} | {row['sees']} | {row['recovers']} |"
            for number, row in enumerate(rows, 1)
        ),
    ]
    return "\n".join(["", *lines, "", ""])


@dataclass(frozen=True, eq=False)
class Shot:
    """An image that the node may answer: epoch counts the jumps of time before it."""

    epoch: int
    stamp: int
    rgb: NDArray[np.uint8]
    camera: Camera


@dataclass(frozen=True, eq=False)
class Scan:
    """A scan that the node may use, and the transform that holds for it."""

    epoch: int
    stamp: int
    xyz: NDArray[np.float32]
    T_cam_lidar: NDArray[np.float64]


def shoot(index: int, width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.uint8]:
    """Return the picture number `index`: a dark wall with grain, and a bright box before it."""
    rgb = np.random.default_rng(index).integers(20, 60, (height, width, 3), dtype=np.uint8)
    rgb[height // 3 :, width // 3 : width // 2] += np.uint8(120)
    return rgb


def scan(index: int, camera: Camera = CAMERA, rows: int = 6, columns: int = 2) -> NDArray[np.float32]:
    """Return the LiDAR's points number `index`, in its own frame: every `rows`-th row, every `columns`-th column."""
    v, u = np.mgrid[3 : camera.height : rows, 1 : camera.width : columns].reshape(2, -1)
    box = (v >= camera.height // 3) & (u >= camera.width // 3) & (u < camera.width // 2)
    z = np.where(box, 3.0, 6.0) + 0.25 * (index % 31)
    fx, fy, cx, cy = camera.intrinsics
    in_camera = np.stack([(u - cx) / fx * z, (v - cy) / fy * z, z, np.ones_like(z)])
    return np.ascontiguousarray((invert(T_CAM_LIDAR) @ in_camera)[:3].T, np.float32)


class Process:
    """A child process; what it says goes into a file."""

    def __init__(self, log: Path, *command: str, prepare: Callable[[], None] | None = None) -> None:
        self.log, self._arguments, self._prepare = log, command, prepare
        self.start()

    def start(self) -> None:
        """Start it, or start it again after its end."""
        command = [sys.executable, "-m", *self._arguments]
        with self.log.open("ab") as sink:
            self.child = subprocess.Popen(command, stdout=sink, stderr=subprocess.STDOUT, preexec_fn=self._prepare)

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def send(self, number: int) -> None:
        self.child.send_signal(number)

    def end(self, number: int = signal.SIGINT) -> int:
        """Send a signal, and return the exit status."""
        self.send(number)
        return self.wait()

    def wait(self, patience_s: float = PATIENCE_S) -> int:
        return self.child.wait(patience_s)

    def kill(self) -> None:
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()


class Robot:
    """Sensors, a completion node and listeners in one process, over real DDS, spun by the test itself."""

    def __init__(self, console: Callable[[], str], subject: Any = None, camera: str = "") -> None:
        self._console, self.subject = console, subject
        self.camera_name, self._before = camera, f"{camera}/" if camera else ""
        self.node = rclpy.create_node("robot")
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        if subject is not None:
            self.executor.add_node(subject)
        self.diagnostics: dict[str, str] = {}
        self.got: dict[str, list[Any]] = {topic: [] for topic in KINDS}
        self.shots: list[Shot] = []
        self.scans: list[Scan] = []
        self.index = self.epoch = 0
        self.stamp = START
        self.camera, self.T_cam_lidar = CAMERA, T_CAM_LIDAR
        self._bursting, self._forgotten = False, 0
        self.last_scan_ns = 0
        self.before_frame: Callable[[int], None] = lambda _stamp: None
        self.forgiven: set[str] = set()
        self._pipeline = make_pipeline(CompletionConfig(model="classical"), GuardConfig())
        self._checked: dict[str, int] = dict.fromkeys(KINDS, 0)
        self._last: dict[str, tuple[int, int]] = dict.fromkeys(KINDS, (-1, 0))
        self._maps: dict[tuple[int, int], DepthMap] = {}
        self.inputs = {topic: self.publisher(topic) for topic in INPUTS}
        self.listeners: list[Any] = []
        self.listen()
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)

    # What a test does with the world.

    def start(self) -> None:
        """Start the node, and prove that it works before anything breaks."""
        if self.subject is not None:
            self.subject.start()
        self.prove()

    def prove(self) -> None:
        self.wait_until_connected()
        self.drive(2)
        self.expect_output()

    def wait_until_connected(self) -> None:
        self.until(lambda: all(publisher.get_subscription_count() for publisher in self.inputs.values()))
        self.until(lambda: all(self.node.count_publishers(self._before + topic) for topic in KINDS))
        self.spin(0.2)  # the node's side may see a match a little later than ours

    def publisher(self, topic: str, reliability: str = "reliable") -> Any:
        name = topic if topic == "points" else self._before + topic
        return self.node.create_publisher(INPUTS[topic], name, profile(reliability, 50))

    def restart(self, topic: str, reliability: str = "reliable") -> None:
        """End the driver of one sensor and start it anew."""
        self.node.destroy_publisher(self.inputs[topic])
        self.spin(0.5)  # the node looks for publishers several times a second
        self.inputs[topic] = self.publisher(topic, reliability)
        self.wait_until_connected()

    def listen(self) -> None:
        for topic, kind in KINDS.items():
            take, qos = self.got[topic].append, profile("reliable", 50)
            self.listeners.append(self.node.create_subscription(kind, self._before + topic, take, qos))

    def leave(self) -> None:
        while self.listeners:
            self.node.destroy_subscription(self.listeners.pop())

    def tick(self, steps: float = 1) -> int:
        """Let time pass, and the robot drive on."""
        self.stamp += round(steps * TICK)
        self.index += 1
        return self.stamp

    def jump(self, ns: int) -> None:
        """Let time jump, as a bag that starts again does."""
        self.stamp += ns
        self.epoch += 1

    def drive(self, frames: int = 1) -> None:
        """Send so many good frames, ten per second of robot's time."""
        for _ in range(frames):
            stamp = self.tick()
            self.before_frame(stamp)
            self.send_info(stamp)
            self.send_scan(stamp)
            self.send_image(stamp)

    def plays(self, frames: list[tuple[int, Any, NDArray[np.float32]]], laps: int) -> None:
        """Note what a player plays as what may be answered, once in every lap: stamps, images, scans."""
        shown = [(stamp, decode_image(image), xyz) for stamp, image, xyz in frames]
        for lap in range(laps):
            self.shots += [Shot(lap, stamp, rgb, self.camera) for stamp, rgb, _ in shown]
            self.scans += [Scan(lap, stamp, xyz, self.T_cam_lidar) for stamp, _, xyz in shown]

    def send_info(self, stamp: int, camera: Camera | None = None) -> None:
        if camera is not None:
            self.camera = camera
        self.send("camera_info", encode_camera(make, stamp, "camera", self.camera), 0 if camera is None else 0.1)

    def send_image(self, stamp: int, *, encode: Callable[[int, NDArray[np.uint8]], Any] | None = None) -> None:
        """Send the next picture, and note it as one that may be answered once; encode: how it becomes a message."""
        rgb = self.shoot()
        message = encode_image(make, stamp, "camera", rgb, "rgb8") if encode is None else encode(stamp, rgb)
        self.shots.append(Shot(self.epoch, stamp, decode_image(message), self.camera))
        self.send("image", message)

    def send_scan(
        self,
        stamp: int,
        xyz: NDArray[np.float32] | None = None,
        *,
        encode: Callable[[int, NDArray[np.float32]], Any] | None = None,
    ) -> None:
        """Send the scan of this moment (or `xyz`), and note it as one that may be used; encode: into a message."""
        points = self.scan() if xyz is None else xyz
        message = encode_cloud(make, stamp, "lidar", PointCloud(points)) if encode is None else encode(stamp, points)
        known = points[np.isfinite(points).all(axis=1)]
        self.scans.append(Scan(self.epoch, stamp, known, self.T_cam_lidar))
        self.send("points", message)

    def send(self, topic: str, message: Any, seconds: float = 0.02) -> None:
        """Publish a message as it is, and let the node take it: topics overtake each other otherwise."""
        self.inputs[topic].publish(message)
        if not self._bursting:
            self.spin(seconds)

    def burst(self, action: Callable[[], Any]) -> None:
        """Send all that `action` sends at once: the node sees nothing of it before it is all sent."""
        self._bursting = True
        action()
        self._bursting = False

    def shoot(self) -> NDArray[np.uint8]:
        """Return the picture of this moment."""
        return shoot(self.index, *self.camera.size)

    def image_message(self, stamp: int) -> Any:
        """Return the picture of this moment as a message that nobody is to answer."""
        return encode_image(make, stamp, "camera", self.shoot(), "rgb8")

    def scan(self) -> NDArray[np.float32]:
        """Return the scan of this moment."""
        return scan(self.index)

    def scan_message(self, stamp: int) -> Any:
        """Return the scan of this moment as a message that nothing is to be made of."""
        return encode_cloud(make, stamp, "lidar", PointCloud(self.scan()))

    def set(self, name: str, value: Any) -> Any:
        return self.subject.set_parameters([Parameter(name, value=value)])[0]

    # What a test expects.

    def recovers(self, within: int = 3) -> None:
        """Send `within` good frames: the last of them at the latest is answered, on every topic."""
        self.drive(within)
        self.expect_output()

    def returns(self) -> None:
        """Send frames until one is answered, as processes find each other in their own time; then as ever."""
        before = len(self.got["depth/image_rect"])
        self.drive_until(lambda: len(self.got["depth/image_rect"]) > before)
        self.recovers()

    def until_said(self, words: str, do: Callable[[], Any] = lambda: None) -> None:
        """Go on doing `do` until the node says `words`."""

        def done() -> bool:
            do()
            return words in self.log()

        self.until(done)

    def drive_until(self, done: Callable[[], Any]) -> None:
        """Send good frames until `done` is true."""

        def driven() -> Any:
            self.drive()
            return done()

        self.until(driven)

    def expect_output(self, stamp: int | None = None) -> None:
        """Wait until the image of `stamp` (None: the newest) is answered on every topic; check all that came."""
        wanted = self.stamp if stamp is None else stamp
        self.until(lambda: all(self._came(topic, wanted) for topic in KINDS))
        self.check()

    def expect_more(self, count: int) -> None:
        """Wait for so many more outputs on every topic, and check all that came."""
        before = {topic: len(messages) for topic, messages in self.got.items()}
        self.until(lambda: all(len(messages) >= before[topic] + count for topic, messages in self.got.items()))
        self.check()

    def expect(self, *words: str, **drops: int) -> None:
        """Wait until exactly `drops` are counted and `words` are logged; -1: any number of that drop."""
        self.diagnostics = {}
        self.until(lambda: self.diagnostics and self._drops_are(drops))
        self.until(lambda: all(word in self.log() for word in words))

    def check(self) -> None:
        """Fail unless every output is the completion of its own image with its own scan, in order, and once."""
        for topic, messages in self.got.items():
            new, self._checked[topic] = messages[self._checked[topic] :], len(messages)
            for message in new:
                self.judge(topic, message)

    def forgive(self, *words: str) -> None:
        """Let these words stand in the log at the end."""
        self.forgiven |= set(words)

    def forget(self) -> None:
        """Leave the answers to all images so far unjudged, where they depend on when a setting took effect."""
        self._forgotten = self.stamp

    def until(self, done: Callable[[], Any]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not done():
            assert time.monotonic() < deadline, f"never came; {self.diagnostics}, log:\n{self.log()}"
            self.executor.spin_once(timeout_sec=0.02)

    def spin(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.executor.spin_once(timeout_sec=left)

    def log(self) -> str:
        """Return all that the node has said on its console."""
        return self._console()

    def guard(self, **settings: Any) -> None:
        """Judge by other settings of the guard."""
        self._pipeline = make_pipeline(CompletionConfig(model="classical"), GuardConfig(**settings))

    def drops_now(self) -> dict[str, int]:
        """Return the drops of the next status to come."""
        self.diagnostics = {}
        self.until(lambda: self.diagnostics)
        return self.drops()

    def drops(self) -> dict[str, int]:
        counted = {key.partition(".")[2]: int(v) for key, v in self.diagnostics.items() if key.startswith("dropped.")}
        return {reason: count for reason, count in counted.items() if reason not in DELIBERATE}

    def close(self) -> None:
        self.executor.shutdown()
        if self.subject is not None:
            self.subject.destroy_node()
        self.node.destroy_node()

    def _came(self, topic: str, stamp: int) -> bool:
        return any(stamp_ns(message.header.stamp) == stamp for message in self.got[topic][self._checked[topic] :])

    def _drops_are(self, wanted: dict[str, int]) -> bool:
        found = self.drops()
        return found.keys() == wanted.keys() and all(wanted[name] in (-1, found[name]) for name in wanted)

    def judge(self, topic: str, message: Any) -> None:
        """Fail unless this output may come, now."""
        stamp = stamp_ns(message.header.stamp)
        if stamp <= self._forgotten:
            return
        assert message.header.frame_id == "camera"
        what = f"{topic} of the stamp {stamp} (tick {(stamp - START) / TICK:g})"
        shots = [shot for shot in self.shots if shot.stamp == stamp]
        assert shots, f"{what}: no good image had this stamp"
        due = [shot for shot in shots if (shot.epoch, stamp) > self._last[topic]]
        assert due, f"{what}: came again, or after a later one"
        shown = [s for s in due[:3] if (answer := self._answer(s)) and self._shows(topic, message, answer)]
        assert shown, f"{what}: is not the completion of its image with its scan"
        self._last[topic] = (shown[0].epoch, stamp)

    def _answer(self, shot: Shot) -> DepthMap | None:
        """Return what an image is to be answered with: its completion with the scan nearest in time within the slop."""
        scans = [s for s in self.scans if s.epoch == shot.epoch]
        scan = min(scans, key=lambda s: abs(s.stamp - shot.stamp), default=None)
        if scan is not None and abs(scan.stamp - shot.stamp) <= SLOP:
            return self._complete(shot, scan)
        older = [s for s in scans if 0 < shot.stamp - s.stamp <= self.last_scan_ns]
        return outdated(self._complete(shot, max(older, key=lambda s: s.stamp))) if older else None

    def _complete(self, shot: Shot, used: Scan) -> DepthMap:
        key = (id(shot.rgb), id(used.xyz))
        if key not in self._maps:
            points = PointCloud(used.xyz)
            frame = Frame(shot.stamp, "camera", shot.rgb, shot.camera, points=points, T_cam_lidar=used.T_cam_lidar)
            self._maps[key] = self._pipeline.process(frame)
        return self._maps[key]

    @staticmethod
    def _shows(topic: str, message: Any, found: DepthMap) -> bool:
        if topic == "depth/camera_info":
            return (message.width, message.height) == found.camera.size and np.allclose(
                message.k, found.camera.K.ravel()
            )
        if topic == "depth/points":
            z = np.frombuffer(message.data, np.float32).reshape(message.height, message.width, -1)[..., 2]
            return _equal(z, found.depth)
        return _equal(decode_array(message), getattr(found, topic.partition("/")[2].replace("image_rect", "depth")))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        status = next(status for status in message.status if status.name.endswith(self.camera_name))
        self.diagnostics = {value.key: value.value for value in status.values}


def _equal(got: NDArray[Any], wanted: NDArray[Any]) -> bool:
    """Compare where the depth is known, and where it is not."""
    if got.shape != wanted.shape:
        return False
    known = np.isfinite(wanted)
    return bool(np.array_equal(np.isfinite(got), known) and np.allclose(got[known], wanted[known], rtol=1e-5))


@pytest.fixture
def make_robot(domain: int, capfd: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Robot]]:
    """Make a robot whose node has such parameters; it is started unless `started` is False. camera: the one it is."""
    made: list[Robot] = []
    said: list[str] = []

    def console() -> str:
        said.append(capfd.readouterr().err)
        return "".join(said)

    def build(*, started: bool = True, camera: str = "", **parameters: Any) -> Robot:
        overrides = [Parameter(name, value=value) for name, value in {**PARAMETERS, **parameters}.items()]
        made.append(Robot(console, CompletionNode(parameter_overrides=overrides), camera))
        if started:
            made[-1].start()
        return made[-1]

    rclpy.init(domain_id=domain)
    try:
        yield build
        for robot in made:
            robot.check()
            assert not {word for word in BUGS if word in robot.log()} - robot.forgiven
    finally:
        for robot in made:
            robot.close()
        rclpy.try_shutdown()


@pytest.fixture
def make_remote() -> Callable[..., Robot]:
    """Make a robot whose node is elsewhere; its argument tells what that node has said."""
    return Robot


@pytest.fixture
def node_arguments() -> list[str]:
    """The parameters of the robot's node, for a command line."""
    return [word for name, value in PARAMETERS.items() for word in ("-p", f"{name}:={value}")]


@pytest.fixture
def start(domain: int, tmp_path: Path) -> Iterator[Callable[..., Process]]:  # noqa: ARG001
    """Start `python -m command...`; what still runs at the end of the test is killed."""
    made: list[Process] = []

    def begin(*command: str, prepare: Callable[[], None] | None = None) -> Process:
        made.append(Process(tmp_path / f"{len(made)}.log", *command, prepare=prepare))
        return made[-1]

    yield begin
    for process in made:
        process.kill()


@pytest.fixture
def robot(make_robot: Callable[..., Robot]) -> Robot:
    """A robot whose node works."""
    return make_robot()
