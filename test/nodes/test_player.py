"""bag_player and the recorder: what goes in comes out, byte for byte."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from depth_ros.bags.bag_file import BagFile
from depth_ros.bags.writer import BagWriter, bag_factory
from depth_ros.geometry.camera import Camera
from depth_ros.messages.encode import encode_camera
from depth_ros.nodes import player

pytestmark = pytest.mark.live
PLAYER, VERB = "depth_ros.nodes.player", "depth_ros"
INFO, TRANSFORMS = "sensor_msgs/msg/CameraInfo", "tf2_msgs/msg/TFMessage"
CAMERA = Camera.from_focal(160, 120, 100, 100, 80, 60)
COUNT = 10


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    """Write ten CameraInfo messages at 50 Hz, and a type that wheels lack."""
    with BagWriter(tmp_path / "bag") as writer:
        writer.write("/tf_static", TRANSFORMS, bag_factory(TRANSFORMS), 10**18)
        for i in range(COUNT):
            stamp = 10**18 + i * 20_000_000
            writer.write("/info", INFO, encode_camera(bag_factory, stamp, "camera", CAMERA), stamp)
    return tmp_path / "bag"


def raw_messages(path: Path) -> list[bytes]:
    with BagFile(path) as bag:
        return [bytes(message.raw) for message in bag.messages(["/info"])]


def test_played_and_recorded_is_the_same_bag(bag: Path, tmp_path: Path, start: Callable[..., Any]) -> None:
    recorder = start(VERB, "bag", "record", "/info", "--out", str(tmp_path / "copy"), "--count", str(COUNT), "--json")
    code, said = start(PLAYER, str(bag), "--wait-for", "/info", "--clock").wait()
    assert code == 0, said
    assert f"played {COUNT}" in said
    code, counts = recorder.wait()
    assert code == 0, counts
    assert json.loads(counts.strip().splitlines()[-1]) == {"/info": COUNT}
    copied, original = raw_messages(tmp_path / "copy"), raw_messages(bag)
    assert len(copied) == len(original)
    for copy, message in zip(copied, original, strict=True):
        assert copy[: len(message)] == message
        assert copy[len(message) :].strip(b"\0") == b""  # the middleware pads to four bytes


def test_a_type_that_is_not_installed_is_left_out_and_said_once(
    bag: Path, start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(_without_tf2(bag.parent)), prepend=":")
    code, said = start(PLAYER, str(bag)).wait()
    assert code == 0
    assert said.count("/tf_static is not played") == 1


def _without_tf2(folder: Path) -> Path:
    """Return a folder that hides tf2_msgs where it is installed."""
    (folder / "hidden").mkdir()
    (folder / "hidden" / "tf2_msgs.py").write_text("raise ImportError('hidden for this test')\n")
    return folder / "hidden"


def test_a_looping_player_ends_with_0_when_interrupted(bag: Path, probe: Any, start: Callable[..., Any]) -> None:
    process = start(PLAYER, str(bag), "--loop", "--rate", "20", "--ros-args", "-r", "/info:=camera_info")
    probe.spin_until(lambda: probe.node.count_publishers("camera_info") == 2)
    probe.spin_for(0.3)
    code, said = process.stop()
    assert code == 0, said
    assert "times" in said


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--wait-for", "/nothing"], "/nothing: not played"),
        (["--wait-for", "/info", "--wait-timeout", "0.2"], "no subscriber on /info"),
        (["--rate", "0"], "rate is 0"),
        (["--rate", "nan"], "rate is nan"),
        (["--rate", "1e-7"], "rate is 1e-07"),
        (["--rate", "inf"], "rate is inf"),
        (["--depth", "-1"], "depth is -1"),
        (["--depth", "99999999999999999999"], "depth is 9999"),
        (["--wait-timeout", "nan"], "wait_timeout is nan"),
        (["--topics", "/nothing"], "choose among"),
    ],
)
def test_what_cannot_be_played_is_one_line(
    bag: Path, domain: int, capfd: pytest.CaptureFixture[str], arguments: list[str], text: str
) -> None:
    assert domain
    assert player.main([str(bag), *arguments]) == 1
    last = capfd.readouterr().err.strip().splitlines()[-1]
    assert text in last


def test_with_start_anyway_it_plays_without_listeners_and_warns_once(bag: Path, start: Callable[..., Any]) -> None:
    code, said = start(PLAYER, str(bag), "--wait-for", "/info", "--wait-timeout", "0.2", "--start-anyway").wait()
    assert code == 0, said
    assert said.count("WARN") - said.count("/tf_static is not played") == 1
    assert "no subscriber on /info in 0.2 s, so the bag is played all the same" in said
    assert f"played {COUNT}" in said


def test_a_topic_whose_name_ros_2_refuses_is_left_out(tmp_path: Path, start: Callable[..., Any]) -> None:
    with BagWriter(tmp_path / "odd") as writer:
        for topic in ("/0cam/info", "/info"):
            writer.write(topic, INFO, encode_camera(bag_factory, 10**18, "camera", CAMERA), 10**18)
    code, said = start(PLAYER, str(tmp_path / "odd")).wait()
    assert code == 0, said
    assert said.count("/0cam/info is not played: '/0cam/info' cannot be a ROS 2 topic") == 1
    assert "played 1 messages" in said
    assert "Traceback" not in said


def test_a_folder_that_is_no_bag_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert player.main([str(tmp_path)]) == 1
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
