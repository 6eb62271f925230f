from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from depth_ros.bags.extrinsics import given_extrinsics, write_bag_extrinsics
from depth_ros.bags.source import open_source
from depth_ros.bags.summary import summarise
from depth_ros.errors import BagError


def test_yaml_that_a_bag_gives_serves_a_bag_without_tf(tmp_path: Path, drive: Any) -> None:
    file = tmp_path / "extrinsics.yaml"
    write_bag_extrinsics(drive.write(tmp_path / "whole"), file)
    bare = drive.write(tmp_path / "bare", without=("/tf_static",))
    np.testing.assert_allclose(given_extrinsics(bare, file), drive.T_cam_lidar, atol=1e-12)
    sample = next(open_source(bare, extrinsics=file).samples())
    assert sample.frame.T_cam_lidar is not None
    np.testing.assert_allclose(sample.frame.T_cam_lidar, drive.T_cam_lidar, atol=1e-12)
    with pytest.raises(BagError, match="--extrinsics FILE"):
        next(open_source(bare).samples())


def test_links_of_several_hops_and_the_other_way_round(tmp_path: Path, drive: Any) -> None:
    bare = drive.write(tmp_path / "bare", without=("/tf_static",))
    half = "xyz: [1, 0, 0], quat: [0, 0, 0, 1]"
    (tmp_path / "e.yml").write_text(
        f"extrinsics: {{a: {{parent: /lidar, child: mast, {half}}}, "
        f"b: {{parent: mast, child: camera_optical_frame, {half}}}}}"
    )
    np.testing.assert_allclose(given_extrinsics(bare, tmp_path / "e.yml")[:3, 3], [-2, 0, 0])


def test_calibration_file_is_read_too(tmp_path: Path, drive: Any) -> None:
    bare = drive.write(tmp_path / "bare", without=("/tf_static",))
    (tmp_path / "calib.txt").write_text(drive.kitti_calibration())
    np.testing.assert_allclose(given_extrinsics(bare, tmp_path / "calib.txt"), drive.T_cam_lidar, atol=1e-9)
    assert not summarise(bare).can_complete
    assert summarise(bare, extrinsics=tmp_path / "calib.txt").can_complete


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[",
        "extrinsics: 3",
        "extrinsics: {lidar: 3}",
        "extrinsics: {lidar: {parent: a, child: b, xyz: [0, 0, 0]}}",
        "extrinsics: {lidar: {parent: a, child: b, xyz: [0, 0], quat: [0, 0, 0, 1]}}",
        "extrinsics: {lidar: {parent: a, child: b, xyz: [0, 0, x], quat: [0, 0, 0, 1]}}",
        "extrinsics: {lidar: {parent: a, child: b, xyz: [0, 0, 0], quat: [0, 0, 0, 0]}}",
    ],
)
def test_bad_yaml_is_one_line(tmp_path: Path, drive: Any, text: str) -> None:
    bag = drive.write(tmp_path / "bag")
    (tmp_path / "e.yaml").write_text(text)
    with pytest.raises(BagError, match=r"e\.yaml cannot be read") as caught:
        given_extrinsics(bag, tmp_path / "e.yaml")
    assert "\n" not in str(caught.value)


def test_file_that_does_not_fit_is_said(tmp_path: Path, drive: Any) -> None:
    bag = drive.write(tmp_path / "bag")
    for name in ("none.yaml", "none.txt"):
        with pytest.raises(BagError, match=f"{name}:? cannot be read"):
            given_extrinsics(bag, tmp_path / name)
    (tmp_path / "e.yaml").write_text(
        "extrinsics: {lidar: {parent: left, child: right, xyz: [0, 0, 0], quat: [0, 0, 0, 1]}}"
    )
    with pytest.raises(BagError, match=r"e\.yaml: no transform joins 'lidar' to 'camera_optical_frame'"):
        given_extrinsics(bag, tmp_path / "e.yaml")


def test_named_topics(tmp_path: Path, drive: Any) -> None:
    bag = drive.write(tmp_path / "bag")
    with pytest.raises(BagError, match="/none is not there"):
        write_bag_extrinsics(bag, tmp_path / "e.yaml", {"image": "/none"})
    with pytest.raises(BagError, match="/none is not there"):
        summarise(bag, topics={"points": "/none"})
    write_bag_extrinsics(bag, tmp_path / "e.yaml", {"image": "/camera/image_raw", "points": "/lidar/points"})
    assert "lidar" in (tmp_path / "e.yaml").read_text()
