"""The verb `bag complete` without a scan: every image of a bag by a metric model, asked for or for want of a LiDAR."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from depth_ros.bags.bag_file import BagFile, decode_recorded
from depth_ros.bags.writer import DEPTH_INFO_TOPIC, DEPTH_TOPIC, SOURCE_TOPIC, BagWriter, bag_factory
from depth_ros.cli.main import main
from depth_ros.frame import PointCloud, Source
from depth_ros.geometry.camera import Camera
from depth_ros.messages.decode import decode_array, stamp_ns
from depth_ros.messages.encode import encode_camera, encode_cloud, encode_image
from depth_ros.models import store

pytest.importorskip("onnxruntime")
MakeModel = Callable[..., Path]
ENGINE = ["--engine", "onnxruntime", "--threads", "1"]
STAMP, TICK, IMAGES = 10**18, 10**8, 4
CAMERA = Camera.from_focal(96, 64, 200, 200, 47.5, 31.5)
GREY = 90


def record(path: Path, *, camera: Camera | None = CAMERA, points: bool = False, bad: bool = False) -> Path:
    """Write a bag of grey pictures; camera: None leaves the CameraInfo out. points: one lonely scan. bad: the second
    image is of an encoding that nobody knows."""
    with BagWriter(path) as bag:
        for number in range(IMAGES):
            stamp = STAMP + number * TICK
            if camera is not None:
                bag.write("/cam/camera_info", "sensor_msgs/msg/CameraInfo", info(stamp, camera), stamp)
            image = encode_image(bag_factory, stamp, "camera", np.full((64, 96, 3), GREY, np.uint8), "rgb8")
            if bad and number == 1:
                image.encoding = "octopus9"
            bag.write("/cam/image", "sensor_msgs/msg/Image", image, stamp)
        if points:
            cloud = encode_cloud(bag_factory, STAMP, "lidar", PointCloud(np.ones((9, 3), np.float32)))
            for topic in ("/left/points", "/right/points"):
                bag.write(topic, "sensor_msgs/msg/PointCloud2", cloud, STAMP)
    return path


def info(stamp: int, camera: Camera) -> Any:
    message = encode_camera(bag_factory, stamp, "camera", camera)
    if not camera.calibrated:
        message.k, message.p = np.zeros(9), np.zeros(12)
    return message


def complete(bag: Path, model: Path | str, *more: str) -> int:
    out = str(bag.parent / "out")
    return main(["bag", "complete", str(bag), "--out", out, "--overwrite", "--model", str(model), *ENGINE, *more])


def written(bag: Path, topic: str) -> list[Any]:
    with BagFile(bag.parent / "out") as out:
        return [decode_recorded(message) for message in out.messages([topic])]


@pytest.mark.parametrize("how", ["no LiDAR", "none"])
def test_every_image_becomes_depth_with_or_without_lidar_topics(
    tmp_path: Path, make_metric: MakeModel, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    # Two LiDARs that nobody chose from, and no transform: none of it is asked for.
    bag = record(tmp_path / "bag", points=how == "none")
    more = ["--input", "none"] if how == "none" else []
    assert complete(bag, make_metric(), *more, "--json") == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["input"], figures["images"], figures["depth_maps"], figures["left_out"]) == ("none", 4, 4, 0)
    assert figures["residual_percent"] is None
    depth = written(bag, DEPTH_TOPIC)
    assert [stamp_ns(message.header.stamp) for message in depth] == [STAMP + n * TICK for n in range(IMAGES)]
    assert np.allclose(decode_array(depth[0]), 2 * (1 + GREY / 255), rtol=1e-5)
    assert (decode_array(written(bag, SOURCE_TOPIC)[0]) == Source.MONOCULAR).all()
    assert complete(bag, make_metric(), *more) == 0
    assert "4 depth maps of 4 images by the image alone, 0 frames left out" in capsys.readouterr().out


def test_without_a_model_it_is_the_bundled_one_and_says_what_that_is_good_for(
    tmp_path: Path, make_metric: MakeModel, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bag = record(tmp_path / "bag")
    monkeypatch.setattr(store, "ASSETS", make_metric("metric", domain="walls").parent)
    assert complete(bag, "auto", "--json") == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["input"], figures["model"], figures["domain"]) == ("none", "metric 1.0", "walls")
    assert complete(bag, "auto") == 0
    told = capsys.readouterr().out.splitlines()
    assert told[1].startswith("model: metric 1.0, onnxruntime")
    assert told[2:] == ["good for: walls"]


@pytest.mark.parametrize("camera", [None, Camera.uncalibrated(96, 64)])
def test_an_unknown_focal_length_is_left_to_the_focal_head(
    tmp_path: Path, make_metric: MakeModel, capsys: pytest.CaptureFixture[str], camera: Camera | None
) -> None:
    bag = record(tmp_path / "bag", camera=camera)
    assert complete(bag, make_metric(focal=432.0)) == 0
    assert written(bag, DEPTH_INFO_TOPIC)[0].k[0] == pytest.approx(432.0)
    capsys.readouterr()
    assert complete(bag, make_metric()) == 1
    assert "no focal length is known, and metre 1.0 has no focal head" in capsys.readouterr().err


def test_an_image_that_cannot_be_read_is_left_out(
    tmp_path: Path, make_metric: MakeModel, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    bag = record(tmp_path / "bag", bad=True)
    assert complete(bag, make_metric(), "--json") == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["depth_maps"], figures["left_out"]) == (3, 1)
    assert "octopus9" in caplog.text


@pytest.mark.parametrize(
    ("model", "more", "text"),
    [
        ("classical", [], "bag has no PointCloud2 topic, so depth is of the images alone: classical makes depth of"),
        ("classical", ["--input", "none"], "--input none reads no scan, so depth is of the images alone: classical"),
        ("{toy}", [], "a completion model that takes LiDAR depth"),
        ("{relative}", [], "a relative model, which knows no metres"),
        ("{metric}", ["--motion", "tf"], "no scan is read, so points, extrinsics, motion"),
    ],
)
def test_what_makes_no_metres_of_an_image_is_one_line(
    tmp_path: Path,
    make_metric: MakeModel,
    make_toy: MakeModel,
    capsys: pytest.CaptureFixture[str],
    model: str,
    more: list[str],
    text: str,
) -> None:
    models = {"toy": make_toy(), "metric": make_metric(), "relative": make_metric("relative", task="relative")}
    assert complete(record(tmp_path / "bag"), model.format(**models), *more) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert text in lines[0]
    assert not (tmp_path / "out").exists()
