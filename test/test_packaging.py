"""The shell: what colcon builds, and that the version is written the same everywhere."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from importlib.util import find_spec
from pathlib import Path

import pytest

import depth_ros

ROOT = Path(__file__).parent.parent
EXECUTABLES = {"completion_node", "monocular_node", "bag_player", "depth_ros"}


def test_the_version_is_the_same_everywhere() -> None:
    package = ET.parse(ROOT / "package.xml").getroot()
    setup = (ROOT / "setup.py").read_text()
    changelog = (ROOT / "CHANGELOG.rst").read_text()
    assert package.findtext("version") == depth_ros.__version__
    assert f'version="{depth_ros.__version__}"' in setup
    assert re.search(rf"^{re.escape(depth_ros.__version__)} \(", changelog, re.MULTILINE)


def test_package_xml_is_format_3_and_ament_python() -> None:
    package = ET.parse(ROOT / "package.xml").getroot()
    assert package.get("format") == "3"
    assert package.findtext("export/build_type") == "ament_python"
    depends = {element.text for element in package.iter() if element.tag.endswith("depend")}
    assert {"rclpy", "cv_bridge", "sensor_msgs_py", "message_filters", "python3-numpy", "python3-pytest"} <= depends


@pytest.mark.skipif(find_spec("colcon_ros") is None, reason="colcon is not installed")
def test_colcon_builds_the_package_as_ament_python(tmp_path: Path) -> None:
    clone = tmp_path / "src" / "depth_ros"
    ignored = shutil.ignore_patterns(".*", "build", "install", "log", "*.egg-info", "demo_output")
    shutil.copytree(ROOT, clone, ignore=ignored)
    colcon = [sys.executable, "-m", "colcon"]
    listed = subprocess.run([*colcon, "list"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert listed.stdout.split() == ["depth_ros", "src/depth_ros", "(ros.ament_python)"]
    built = subprocess.run([*colcon, "build"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    prefix = tmp_path / "install" / "depth_ros"
    assert {path.name for path in (prefix / "lib" / "depth_ros").iterdir()} == EXECUTABLES
    share = prefix / "share" / "depth_ros"
    assert (share / "hook" / "ament_prefix_path.sh").is_file()
    assert (prefix / "share" / "ament_index" / "resource_index" / "packages" / "depth_ros").is_file()
    shared = [*ROOT.glob("launch/*.launch.py"), *ROOT.glob("config/*")]
    for name in ("package.xml", "config/fastdds_large.xml", *(str(path.relative_to(ROOT)) for path in shared)):
        assert (share / name).is_file(), name
    (package,) = prefix.glob("lib/python3*/site-packages/depth_ros")
    for name in ("py.typed", "nodes/fastdds_large.xml", "evaluation/report.html.jinja"):
        assert (package / name).is_file(), name
