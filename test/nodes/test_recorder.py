"""The recorder's limits, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from depth_ros.bags.bag_file import BagFile
from depth_ros.errors import BagError, NodeError
from depth_ros.nodes.options import RecordOptions
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


def test_a_bag_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    with pytest.raises(BagError, match="exists"):
        record(RecordOptions(tmp_path, ("/info",)), [])
