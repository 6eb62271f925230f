"""The verbs that bring published models here."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from depth_ros.cli import model_import
from depth_ros.errors import ExportError
from depth_ros.export.presets import PRESETS

onnx = pytest.importorskip("onnx")


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    model_import.add_parsers(parser.add_subparsers())
    args = parser.parse_args(arguments)
    return int(args.run(args))


def write_relative(path: Path) -> None:
    """A file with the signature of Depth Anything V2 that gives the brightness."""
    helper = onnx.helper
    takes = helper.make_tensor_value_info("pixel_values", 1, [1, 3, 70, 126])
    gives = helper.make_tensor_value_info("predicted_depth", 1, [1, 70, 126])
    axes = helper.make_tensor("axes", 7, [1], [1])
    node = helper.make_node("ReduceSum", ["pixel_values", "axes"], ["predicted_depth"], keepdims=0)
    graph = helper.make_graph([node], "brightness", [takes], [gives], [axes])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def test_import_says_what_it_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnxruntime")
    write_relative(tmp_path / "their.onnx")
    given = ["import", str(tmp_path / "their.onnx"), "--preset", "depth-anything-v2-large", "--size", "90x160"]
    assert run(*given, "--out", str(tmp_path / "made.onnx")) == 0
    assert "relative, for images of 160x90; licence: CC-BY-NC-4.0" in capsys.readouterr().out
    assert run(*given, "--out", str(tmp_path / "made.onnx"), "--json") == 0
    assert json.loads(capsys.readouterr().out)["card"]["inputs"] == ["image"]


def test_sizes_and_presets_that_are_none_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="--size 90: give height and width"):
        run("import", "x.onnx", "--preset", "zoedepth", "--size", "90", "--out", str(tmp_path / "made.onnx"))
    with pytest.raises(ExportError, match="unknown preset 'midas'"):
        run("import", "x.onnx", "--preset", "midas", "--size", "9x9", "--out", str(tmp_path / "made.onnx"))


def test_images_that_no_camera_makes_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    write_relative(tmp_path / "their.onnx")
    given = ["import", str(tmp_path / "their.onnx"), "--preset", "depth-anything-v2-large"]
    for size in ("0x160", "-1x160", "99999x160"):
        with pytest.raises(ExportError, match=f"size {size}: height and width must be positive, and at most 16384"):
            run(*given, f"--size={size}", "--out", str(tmp_path / "made.onnx"))

    def too_much(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("depth_ros.export.published.import_published", too_much)
    with pytest.raises(ExportError, match=r"their\.onnx and images of 9000x9000 need more memory than there is here"):
        run(*given, "--size", "9000x9000", "--out", str(tmp_path / "made.onnx"))
    assert [path.name for path in tmp_path.iterdir()] == ["their.onnx"]


def test_fetch_lists_all_and_says_what_is_nowhere(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("fetch", "--list") == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(PRESETS)
    assert run("fetch", "--list", "--json") == 0
    assert [row["name"] for row in json.loads(capsys.readouterr().out)] == list(PRESETS)
    with pytest.raises(ExportError, match=r"no ONNX file of zoedepth .*: download .* into a folder and give"):
        run("fetch", "zoedepth")
    with pytest.raises(ExportError, match=r"no ONNX file of unidepth-v2 .*: run unidepth/models/.* --with-camera"):
        run("fetch", "unidepth-v2")
