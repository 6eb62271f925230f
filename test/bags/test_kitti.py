from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from depth_ros.bags.kitti import kitti_to_bag
from depth_ros.bags.sample import Sample
from depth_ros.bags.source import open_source
from depth_ros.bags.summary import summarise
from depth_ros.errors import BagError


def _assert_same(folder: list[Sample], bag: list[Sample], atol: float) -> None:
    assert len(folder) == len(bag) > 0
    for a, b in zip((sample.frame for sample in folder), (sample.frame for sample in bag), strict=True):
        assert a.points is not None
        assert b.points is not None
        assert (a.stamp_ns, a.scan_stamp_ns) == (b.stamp_ns, b.scan_stamp_ns)
        np.testing.assert_array_equal(a.rgb, b.rgb)
        np.testing.assert_array_equal(a.points.xyz, b.points.xyz)
        np.testing.assert_array_equal(a.points.intensity, b.points.intensity)
        np.testing.assert_array_equal(a.camera.K, b.camera.K)
        assert a.T_cam_lidar is not None
        assert b.T_cam_lidar is not None
        np.testing.assert_allclose(a.T_cam_lidar, b.T_cam_lidar, atol=atol)
        assert not b.camera.D.any()


def _raw_drive(drive: Any, date: Path) -> Path:
    """Write the official layout: the calibration beside the drive, the scan of frame 1 missing."""
    folder = date / "2011_09_26_drive_0001_sync"
    for sensor in ("image_02", "velodyne_points"):
        (folder / sensor / "data").mkdir(parents=True)
    lines = {"image_02": drive.stamps, "velodyne_points": drive.scan_stamps}
    for sensor, stamps in lines.items():
        text = "\n".join(f"1970-01-01 00:00:{stamp // 10**9:02d}.{stamp % 10**9:09d}" for stamp in stamps)
        (folder / sensor / "timestamps.txt").write_text(text + "\n")
    for i in range(len(drive.stamps)):
        cv2.imwrite(str(folder / "image_02" / "data" / f"{i:010d}.png"), drive.images[i][..., ::-1])
        if i != 1:
            rows = np.column_stack([drive.clouds[i].xyz, drive.clouds[i].intensity]).astype("<f4")
            rows.tofile(folder / "velodyne_points" / "data" / f"{i:010d}.bin")
    P2, R0, Tr = (line.partition(": ")[2] for line in drive.kitti_calibration().splitlines())
    text = f"calib_time: 09-Jan-2012 13:57:47\nS_rect_02: 16 12\nR_rect_00: {R0}\nP_rect_02: {P2}\n"
    (date / "calib_cam_to_cam.txt").write_text(text)
    matrix = np.array(Tr.split(), float).reshape(3, 4)
    rotation, move = (" ".join(map(repr, part.ravel().tolist())) for part in (matrix[:, :3], matrix[:, 3]))
    (date / "calib_velo_to_cam.txt").write_text(f"calib_time: 15-Mar-2012 11:37:16\nR: {rotation}\nT: {move}\n")
    return folder


def test_raw_drive_to_bag_and_back(tmp_path: Path, drive: Any) -> None:
    folder = _raw_drive(drive, tmp_path / "2011_09_26")
    done = kitti_to_bag(folder, tmp_path / "bag")
    assert done.frames == 3
    assert "1 of 4 images" in done.remarks[0]
    samples = list(open_source(folder).samples())
    assert [sample.frame.stamp_ns for sample in samples] == [drive.stamps[i] for i in (0, 2, 3)]
    assert [sample.frame.scan_stamp_ns for sample in samples] == [drive.scan_stamps[i] for i in (0, 2, 3)]
    assert samples[0].frame.T_cam_lidar is not None
    np.testing.assert_allclose(samples[0].frame.T_cam_lidar, drive.T_cam_lidar, atol=1e-12)
    _assert_same(samples, list(open_source(tmp_path / "bag").samples()), atol=1e-12)
    assert summarise(tmp_path / "bag").can_complete
    assert next(open_source(tmp_path / "2011_09_26").samples()).name == "2011_09_26_drive_0001_sync/0000000000"


def test_raw_drive_faults(tmp_path: Path, drive: Any) -> None:
    folder = _raw_drive(drive, tmp_path / "date")
    stamps = folder / "image_02" / "timestamps.txt"
    text = stamps.read_text()
    stamps.write_text(text.splitlines()[0])
    with pytest.raises(BagError, match=r"timestamps.txt has 1 lines"):
        open_source(folder)
    stamps.write_text("yesterday\n")
    with pytest.raises(BagError, match="line 1 is no time"):
        open_source(folder)
    stamps.unlink()
    (folder / "velodyne_points" / "timestamps.txt").unlink()
    assert [s.frame.stamp_ns for s in open_source(folder).samples()] == [0, 100_000_000, 200_000_000]
    (tmp_path / "date" / "calib_cam_to_cam.txt").unlink()
    with pytest.raises(BagError, match=r"no calib_cam_to_cam.txt here or one folder above"):
        open_source(folder)


def test_object_split_with_two_calibrations(tmp_path: Path, drive: Any) -> None:
    split = tmp_path / "training"
    for name in ("image_2", "velodyne", "calib"):
        (split / name).mkdir(parents=True)
    for i in range(3):
        cv2.imwrite(str(split / "image_2" / f"{i:06d}.png"), drive.images[i][..., ::-1])
        rows = np.column_stack([drive.clouds[i].xyz, drive.clouds[i].intensity]).astype("<f4")
        rows.tofile(split / "velodyne" / f"{i:06d}.bin")
        calibration = drive.kitti_calibration()
        if i == 1:
            calibration = calibration.replace("P2: 20.0", "P2: 25.0")
        (split / "calib" / f"{i:06d}.txt").write_text(calibration)
    done = kitti_to_bag(split, tmp_path / "bag", storage="sqlite3")
    assert done.camera_frames == ["camera_optical_frame", "camera_optical_frame_2"]
    samples = list(open_source(tmp_path / "bag").samples())
    _assert_same(list(open_source(split).samples()), samples, atol=1e-12)
    frames = [sample.frame.frame_id for sample in samples]
    assert frames == ["camera_optical_frame", "camera_optical_frame_2", "camera_optical_frame"]


def test_scan_of_two_images_is_written_once(tmp_path: Path, drive: Any) -> None:
    T = " ".join(map(repr, drive.T_cam_lidar[:3].ravel().tolist()))
    K = " ".join(map(repr, drive.camera.K.ravel().tolist()))
    for i, (image_time, lidar_time) in enumerate([("5.00", "5.04"), ("5.06", "5.04"), ("5.13", "5.14")]):
        calibration = f"image_size 16 12\nK {K}\nT_cam_lidar {T}\nimage_time {image_time}\nlidar_time {lidar_time}\n"
        drive.write_frame_folder(tmp_path / "frames" / str(i), 0, calibration)
    done = kitti_to_bag(tmp_path / "frames", tmp_path / "bag")
    assert done.frames == 3
    _assert_same(
        list(open_source(tmp_path / "frames").samples()), list(open_source(tmp_path / "bag").samples()), atol=1e-12
    )
    counts = {topic.name: topic.count for topic in summarise(tmp_path / "bag").topics}
    assert (counts["/camera/image_raw"], counts["/lidar/points"]) == (3, 2)


def test_lens_with_distortion_is_rectified(tmp_path: Path, drive: Any) -> None:
    T = " ".join(map(repr, drive.T_cam_lidar[:3].ravel().tolist()))
    K = " ".join(map(repr, drive.camera.K.ravel().tolist()))
    text = f"image_size 16 12\nK {K}\nD -0.2 0.05 0 0 0\nT_cam_lidar {T}\n"
    drive.write_frame_folder(tmp_path / "frame", 0, text)
    done = kitti_to_bag(tmp_path / "frame", tmp_path / "bag")
    assert "images of lenses with distortion were rectified" in done.remarks
    frame = next(open_source(tmp_path / "bag").samples()).frame
    assert frame.camera.is_rectified
    assert frame.rgb is not None
    assert not np.array_equal(frame.rgb, drive.images[0])


def test_folder_without_points_leaves_no_bag(tmp_path: Path, drive: Any) -> None:
    folder = tmp_path / "rgbd"
    folder.mkdir()
    cv2.imwrite(str(folder / "rgb.png"), drive.images[0])
    cv2.imwrite(str(folder / "depth.png"), np.full((12, 16), 1000, np.uint16))
    (folder / "intrinsics.txt").write_text("width 16\nheight 12\ndepth_scale 1000\ninvalid 0\n")
    with pytest.raises(BagError, match="has no LiDAR points"):
        kitti_to_bag(folder, tmp_path / "bag")
    assert not (tmp_path / "bag").exists()


def test_progress_sees_every_frame(tmp_path: Path, drive: Any) -> None:
    seen: list[int] = []

    def watch(samples: Iterable[Sample], total: int) -> Iterable[Sample]:
        for sample in samples:
            seen.append(total)
            yield sample

    drive.write_frame_folder(tmp_path / "f" / "0", 0, drive.kitti_calibration())
    kitti_to_bag(tmp_path / "f", tmp_path / "bag", watch=watch)
    assert seen == [1]


@pytest.mark.real
def test_real_sequence_to_bag_and_back(real_data: Path, tmp_path: Path) -> None:
    folder = real_data / "kitti" / "sequence_2011_09_26"
    assert kitti_to_bag(folder, tmp_path / "bag").frames == 25
    pairs = list(zip(open_source(folder).samples(), open_source(tmp_path / "bag").samples(), strict=True))
    assert len(pairs) == 25
    # A quaternion makes KITTI's printed rotation exactly orthonormal: 1e-6 at most.
    for a, b in pairs:
        _assert_same([a], [b], atol=2e-6)
