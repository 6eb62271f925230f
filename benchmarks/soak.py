"""Half an hour of play in a loop: does the node's memory, its threads, its file handles or the age of its depth grow?

Three processes: bag_player, completion_node and this one, which listens, and reads the node's figures from outside
(Linux: /proc). Age runs from the DDS source timestamp of the image to the depth of the same stamp in a callback here.

example: python benchmarks/soak.py --minutes 30 --json soak.json --set model:=classical
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
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from depth_ros.bags.bag_file import BagFile
from depth_ros.bags.extrinsics import write_bag_extrinsics
from depth_ros.nodes.qos import profile
from depth_ros.synthetic.bag import IMAGE_TOPIC, INFO_TOPIC, POINTS_TOPIC, write_synthetic_bag

LAP_S = 10.0
PROFILE = Path(__file__).parents[1] / "depth_ros" / "nodes" / "fastdds_large.xml"
INPUTS = {"image": IMAGE_TOPIC, "camera_info": INFO_TOPIC, "points": POINTS_TOPIC}
OUTPUTS = {"depth/image_rect": Image, "depth/camera_info": CameraInfo, "depth/points": PointCloud2}
# What comes before is warming up: caches fill, the allocator finds its size.
WARM_SHARE = 0.1
# The first and the last fifth of what remains are compared.
WINDOW_SHARE = 0.2
MOST_AGE_RATIO = 1.2
# Growth over the whole run beyond which memory is not called flat.
MOST_GROWTH = 0.02
SAMPLES = 360


class Sample(NamedTuple):
    """The node from outside: seconds since the start, resident memory in MB, threads, file handles, processor time.

    load: the machine's load average over a minute, which tells what else an age is made of.
    """

    seconds: float
    memory_mb: float
    threads: int
    handles: int
    cpu_s: float
    load: float


class Listener:
    """Notes the age of every depth image (seconds since the start, ms), and outputs of a stamp that no image has."""

    def __init__(self, stamps: set[int], outputs: dict[str, Any]) -> None:
        self.node = rclpy.create_node("listener")
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self.start = time.monotonic()
        self.images = self.unknown_stamps = 0
        self.ages: list[tuple[float, float]] = []
        self.arrived: Counter[str] = Counter()
        self.diagnostics: dict[str, str] = {}
        self._stamps = stamps
        self._sent: dict[int, int] = {}
        self.node.create_subscription(Image, IMAGE_TOPIC, self._on_image, profile("reliable", 20), raw=True)
        for topic, kind in outputs.items():
            self.node.create_subscription(
                kind, topic, lambda raw, topic=topic: self._on_output(topic, raw), profile("reliable", 20), raw=True
            )
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)

    def spin_for(self, seconds: float) -> None:
        """Take what comes for so many seconds."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.executor.spin_once(timeout_sec=left)

    def close(self) -> None:
        """Free the node."""
        self.executor.shutdown()
        self.node.destroy_node()

    def _on_image(self, raw: bytes, info: Any) -> None:
        self.images += 1
        self._sent[_stamp(raw)] = info["source_timestamp"]

    def _on_output(self, topic: str, raw: bytes) -> None:
        stamp = _stamp(raw)
        self.arrived[topic] += 1
        self.unknown_stamps += stamp not in self._stamps
        age_s = (time.time_ns() - self._sent.get(stamp, 0)) / 1e9
        # An image that has not come here yet, or never will, is that of the lap before: it tells no age.
        if topic == "depth/image_rect" and age_s < LAP_S / 2:
            self.ages.append((time.monotonic() - self.start, 1e3 * age_s))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        self.diagnostics = {value.key: value.value for value in message.status[0].values}


def main() -> int:
    """Soak, print the figures and the verdict; return 0 when it passed, else 1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--size", default="640x360", metavar="WxH", help="of the images (%(default)s)")
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME:=VALUE", help="parameters of the node")
    parser.add_argument("--no-cloud", action="store_true", help="listen to depth and camera_info alone")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the record here")
    args = parser.parse_args()
    os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 100)
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    os.environ["FASTDDS_DEFAULT_PROFILES_FILE"] = str(PROFILE)
    with tempfile.TemporaryDirectory() as folder:
        samples, listener = _soak(args, Path(folder))
    record = judge(samples, listener)
    record["settings"] = {
        "minutes": args.minutes,
        "size": args.size,
        "set": args.set,
        "cloud": not args.no_cloud,
        "cores": os.cpu_count(),
    }
    if args.json:
        samples_every = max(1, len(samples) // 60)
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(record | {"samples": samples[::samples_every]}, indent=1) + "\n")
    print("\n".join(f"{name:16} {value}" for name, value in record.items()))
    return 0 if record["passed"] else 1


def _soak(args: argparse.Namespace, folder: Path) -> tuple[list[Sample], Listener]:
    bag, extrinsics = folder / "bag", folder / "extrinsics.yaml"
    width, height = (int(side) for side in args.size.split("x"))
    write_synthetic_bag(bag, LAP_S, width=width, height=height)
    write_bag_extrinsics(bag, extrinsics)
    remaps = [word for name, topic in INPUTS.items() for word in ("-r", f"{name}:={topic}")]
    settings = [word for entry in (f"extrinsics_file:={extrinsics}", *args.set) for word in ("-p", entry)]
    rclpy.init(args=[])
    with BagFile(bag) as file:
        stamps = {_stamp(bytes(message.raw)) for message in file.messages([IMAGE_TOPIC])}
    outputs = {topic: kind for topic, kind in OUTPUTS.items() if not (args.no_cloud and kind is PointCloud2)}
    listener = Listener(stamps, outputs)
    processes = [
        _start("completion", "--ros-args", *remaps, *settings),
        _start("player", str(bag), "--loop", "--wait-for", IMAGE_TOPIC, IMAGE_TOPIC, INFO_TOPIC, POINTS_TOPIC),
    ]
    try:
        samples = _watch(listener, processes, 60 * args.minutes)
    finally:
        for process in processes[::-1]:
            process.send_signal(signal.SIGINT)
            process.wait(60)
        listener.close()
        rclpy.try_shutdown()
    return samples, listener


def _watch(listener: Listener, processes: list[subprocess.Popen[bytes]], seconds: float) -> list[Sample]:
    """Sample the node for `seconds` from its first depth map on; SystemExit when a process ends."""
    samples: list[Sample] = []
    while not samples or samples[-1].seconds < seconds:
        listener.spin_for(max(1.0, seconds / SAMPLES) if listener.ages else 0.2)
        ended = [process.args for process in processes if process.poll() is not None]
        if ended:
            raise SystemExit(f"ended by itself: {ended}")
        if listener.ages and not samples:
            listener.start, listener.ages[:] = time.monotonic(), [(0.0, listener.ages[-1][1])]
        if listener.ages:
            samples.append(_sample(processes[0].pid, time.monotonic() - listener.start))
    return samples


def _sample(pid: int, seconds: float) -> Sample:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    values = dict(line.split(":", 1) for line in status)
    memory_mb = int(values["VmRSS"].split()[0]) / 1024
    # The name of the program, in brackets, may hold spaces; utime and stime are the 12th and 13th field after it.
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    cpu_s = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    handles = len(os.listdir(f"/proc/{pid}/fd"))
    return Sample(seconds, memory_mb, int(values["Threads"]), handles, cpu_s, os.getloadavg()[0])


def judge(samples: list[Sample], listener: Listener) -> dict[str, Any]:
    """Return the figures after warming up, and whether all of them stay where they were."""
    table = np.array(samples)
    kept = table[table[:, 0] >= WARM_SHARE * table[-1, 0]]
    seconds, memory = kept[:, 0], kept[:, 1]
    slope = float(np.polyfit(seconds / 60, memory, 1)[0])
    growth = slope * float(seconds[-1] - seconds[0]) / 60
    ages = np.array(listener.ages)
    early, late = (
        _window(ages, seconds[0], seconds[-1], first=True),
        _window(ages, seconds[0], seconds[-1], first=False),
    )
    count = max(1, round(WINDOW_SHARE * len(kept)))
    windows = ((kept[:count], early), (kept[-count:], late))
    age_start, age_end = float(np.percentile(early, 99)), float(np.percentile(late, 99))
    checks = {
        "memory flat": growth <= MOST_GROWTH * float(np.median(memory)),
        "threads": _no_growth(kept[:, 2]),
        "file handles": _no_growth(kept[:, 3]),
        "age": age_end <= MOST_AGE_RATIO * age_start,
        "stamps": listener.unknown_stamps == 0,
    }
    dropped = {key: value for key, value in listener.diagnostics.items() if key.startswith("dropped.")}
    return {
        "images": listener.images,
        "outputs": dict(listener.arrived),
        "unknown stamps": listener.unknown_stamps,
        "dropped": dropped,
        "memory MB": [round(float(value), 1) for value in (memory[0], np.median(memory), memory[-1])],
        "memory MB/min": round(slope, 3),
        "threads": [int(kept[0, 2]), int(kept[-1, 2])],
        "file handles": [int(kept[0, 3]), int(kept[-1, 3])],
        "age p50 ms": [round(float(np.median(window)), 1) for window in (early, late)],
        "age p99 ms": [round(age_start, 1), round(age_end, 1)],
        "age p99 ratio": round(age_end / age_start, 3),
        "cpu ms per depth": [round(1e3 * _span(table, 4) / max(1, len(window)), 1) for table, window in windows],
        "load average": [round(float(np.mean(table[:, 5])), 1) for table, _ in windows],
        "checks": checks,
        "passed": all(checks.values()),
    }


def _window(ages: Any, start: float, end: float, *, first: bool) -> Any:
    """Return the ages of the first or the last share of the time from `start` to `end`."""
    width = WINDOW_SHARE * (end - start)
    low, high = (start, start + width) if first else (end - width, end)
    return ages[(ages[:, 0] >= low) & (ages[:, 0] <= high), 1]


def _span(table: Any, column: int) -> float:
    return float(table[-1, column] - table[0, column])


def _no_growth(counts: Any) -> bool:
    third = max(1, len(counts) // 3)
    return bool(counts[-third:].max() <= counts[:third].max())


def _start(module: str, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", f"depth_ros.nodes.{module}", *arguments])


def _stamp(raw: bytes) -> int:
    """Return the header's stamp of a serialised message (little-endian CDR: four bytes, then int32 and uint32)."""
    seconds, nanoseconds = struct.unpack_from("<iI", raw, 4)
    return int(seconds) * 1_000_000_000 + int(nanoseconds)


if __name__ == "__main__":
    raise SystemExit(main())
