"""The recorder's limits, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sensor_msgs.msg import CameraInfo

from depth_ros.bags.bag_file import BagFile
from depth_ros.errors import BagError, ConfigError, NodeError
from depth_ros.nodes.options import RecordOptions
from depth_ros.nodes.qos import profile
from depth_ros.nodes.recorder import record

pytestmark = pytest.mark.live


def test_it_stops_after_idle_seconds_and_when_interrupted(
    tmp_path: Path, probe: Any, start: Callable[..., Any]
) -> None:
    names = [str(tmp_path / name) for name in ("idle", "interrupted")]
    idle = start("depth_ros", "bag", "record", "/camera_info", "--out", names[0], "--idle", "0.4")
    endless = start("depth_ros", "bag", "record", "camera_info", "--out", names[1])
    probe.spin_until(lambda: probe.inputs["camera_info"].get_subscription_count() == 2)
    probe.spin_for(0.5)
    for stamp in range(3):
        probe.send_info(stamp)
    assert idle.wait()[0] == 0
    code, said = endless.stop()
    assert code == 0, said
    assert "3  /camera_info" in said
    for name in names:
        with BagFile(name) as bag:
            assert bag.topics["/camera_info"].total == 3


def test_nothing_to_record_is_an_error(tmp_path: Path, domain: int) -> None:
    assert domain
    with pytest.raises(NodeError, match="name at least one"):
        record(RecordOptions(tmp_path / "a", ()), [])
    with pytest.raises(NodeError, match=r"nothing came on /nowhere in 0\.3 s"):
        record(RecordOptions(tmp_path / "b", ("/nowhere",), wait=0.3), [])


def test_what_was_latched_and_what_should_have_been_are_both_recorded(
    tmp_path: Path, probe: Any, start: Callable[..., Any]
) -> None:
    latched = probe.node.create_publisher(CameraInfo, "/once", profile("reliable", 1, latched=True))
    latched.publish(CameraInfo(width=1))
    volatile = probe.node.create_publisher(CameraInfo, "/tf_static", profile("reliable", 1))
    name = str(tmp_path / "bag")
    process = start("depth_ros", "bag", "record", "/once", "/tf_static", "--out", name, "--count", "1", "--json")
    probe.spin_until(volatile.get_subscription_count)
    probe.spin_for(0.5)
    volatile.publish(CameraInfo(width=2))
    code, said = process.wait()
    assert code == 0, said
    assert '{"/once": 1, "/tf_static": 1}' in said


@pytest.mark.parametrize("name", ["/a b", "", "/0cam/image_raw"])
def test_a_name_that_is_no_topic_is_an_error(tmp_path: Path, domain: int, name: str) -> None:
    assert domain
    with pytest.raises(NodeError, match="cannot be a ROS 2 topic"):
        record(RecordOptions(tmp_path / "bag", (name,)), [])


@pytest.mark.parametrize(
    "numbers", [{"depth": -1}, {"depth": 10**20}, {"count": -1}, {"idle": float("nan")}, {"wait": float("inf")}]
)
def test_numbers_out_of_range_are_refused(tmp_path: Path, numbers: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(numbers))} is"):
        RecordOptions(tmp_path / "bag", ("/info",), **numbers)


def test_a_bag_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    with pytest.raises(BagError, match="exists"):
        record(RecordOptions(tmp_path, ("/info",)), [])
