"""The reference page of each node and its parameter file, written from the code.

`python -m depth_ros.nodes.describe`, run at the root of the repository, writes docs/<node>.md and config/<node>.yaml
anew.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import Field
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from rclpy.lifecycle import LifecycleNode
from rclpy.node import Node

from depth_ros.nodes.diagnostics import STAGES
from depth_ros.nodes.graph import type_name
from depth_ros.nodes.outputs import KINDS
from depth_ros.nodes.pairs import WHY
from depth_ros.nodes.parameters import ParameterGroup
from depth_ros.nodes.settings import CompletionSettings, MonocularSettings, Settings
from depth_ros.nodes.silence import CAUSES
from depth_ros.nodes.spin import one_line_errors, ros_context

COMMAND = "python -m depth_ros.nodes.describe"
TYPES = {bool: "bool", int: "integer", float: "double", str: "string"}
# Later than Humble, and of every node alike.
OMITTED_SERVICES = ("get_type_description",)
INPUTS = {
    "image": ("sensor_msgs/msg/Image", "with `image_transport: compressed`: CompressedImage on `image/compressed`"),
    "camera_info": ("sensor_msgs/msg/CameraInfo", "of that image; of any lens model of ROS"),
    "points": ("sensor_msgs/msg/PointCloud2", "of the LiDAR; any layout that has x, y, z; a time per point for deskew"),
    "odometry": ("nav_msgs/msg/Odometry", "the robot's motion, for deskew (`pose_source`)"),
}
OUTPUTS = {
    "depth/image_rect": "depth along the optical axis (REP 118): 32FC1 in m, or 16UC1 in mm (`depth_encoding`)",
    "depth/camera_info": "the rectified camera that the depth is in: D is zero, P from K",
    "depth/points": "organised cloud: x, y, z, rgb, sigma, source; 24 bytes a point, NaN where there is none",
    "depth/sigma": "32FC1, m: half-width of the central 68 % interval of the depth, NaN where there is none",
    "depth/source": "mono8, where a pixel's depth comes from: 0 none, 1 measured, 2 completed, 3 monocular, 4 outdated "
    "(`lidar_lost: last_scan`)",
}
FIGURES = {
    "model": "what completes; of a learned one also `engine`, and `metres`, what those of a monocular model rest on",
    "image_topic`, `camera_info_topic": "these inputs by their full names, remaps included",
    "points_topic": "the scans likewise, of several LiDARs with commas between",
    "images`, `camera_infos": "messages received",
    "scans": "scans received",
    "depth_maps`, `rate_hz": "depth maps published, and how many a second",
    "degradation": "what is worse than it should be, or none",
    "residual_median_percent`, `residual_p90_percent`, `residual_points": "the depth against the LiDAR points that "
    "were held out (`guard_share`), and their number: medians of the last frames, or none",
    "scan_shift_right_px`, `scan_shift_down_px": "by how much the scan lies beside the picture (`guard_shift`): 0 in "
    "its place, none where the picture does not tell",
    "focal": "the focal length that the model has found, where none is known",
}
DROPS = {
    "no_camera_info": "no CameraInfo has come so far",
    "bad_image": "the image cannot be used: encoding, size, layout, stamp, or a CameraInfo of another size",
    "bad_camera_info": "the CameraInfo cannot be used; the last good one holds",
    "bad_points": "the scan cannot be used: fields, layout, stamp, or no finite point",
    "bad_odometry": "the pose cannot be used",
    "no_transform": "no transform between LiDAR and camera",
    "too_sparse": "fewer than min_points of the scan fall into the image",
    "too_late": "the image is older than max_age",
    "superseded": "a newer pair came first (`queue_policy: latest`)",
    "building": "came while the engine was built, as it is once for every image size: `queue_policy: all` lets "
    "queue_size pairs wait",
    "queue_full": "queue_size pairs wait for the completion (`queue_policy: all`)",
    "no_subscribers": "the last listener left while the pair was in work",
    "not_completed": "the completion refuses the frame, or fails on it",
    "not_subscribed": "an input could not be subscribed to",
    "internal": "an error in this package; `internal_<error>`: one that nobody thought of, with its traceback in the "
    "log",
    "undeskewed": "depth all the same: a scan was not moved to the image's time, for want of poses",
    "lidar_without_transform": "depth all the same, from the other LiDARs",
}


class About(NamedTuple):
    """What is said of one node. settings: its kind; name of the file of its parameters; unlike: what it never says."""

    node: str
    parameters: str
    settings: Callable[[Node], Settings]
    what: str
    example: str
    inputs: tuple[str, ...]
    sensors: str
    unlike: frozenset[str] = frozenset()

    @property
    def page(self) -> Path:
        """Where its page stands."""
        return Path("docs", f"{self.node}.md")

    @property
    def file(self) -> Path:
        """Where the file of its parameters stands."""
        return Path("config", self.parameters)

    def said(self, table: Mapping[str, str]) -> list[tuple[str, str]]:
        """Return the rows of a table that are of this node."""
        return [(f"`{name}`", meaning) for name, meaning in table.items() if name not in self.unlike]


OF_LIDAR = frozenset(
    {
        *("points_topic", "scans", "residual_median_percent`, `residual_p90_percent`, `residual_points"),
        *("scan_shift_right_px`, `scan_shift_down_px", "bad_points", "bad_odometry", "no_transform", "too_sparse"),
        *("undeskewed", "lidar_without_transform", "image_without_scan", "scan_without_image", "scan_too_far"),
        *("image_too_far", "image_queue_full", "image_taken", "scan_duplicate", "scan_out_of_order", "lidar_missing"),
        *("scan_queue_full", "scan_time_jump", "cloud_without_xyz", "cloud_empty", "sim_against_wall", "clocks_differ"),
        *("stamp_in_future", "stamps_apart", "no_transform_in_tf", "outside_image"),
    }
)
"""Figures, reasons and causes of a node that has a LiDAR."""
ONE_OF_TWO = (
    ": where one of two cameras is silent, that camera and the node are ERROR, because the scans still arrive. "
)
NODES = (
    About(
        "completion_node",
        "completion.yaml",
        CompletionSettings,
        "A camera image and a LiDAR scan in, dense metric depth out.",
        "    ros2 launch depth_ros completion.launch.py image:=/camera/image_raw points:=/lidar/points\n"
        "    ros2 run depth_ros completion_node --ros-args -r image:=/camera/image_raw "
        "-r camera_info:=/camera/camera_info -r points:=/lidar/points --params-file my.yaml",
        tuple(INPUTS),
        "With named sensors (`cameras`, `lidars`) the names stand in front: camera `front` reads `front/image` and "
        "writes `front/depth/image_rect`, LiDAR `top` is read from `top/points`. With extrinsics from TF also `/tf` "
        "and `/tf_static`.",
        frozenset({"focal"}),
    ),
    About(
        "monocular_node",
        "monocular.yaml",
        MonocularSettings,
        "A camera image in, dense metric depth out, by a metric model; no LiDAR. With `calibration: none`, or a "
        "CameraInfo whose K is zero, a model with a focal head finds the focal length; its answer is in "
        "`depth/camera_info`, in the log and in the diagnostics.",
        "    ros2 launch depth_ros monocular.launch.py image:=/camera/image_raw model:=metric.onnx\n"
        "    ros2 run depth_ros monocular_node --ros-args -r image:=/camera/image_raw "
        "-r camera_info:=/camera/camera_info -p model:=metric.onnx",
        ("image", "camera_info"),
        "With named `cameras` the names stand in front: camera `front` reads `front/image` and writes "
        "`front/depth/image_rect`.",
        OF_LIDAR,
    ),
)


def texts() -> dict[Path, str]:
    """Return what belongs into each of the files; rclpy is to be initialised."""
    return {path: text for about in NODES for path, text in _texts(about).items()}


def _texts(about: About) -> dict[Path, str]:
    # The graph is asked by name, and a node of that name may well run.
    node = LifecycleNode(about.node, namespace=f"describe_{uuid4().hex}")
    groups, services = about.settings(node).groups, _services(node)
    node.destroy_node()
    return {about.page: _page(about, groups, services), about.file: _parameter_file(about, groups)}


def _page(about: About, groups: Sequence[ParameterGroup[Any]], services: Sequence[tuple[str, str]]) -> str:
    sections = [
        f"# {about.node}",
        f"Written from the code by `{COMMAND}`: change the code, not this page.",
        f"{about.what} All names are relative: they follow the node's namespace and can be remapped. Every output has "
        "the stamp and the frame of its image.",
        about.example,
        "## Subscribed topics",
        "Only while somebody listens to an output. Reliability as the publisher offers it (`input_reliability: auto`), "
        "keep last `input_depth`.",
        _table(("topic", "type", "content"), [(f"`{name}`", *INPUTS[name]) for name in about.inputs]),
        about.sensors,
        "## Published topics",
        "Reliability as `output_reliability` says, volatile, keep last `output_depth`; nothing is computed for a topic "
        "without subscribers.",
        _table(
            ("topic", "type", "content"),
            [(f"`{name}`", type_name(kind), OUTPUTS[name]) for name, kind in KINDS.items()]
            + [("`/diagnostics`", "diagnostic_msgs/msg/DiagnosticArray", "once a second, see below")],
        ),
        "## Services",
        "The node is a managed node (lifecycle); with `autostart` it configures and activates itself.",
        _table(("service", "type"), [(f"`~/{name}`", kind) for name, kind in services]),
        "## Parameters",
        "A parameter file or a `-p` with a name that is not listed here, or with a value out of its range, ends the "
        "node with one line that names it. A double may be given as an integer (`max_depth: 80`). What takes effect at "
        "*run time* does so with `ros2 param set`; the rest is "
        "read at the start and refuses a change. The same as a file: "
        f"[{about.file}](../{about.file}).",
    ]
    for group in groups:
        sections += [f"### {_title(group)}", _table(PARAMETER_COLUMNS, [_row(name, group) for name in group.fields])]
    sections += [
        "## Diagnostics",
        "One status per camera, its message says in words what is wrong; levels: OK, WARN (less depth, or worse, than "
        "could be, or an engine is being built), ERROR (no depth for 3 s although messages arrive, or depth that must "
        "not be used), STALE (no depth for 3 s, and nothing arrives). With named cameras each has its own, the same as "
        "if it were alone, and one of the node in front tells the worst of them"
        + (". " if about.unlike >= OF_LIDAR else ONE_OF_TWO)
        + "Lines of the log about a silence are WARN at the most, whatever the level here: the node itself is at work. "
        "Its values:",
        _table(
            ("key", "value"),
            [
                *about.said(FIGURES),
                (
                    "`<stage>_p50_ms`, `_p95_ms`, `_p99_ms`",
                    f"percentiles of the last frames; stages: {_list(STAGES)}; no `age` of images of another time",
                ),
                ("`dropped.<reason>`", "messages and frames that gave no depth (or a worse one), by reason"),
            ],
        ),
        "The reasons, those of the pairing first:",
        _table(("reason", "meaning"), about.said({**WHY, **DROPS})),
        "## When nothing comes out",
        "Within 3 s of silence the node logs what is so of the following, each once, with names, figures and remedy "
        "(what a line about drops has told is not told again; what recurs is told more and more seldom)"
        + ("." if about.unlike >= OF_LIDAR else "; `depth_ros doctor --topics` tells the same from outside."),
        _table(("cause", "meaning"), about.said(CAUSES)),
    ]
    return "\n\n".join(sections) + "\n"


def _parameter_file(about: About, groups: Sequence[ParameterGroup[Any]]) -> str:
    lines = [
        f"# Every parameter of {about.node} with its default. Copy what you change:",
        f"#   ros2 run depth_ros {about.node} --ros-args --params-file my.yaml",
        '# "fixed" = read at the start only; everything else also takes effect with `ros2 param set`.',
        f"# Written from the code by `{COMMAND}`.",
        "/**:",
        "  ros__parameters:",
    ]
    for group in groups:
        lines += ["", f"    # --- {_title(group)}"]
        indent = "    "
        for part in group.prefix.split(".")[:-1]:
            opening = f"{indent}{part}:"
            lines += [] if opening in lines else [opening]
            indent += "  "
        lines += [f"{indent}{_line(entry, group)}" for entry in group.fields.values()]
    return "\n".join(lines) + "\n"


PARAMETER_COLUMNS = ("parameter", "type", "default", "values", "change", "what it does")


def _row(name: str, group: ParameterGroup[Any]) -> tuple[str, ...]:
    entry = group.fields[name]
    default = getattr(group.default, entry.name)
    change = "fixed" if entry.metadata["read_only"] else "run time"
    what = entry.metadata["description"]
    return f"`{name}`", _type(default), f"`{_yaml(default)}`", _values(entry), change, what


def _line(entry: Field[Any], group: ParameterGroup[Any]) -> str:
    rules, values = entry.metadata, "" if entry.metadata["choices"] else _values(entry)
    comment = f"{'fixed. ' * rules['read_only']}{rules['description']}{f' [{values}]' * bool(values)}"
    return f"{entry.name}: {_yaml(getattr(group.default, entry.name))}  # {comment}"


def _title(group: ParameterGroup[Any]) -> str:
    return str(type(group.default).__doc__).splitlines()[0].rstrip(".")


def _values(entry: Field[Any]) -> str:
    rules = entry.metadata
    if rules["choices"]:
        return ", ".join(rules["choices"])
    return "" if rules["low"] is None else f"{rules['low']:.10g} to {rules['high']:.10g}"


def _type(default: Any) -> str:
    return f"{TYPES[type(default[0])]} array" if isinstance(default, list) else TYPES[type(default)]


def _yaml(value: Any) -> str:
    """JSON is YAML; plain words need no quotes."""
    if isinstance(value, list):
        return f"[{', '.join(_yaml(item) for item in value)}]"
    return value if isinstance(value, str) and value else json.dumps(value)


def _services(node: LifecycleNode) -> list[tuple[str, str]]:
    own = node.get_fully_qualified_name() + "/"
    found = node.get_service_names_and_types_by_node(node.get_name(), node.get_namespace())
    named = sorted((name.removeprefix(own), types[0]) for name, types in found if name.startswith(own))
    return [(name, kind) for name, kind in named if name not in OMITTED_SERVICES]


def _list(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    cells = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(_escaped(cell) for cell in row)} |" for row in cells)


def _escaped(cell: str) -> str:
    return cell.replace("|", r"\|").replace("<", r"\<")


def write(root: Path) -> None:
    """Write the files under `root`, the repository."""
    with ros_context([]):
        for path, text in texts().items():
            (root / path).write_text(text, encoding="utf-8")


def main() -> int:
    """Write the files; return 0, or 1 after one line."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("root", nargs="?", type=Path, default=Path(), help="the repository (default: here)")
    root = parser.parse_args().root
    return one_line_errors(lambda: write(root))


if __name__ == "__main__":
    raise SystemExit(main())
