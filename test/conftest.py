"""Fixtures that every room's tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real frames; the test is skipped, with the reason, where there is none."""
    folder = os.environ.get("DEPTH_ROS_TEST_DATA", "")
    if not folder or not Path(folder).is_dir():
        pytest.skip("REAL FRAMES NOT TESTED: set DEPTH_ROS_TEST_DATA to the folder that holds kitti/, nuscenes/, ...")
    return Path(folder)
