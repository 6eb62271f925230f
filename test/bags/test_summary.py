from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from depth_ros.bags.bag_file import BagFile
from depth_ros.bags.summary import summarise
from depth_ros.bags.writer import BagWriter
from depth_ros.errors import BagError


def test_whole_bag(tmp_path: Path, drive: Any) -> None:
    summary = summarise(drive.write(tmp_path / "bag"))
    assert summary.can_complete
    assert summary.messages == 13
    assert summary.duration_s == pytest.approx(0.31)
    assert summary.stamps_apart_s == {"p50": pytest.approx(0.01), "max": pytest.approx(0.01)}
    topics = {topic.name: topic for topic in summary.topics}
    image = topics["/camera/image_raw"]
    assert image.count == 4
    assert image.rate_hz == pytest.approx(10)
    assert image.largest_gap_s == pytest.approx(0.1)
    assert "16x12" in image.detail
    assert "rgb8" in image.detail
    assert "x y z intensity ring" in topics["/lidar/points"].detail
    assert topics["/tf_static"].rate_hz is None
    assert json.loads(json.dumps(summary.to_dict()))["can_complete"] is True


def test_gap_and_rate(tmp_path: Path, make_drive: Any) -> None:
    drive = make_drive(count=6)
    drive.write(tmp_path / "bag")
    with BagFile(tmp_path / "bag") as bag, BagWriter(tmp_path / "gap") as out:
        for message in bag.messages():
            if message.topic != "/lidar/points" or message.arrival_ns not in drive.scan_stamps[2:4]:
                out.write_raw(message.topic, message.type_name, message.raw, message.arrival_ns)
    summary = summarise(tmp_path / "gap")
    points = next(topic for topic in summary.topics if topic.name == "/lidar/points")
    assert points.largest_gap_s == pytest.approx(0.3)
    assert points.rate_hz == pytest.approx(3 / 0.5)
    assert summary.stamps_apart_s["max"] == pytest.approx(0.11)
    assert summary.can_complete


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"without": ("/camera/image_raw",)}, "no colour image topic"),
        ({"without": ("/camera/camera_info",)}, "no CameraInfo"),
        ({"without": ("/lidar/points",)}, "no PointCloud2"),
        ({"without": ("/tf_static",)}, "'lidar' to 'camera_optical_frame'"),
        ({"K_is_zero": True}, "/camera/camera_info: "),
        ({"encoding": "klingon8"}, "klingon8"),
    ],
)
def test_what_is_missing(tmp_path: Path, drive: Any, options: dict[str, Any], words: str) -> None:
    summary = summarise(drive.write(tmp_path / "bag", **options))
    assert not summary.can_complete
    assert len(summary.problems) == 1
    assert words in summary.problems[0]


def test_stamps_apart(tmp_path: Path, make_drive: Any) -> None:
    summary = summarise(make_drive(lag_ns=10_000_000_000).write(tmp_path / "bag"))
    assert "the nearest scan is" in summary.problems[0]
    assert summary.stamps_apart_s["max"] == pytest.approx(10.0)


def test_one_scan_for_all_images(tmp_path: Path, make_drive: Any) -> None:
    summary = summarise(make_drive(count=1).write(tmp_path / "bag"))
    assert summary.can_complete
    assert summary.stamps_apart_s["max"] == pytest.approx(0.01)


def test_empty_bag_misses_all(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag"):
        pass
    summary = summarise(tmp_path / "bag")
    assert summary.messages == 0
    assert len(summary.problems) == 3


def test_topic_of_an_unknown_type_is_listed(tmp_path: Path, drive: Any) -> None:
    with BagFile(drive.write(tmp_path / "bag")) as bag, BagWriter(tmp_path / "own") as out:
        for message in bag.messages():
            out.write_raw(message.topic, message.type_name, message.raw, message.arrival_ns)
        out.write_raw("/own", "my/msg/Own", b"\x00\x01\x00\x00\x07", 5, msgdef="uint8 x", rihs01="RIHS01_" + "0" * 64)
    summary = summarise(tmp_path / "own")
    assert summary.can_complete
    assert [(t.type_name, t.count, t.detail) for t in summary.topics if t.name == "/own"] == [("my/msg/Own", 1, "")]


def test_no_bag(tmp_path: Path) -> None:
    with pytest.raises(BagError, match="no metadata"):
        summarise(tmp_path)


def test_listed_scans_that_cannot_be_read(tmp_path: Path, drive: Any) -> None:
    file = next(drive.write(tmp_path / "bag", "sqlite3").glob("*.db3"))
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("DELETE FROM messages WHERE topic_id = (SELECT id FROM topics WHERE name = '/lidar/points')")
    summary = summarise(tmp_path / "bag")
    assert not summary.can_complete
    assert any("it is damaged" in problem for problem in summary.problems)
