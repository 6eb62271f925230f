from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from depth_ros.bags.calibration import read_calibration, read_extrinsics, read_points, read_raw_calibration
from depth_ros.errors import BagError

KITTI = """P2: 700 0 600 45 0 710 170 -0.3 0 0 1 0.005
R0_rect: 1 0 0 0 1 0 0 0 1
Tr_velo_to_cam: 0 -1 0 0.1 0 0 -1 0.2 1 0 0 0.3
"""
KEY_VALUE = """image_size 640 480
K 500 0 320 0 501 240 0 0 1
D 0.1 0.2 0 0
T_cam_lidar 0 -1 0 0.1 0 0 -1 0.2 1 0 0 0.3
point_fields x y z intensity ring
points ../points.bin
image_time 1574859772.561385
lidar_time 1574859772.6
"""


def _file(folder: Path, text: str, name: str = "calib.txt") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_kitti_projects_as_its_own_equation(tmp_path: Path) -> None:
    calibration = read_calibration(_file(tmp_path, KITTI), size=(1242, 375))
    points = np.array([[10.0, 1.0, -0.5], [5.0, -2.0, 0.3], [40.0, 3.0, 1.0]])
    P2 = np.array([[700, 0, 600, 45], [0, 710, 170, -0.3], [0, 0, 1, 0.005]])
    Tr = np.array([[0, -1, 0, 0.1], [0, 0, -1, 0.2], [1, 0, 0, 0.3], [0, 0, 0, 1]])
    homogeneous = np.column_stack([points, np.ones(3)]) @ (P2 @ Tr).T
    in_camera = points @ calibration.T_cam_lidar[:3, :3].T + calibration.T_cam_lidar[:3, 3]
    pixels, z = calibration.camera.project(in_camera)
    np.testing.assert_allclose(pixels, homogeneous[:, :2] / homogeneous[:, 2:], rtol=1e-12)
    np.testing.assert_allclose(z, homogeneous[:, 2], rtol=1e-12)
    assert calibration.camera.size == (1242, 375)


def test_key_value_layout(tmp_path: Path) -> None:
    calibration = read_calibration(_file(tmp_path, KEY_VALUE))
    assert calibration.camera.intrinsics == (500, 501, 320, 240)
    assert calibration.camera.D.tolist() == [0.1, 0.2, 0, 0]
    assert calibration.point_fields == ("x", "y", "z", "intensity", "ring")
    assert calibration.points_path == tmp_path / ".." / "points.bin"
    assert calibration.image_stamp_ns == 1574859772_561385000
    assert calibration.scan_stamp_ns == 1574859772_600000000
    np.testing.assert_array_equal(calibration.T_cam_lidar[:, 3], [0.1, 0.2, 0.3, 1])


def test_extrinsics_alone_need_no_camera(tmp_path: Path) -> None:
    line = KEY_VALUE.splitlines()[3]
    np.testing.assert_array_equal(read_extrinsics(_file(tmp_path, line))[:3, 3], [0.1, 0.2, 0.3])
    expected = read_calibration(_file(tmp_path, KITTI, "k.txt"), (1242, 375)).T_cam_lidar
    np.testing.assert_array_equal(read_extrinsics(tmp_path / "k.txt"), expected)


def test_raw_calibration_equals_the_object_layout(tmp_path: Path) -> None:
    _file(
        tmp_path,
        "calib_time: 09-Jan-2012 13:57:47\nS_rect_02: 1242 375\nR_rect_00: 1 0 0 0 1 0 0 0 1\n"
        "P_rect_02: 700 0 600 45 0 710 170 -0.3 0 0 1 0.005\n",
        "calib_cam_to_cam.txt",
    )
    _file(tmp_path, "R: 0 -1 0 0 0 -1 1 0 0\nT: 0.1 0.2 0.3\ndelta_f: 0 0\n", "calib_velo_to_cam.txt")
    raw = read_raw_calibration(tmp_path)
    expected = read_calibration(_file(tmp_path, KITTI), (1242, 375))
    np.testing.assert_array_equal(raw.T_cam_lidar, expected.T_cam_lidar)
    np.testing.assert_array_equal(raw.camera.K, expected.camera.K)
    assert raw.camera.size == (1242, 375)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("K 500 0 320 0 501 240 0 0 1\n", "", "'K' is missing"),
        ("K 500 0", "K 500", "'K' has 8 values: give 9"),
        ("K 500", "K nan", "'K' holds NaN"),
        ("K 500", "K five", "'K' holds a word"),
        ("K 500", "K 0", "no focal length"),
        ("image_size 640 480", "image_size 640 0", "image size is"),
        ("image_size 640 480", "image_size 640.5 480", "image size is"),
        ("image_size 640 480", "image_size 640", "give 2"),
        ("T_cam_lidar 0 -1 0", "T_cam_lidar 0 -2 0", "'T_cam_lidar' holds no rotation"),
        ("T_cam_lidar 0 -1 0", "T_cam_lidar 0 1 0", "'T_cam_lidar' holds no rotation"),
        ("D 0.1 0.2 0 0", "D 0.1 0.2 0", "coefficients"),
        ("D 0.1 0.2 0 0", "D 0.1 0.2 0 0\ndistortion_model magic", "unknown"),
        ("image_time 1574859772.561385", "image_time soon", "'image_time'"),
        ("image_time 1574859772.561385", "image_time 1e9", "'image_time'"),
        ("D 0.1", "D 0.1\nD 0.1", "twice"),
        ("T_cam_lidar", "T_lidar_cam", "neither P2"),
    ],
)
def test_malformed_file_is_one_line(tmp_path: Path, old: str, new: str, words: str) -> None:
    path = _file(tmp_path, KEY_VALUE.replace(old, new))
    with pytest.raises(BagError, match=words) as caught:
        read_calibration(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_are_no_calibration(tmp_path: Path) -> None:
    with pytest.raises(BagError, match="cannot be read"):
        read_calibration(tmp_path / "none.txt")
    with pytest.raises(BagError, match="cannot be read"):
        read_calibration(tmp_path)
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(BagError, match="not text"):
        read_calibration(tmp_path / "binary.txt")
    with pytest.raises(BagError, match="states no image size"):
        read_calibration(_file(tmp_path, KITTI))


def test_points_by_column(tmp_path: Path) -> None:
    rows = np.array([[7, 1, 2, 3, 0.001], [8, 4, 5, 6, 0.002], [9, np.nan, 0, 0, 0], [9, 0, np.inf, 0, 0]], "<f4")
    rows.tofile(tmp_path / "p.bin")
    cloud = read_points(tmp_path / "p.bin", ["ring", "x", "y", "z", "time"])
    assert cloud.xyz.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert cloud.intensity is None
    assert cloud.ring is not None
    assert cloud.ring.tolist() == [7, 8]
    assert cloud.time_ns is not None
    np.testing.assert_allclose(cloud.time_ns, [1_000_000, 2_000_000], atol=100)


def test_nan_intensity_keeps_the_point(tmp_path: Path) -> None:
    np.array([[1, 2, 3, np.nan]], "<f4").tofile(tmp_path / "p.bin")
    assert len(read_points(tmp_path / "p.bin", ["x", "y", "z", "intensity"])) == 1


def test_empty_points_are_no_points(tmp_path: Path) -> None:
    (tmp_path / "p.bin").touch()
    assert len(read_points(tmp_path / "p.bin", ["x", "y", "z"])) == 0


def test_bad_points(tmp_path: Path) -> None:
    (tmp_path / "p.bin").write_bytes(bytes(17))
    with pytest.raises(BagError, match="17 bytes are not whole rows of 4 float32"):
        read_points(tmp_path / "p.bin", ["x", "y", "z", "intensity"])
    with pytest.raises(BagError, match="give x y z"):
        read_points(tmp_path / "p.bin", ["x", "y", "intensity"])
    with pytest.raises(BagError, match="give x y z"):
        read_points(tmp_path / "p.bin", ["x", "y", "z", "z"])
    with pytest.raises(BagError, match="cannot be read"):
        read_points(tmp_path / "none.bin", ["x", "y", "z"])
