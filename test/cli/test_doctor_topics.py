"""`depth_ros doctor --topics`: what is printed, and the exit code."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from typing import Any

import pytest

from depth_ros.cli.main import main
from depth_ros.nodes.evidence import CAMERA_INFO, CLOUD, IMAGES, Cause, Drop, Publisher, Topic
from depth_ros.nodes.options import InspectOptions

pytest.importorskip("rclpy")
from depth_ros.nodes import inspection


def came(name: str, kind: str, detail: str) -> Any:
    publisher = Publisher("/driver", kind, "best_effort", latched=True)
    return inspection.Came(Topic(name, kind, [publisher], "best_effort", True, 50, 0.1, 0.1, 7, "camera"), 9.96, detail)


FOUND = inspection.Inspection(
    "completion_node",
    "",
    "the only ones",
    [
        came("/image", IMAGES[0], "160x120 rgb8"),
        came("/info", CAMERA_INFO, "160x120"),
        came("/points", CLOUD, "9 points"),
    ],
    48,
    12.4,
    48,
    "from 'lidar' to 'camera': 900 pixels of the image are measured",
    "",
    "/depth/image_rect",
    ["/completion_node"],
    1,
    {"scan_too_far": Drop(2, "no scan within sync_slop: raise it")},
    [],
    would_output=True,
)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Answer every look with FOUND; return with what options it was asked for, and which were given."""
    options: list[object] = []

    def answer(wanted: object, given: Any) -> Any:
        options.extend((wanted, set(given)))
        return FOUND

    monkeypatch.setattr(inspection, "inspect", answer)
    return options


def test_what_is_found_is_told_and_exits_0(asked: list[object], capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--image", "/cam/image", "--points", "/top/points", "--sync-slop", "0.1", "--extrinsics", "e.yaml"]
    assert main(["doctor", "--topics", *arguments]) == 0
    options = InspectOptions(image="/cam/image", points="/top/points", sync_slop=0.1, extrinsics="e.yaml")
    assert asked == [options, {"image", "points", "sync_slop", "extrinsics"}]
    out = capsys.readouterr().out
    assert "10.0 Hz, 160x120 rgb8, frame 'camera'; from /driver (best_effort, latched)" in out
    assert "48, image to scan 12 ms (median)" in out
    assert "published by /completion_node, 1 listens" in out
    assert "-> no scan within sync_slop: raise it" in out
    assert out.endswith("completion_node would publish depth\n")


def test_a_cause_is_told_with_its_remedy_and_exits_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    silent = inspection.Came(Topic("/image", IMAGES[0]), 0.0, "")
    cause = Cause("no_publisher", "nobody publishes /image: start the driver: now", "/image")
    found = replace(
        FOUND, inputs=[silent], pairs=0, gap_ms=None, placed=0, makers=[], causes=[cause], would_output=False
    )
    monkeypatch.setattr(inspection, "inspect", lambda _options, _given: found)
    assert main(["doctor", "--topics"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"[note] {'input':9s} {'topics':22s} the only ones"
    assert lines[1] == f"[LACK] {'input':9s} {'/image':22s} nothing came; no publisher"
    assert lines[-3:] == [
        f"[LACK] {'cause':9s} {'no_publisher':22s} nobody publishes /image",
        f"{'':40s}-> start the driver: now",
        "completion_node would be silent",
    ]


def test_a_camera_alone_is_told_of_monocular_node_and_never_of_lidar(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = replace(
        FOUND, node="monocular_node", inputs=FOUND.inputs[:2], gap_ms=None, transform="", makers=[], drops={}
    )
    monkeypatch.setattr(inspection, "inspect", lambda _options, _given: alone)
    assert main(["doctor", "--topics", "--input", "none"]) == 0
    out = capsys.readouterr().out
    assert f"[ ok ] {'camera':9s} {'usable images':22s} 48" in out
    assert "nobody publishes it: no monocular_node runs yet" in out
    assert out.endswith("monocular_node would publish depth\n")
    assert not any(word in out for word in ("completion_node", "pair", "transform", "scan", "focal"))
    found = replace(alone, focal="/info has a K of zeros", running="robot/monocular_node")
    monkeypatch.setattr(inspection, "inspect", lambda _options, _given: found)
    assert main(["doctor", "--topics"]) == 0
    out = capsys.readouterr().out
    assert "unknown: /info has a K of zeros\n" in out
    assert "robot/monocular_node is not configured, or its output is remapped" in out
    assert out.endswith("monocular_node would publish depth, if its model has a focal head\n")


def test_a_look_too_short_for_a_cause_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(inspection, "inspect", lambda _options, _given: replace(FOUND, would_output=False))
    assert main(["doctor", "--topics"]) == 1
    assert capsys.readouterr().out.endswith("would be silent so far: look longer (--seconds)\n")


def test_json_holds_everything(asked: list[object], capsys: pytest.CaptureFixture[str]) -> None:  # noqa: ARG001
    assert main(["doctor", "--topics", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["would_output"] is True
    assert told["pairs"] == 48
    assert told["inputs"][0]["topic"]["publishers"][0]["node"] == "/driver"
    assert told["drops"]["scan_too_far"]["times"] == 2


def test_without_rclpy_it_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "depth_ros.nodes.inspection", None)
    assert main(["doctor", "--topics"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "needs rclpy" in lines[0]


@pytest.mark.parametrize("seconds", ["1", "nan", "1e9"])
def test_impossible_lengths_are_one_line(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--topics", "--seconds", seconds]) == 1
    assert "seconds is" in capsys.readouterr().err


@pytest.mark.live
def test_in_an_empty_domain_it_is_alone(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", str(20 + os.getpid() % 80))
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    assert main(["doctor", "--topics", "--seconds", "2"]) == 1
    out = capfd.readouterr().out
    assert "no other ROS node is seen" in out
    assert "completion_node would be silent" in out


@pytest.mark.live
@pytest.mark.parametrize("option", ["--points", "--extrinsics", "--sync-slop"])
def test_no_lidar_and_one_is_one_line(option: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--topics", "--input", "none", option, "0.1"]) == 1
    assert f"--input none looks at no LiDAR, and {option} is about one" in capfd.readouterr().err


@pytest.mark.live
def test_a_name_that_is_no_topic_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", str(20 + os.getpid() % 80))
    assert main(["doctor", "--topics", "--image", "/0 a"]) == 1
    assert "cannot be a ROS 2 topic" in capfd.readouterr().err
