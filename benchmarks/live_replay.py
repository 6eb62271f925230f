"""A bag through completion_node over DDS, at its own pace: is everything there, and how old is it on arrival?

Three processes: bag_player, completion_node and this one, which listens. Age is measured on one clock of one machine,
from the moment at which the player's middleware takes the image (the DDS source timestamp) to the moment at which the
serialised depth, CameraInfo or cloud of the same stamp is in a callback here, before it is deserialised.

example: python benchmarks/live_replay.py my_bag --runs 3 --reliability best_effort --profile
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import struct
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from depth_ros.bags.bag_file import BagFile
from depth_ros.bags.extrinsics import write_bag_extrinsics
from depth_ros.bags.topics import choose_topics
from depth_ros.errors import DepthRosError
from depth_ros.nodes.qos import profile

PROFILE = Path(__file__).parents[1] / "depth_ros" / "nodes" / "fastdds_large.xml"
OUTPUTS = {"depth/image_rect": Image, "depth/camera_info": CameraInfo, "depth/points": PointCloud2}
# Fast DDS repairs a lost message at its next heartbeat, up to 3 s later.
DRAIN_S = 6.0


class Listener:
    """Notes when each stamp was sent and when each output of it arrived (ns, wall clock)."""

    def __init__(self, image_topic: str, reliability: str, outputs: dict[str, Any]) -> None:
        self.node = rclpy.create_node("listener")
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self.sent: dict[int, int] = {}
        self.arrived: dict[str, dict[int, int]] = {topic: {} for topic in outputs}
        self.last_arrival = time.monotonic()
        self.diagnostics: dict[str, str] = {}
        self.node.create_subscription(Image, image_topic, self._on_image, profile(reliability, 20), raw=True)
        for topic, kind in outputs.items():
            note = partial(self._on_output, topic)
            self.node.create_subscription(kind, topic, note, profile("reliable", 20), raw=True)
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)

    def spin_for(self, seconds: float) -> None:
        """Take what comes for so many seconds."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.executor.spin_once(timeout_sec=0.05)

    def spin_until_quiet(self) -> None:
        """Take what comes until nothing has come for DRAIN_S."""
        while time.monotonic() - self.last_arrival < DRAIN_S:
            self.executor.spin_once(timeout_sec=0.05)

    def close(self) -> None:
        """Free the node."""
        self.executor.shutdown()
        self.node.destroy_node()

    def _on_image(self, raw: bytes, info: Any) -> None:
        self.sent[_stamp(raw)] = info["source_timestamp"]

    def _on_output(self, topic: str, raw: bytes) -> None:
        self.arrived[topic][_stamp(raw)] = time.time_ns()
        self.last_arrival = time.monotonic()

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        self.diagnostics = {value.key: value.value for value in message.status[0].values}


def main() -> int:
    """Replay as often as asked, and print one line per run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bag", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--rate", type=float, default=1.0)
    parser.add_argument("--reliability", choices=("reliable", "best_effort"), default="reliable")
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME:=VALUE", help="parameters of the node")
    parser.add_argument("--profile", action="store_true", help="player and node use fastdds_large.xml")
    parser.add_argument("--no-cloud", action="store_true", help="listen to depth and camera_info alone")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 100)
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    with tempfile.TemporaryDirectory() as folder:
        extrinsics = Path(folder) / "extrinsics.yaml"
        try:
            write_bag_extrinsics(args.bag, extrinsics)
        except DepthRosError as error:
            raise SystemExit(str(error)) from None
        results = [_run(args, extrinsics) for _ in range(args.runs)]
    print(json.dumps(results, indent=2) if args.json else "\n".join(_line(result) for result in results))
    return 0


def _run(args: argparse.Namespace, extrinsics: Path) -> dict[str, Any]:
    with BagFile(args.bag) as bag:
        topics = choose_topics(bag)
        stamps = {_stamp(bytes(message.raw)) for message in bag.messages([str(topics.image)])}
    inputs = {"image": topics.image, "camera_info": topics.camera_info, "points": topics.points}
    environment = {**os.environ, **({"FASTDDS_DEFAULT_PROFILES_FILE": str(PROFILE)} if args.profile else {})}
    remaps = [word for name, topic in inputs.items() for word in ("-r", f"{name}:={topic}")]
    settings = [word for entry in (*args.set, f"extrinsics_file:={extrinsics}") for word in ("-p", entry)]
    rclpy.init(args=[])
    outputs = {topic: kind for topic, kind in OUTPUTS.items() if not (args.no_cloud and kind is PointCloud2)}
    listener = Listener(str(topics.image), args.reliability, outputs)
    node = _start(environment, "completion", "--ros-args", *remaps, *settings)
    wait = [str(topics.image), str(topics.image), str(topics.camera_info), str(topics.points)]
    how = ["--reliability", args.reliability, "--rate", str(args.rate)]
    player = _start(environment, "player", str(args.bag), *how, "--wait-for", *wait)
    while player.poll() is None:
        listener.spin_for(0.1)
    listener.spin_until_quiet()
    node.send_signal(signal.SIGINT)
    said = [process.communicate()[0] for process in (player, node)]
    listener.close()
    rclpy.try_shutdown()
    if player.returncode or node.returncode:
        raise SystemExit(f"player ended with {player.returncode}, node with {node.returncode}:\n{''.join(said)}")
    return _result(listener, stamps)


def _start(environment: dict[str, str], module: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", f"depth_ros.nodes.{module}", *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def _result(listener: Listener, stamps: set[int]) -> dict[str, Any]:
    known = listener.diagnostics
    result: dict[str, Any] = {"images": len(stamps), "images_at_node": int(known.get("images", 0)), "lost": 0}
    for topic, arrived in listener.arrived.items():
        ages = [(arrived[stamp] - listener.sent[stamp]) / 1e6 for stamp in arrived if stamp in listener.sent]
        p50, p95 = np.percentile(ages, (50, 95)) if ages else (np.nan, np.nan)
        equal = set(arrived) <= stamps
        result[topic] = {"count": len(arrived), "stamps_equal": equal, "age_p50_ms": p50, "age_p95_ms": p95}
        result["lost"] += len(stamps - set(arrived))
    result["dropped"] = {key: value for key, value in known.items() if key.startswith("dropped.")}
    result["node"] = {key: value for key, value in known.items() if key.endswith("_ms") and not key.startswith("age")}
    return result


def _line(result: dict[str, Any]) -> str:
    outputs = [
        f"{topic} {result[topic]['count']} (stamps {'equal' if result[topic]['stamps_equal'] else 'DIFFER'}, "
        f"age p50 {result[topic]['age_p50_ms']:.0f} p95 {result[topic]['age_p95_ms']:.0f} ms)"
        for topic in OUTPUTS
        if topic in result
    ]
    start = f"images {result['images']}, at the node {result['images_at_node']}, lost {result['lost']}; "
    return start + "; ".join(outputs) + f"; {result['dropped'] or 'nothing dropped'}; node: {result['node']}"


def _stamp(raw: bytes) -> int:
    """Return the header's stamp of a serialised message (little-endian CDR: four bytes, then int32 and uint32)."""
    seconds, nanoseconds = struct.unpack_from("<iI", raw, 4)
    return int(seconds) * 1_000_000_000 + int(nanoseconds)


if __name__ == "__main__":
    raise SystemExit(main())
