"""The command line as a whole: help with an example everywhere, one line per known error, exit codes."""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from depth_ros.cli import demo, doctor
from depth_ros.cli.main import _concerns_user, build_parser, main
from depth_ros.models import store
from depth_ros.pipelines.factory import resolve


def parsers(parser: argparse.ArgumentParser, name: str = "depth_ros") -> list[tuple[str, argparse.ArgumentParser]]:
    found = [(name, parser)]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for verb, child in action.choices.items():
                found += parsers(child, f"{name} {verb}")
    return found


@pytest.mark.parametrize(
    ("name", "parser"), parsers(build_parser()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_verb_explains_itself_with_an_example(name: str, parser: argparse.ArgumentParser) -> None:
    text = parser.format_help()
    assert parser.epilog
    assert "depth_ros" in parser.epilog
    for action in parser._actions:
        assert action.help or isinstance(action, argparse._SubParsersAction), f"{name}: {action.dest} has no help"
    assert len(text) > 100


@pytest.mark.parametrize(
    ("logger", "level", "shown"),
    [
        ("depth_ros", logging.INFO, True),
        ("depth_ros.engines", logging.INFO, False),
        ("depth_ros.engines", logging.WARNING, True),
        ("onnx_ir.passes", logging.INFO, False),
        ("onnx_ir.passes", logging.WARNING, True),
    ],
)
def test_the_terminal_is_spared_the_news_of_libraries_and_engines(logger: str, level: int, shown: bool) -> None:
    record = logging.LogRecord(logger, level, __file__, 1, "text", None, None)
    assert _concerns_user(record) is shown


def test_wrong_usage_exits_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["juggle"])
    assert "invalid choice: 'juggle'" in capsys.readouterr().err


def test_a_known_error_is_one_line_and_exits_1(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["bag", "info", str(tmp_path / "nothing")]) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("depth_ros: ")
    assert "nothing" in lines[0]


def test_demo_into_a_place_that_cannot_be_written_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pytest.importorskip("rclpy")
    (tmp_path / "file").write_text("in the way")
    assert main(["demo", "--out", str(tmp_path / "file" / "out"), "--seconds", "1"]) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_demo_leaves_other_files_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    (tmp_path / "pictures").mkdir()
    demo._prepared(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "1e9", "ten"])
def test_demo_refuses_impossible_lengths(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["demo", "--seconds", seconds])
    assert "--seconds" in capsys.readouterr().err


def test_doctor_finds_what_is_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    findings = {finding["name"]: finding for finding in json.loads(capsys.readouterr().out)}
    assert findings["numpy"]["state"] == "ok"
    assert findings["auto"]["state"] == "ok"
    assert findings["auto"]["detail"].startswith(resolve("auto"))


def test_doctor_says_what_runs_without_lidar(
    tmp_path: Path,
    make_metric: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("onnxruntime")
    name = "auto without LiDAR"
    monkeypatch.setattr(store, "ASSETS", tmp_path)
    assert main(["doctor", "--json"]) == 0
    finding = {finding["name"]: finding for finding in json.loads(capsys.readouterr().out)}[name]
    assert (finding["state"], finding["detail"]) == ("note", "this installation holds no metric model")
    assert "depth_ros model import" in finding["remedy"]
    make_metric("metric", domain="walls")
    assert main(["doctor", "--json"]) == 0
    finding = {finding["name"]: finding for finding in json.loads(capsys.readouterr().out)}[name]
    assert finding["state"] == "ok"
    assert finding["detail"].startswith("metric 1.0, ")
    assert finding["detail"].endswith(", walls")


def test_doctor_names_what_is_missing_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(doctor.LIBRARIES, "no_such_library", "no-such-package")
    assert main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "[LACK] needed    no_such_library" in out
    assert "-> pip install no-such-package" in out


def test_a_reader_that_leaves_ends_the_output_quietly() -> None:
    command = f"{sys.executable} -m depth_ros doctor | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert "Traceback" not in done.stderr
