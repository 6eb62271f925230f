"""The same bag gives the same depth, byte for byte: offline each time, and live as offline."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from depth_ros.bags.bag_file import BagFile, decode_recorded
from depth_ros.bags.extrinsics import write_bag_extrinsics
from depth_ros.bags.writer import DEPTH_TOPIC, SIGMA_TOPIC, SOURCE_TOPIC
from depth_ros.messages.decode import stamp_ns
from depth_ros.synthetic.bag import IMAGE_TOPIC, INFO_TOPIC, POINTS_TOPIC, write_synthetic_bag

pytestmark = [pytest.mark.live, pytest.mark.reliability]
SECONDS = 2.0
LIVE = {DEPTH_TOPIC: "/depth/image_rect", SIGMA_TOPIC: "/depth/sigma", SOURCE_TOPIC: "/depth/source"}
INPUTS = {"image": IMAGE_TOPIC, "camera_info": INFO_TOPIC, "points": POINTS_TOPIC}
# Every image finds the scan that it finds offline, however busy the machine is.
PATIENT = {"queue_policy": "all", "max_wait": 10.0, "lost_after": 10.0, "output_depth": 50}
# The poses of a bag's /tf reach only a node with tf2.
SAME = {"model": "classical", "pose_source": "none"}

Depths = dict[str, dict[int, bytes]]


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("determinism") / "bag"
    write_synthetic_bag(path, SECONDS, width=160, height=96, lidar="spin16", workers=1)
    return path


def depths(path: Path, topics: dict[str, str]) -> Depths:
    """Return the bytes of every image by name and stamp; topics: name to topic."""
    found: Depths = {name: {} for name in topics}
    with BagFile(path) as bag:
        for name, topic in topics.items():
            for recorded in bag.messages([topic]):
                message = decode_recorded(recorded)
                found[name][stamp_ns(message.header.stamp)] = bytes(message.data)
    return found


def complete(bag: Path, out: Path) -> Depths:
    command = [
        sys.executable,
        "-m",
        "depth_ros",
        "bag",
        "complete",
        str(bag),
        "--out",
        str(out),
        "--model",
        "classical",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return depths(out, {name: name for name in LIVE})


def test_three_runs_offline_and_one_live_are_byte_equal(bag: Path, tmp_path: Path, start: Callable[..., Any]) -> None:
    first, *others = [complete(bag, tmp_path / f"run{run}") for run in range(3)]
    assert all(len(stamps) >= SECONDS * 10 - 2 for stamps in first.values())
    assert all(other == first for other in others)
    live = play(bag, tmp_path, start)
    for name, images in live.items():
        both = images.keys() & first[name].keys()
        assert len(both) >= len(first[name]) - 3
        assert all(images[stamp] == first[name][stamp] for stamp in both), name


def play(bag: Path, tmp_path: Path, start: Callable[..., Any]) -> Depths:
    """Play the bag into a node, and return what is recorded of it."""
    extrinsics, out = tmp_path / "extrinsics.yaml", tmp_path / "live"
    write_bag_extrinsics(bag, extrinsics)
    recorder = start("depth_ros", "bag", "record", *LIVE.values(), "--out", str(out), "--idle", "5")
    settings = {**SAME, **PATIENT, "extrinsics_file": extrinsics}
    remaps = [word for name, topic in INPUTS.items() for word in ("-r", f"{name}:={topic}")]
    parameters = [word for name, value in settings.items() for word in ("-p", f"{name}:={value}")]
    node = start("depth_ros.nodes.completion", "--ros-args", *remaps, *parameters)
    player = start("depth_ros.nodes.player", str(bag), "--wait-for", *INPUTS.values())
    assert player.wait(60) == 0, player.said()
    assert recorder.wait(60) == 0, recorder.said()
    assert node.end() == 0, node.said()
    return depths(out, LIVE)
