from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from depth_ros.bags.bag_file import BagFile, decode_recorded
from depth_ros.bags.writer import (
    DEPTH_INFO_TOPIC,
    DEPTH_TOPIC,
    SIGMA_TOPIC,
    SOURCE_TOPIC,
    STORAGES,
    BagWriter,
    bag_factory,
    type_store,
    write_depth,
)
from depth_ros.errors import BagError
from depth_ros.frame import DepthMap
from depth_ros.geometry.camera import Camera
from depth_ros.messages.decode import decode_array, decode_camera
from depth_ros.messages.depth_encoding import decode_depth

STRING = "std_msgs/msg/String"


def _string(text: str) -> Any:
    return bag_factory(STRING, data=text)


def test_factory_fills_what_is_left_out() -> None:
    info = bag_factory("sensor_msgs/msg/CameraInfo", k=list(range(9)), d=b"")
    assert info.k.dtype == np.float64
    assert info.r.shape == (9,)
    assert info.header.frame_id == ""
    assert info.d.size == 0
    type_store().serialize_cdr(info, "sensor_msgs/msg/CameraInfo")


@pytest.mark.parametrize("kind", ["sensor_msgs/msg/Imagine", "nonsense"])
def test_factory_names_an_unknown_type(kind: str) -> None:
    with pytest.raises(BagError, match=kind):
        bag_factory(kind)


def test_factory_names_an_unknown_field() -> None:
    with pytest.raises(BagError, match=r"'size'.*known fields are header"):
        bag_factory("sensor_msgs/msg/Image", size=3)


@pytest.mark.parametrize("storage", STORAGES)
def test_what_is_written_is_read(tmp_path: Path, storage: str) -> None:
    with BagWriter(tmp_path / "bag", storage) as bag:
        bag.write("/a", STRING, _string("one"), 10)
        bag.write_raw("/b", STRING, type_store().serialize_cdr(_string("two"), STRING), 20)
        bag.write("/tf_static", STRING, _string("latched"), 30)
    with BagFile(tmp_path / "bag") as read:
        texts = [(m.topic, m.arrival_ns, decode_recorded(m).data) for m in read.messages()]
        assert texts == [("/a", 10, "one"), ("/b", 20, "two"), ("/tf_static", 30, "latched")]
        assert read.topics["/tf_static"].latched
        assert not read.topics["/a"].latched
        assert read.topics["/a"].total == 1
        assert [m.topic for m in read.messages(["/b"])] == ["/b"]
        assert list(read.messages([])) == []
        assert list(read.messages(["/none"])) == []


def test_never_overwrites_unasked(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as bag:
        bag.write("/a", STRING, _string("old"), 1)
    with pytest.raises(BagError, match="exists already"):
        BagWriter(tmp_path / "bag")
    with BagWriter(tmp_path / "bag", overwrite=True) as bag:
        bag.write("/a", STRING, _string("new"), 1)
    with BagFile(tmp_path / "bag") as read:
        assert [decode_recorded(m).data for m in read.messages()] == ["new"]


def test_overwrite_spares_what_is_no_bag(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "text.tex").write_text("dear")
    (tmp_path / "file").write_text("dear")
    for name in ("thesis", "file"):
        with pytest.raises(BagError, match="is no bag"):
            BagWriter(tmp_path / name, overwrite=True)
    assert (tmp_path / "thesis" / "text.tex").exists()


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("other", ["thesis.tex", "other.mcap", "figures"])
def test_overwrite_spares_a_bag_with_other_files_beside_it(tmp_path: Path, storage: str, other: str) -> None:
    with BagWriter(tmp_path / "bag", storage) as bag:
        bag.write("/a", STRING, _string("old"), 1)
    path = tmp_path / "bag" / other
    path.mkdir() if other == "figures" else path.write_text("dear")
    before = sorted(entry.name for entry in (tmp_path / "bag").iterdir())
    with pytest.raises(BagError, match=rf"holds more than a bag \({other}\)"):
        BagWriter(tmp_path / "bag", storage, overwrite=True)
    assert sorted(entry.name for entry in (tmp_path / "bag").iterdir()) == before
    path.rmdir() if other == "figures" else path.unlink()
    with BagWriter(tmp_path / "bag", storage, overwrite=True):
        pass


@pytest.mark.parametrize("text", ["", "name: tool", "[", "rosbag2_bagfile_information: {relative_file_paths: 3}"])
def test_overwrite_spares_a_folder_with_another_metadata(tmp_path: Path, text: str) -> None:
    (tmp_path / "metadata.yaml").write_text(text)
    with pytest.raises(BagError, match="is no bag"):
        BagWriter(tmp_path, overwrite=True)
    assert (tmp_path / "metadata.yaml").exists()


def test_unwritable_output_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BagError, match="cannot be written") as caught, BagWriter(tmp_path / "file" / "bag"):
        pass
    assert "\n" not in str(caught.value)
    with pytest.raises(BagError, match="give one of mcap, sqlite3"):
        BagWriter(tmp_path / "bag", "zip")


def test_bad_messages(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as bag:
        bag.write("/a", STRING, _string("x"), 1)
        with pytest.raises(BagError, match="use two topics"):
            bag.write("/a", "sensor_msgs/msg/Image", bag_factory("sensor_msgs/msg/Image"), 2)
        with pytest.raises(BagError, match="my/msg/Own of /b is unknown"):
            bag.write_raw("/b", "my/msg/Own", b"", 2)
        with pytest.raises(BagError, match="cannot be written"):
            bag.write("/c", STRING, bag_factory("sensor_msgs/msg/Image"), 2)


def test_own_type_with_its_definition(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as bag:
        bag.write_raw("/own", "my/msg/Own", b"\x00\x01\x00\x00\x07", 5, msgdef="uint8 x", rihs01="RIHS01_" + "0" * 64)
    with BagFile(tmp_path / "bag") as read:
        (message,) = read.messages()
        assert bytes(message.raw) == b"\x00\x01\x00\x00\x07"
        with pytest.raises(BagError, match="my/msg/Own cannot be read"):
            decode_recorded(message)


@pytest.mark.parametrize("keep_cut", [False, True])
@pytest.mark.parametrize("count", [0, 1])
def test_failure_leaves_nothing_unless_it_is_to_be_kept(tmp_path: Path, keep_cut: bool, count: int) -> None:
    def write() -> None:
        with BagWriter(tmp_path / "bag", keep_cut=keep_cut) as bag:
            for stamp in range(count):
                bag.write("/a", STRING, bag_factory(STRING, data="x"), stamp)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert (tmp_path / "bag").exists() is bool(keep_cut and count)
    if (tmp_path / "bag").exists():
        with BagFile(tmp_path / "bag") as read:
            assert len(list(read.messages())) == 1


def test_depth_goes_back_into_a_bag(tmp_path: Path) -> None:
    depth = np.array([[1.5, np.nan], [2.0, 60.0]], np.float32)
    camera = Camera.from_focal(2, 2, 3.0, 3.0, 0.5, 0.5)
    depth_map = DepthMap(77, "cam", camera, depth, depth * 0.1, np.array([[1, 0], [1, 2]], np.uint8))
    with BagWriter(tmp_path / "bag") as bag:
        assert write_depth(bag, [depth_map]) == 1
    with BagFile(tmp_path / "bag") as read:
        np.testing.assert_array_equal(decode_depth(read.first(DEPTH_TOPIC)), depth)
        np.testing.assert_array_equal(decode_depth(read.first(SIGMA_TOPIC)), depth_map.sigma)
        np.testing.assert_array_equal(decode_array(read.first(SOURCE_TOPIC)), depth_map.source)
        assert {(m.topic, m.arrival_ns) for m in read.messages()} == {
            (topic, 77) for topic in (DEPTH_TOPIC, DEPTH_INFO_TOPIC, SIGMA_TOPIC, SOURCE_TOPIC)
        }
        info: Any = read.first(DEPTH_INFO_TOPIC)
        np.testing.assert_array_equal(decode_camera(info).K, camera.K)
        assert info.header.stamp.nanosec == 77
