"""The stages of every pair, driven without topics: what is said while an engine is being built."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event, Semaphore
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from depth_ros.config import PairingConfig
from depth_ros.frame import DepthMap, Frame
from depth_ros.geometry.camera import Camera
from depth_ros.nodes.channel import Work
from depth_ros.nodes.completer import Completer
from depth_ros.nodes.counts import Statistics
from depth_ros.nodes.frames import image_frame
from depth_ros.nodes.inputs import ImageInput, InputPair
from depth_ros.nodes.settings import UNGUARDED
from depth_ros.pipelines.base import BUILD
from depth_ros.pipelines.modelled import finish_all

PATIENCE_S = 10.0
STAMP = 10**18
CAMERA = Camera.from_focal(16, 12, 10, 10, 8, 6)


class Log:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.info = self.warning = self.error = self.lines.append


class FakeBuilder:
    """A fake pipeline that builds until it is let go, once for every frame, and then answers."""

    building = "the engine of a fake"

    def __init__(self) -> None:
        self.prepared = 0
        self.begun, self.second, self.go = Event(), Event(), Semaphore(0)

    def prepare(self, frame: Frame) -> Any:
        self.prepared += 1
        if self.prepared == 2:
            self.second.set()
        return lambda: self.finish(frame)

    def at_once(self, _: int) -> int:
        return 1

    finish_all = staticmethod(finish_all)

    def finish(self, frame: Frame) -> DepthMap:
        self.begun.set()
        assert self.go.acquire(timeout=PATIENCE_S)
        self.building = ""
        depth = np.ones((12, 16), np.float32)
        return DepthMap(frame.stamp_ns, "", CAMERA, depth, depth, np.zeros((12, 16), np.uint8), timings={BUILD: 3.0})


class FakeChannel:
    """A fake channel: what it is to publish is kept, and then the next may be built."""

    name = ""

    def __init__(self, log: Log, builder: FakeBuilder) -> None:
        self.statistics, self.builder = Statistics(log, ["images"]), builder
        self.sent: list[int] = []
        self.all_sent = Event()
        self.outputs = SimpleNamespace(listeners=lambda: 1, publish=self.publish)

    def publish(self, depth_map: DepthMap, _: Any) -> None:
        self.sent.append(depth_map.stamp_ns)
        self.builder.go.release()
        if len(self.sent) == 3:
            self.all_sent.set()

    def work(self, stamp_ns: int) -> Work:
        image = ImageInput("camera", np.zeros((12, 16, 3), np.uint8), CAMERA, 0, 0, 0.0)
        pair: InputPair = InputPair(stamp_ns, image, stamp_ns, ())
        return Work(self, pair, {})  # type: ignore[arg-type]


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def builder() -> FakeBuilder:
    return FakeBuilder()


@pytest.fixture
def completer(log: Log, builder: FakeBuilder) -> Iterator[Completer]:
    clock = SimpleNamespace(now=lambda: SimpleNamespace(nanoseconds=STAMP))
    node: Any = SimpleNamespace(get_logger=lambda: log, get_clock=lambda: clock)
    settings: Any = SimpleNamespace(
        pairing_config=PairingConfig(),
        queue_size=1,
        last_scan_for=0.0,
        image_alone=True,
        lidars=(),
        guard_config=UNGUARDED,
        sensors=SimpleNamespace(value=SimpleNamespace(cameras=("",))),
    )
    place: Any = SimpleNamespace(frame=lambda pair, _watch, _report: image_frame(pair))
    completer = Completer(node, settings, builder, place)  # type: ignore[arg-type]
    yield completer
    builder.go.release()
    completer.close()


def test_images_that_come_while_an_engine_is_built_are_called_images(
    completer: Completer, builder: FakeBuilder, log: Log
) -> None:
    channel = FakeChannel(log, builder)
    completer.submit(channel.work(STAMP))
    assert builder.begun.wait(PATIENCE_S)
    completer.submit(channel.work(STAMP + 1))
    assert builder.second.wait(PATIENCE_S)
    for number in (2, 3, 4):
        completer.submit(channel.work(STAMP + number))
    builder.go.release()
    assert channel.all_sent.wait(PATIENCE_S)
    assert channel.sent == [STAMP, STAMP + 1, STAMP + 4]
    drop = channel.statistics.drops()["building"]
    assert drop.times == 2
    assert drop.text.startswith(
        "the engine of a fake is being built, and images come meanwhile: queue_policy is latest"
    )
    said = [line for line in log.lines if "was built" in line]
    assert said[0].endswith("built in 3.0 s: 2 images came meanwhile and were dropped (building)")
    assert said[1].endswith("no image was lost")
    assert not any("pair" in line for line in log.lines)
