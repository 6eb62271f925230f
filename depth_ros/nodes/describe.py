"""The reference page of each node and its parameter file, written from the code.

`python -m depth_ros.nodes.describe`, run at the root of the repository, writes docs/<node>.md and config/<node>.yaml
anew.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import Field
from pathlib import Path
from typing import Any
from uuid import uuid4

from rclpy.lifecycle import LifecycleNode

from depth_ros.nodes.counts import STAGES
from depth_ros.nodes.graph import type_name
from depth_ros.nodes.outputs import KINDS
from depth_ros.nodes.pairs import WHY
from depth_ros.nodes.parameters import ParameterGroup
from depth_ros.nodes.reference import DROPS, FIGURES, INPUTS, NODES, OF_LIDAR, ONE_OF_TWO, OUTPUTS, About
from depth_ros.nodes.silence import CAUSES
from depth_ros.nodes.spin import one_line_errors, ros_context

COMMAND = "python -m depth_ros.nodes.describe"
TYPES = {bool: "bool", int: "integer", float: "double", str: "string"}
# Later than Humble, and of every node alike.
OMITTED_SERVICES = ("get_type_description",)


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
        "(what a line about drops has told is not told again; what recurs is told more and more seldom); `depth_ros "
        "doctor --topics` tells the same from outside.",
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
