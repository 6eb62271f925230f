"""Small folders of frames, in the layouts that the command line reads."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

WIDTH, HEIGHT, FOCAL = 120, 80, 100.0


@pytest.fixture
def rgbd(tmp_path: Path) -> Path:
    """An RGB-D frame that looks down on a floor: depth falls from 8 m to 2 m."""
    folder = tmp_path / "rgbd"
    folder.mkdir()
    depth = np.repeat(np.linspace(8000, 2000, HEIGHT)[:, None], WIDTH, axis=1).astype(np.uint16)
    cv2.imwrite(str(folder / "rgb.png"), np.full((HEIGHT, WIDTH, 3), 90, np.uint8))
    cv2.imwrite(str(folder / "depth.png"), depth)
    (folder / "intrinsics.txt").write_text(
        f"fx {FOCAL}\nfy {FOCAL}\ncx 59.5\ncy 39.5\nwidth {WIDTH}\nheight {HEIGHT}\ndepth_scale 1000\ninvalid 0\n"
    )
    return folder


@pytest.fixture
def lidar(tmp_path: Path) -> Path:
    """A picture with a scan of a wall 10 m ahead, in key-value layout; the LiDAR looks along its x axis."""
    folder = tmp_path / "lidar"
    folder.mkdir()
    cv2.imwrite(str(folder / "image.png"), np.full((HEIGHT, WIDTH, 3), 90, np.uint8))
    y, z = np.meshgrid(np.linspace(-5, 5, 80), np.linspace(-3, 3, 20))
    wall = np.stack([np.full(y.size, 10.0), y.ravel(), z.ravel(), np.zeros(y.size)], axis=1)
    wall.astype("<f4").tofile(folder / "points.bin")
    (folder / "calib.txt").write_text(
        f"image_size {WIDTH} {HEIGHT}\nK {FOCAL} 0 59.5 0 {FOCAL} 39.5 0 0 1\nD 0 0 0 0 0\n"
        "T_cam_lidar 0 -1 0 0 0 0 -1 0 1 0 0 0\npoint_fields x y z intensity\npoints points.bin\n"
    )
    return folder
