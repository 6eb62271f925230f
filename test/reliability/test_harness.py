"""The robot's own judgement: what must not come out of a node is caught. And the table of the faults is up to date."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from builtin_interfaces.msg import Time

ROOT = Path(__file__).parents[2]
PAGE, NODES_PAGE = ROOT / "docs" / "reliability.md", ROOT / "docs" / "completion_node.md"
TOPICS = ("depth/image_rect", "depth/sigma", "depth/points")


def of_another_stamp(message: Any, stamp: int) -> Any:
    message.header.stamp = Time(sec=stamp // 10**9, nanosec=stamp % 10**9)
    return message


@pytest.mark.live
@pytest.mark.parametrize("topic", TOPICS)
def test_a_stale_depth_under_a_new_stamp_is_caught(robot: Any, topic: str) -> None:
    stale = robot.got[topic][-1]
    robot.recovers()
    stamp = robot.tick()
    robot.send_scan(stamp)
    robot.send_image(stamp)
    with pytest.raises(AssertionError, match="not the completion of its image"):
        robot.judge(topic, of_another_stamp(stale, stamp))
    robot.expect_output()


@pytest.mark.live
def test_a_stamp_of_no_image_is_caught(robot: Any) -> None:
    answer = robot.got["depth/image_rect"][-1]
    with pytest.raises(AssertionError, match="no good image had this stamp"):
        robot.judge("depth/image_rect", of_another_stamp(answer, robot.stamp + 1))


@pytest.mark.live
def test_an_answer_that_comes_twice_is_caught(robot: Any) -> None:
    with pytest.raises(AssertionError, match="came again"):
        robot.judge("depth/image_rect", robot.got["depth/image_rect"][-1])


@pytest.mark.live
def test_the_nodes_page_names_every_key_of_a_live_status(robot: Any) -> None:
    robot.send("points", robot.scan_message(robot.stamp))
    robot.recovers()
    robot.expect(scan_duplicate=1)
    page = NODES_PAGE.read_text(encoding="utf-8")
    names = {key.removeprefix("dropped.").partition("_p50_ms")[0] for key in robot.diagnostics}
    names -= {key for key in names if key.endswith(("_p95_ms", "_p99_ms"))}
    assert {"model", "rate_hz", "complete", "scan_duplicate"} <= names
    assert sorted(name for name in names if f"`{name}`" not in page) == []


def test_the_table_of_the_faults_is_that_of_the_page(tmp_path: Path) -> None:
    copy = tmp_path / PAGE.name
    shutil.copy(PAGE, copy)
    collect = ["--collect-only", "-q", "-m", "", "-p", "no:cacheprovider", "--fault-table", str(copy)]
    command = [sys.executable, "-m", "pytest", "test/reliability", *collect]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    remedy = "python -m pytest test/reliability --collect-only -q -m '' --fault-table docs/reliability.md"
    assert copy.read_text(encoding="utf-8") == PAGE.read_text(encoding="utf-8"), f"the page has drifted: {remedy}"
