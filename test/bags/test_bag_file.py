from __future__ import annotations

import logging
from pathlib import Path

import pytest

from depth_ros.bags.bag_file import BagFile
from depth_ros.bags.writer import BagWriter, bag_factory
from depth_ros.errors import BagError

IMAGE = "sensor_msgs/msg/Image"
COUNT = 6


def _bag(path: Path, storage: str = "mcap") -> Path:
    """Write six images of 0.6 MB: an mcap of several chunks."""
    with BagWriter(path, storage) as bag:
        for stamp in range(COUNT):
            bag.write("/i", IMAGE, bag_factory(IMAGE, height=stamp, data=bytes([stamp]) * 600_000), stamp + 1)
    return next(path.glob("*.mcap" if storage == "mcap" else "*.db3"))


def _cut(source: Path, target: Path, share: float) -> Path:
    data = source.read_bytes()
    target.write_bytes(data[: int(len(data) * share)])
    return target


def _arrivals_or_one_line(path: Path) -> list[int]:
    arrivals: list[int] = []
    fault = ""
    try:
        with BagFile(path) as bag:
            arrivals = [message.arrival_ns for message in bag.messages()]
    except BagError as error:
        fault = str(error)
    assert "\n" not in fault
    return arrivals


def test_lone_file_and_folder_without_metadata(tmp_path: Path) -> None:
    for storage in ("mcap", "sqlite3"):
        file = _bag(tmp_path / storage, storage)
        with BagFile(file) as bag:
            assert [m.arrival_ns for m in bag.messages()] == [1, 2, 3, 4, 5, 6]
        (tmp_path / storage / "metadata.yaml").unlink()
        with BagFile(tmp_path / storage) as bag:
            assert len(list(bag.messages())) == COUNT


def test_cut_mcap_gives_its_whole_records_with_one_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = _bag(tmp_path / "bag")
    _cut(file, file.with_name("cut"), 0.7).replace(file)
    with caplog.at_level(logging.WARNING), BagFile(tmp_path / "bag") as bag:
        messages = list(bag.messages())
        first = bag.first("/i")
    assert first is not None
    assert first.height == 0
    assert bag.is_cut
    assert 1 <= len(messages) < COUNT
    assert [bytes(m.raw[-1:])[0] for m in messages] == list(range(len(messages)))
    assert len(caplog.records) == 1
    assert "whole records" in caplog.text


@pytest.mark.parametrize("share", [0.0, 0.00001, 0.05, 0.3, 0.999])
def test_any_cut_gives_a_prefix_or_one_line(tmp_path: Path, share: float) -> None:
    cut = _cut(_bag(tmp_path / "bag"), tmp_path / "cut.mcap", share)
    arrivals = _arrivals_or_one_line(cut)
    assert arrivals == list(range(1, len(arrivals) + 1))
    assert len(arrivals) < COUNT or share > 0.99


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.99])
def test_cut_sqlite_is_one_line_or_a_prefix(tmp_path: Path, share: float) -> None:
    cut = _cut(_bag(tmp_path / "bag", "sqlite3"), tmp_path / "cut.db3", share)
    arrivals = _arrivals_or_one_line(cut)
    assert arrivals == list(range(1, len(arrivals) + 1))


def test_damaged_chunk_ends_the_bag_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = _bag(tmp_path / "bag")
    data = bytearray(file.read_bytes())
    middle = data.index(bytes([3]) * 600_000)
    data[middle - 90 : middle] = b"\xff" * 90
    file.write_bytes(data)
    with caplog.at_level(logging.WARNING), BagFile(tmp_path / "bag") as bag:
        list(bag.messages())
        list(bag.messages())
    assert bag.is_cut
    assert len(caplog.records) == 1


@pytest.mark.parametrize("name", ["noise.mcap", "noise.db3", "noise.bag"])
def test_noise_is_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(bytes(range(256)) * 4)
    with pytest.raises(BagError, match="cannot be read") as caught, BagFile(tmp_path / name):
        pass
    assert "\n" not in str(caught.value)


def test_what_is_no_bag(tmp_path: Path) -> None:
    for path, words in ((tmp_path / "none", "does not exist"), (tmp_path, "no metadata.yaml")):
        with pytest.raises(BagError, match=words), BagFile(path):
            pass
    for text in ("", "a: [", "rosbag2_bagfile_information: 3", "rosbag2_bagfile_information: {version: 99}"):
        (tmp_path / "metadata.yaml").write_text(text)
        with pytest.raises(BagError, match="cannot be read") as caught, BagFile(tmp_path):
            pass
        assert "\n" not in str(caught.value)
