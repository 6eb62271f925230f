from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from rosbags.rosbag1 import Writer as Writer1
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from depth_ros.bags.bag_file import BagFile
from depth_ros.bags.reader import BagReader
from depth_ros.bags.sample import Sample
from depth_ros.bags.source import open_source
from depth_ros.bags.topics import base_name, choose_topics, info_beside
from depth_ros.bags.writer import STORAGES, BagWriter, bag_factory
from depth_ros.config import PairingConfig
from depth_ros.errors import BagError
from depth_ros.geometry import rigid

IMAGE, INFO, CLOUD = "sensor_msgs/msg/Image", "sensor_msgs/msg/CameraInfo", "sensor_msgs/msg/PointCloud2"


def _equal_to_drive(samples: list[Sample], drive: Any) -> None:
    assert [sample.frame.stamp_ns for sample in samples] == drive.stamps
    assert [sample.frame.scan_stamp_ns for sample in samples] == drive.scan_stamps
    for sample, image, cloud in zip(samples, drive.images, drive.clouds, strict=True):
        frame = sample.frame
        assert frame.rgb is not None
        assert frame.points is not None
        assert frame.T_cam_lidar is not None
        assert frame.frame_id == "camera_optical_frame"
        np.testing.assert_array_equal(frame.rgb, image)
        np.testing.assert_array_equal(frame.points.xyz, cloud.xyz)
        np.testing.assert_array_equal(frame.points.intensity, cloud.intensity)
        np.testing.assert_array_equal(frame.points.ring, cloud.ring)
        np.testing.assert_allclose(frame.T_cam_lidar, drive.T_cam_lidar, atol=1e-12)
        np.testing.assert_array_equal(frame.camera.K, drive.camera.K)
        assert frame.camera.size == drive.camera.size


@pytest.mark.parametrize("storage", STORAGES)
def test_bag_gives_back_what_was_recorded(tmp_path: Path, drive: Any, storage: str) -> None:
    source = open_source(drive.write(tmp_path / "bag", storage))
    _equal_to_drive(list(source.samples()), drive)
    _equal_to_drive(list(source.samples()), drive)
    assert source.name == "bag"


def test_ros1_bag(tmp_path: Path, drive: Any) -> None:
    _write_ros1(tmp_path / "old.bag", drive)
    _equal_to_drive(list(open_source(tmp_path / "old.bag").samples()), drive)
    with BagFile(tmp_path / "old.bag") as bag:
        assert bag.topics["/tf_static"].latched
        assert "/other" not in {message.topic for message in bag.messages()}
    data = (tmp_path / "old.bag").read_bytes()
    (tmp_path / "cut.bag").write_bytes(data[: len(data) // 2])
    with pytest.raises(BagError, match="reindex") as caught:
        list(open_source(tmp_path / "cut.bag").samples())
    assert "\n" not in str(caught.value)


def test_truth_of_the_equal_stamp(tmp_path: Path, drive: Any) -> None:
    samples = list(open_source(drive.write(tmp_path / "bag", truth=True)).samples())
    for number, sample in enumerate(samples, start=1):
        assert sample.truth is not None
        assert np.isnan(sample.truth[0]).all()
        assert (sample.truth[1:] == number).all()
    plain = list(open_source(drive.write(tmp_path / "plain")).samples())
    assert all(sample.truth is None for sample in plain)


def test_truth_where_only_some_images_have_one(tmp_path: Path, make_drive: Any) -> None:
    drive = make_drive()
    path = drive.write(tmp_path / "bag", truth=True)
    with BagFile(path) as bag, BagWriter(tmp_path / "thin") as thin:
        for number, message in enumerate(bag.messages()):
            if message.topic != "/camera/depth_truth" or number > 8:
                thin.write_raw(message.topic, message.type_name, message.raw, message.arrival_ns)
    truths = [sample.truth is not None for sample in open_source(tmp_path / "thin").samples()]
    assert truths == [False, False, True, True]


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("/camera/image_raw", "no colour image topic"),
        ("/camera/camera_info", "no CameraInfo for /camera/image_raw"),
        ("/lidar/points", "no PointCloud2 topic"),
        ("/tf_static", "no transform joins 'lidar' to 'camera_optical_frame'"),
    ],
)
def test_missing_piece_is_one_line(tmp_path: Path, drive: Any, missing: str, words: str) -> None:
    source = open_source(drive.write(tmp_path / "bag", without=(missing,)))
    with pytest.raises(BagError, match=words) as caught:
        next(source.samples())
    assert "\n" not in str(caught.value)


def test_zero_K_is_one_line(tmp_path: Path, drive: Any) -> None:
    with pytest.raises(BagError, match="/camera/camera_info: "):
        next(open_source(drive.write(tmp_path / "bag", K_is_zero=True)).samples())


def test_extrinsics_given_instead_of_tf(tmp_path: Path, drive: Any) -> None:
    path = drive.write(tmp_path / "bag", without=("/tf_static",))
    _equal_to_drive(list(open_source(path, extrinsics=drive.T_cam_lidar).samples()), drive)
    (tmp_path / "calib.txt").write_text(drive.kitti_calibration())
    _equal_to_drive(list(open_source(path, extrinsics=tmp_path / "calib.txt").samples()), drive)
    for bad in (np.eye(3), np.zeros((4, 4)), np.full((4, 4), np.nan)):
        with pytest.raises(BagError, match="no rigid 4x4"):
            next(open_source(path, extrinsics=bad).samples())


def test_given_extrinsics_win_over_tf(tmp_path: Path, drive: Any) -> None:
    T = rigid.from_xyz_quat((9, 9, 9), (0, 0, 0, 1))
    sample = next(open_source(drive.write(tmp_path / "bag"), extrinsics=T).samples())
    np.testing.assert_array_equal(sample.frame.T_cam_lidar, T)


def test_no_pair_within_the_slop_says_so(tmp_path: Path, make_drive: Any) -> None:
    path = make_drive(lag_ns=50_000_000).write(tmp_path / "bag")
    with pytest.raises(BagError, match=r"no /lidar/points within 0.01 s of /camera/image_raw.*scan_too_far 4"):
        list(open_source(path, pairing=PairingConfig(sync_slop=0.01)).samples())


def test_undecodable_images_are_counted_and_reported(
    tmp_path: Path, drive: Any, caplog: pytest.LogCaptureFixture
) -> None:
    whole = drive.write(tmp_path / "bag")
    with BagFile(whole) as bag, BagWriter(tmp_path / "bad") as bad:
        for number, message in enumerate(bag.messages()):
            raw = bytes(message.raw)
            raw = raw[:-30] if message.topic == "/camera/image_raw" and number < 5 else raw
            bad.write_raw(message.topic, message.type_name, raw, message.arrival_ns)
    with caplog.at_level(logging.WARNING), BagReader(tmp_path / "bad") as reader:
        samples = list(reader.samples())
    assert len(samples) == 3
    assert reader.counters["undecodable"] == 1
    assert "1 messages cannot be used" in caplog.text


def test_only_undecodable_images_are_an_error(tmp_path: Path, drive: Any) -> None:
    path = drive.write(tmp_path / "bag", encoding="klingon8")
    with pytest.raises(BagError, match=r"gives no frame .*klingon8.*undecodable 4"):
        list(open_source(path).samples())


def test_compressed_image(tmp_path: Path, drive: Any) -> None:
    with BagFile(drive.write(tmp_path / "raw")) as bag, BagWriter(tmp_path / "bag") as out:
        for message in bag.messages():
            if message.topic != "/camera/image_raw":
                out.write_raw(message.topic, message.type_name, message.raw, message.arrival_ns)
                continue
            image = drive.images[drive.stamps.index(message.arrival_ns)]
            png = cv2.imencode(".png", image[..., ::-1])[1].ravel()
            header = _header(message.arrival_ns, "camera_optical_frame")
            kind = "sensor_msgs/msg/CompressedImage"
            compressed = bag_factory(kind, header=header, format="rgb8; png compressed bgr8", data=png)
            out.write("/camera/image_raw/compressed", kind, compressed, message.arrival_ns)
    _equal_to_drive(list(open_source(tmp_path / "bag").samples()), drive)


@pytest.mark.parametrize(
    ("topic", "k1", "rectified"),
    [
        ("image_rect_color", 0.1, True),
        ("image_raw", 0.1, False),
        ("image_raw", 0.0, True),
        ("direct/image_raw", 0.1, False),
    ],
)
def test_rectified_images_use_P(tmp_path: Path, drive: Any, topic: str, k1: float, rectified: bool) -> None:
    with BagFile(drive.write(tmp_path / "raw")) as bag, BagWriter(tmp_path / "bag") as out:
        for message in bag.messages():
            if message.type_name == INFO:
                info = bag_factory(INFO, header=_header(message.arrival_ns, "c"), width=16, height=12)
                info.k[:], info.d = [30, 0, 8, 0, 30, 6, 0, 0, 1], np.array([k1, 0, 0, 0, 0])
                info.p[:], info.distortion_model = [20, 0, 7.5, 0, 0, 21, 5.5, 0, 0, 0, 1, 0], "plumb_bob"
                out.write(message.topic, INFO, info, message.arrival_ns)
            else:
                renamed = message.topic.replace("image_raw", topic)
                out.write_raw(renamed, message.type_name, message.raw, message.arrival_ns)
    camera = next(open_source(tmp_path / "bag").samples()).frame.camera
    assert camera.intrinsics == ((20, 21, 7.5, 5.5) if rectified else (30, 30, 8, 6))
    assert camera.D.any() != rectified


def test_zero_header_stamp_falls_back_on_the_arrival(tmp_path: Path, drive: Any) -> None:
    with BagFile(drive.write(tmp_path / "raw")) as bag, BagWriter(tmp_path / "bag") as out:
        for message in bag.messages():
            raw = bytearray(message.raw)
            if message.topic != "/tf_static":
                raw[4:12] = bytes(8)
            out.write_raw(message.topic, message.type_name, bytes(raw), message.arrival_ns)
    _equal_to_drive(list(open_source(tmp_path / "bag").samples()), drive)


def test_two_cameras_need_a_word(tmp_path: Path) -> None:
    path = _topics_only(tmp_path / "bag", {"/left/image_raw": IMAGE, "/left/camera_info": INFO, "/right/image": IMAGE})
    with BagFile(path) as bag:
        chosen = choose_topics(bag)
        assert (chosen.image, chosen.camera_info, chosen.points) == ("/left/image_raw", "/left/camera_info", None)
    path = _topics_only(tmp_path / "two", {f"/{side}/{n}": t for side in "lr" for n, t in _CAMERA.items()})
    with BagFile(path) as bag:
        with pytest.raises(BagError, match=r"image could be /l/image_raw, /r/image_raw: name one"):
            choose_topics(bag)
        assert choose_topics(bag, {"image": "/r/image_raw"}).camera_info == "/r/camera_info"
        with pytest.raises(BagError, match="topic /none is not there"):
            choose_topics(bag, {"image": "/none"})
        with pytest.raises(BagError, match=r"/l/camera_info is .*CameraInfo: image must be"):
            choose_topics(bag, {"image": "/l/camera_info"})
        with pytest.raises(BagError, match="role 'lidar' is unknown"):
            choose_topics(bag, {"lidar": "/x"})


def test_depth_and_transports_are_no_second_camera(tmp_path: Path) -> None:
    topics = {
        "/camera/image_raw": IMAGE,
        "/camera/image_raw/compressed": "sensor_msgs/msg/CompressedImage",
        "/camera/image_raw/compressedDepth": "sensor_msgs/msg/CompressedImage",
        "/camera/camera_info": INFO,
        "/camera/depth/image_rect": IMAGE,
        "/camera/depth/camera_info": INFO,
        "/camera/depth/points": CLOUD,
        "/tof/image": IMAGE,
        "/lidar/points": CLOUD,
    }
    path = _topics_only(tmp_path / "bag", topics)
    with BagFile(path) as bag:
        chosen = choose_topics(bag)
    assert (chosen.image, chosen.points) == ("/camera/image_raw", "/lidar/points")


def test_names() -> None:
    assert base_name("/cam/image/compressed") == "/cam/image"
    assert info_beside("/cam/image/compressed") == "/cam/camera_info"
    assert info_beside("/image") == "/camera_info"


_CAMERA = {"image_raw": IMAGE, "camera_info": INFO}


def _topics_only(path: Path, topics: dict[str, str]) -> Path:
    with BagWriter(path) as bag:
        for topic, kind in topics.items():
            message = bag_factory(kind)
            if kind == IMAGE:
                message.encoding = "32FC1" if "tof" in topic else "rgb8"
            bag.write(topic, kind, message, 1)
    return path


def _header(stamp: int, frame_id: str) -> Any:
    time = bag_factory("builtin_interfaces/msg/Time", sec=stamp // 10**9, nanosec=stamp % 10**9)
    return bag_factory("std_msgs/msg/Header", stamp=time, frame_id=frame_id)


def _write_ros1(path: Path, drive: Any) -> None:
    """Write the drive as ROS 1 recorded it: sequence numbers in headers, capital K, a type of its own beside it."""
    store = get_typestore(Stores.ROS1_NOETIC)
    store.register(get_types_from_msg("geometry_msgs/TransformStamped[] transforms\n", "tf2_msgs/msg/TFMessage"))
    t = store.types
    time, header = t["builtin_interfaces/msg/Time"], t["std_msgs/msg/Header"]

    def stamped(stamp: int, frame_id: str) -> Any:
        return header(seq=3, stamp=time(sec=stamp // 10**9, nanosec=stamp % 10**9), frame_id=frame_id)

    def info(stamp: int) -> Any:
        region = t["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
        K, P = drive.camera.K.ravel(), np.column_stack([drive.camera.K, np.zeros(3)]).ravel()
        D, R = np.zeros(5), np.eye(3).ravel()
        return t[INFO](stamped(stamp, "camera_optical_frame"), 12, 16, "plumb_bob", D, K, R, P, 0, 0, region)

    def image(stamp: int, rgb: NDArray[np.uint8]) -> Any:
        return t[IMAGE](stamped(stamp, "camera_optical_frame"), 12, 16, "rgb8", 0, 48, rgb.ravel())

    def cloud(stamp: int, points: Any) -> Any:
        names = ("x", "y", "z", "intensity", "ring")
        kinds = (7, 7, 7, 7, 4)
        field = t["sensor_msgs/msg/PointField"]
        fields = [field(n, 4 * i, k, 1) for i, (n, k) in enumerate(zip(names, kinds, strict=True))]
        rows = np.zeros(len(points), np.dtype([(n, "<f4") for n in names[:4]] + [("ring", "<u2")]))
        rows["x"], rows["y"], rows["z"] = points.xyz.T
        rows["intensity"], rows["ring"] = points.intensity, points.ring
        data = rows.view(np.uint8)
        return t[CLOUD](stamped(stamp, "lidar"), 1, len(points), fields, False, 18, data.size, data, True)

    def tf() -> Any:
        transforms = []
        for parent, child, T in drive.transforms():
            xyz, quat = rigid.to_xyz_quat(T)
            move, turn = t["geometry_msgs/msg/Vector3"](*xyz), t["geometry_msgs/msg/Quaternion"](*quat)
            transform = t["geometry_msgs/msg/Transform"](move, turn)
            transforms.append(t["geometry_msgs/msg/TransformStamped"](stamped(0, "/" + parent), child, transform))
        return t["tf2_msgs/msg/TFMessage"](transforms)

    with Writer1(path) as writer:

        def write(topic: str, kind: str, message: Any, stamp: int, latching: int = 0) -> None:
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=store, latching=latching)
            writer.write(connections[topic], stamp, store.serialize_ros1(message, kind))

        connections: dict[str, Any] = {}
        write("/tf_static", "tf2_msgs/msg/TFMessage", tf(), drive.stamps[0], latching=1)
        own = writer.add_connection("/other", "my/msg/Own", msgdef="uint8 x\n", md5sum="0" * 32)
        writer.write(own, drive.stamps[0], b"\x01")
        for i, stamp in enumerate(drive.stamps):
            write("/camera/camera_info", INFO, info(stamp), stamp)
            write("/camera/image_raw", IMAGE, image(stamp, drive.images[i]), stamp)
            write("/lidar/points", CLOUD, cloud(drive.scan_stamps[i], drive.clouds[i]), drive.scan_stamps[i])


def test_bad_truth_is_left_out(tmp_path: Path, drive: Any, caplog: pytest.LogCaptureFixture) -> None:
    with BagFile(drive.write(tmp_path / "bag", truth=True)) as bag, BagWriter(tmp_path / "bad") as bad:
        for message in bag.messages():
            is_truth = message.topic == "/camera/depth_truth"
            raw = bytes(message.raw)
            if is_truth and message.arrival_ns == drive.stamps[0]:
                raw = raw.replace(b"32FC1", b"32FC9")
            if is_truth and message.arrival_ns == drive.stamps[1]:
                raw = raw[:-20]
            bad.write_raw(message.topic, message.type_name, raw, message.arrival_ns)
    truths = [sample.truth is not None for sample in open_source(tmp_path / "bad").samples()]
    assert truths == [False, False, True, True]
    assert "is left out" in caplog.text
