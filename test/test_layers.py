"""The imports of the house point one way, and heavy libraries are imported only where they are used."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "depth_ros"
RANKS = [
    {"__init__", "errors", "config", "parallel"},
    {"geometry", "sensor_queue"},
    {"frame", "pairing"},
    {"messages", "classical", "engines"},
    {"models"},
    {"pipelines"},
    {"bags", "networks"},
    {"synthetic", "evaluation"},
    {"training", "export"},
    {"nodes"},
    {"cli"},
    {"__main__"},
]
RANK = {name: rank for rank, names in enumerate(RANKS) for name in names}
NODES_MAY_IMPORT = {name for name in RANK if RANK[name] <= 5} | {"nodes"}
NODES_THAT_READ_BAGS = {"player.py", "recorder.py"}
LAZY = {
    "onnxruntime",
    "openvino",
    "tensorrt",
    "tensorrt_rtx",
    "torch",
    "rclpy",
    "tf2_ros",
    "matplotlib",
    "rosbags",
    "jinja2",
    "tqdm",
}


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(tree: ast.AST) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, "relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def rooms_imported(path: Path) -> set[str]:
    names = imported(ast.parse(path.read_text(encoding="utf-8")))
    inside = [name.split(".")[1] for name in names if name.startswith("depth_ros.")]
    return {name if name in RANK else "__init__" for name in inside}


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_to_lower_ranks(path: Path) -> None:
    own = room(path)
    assert own in RANK, f"{own} has no rank: give it one in docs/architecture.md and here"
    higher = {name for name in rooms_imported(path) - {own} if RANK[name] >= RANK[own]}
    assert not higher - ({"errors"} if own in {"config", "parallel"} else set())


@pytest.mark.parametrize("path", sorted((PACKAGE / "nodes").glob("*.py")), ids=lambda p: p.name)
def test_nodes_need_only_what_a_robot_has(path: Path) -> None:
    allowed = NODES_MAY_IMPORT | ({"bags"} if path.name in NODES_THAT_READ_BAGS else set())
    assert rooms_imported(path) <= allowed


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_rclpy_lives_in_nodes_alone(path: Path) -> None:
    if room(path) != "nodes":
        assert "rclpy" not in {name.split(".")[0] for name in imported(ast.parse(path.read_text(encoding="utf-8")))}


@pytest.mark.parametrize("module", ["depth_ros", "depth_ros.cli.main"])
def test_importing_needs_no_heavy_library(module: str) -> None:
    code = f"import sys, {module}; print(*{{name.split('.')[0] for name in sys.modules}})"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert not (LAZY | {"cv2", "scipy"}) & set(out.stdout.split())
