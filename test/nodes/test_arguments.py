"""What ROS refuses of a command line: one line that says what, where and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from depth_ros.errors import NodeError
from depth_ros.nodes.spin import own_arguments

HEAD = "/**:\n  ros__parameters:\n"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (f"{HEAD}    a: 3\n   b: 3\n", "is no YAML in line 4 ("),
        (f"{HEAD}\ta: 3\n", "is no YAML in line 3 ("),
        (f"{HEAD}    a: [0, 1.0]\n", "line_num 3): write all numbers of a list alike"),
        ("a: 3\n", "ros__parameters at line 1): begin with /**:"),
        ("a: \x00\n", "is no YAML"),
        (None, "(No such file or directory): correct the path"),
    ],
)
def test_a_parameter_file_is_refused_with_its_line(tmp_path: Path, content: str | None, told: str) -> None:
    path = tmp_path / "my.yaml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(NodeError) as caught:
        own_arguments(["node", "--ros-args", "--params-file", str(path)])
    text = str(caught.value)
    assert text.startswith(f"ROS arguments: the parameter file '{path}' ")
    assert told in text
    assert "\n" not in text
    assert "/src/" not in text


@pytest.mark.parametrize(
    ("flag", "rule", "form"), [("-p", "queue_size=3", "-p name:=value"), ("-r", "image=/camera", "-r from:=to")]
)
def test_a_rule_is_refused_with_its_form(flag: str, rule: str, form: str) -> None:
    with pytest.raises(NodeError, match=f"'{flag} {rule}' is refused: write {form}"):
        own_arguments(["node", "--ros-args", flag, rule])
