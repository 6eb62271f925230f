"""`depth_ros doctor`: what this machine has and lacks, each lack with its remedy."""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from depth_ros.cli import doctor_topics
from depth_ros.cli.findings import Finding, show

EXAMPLE = """examples:
  depth_ros doctor
  depth_ros doctor --topics
  depth_ros doctor --topics --input none
  depth_ros doctor --topics --image /camera/image_raw --camera-info /camera/camera_info --points /lidar/points"""
WHEELS = "pip install ros-kilted-rclpy ros-kilted-rmw-fastrtps-cpp ros-kilted-sensor-msgs ros-kilted-diagnostic-msgs"
LIBRARIES = {"numpy": "numpy", "cv2": "opencv-python-headless", "scipy": "scipy", "yaml": "PyYAML"}
OFFLINE = {"rosbags": "rosbags", "jinja2": "Jinja2", "matplotlib": "matplotlib", "tqdm": "tqdm"}
ROS_EXTRAS = {
    "tf2_ros": ("tf2-ros-py", "without it extrinsics come from parameters or a file, not from /tf"),
    "launch_ros": ("launch-ros", "without it start completion_node itself, not its launch file"),
}


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    parser = verbs.add_parser(
        "doctor",
        help="what this machine has and lacks, or why there is no depth (--topics), each lack with its remedy",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    doctor_topics.add_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the findings; return 1 when something is missing without which nothing runs here."""
    if args.topics:
        return doctor_topics.run(args)
    findings = list(examine())
    if args.json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        show(findings)
    return int(any(finding.state == "missing" and finding.topic == "needed" for finding in findings))


def examine() -> Iterator[Finding]:
    """Look at interpreter, libraries, ROS, transport, models and GPU of this machine; starts nothing."""
    version = ".".join(map(str, sys.version_info[:3]))
    supported = (3, 10) <= sys.version_info[:2] <= (3, 13)
    yield Finding(
        "needed", "Python", "ok" if supported else "missing", version, "" if supported else "use 3.10 to 3.13"
    )
    for module, package in LIBRARIES.items():
        yield _library("needed", module, f"pip install {package}")
    for module, package in OFFLINE.items():
        yield _library("offline", module, f"pip install {package} (bags, reports and progress bars need it)")
    yield from _ros()
    yield from _transport()
    yield from _models()


def _library(topic: str, module: str, remedy: str) -> Finding:
    if importlib.util.find_spec(module) is None:
        return Finding(topic, module, "missing", "not installed", remedy)
    return Finding(topic, module, "ok", _version(module))


def _version(module: str) -> str:
    packages = importlib.metadata.packages_distributions().get(module, [])
    return importlib.metadata.version(packages[0]) if packages else "installed"


def _ros() -> Iterator[Finding]:
    distro = os.environ.get("ROS_DISTRO")
    yield Finding("ros", "ROS_DISTRO", "note", distro or "no ROS distribution is sourced (rclpy wheels serve as well)")
    rclpy = importlib.util.find_spec("rclpy")
    if rclpy is None:
        yield Finding("ros", "rclpy", "missing", "not installed", f"source /opt/ros/DISTRO/setup.bash, or {WHEELS}")
        return
    mixed = bool(distro) and "site-packages" in str(rclpy.origin)
    yield Finding(
        "ros",
        "rclpy",
        "note" if mixed else "ok",
        str(rclpy.origin),
        f"ROS {distro} is sourced, but rclpy comes from a Python environment: use one of the two" if mixed else "",
    )
    yield Finding("ros", "RMW", "ok", os.environ.get("RMW_IMPLEMENTATION", "default of the distribution"))
    for module, (package, use) in ROS_EXTRAS.items():
        found = importlib.util.find_spec(module) is not None
        remedy = f"{use}; with a ROS distribution: apt install ros-{distro or 'DISTRO'}-{package}"
        yield Finding(
            "ros", module, "ok" if found else "note", "present" if found else "absent", "" if found else remedy
        )


def _transport() -> Iterator[Finding]:
    profile = os.environ.get("FASTDDS_DEFAULT_PROFILES_FILE") or os.environ.get("FASTRTPS_DEFAULT_PROFILES_FILE")
    if profile and not Path(profile).is_file():
        yield Finding("transport", "Fast DDS profile", "missing", f"{profile} is not there", "correct the variable")
    elif profile:
        yield Finding("transport", "Fast DDS profile", "ok", profile)
    else:
        ours = Path(__file__).parent.parent / "nodes" / "fastdds_large.xml"
        yield Finding(
            "transport",
            "Fast DDS profile",
            "note",
            "none: best-effort messages above 0.5 MB are lost silently between processes",
            f"on the publisher's side: export FASTDDS_DEFAULT_PROFILES_FILE={ours}",
        )
    if Path("/dev/shm").is_dir():
        free = shutil.disk_usage("/dev/shm").free / 2**20
        state = "ok" if free > 256 else "note"
        remedy = "" if free > 256 else "remove stale segments: fastdds shm clean; in a container: --shm-size=512m"
        yield Finding("transport", "/dev/shm", state, f"{free:.0f} MB free", remedy)


def _models() -> Iterator[Finding]:
    from depth_ros.engines.factory import probe_engines
    from depth_ros.models.store import bundled_models

    for kind, probe in probe_engines().items():
        what, _, remedy = probe.reason.partition(": ")
        yield Finding("engines", kind, "note" if probe.reason else "ok", what or probe.version, remedy)
    for name, path in bundled_models().items():
        yield _bundled(name, path)
    yield _auto()
    yield _auto_alone()
    gpu = Path("/proc/driver/nvidia/version").exists() or Path("/etc/nv_tegra_release").exists()
    yield Finding(
        "models",
        "GPU",
        "note",
        "NVIDIA driver present: what uses it stands under engines" if gpu else "none, and none is needed",
    )


def _auto() -> Finding:
    """Say what `model: auto` runs here; why it is not the bundled model is logged as the pipeline is made."""
    from depth_ros.config import CompletionConfig
    from depth_ros.pipelines.factory import make_pipeline

    pipeline = make_pipeline(CompletionConfig())
    facts = pipeline.facts
    pipeline.close()
    return Finding("models", "auto", "ok", ", ".join(facts.values()))


def _auto_alone() -> Finding:
    """Say what `model: auto` runs where there is no LiDAR."""
    from depth_ros.config import MonocularConfig
    from depth_ros.errors import DepthRosError, ModelError
    from depth_ros.models.store import METRIC, bundled_models
    from depth_ros.pipelines.factory import make_monocular

    name = "auto without LiDAR"
    try:
        pipeline = make_monocular(MonocularConfig())
    except DepthRosError as error:
        if isinstance(error, ModelError) and METRIC in bundled_models():
            return Finding("models", name, "missing", str(error), "install depth_ros again")
        return Finding("models", name, "note", *str(error).split(": ", 1))
    facts = pipeline.facts
    pipeline.close()
    return Finding("models", name, "ok", ", ".join(facts.values()))


def _bundled(name: str, path: Path) -> Finding:
    from depth_ros.errors import DepthRosError
    from depth_ros.models.card import read_card

    try:
        return Finding("models", name, "ok", read_card(path).title)
    except DepthRosError as error:
        return Finding("models", name, "missing", str(error), "install depth_ros again")
