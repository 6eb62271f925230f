"""The verb `complete` without a scan: metres of an image alone, and where its focal length is from."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from depth_ros.cli.main import main
from depth_ros.geometry.canonical import focal_from_35mm
from depth_ros.messages.depth_encoding import read_depth

pytest.importorskip("onnxruntime")
MakeModel = Callable[..., Path]
WIDTH, HEIGHT, EQUIVALENT = 96, 64, 28
ENGINE = ["--engine", "onnxruntime", "--threads", "1"]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A JPEG file whose Exif tags tell a 35-mm equivalent of 28 mm; grey, so that depth is f / 100 x (1 + 90 / 255)."""
    exif = struct.pack(">HHHIII", 1, 0x8769, 4, 1, 26, 0) + struct.pack(">HHHIHH", 1, 0xA405, 3, 1, EQUIVALENT, 0)
    block = b"Exif\0\0MM\0*" + struct.pack(">I", 8) + exif
    plain = cv2.imencode(".jpg", np.full((HEIGHT, WIDTH, 3), 90, np.uint8))[1].tobytes()
    path = tmp_path / "photo.jpg"
    path.write_bytes(plain[:2] + struct.pack(">HH", 0xFFE1, len(block) + 2) + block + plain[2:])
    return path


def complete(image: Path, model: Path | str, *more: str) -> int:
    out = image.parent / "out.npy"
    return main(["complete", "--image", str(image), "--out", str(out), "--model", str(model), *ENGINE, *more])


def found(image: Path, capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, Any], float]:
    figures = json.loads(capsys.readouterr().out)
    return figures, float(np.median(read_depth(image.parent / "out.npy"))) / (1 + 90 / 255)


def test_the_focal_length_of_the_exif_tags(
    photo: Path, make_metric: MakeModel, capsys: pytest.CaptureFixture[str]
) -> None:
    assert complete(photo, make_metric(focal=55.0), "--json") == 0
    figures, depth = found(photo, capsys)
    focal = focal_from_35mm(EQUIVALENT, WIDTH, HEIGHT)
    assert figures["focal"] == {"px": pytest.approx(focal), "from": "EXIF"}
    assert depth == pytest.approx(focal / 100, rel=0.01)
    assert figures["share"]["monocular"] == 1
    assert complete(photo, make_metric()) == 0
    assert f"focal length: {focal:.1f} px (EXIF)" in capsys.readouterr().out


def test_a_given_focal_length_goes_before_the_tags(
    photo: Path, make_metric: MakeModel, capsys: pytest.CaptureFixture[str]
) -> None:
    assert complete(photo, make_metric(), "--json", "--focal", "321") == 0
    figures, depth = found(photo, capsys)
    assert figures["focal"] == {"px": 321, "from": "given"}
    assert depth == pytest.approx(3.21, rel=0.01)


@pytest.mark.parametrize(
    "text", ["K 200 0 47 0 200 31 0 0 1\nimage_size 96 64\n", "P2: 200 0 47 9 0 200 31 1 0 0 1 0\n"]
)
def test_a_calibration_of_the_camera_alone_will_do(
    photo: Path, make_metric: MakeModel, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    (photo.parent / "calib.txt").write_text(text)
    assert complete(photo, make_metric(), "--json", "--calib", str(photo.parent / "calib.txt")) == 0
    figures, depth = found(photo, capsys)
    assert figures["focal"] == {"px": 200, "from": "given"}
    assert depth == pytest.approx(2.0, rel=0.01)


def test_without_any_the_focal_head_finds_it(
    lidar: Path, make_metric: MakeModel, capsys: pytest.CaptureFixture[str]
) -> None:
    image = lidar / "image.png"
    assert complete(image, make_metric(focal=77.0), "--json") == 0
    figures, depth = found(image, capsys)
    assert figures["focal"] == {"px": pytest.approx(77.0), "from": "focal head of the model"}
    assert depth == pytest.approx(0.77, rel=0.01)


def test_monocular_leaves_the_scan_of_the_calibration_out(
    lidar: Path, make_metric: MakeModel, capsys: pytest.CaptureFixture[str]
) -> None:
    image, calib = lidar / "image.png", ["--calib", str(lidar / "calib.txt"), "--json"]
    assert complete(image, make_metric(), *calib, "--monocular") == 0
    figures, depth = found(image, capsys)
    assert figures["share"]["monocular"] == 1
    assert depth == pytest.approx(1.0, rel=0.01)
    assert complete(image, make_metric(), *calib) == 0
    figures, depth = found(image, capsys)
    assert "focal" not in figures
    assert figures["share"]["measured"] > 0


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ([], "no focal length is given, the picture's EXIF tags tell none"),
        (["--model", "auto"], "or give --points"),
        (["--model", "classical"], "without them give the file of a metric model"),
        (["--model", "{relative}"], "a relative model, which knows no metres"),
        (["--points", "{folder}/points.bin"], "give --calib"),
        (["--points", "{folder}/points.bin", "--monocular"], "exclude each other"),
        (["--calib", "{folder}/calib.txt", "--focal", "9"], "leave --focal out"),
        (["--calib", "{folder}/small.txt"], "120x80"),
        (["--calib", "{folder}/odd.txt"], "neither P2"),
        (["--calib", "{folder}/none.txt"], "none.txt"),
    ],
)
def test_what_is_missing_is_one_line(
    lidar: Path,
    make_metric: MakeModel,
    more: list[str],
    text: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("depth_ros.pipelines.factory.bundled_models", dict)
    (lidar / "small.txt").write_text("image_size 60 40\nK 100 0 30 0 100 20 0 0 1\n")
    (lidar / "odd.txt").write_text("image_size 60 40\n")
    relative = make_metric("relative", task="relative")
    given = [entry.format(folder=lidar, relative=relative) for entry in more]
    assert complete(lidar / "image.png", make_metric(), *given) == 1
    err = capsys.readouterr().err
    assert text in err
    assert len(err.splitlines()) == 1
    assert not (lidar / "out.npy").exists()


@pytest.mark.parametrize("text", ["0", "-5", "wide", "nan"])
def test_a_focal_length_that_cannot_be_is_a_wrong_use(photo: Path, text: str) -> None:
    with pytest.raises(SystemExit) as ended:
        complete(photo, "m.onnx", "--focal", text)
    assert ended.value.code == 2
