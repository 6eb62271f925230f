"""A bag through the live nodes: player, completion node and recorder as separate processes over DDS."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

from depth_ros.cli.progress import Tell, shown
from depth_ros.errors import NodeError

NODES = Path(__file__).parent.parent / "nodes"
INPUTS = {"image": "/camera/image_raw", "camera_info": "/camera/camera_info", "points": "/lidar/points"}
OUTPUTS = ("/depth/image_rect", "/depth/sigma", "/depth/source", "/depth/camera_info", "/diagnostics")
# A machine that is slower than the sensors still answers every image, only later.
EVERY_IMAGE = {"queue_policy": "all", "queue_size": "1000", "lost_after": "10.0", "output_depth": "50"}
SETTLE_S = 3.0
STOP_S = 20.0


def drive(bag: Path, recording: Path, extrinsics: Path, logs: Path, seconds: float) -> None:
    """Play `bag` into a completion node and record what it publishes.

    extrinsics: YAML file for the node. logs: folder for one log per process. seconds: length of the bag. The processes
    meet in a DDS domain of their own, on this machine only, and with the transport profile that carries large messages.
    Raises NodeError with the last line of its log when one of them fails.
    """
    logs.mkdir(parents=True, exist_ok=True)
    environment = {
        **os.environ,
        "ROS_DOMAIN_ID": str(random.randint(1, 101)),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "FASTDDS_DEFAULT_PROFILES_FILE": str(NODES / "fastdds_large.xml"),
    }
    remaps = [word for name, topic in INPUTS.items() for word in ("-r", f"{name}:={topic}")]
    node = ["depth_ros.nodes.completion", "--ros-args", *remaps]
    for name, value in {**EVERY_IMAGE, "extrinsics_file": extrinsics, "use_sim_time": "true"}.items():
        node += ["-p", f"{name}:={value}"]
    play = ["depth_ros.nodes.player", str(bag), "--clock", "--wait-for", *INPUTS.values()]
    record = ["depth_ros", "bag", "record", *OUTPUTS, "--out", str(recording)]
    with _running("recorder", record, logs, environment), _running("completion_node", node, logs, environment):
        with _running("bag_player", play, logs, environment) as player, shown("playing", "s") as tell:
            _wait(player, logs / "bag_player.log", 60 + 3 * seconds, tell)
        sleep(SETTLE_S)


@contextmanager
def _running(
    name: str, module: Sequence[str], logs: Path, environment: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Run `python -m module...` while the body runs; interrupt it then, and kill it if that is not heard."""
    log = logs / f"{name}.log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", *module], stdout=sink, stderr=subprocess.STDOUT, env=environment
        )
    try:
        yield process
        if process.poll() not in (None, 0):
            raise NodeError(f"{name} ended with code {process.returncode}: {_last_line(log)} (all of it: {log})")
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], log: Path, timeout: float, tell: Tell) -> None:
    start = monotonic()
    while process.poll() is None:
        tell(monotonic() - start)
        if monotonic() > start + timeout:
            raise NodeError(f"{log.stem} did not end within {timeout:.0f} s: {_last_line(log)} (all of it: {log})")
        sleep(0.1)


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
