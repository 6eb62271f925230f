"""Fixtures that every room's tests share."""

from __future__ import annotations

import os
from collections.abc import Generator
from importlib.util import find_spec
from pathlib import Path

import pytest

HAS_ROS = find_spec("rclpy") is not None
REQUIRE_ROS = os.environ.get("DEPTH_ROS_REQUIRE_ROS") == "1"
collect_ignore = [] if HAS_ROS else ["nodes"]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """On a machine that is meant to have ROS (DEPTH_ROS_REQUIRE_ROS=1), a test skipped for want of a package fails."""
    report = yield
    if REQUIRE_ROS and report.skipped and "could not import" in str(report.longrepr):
        report.outcome = "failed"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly what this run could not test."""
    if not HAS_ROS:
        terminalreporter.write_line("THE NODES WERE NOT TESTED: rclpy is not installed (make test brings it)")
    if not os.environ.get("DEPTH_ROS_TEST_DATA"):
        terminalreporter.write_line("REAL FRAMES WERE NOT TESTED: DEPTH_ROS_TEST_DATA is not set")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real frames; the test is skipped, with the reason, where there is none."""
    folder = os.environ.get("DEPTH_ROS_TEST_DATA", "")
    if not folder or not Path(folder).is_dir():
        pytest.skip("REAL FRAMES NOT TESTED: set DEPTH_ROS_TEST_DATA to the folder that holds kitti/, nuscenes/, ...")
    return Path(folder)
