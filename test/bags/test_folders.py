from __future__ import annotations

import logging
import pickle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from depth_ros.bags.folders import FolderSource
from depth_ros.bags.kitti import kitti_to_bag
from depth_ros.bags.rgbd import read_intrinsics, spread
from depth_ros.bags.source import open_source
from depth_ros.errors import BagError
from depth_ros.geometry import rigid
from depth_ros.geometry.lidar import project_points

INTRINSICS = "fx 20\nfy 21\ncx 7.5\ncy 5.5\nwidth 16\nheight 12\ndepth_scale 1000\ninvalid 0\n"


def test_frames_below_are_found_sorted_and_named(tmp_path: Path, drive: Any, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "drive_b").mkdir()
    (tmp_path / "drive_b" / "calib.txt").write_text(drive.kitti_calibration())
    for i in (2, 1, 0):
        drive.write_frame_folder(tmp_path / "drive_b" / f"{i:010d}", i, None)
    drive.write_frame_folder(tmp_path / "drive_a", 3, drive.kitti_calibration())
    with caplog.at_level(logging.INFO):
        source = open_source(tmp_path)
        samples = list(source.samples())
    assert [s.name for s in samples] == ["drive_a", *(f"drive_b/{i:010d}" for i in range(3))]
    assert [s.frame.stamp_ns for s in samples] == [0, 100_000_000, 200_000_000, 300_000_000]
    assert [r.getMessage() for r in caplog.records] == [f"{tmp_path}: no timestamps: 10 Hz from 0 is assumed"]
    for sample, i in zip(samples, (3, 0, 1, 2), strict=True):
        assert sample.frame.points is not None
        np.testing.assert_array_equal(sample.frame.rgb, drive.images[i])
        np.testing.assert_array_equal(sample.frame.points.xyz, drive.clouds[i].xyz)
        assert sample.frame.T_cam_lidar is not None
        np.testing.assert_allclose(sample.frame.T_cam_lidar, drive.T_cam_lidar, atol=1e-12)


def test_single_frame_folder_and_pickle(tmp_path: Path, drive: Any) -> None:
    source = open_source(drive.write_frame_folder(tmp_path / "000007", 0, drive.kitti_calibration()))
    copy = pickle.loads(pickle.dumps(source))
    assert [sample.name for sample in copy.samples()] == ["000007"]


def test_key_value_folder_shares_points(tmp_path: Path, drive: Any) -> None:
    T = " ".join(map(repr, drive.T_cam_lidar[:3].ravel().tolist()))
    K = " ".join(map(repr, drive.camera.K.ravel().tolist()))
    text = f"image_size 16 12\nK {K}\nT_cam_lidar {T}\npoint_fields x y z intensity\npoints ../points.bin\n"
    for camera in ("LEFT", "RIGHT"):
        folder = drive.write_frame_folder(tmp_path / camera, 0, text)
        (folder / "points.bin").replace(tmp_path / "points.bin")
    samples = list(open_source(tmp_path).samples())
    assert [sample.name for sample in samples] == ["LEFT", "RIGHT"]
    for sample in samples:
        assert sample.frame.points is not None
        np.testing.assert_array_equal(sample.frame.points.xyz, drive.clouds[0].xyz)
        np.testing.assert_array_equal(sample.frame.T_cam_lidar, drive.T_cam_lidar)


def test_bad_frames_are_one_line(tmp_path: Path, drive: Any) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BagError, match="holds no frames: looked for"):
        open_source(tmp_path / "empty")
    with pytest.raises(BagError, match="does not exist"):
        open_source(tmp_path / "none")
    (tmp_path / "file.txt").touch()
    with pytest.raises(BagError, match="is no bag"):
        open_source(tmp_path / "file.txt")
    with pytest.raises(BagError, match=r"no calib.txt here"):
        open_source(drive.write_frame_folder(tmp_path / "no_calib", 0, None))
    frame = drive.write_frame_folder(tmp_path / "frame", 0, drive.kitti_calibration())
    for option in ({"topics": {"image": "/x"}}, {"extrinsics": np.eye(4)}):
        with pytest.raises(BagError, match="is no bag, so"):
            open_source(frame, **option)
    (frame / "image.png").write_bytes(b"no picture")
    with pytest.raises(BagError, match="no picture"):
        next(open_source(frame).samples())
    (frame / "image.png").write_bytes(b"")
    with pytest.raises(BagError, match="no picture"):
        next(open_source(frame).samples())


def test_picture_of_another_size_than_its_calibration(tmp_path: Path, drive: Any) -> None:
    text = "image_size 32 12\nK 20 0 7 0 20 5 0 0 1\nT_cam_lidar 1 0 0 0 0 1 0 0 0 0 1 0\n"
    with pytest.raises(BagError, match="is 16 x 12, its calibration says 32 x 12"):
        next(open_source(drive.write_frame_folder(tmp_path / "f", 0, text)).samples())


def test_rgbd_truth_and_ready_made_sparse(tmp_path: Path, drive: Any) -> None:
    _rgbd(tmp_path, drive, INTRINSICS + "note 65535 is invalid too; values above 20000 are outliers\n")
    stored = np.full((12, 16), 1500, np.uint16)
    stored[0, :4] = 0, 65535, 20000, 20001
    cv2.imwrite(str(tmp_path / "depth.png"), stored)
    cv2.imwrite(str(tmp_path / "sparse_2.png"), np.where(np.eye(12, 16) > 0, stored, 0).astype(np.uint16))
    sample = next(open_source(tmp_path).samples())
    assert sample.truth is not None
    assert sample.frame.sparse_depth is None
    assert sample.frame.points is None
    assert sample.frame.scan_stamp_ns is None
    np.testing.assert_array_equal(np.isnan(sample.truth[0, :4]), [True, True, False, True])
    assert sample.truth[1, 1] == np.float32(1.5)
    sparse = next(open_source(tmp_path, sparse="sparse_2.png").samples()).frame.sparse_depth
    assert sparse is not None
    assert (sparse > 0).sum() == 11
    with pytest.raises(BagError, match=r"sparse_9.png: cannot be read"):
        next(open_source(tmp_path, sparse="sparse_9.png").samples())


def test_low_resolution_depth_is_the_input_where_nothing_else_is_there(tmp_path: Path, drive: Any) -> None:
    _rgbd(tmp_path, drive, "width 16\nheight 12\ndepth_scale 500\ninvalid 0\n")
    cv2.imwrite(str(tmp_path / "lowres_depth.png"), np.arange(12, dtype=np.uint16).reshape(3, 4) * 500)
    source = open_source(tmp_path)
    assert isinstance(source, FolderSource)
    assert "60 degrees" in source.assumptions[0]
    sample = next(source.samples())
    assert sample.truth is None
    assert sample.frame.sparse_depth is not None
    assert (sample.frame.sparse_depth > 0).sum() == 11
    assert sample.frame.sparse_depth[10, 14] == 11
    fx = sample.frame.camera.intrinsics[0]
    assert np.degrees(2 * np.arctan(8 / fx)) == pytest.approx(60)


def test_spread_keeps_equal_size_and_pixel_areas() -> None:
    depth = np.array([[1, np.nan], [0, 4]], np.float32)
    np.testing.assert_array_equal(spread(depth, (2, 2)), [[1, 0], [0, 4]])
    wide = spread(depth, (6, 6))
    assert wide[1, 1] == 1
    assert wide[4, 4] == 4
    assert (wide > 0).sum() == 2


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("fy 21\n", "", "'fy' is missing"),
        ("fx 20", "fx 0", "no focal length"),
        ("fx 20", "fx much", "not a number"),
        ("depth_scale 1000", "depth_scale 0", "depth_scale is 0"),
        ("width 16", "width -16", "image size is"),
        ("invalid 0\n", "", "'invalid' is missing"),
    ],
)
def test_malformed_intrinsics(tmp_path: Path, old: str, new: str, words: str) -> None:
    path = tmp_path / "intrinsics.txt"
    path.write_text(INTRINSICS.replace(old, new))
    with pytest.raises(BagError, match=words) as caught:
        read_intrinsics(path)
    assert str(path) in str(caught.value)


def test_rgbd_sizes_must_agree(tmp_path: Path, drive: Any) -> None:
    _rgbd(tmp_path, drive, INTRINSICS)
    cv2.imwrite(str(tmp_path / "depth.png"), np.ones((6, 8), np.uint16))
    with pytest.raises(BagError, match="not of the picture's size"):
        next(open_source(tmp_path).samples())
    cv2.imwrite(str(tmp_path / "depth.png"), np.ones((12, 16), np.uint8))
    with pytest.raises(BagError, match="give a 16-bit depth PNG"):
        next(open_source(tmp_path).samples())
    (tmp_path / "intrinsics.txt").write_text(INTRINSICS.replace("width 16", "width 18"))
    with pytest.raises(BagError, match=r"intrinsics.txt says"):
        next(open_source(tmp_path).samples())


def _rgbd(folder: Path, drive: Any, intrinsics: str) -> None:
    cv2.imwrite(str(folder / "rgb.png"), drive.images[0][..., ::-1])
    (folder / "intrinsics.txt").write_text(intrinsics)


@pytest.mark.real
@pytest.mark.parametrize(
    ("folder", "count", "points_seen", "pixels_drawn"),
    [
        ("kitti/object_training", 8, (0.13, 0.18), (0.033, 0.046)),
        ("kitti/object_testing", 3, (0.13, 0.18), (0.033, 0.046)),
        ("kitti/sequence_2011_09_26", 25, (0.13, 0.18), (0.032, 0.046)),
        ("nuscenes/sample0", 6, (0.085, 0.14), (0.002, 0.0035)),
        ("pjlab", 2, (0.10, 0.13), (0.004, 0.006)),
        ("radiate", 6, (0.0, 1.0), (0.0, 1.0)),
    ],
)
def test_real_lidar_folders(
    real_data: Path, folder: str, count: int, points_seen: tuple[float, float], pixels_drawn: tuple[float, float]
) -> None:
    samples = list(open_source(real_data / folder).samples())
    assert len(samples) == count
    assert len({sample.frame.stamp_ns for sample in samples}) == count
    for sample in samples:
        frame = sample.frame
        assert frame.points is not None
        assert frame.T_cam_lidar is not None
        assert frame.rgb is not None
        assert frame.rgb.shape[:2] == (frame.camera.height, frame.camera.width)
        camera = frame.camera.rectified()
        pixels, z = camera.project(rigid.apply(frame.T_cam_lidar, frame.points.xyz))
        u, v = pixels.T
        with np.errstate(invalid="ignore"):
            inside = (z > 0) & (u > -0.5) & (u < camera.width - 0.5) & (v > -0.5) & (v < camera.height - 0.5)
        assert points_seen[0] <= inside.mean() <= points_seen[1], sample.name
        drawn = (project_points(frame.points.xyz, frame.T_cam_lidar, camera).depth > 0).mean()
        assert pixels_drawn[0] <= drawn <= pixels_drawn[1], sample.name


@pytest.mark.real
def test_real_radiate_states_its_stamps(real_data: Path) -> None:
    first = next(open_source(real_data / "radiate").samples()).frame
    assert first.stamp_ns == 1574859772_427742000
    assert first.scan_stamp_ns == 1574859772_401573000


@pytest.mark.real
def test_real_rgbd_folders(real_data: Path) -> None:
    truths = {}
    for sample in open_source(real_data / "rgbd").samples():
        assert sample.frame.points is None
        if sample.truth is None:
            truths[sample.name] = 0.0
            continue
        truths[sample.name] = float(np.isfinite(sample.truth).mean())
        assert np.nanmin(sample.truth) > 0.01
        assert np.nanmax(sample.truth) < 31, sample.name
    assert len(truths) == 41
    assert [name for name, share in truths.items() if share == 0] == ["iphone_lidar"]
    assert all(share == 1 for name, share in truths.items() if name.startswith("icl_nuim"))
    assert truths["ibims_plants"] == pytest.approx(0.94, abs=0.01)
    assert all(share > 0.5 for name, share in truths.items() if name != "iphone_lidar")


@pytest.mark.real
def test_real_ground_truth_and_sparse_inputs(real_data: Path) -> None:
    for sample in open_source(real_data / "kitti" / "depth_gt").samples():
        assert sample.truth is not None
        assert 0.18 <= np.isfinite(sample.truth).mean() <= 0.20
        assert np.nanmin(sample.truth) > 5
        assert np.nanmax(sample.truth) < 85.1
    for folder, name, count in (
        ("ibims_plants", "sparse_1000.png", 1000),
        ("phone_tof_doll", "lowres_depth.png", 192 * 144),
        ("iphone_lidar", None, 256 * 192),
    ):
        sparse = next(open_source(real_data / "rgbd" / folder, sparse=name).samples()).frame.sparse_depth
        assert sparse is not None
        assert (sparse > 0).sum() == count


def test_a_frame_that_cannot_be_read_is_left_out(tmp_path: Path, drive: Any) -> None:
    for index in range(3):
        drive.write_frame_folder(tmp_path / "frames" / str(index), index, drive.kitti_calibration())
    (tmp_path / "frames" / "1" / "points.bin").write_bytes(b"cut")
    source = FolderSource(tmp_path / "frames")
    for _ in range(2):
        assert [(sample.name, sample.frame.stamp_ns) for sample in source.samples()] == [("0", 0), ("2", 200_000_000)]
        (fault,) = source.faults
        assert "points.bin: 3 bytes are not whole rows" in fault
    done = kitti_to_bag(tmp_path / "frames", tmp_path / "bag")
    assert done.frames == 2
    assert done.remarks[-1] == f"left out: {fault}"
    for index in (0, 2):
        (tmp_path / "frames" / str(index) / "points.bin").write_bytes(b"cut")
    with pytest.raises(BagError, match="are not whole rows"):
        kitti_to_bag(tmp_path / "frames", tmp_path / "none")
    assert not (tmp_path / "none").exists()
