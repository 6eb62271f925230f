"""Where frames come from offline: one call for a bag and for every folder layout."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from depth_ros.bags.bag_file import is_bag
from depth_ros.bags.extrinsics import given_extrinsics
from depth_ros.bags.folders import FolderSource
from depth_ros.bags.images import ImageReader
from depth_ros.bags.reader import AUTO_TIME, BagReader, PointTime
from depth_ros.bags.sample import FrameSource, Sample
from depth_ros.config import PairingConfig
from depth_ros.errors import BagError


def open_source(
    path: str | Path,
    *,
    topics: Mapping[str, str] | None = None,
    extrinsics: str | Path | NDArray[np.float64] | None = None,
    pairing: PairingConfig | None = None,
    sparse: str | None = None,
    motion: str = "auto",
    point_time: PointTime = AUTO_TIME,
    lidar: bool = True,
) -> FrameSource:
    """Open a bag (rosbag2 folder, lone .mcap or .db3, ROS 1 .bag) or a folder of frames; see `folders.find_frames`.

    topics: bag topics by role (image, camera_info, points, truth, odometry) where their types do not tell. extrinsics:
    T_cam_lidar [4,4], a calibration file or the nodes' extrinsics YAML; None = the bag's /tf_static. pairing: how a
    bag's images and scans are matched. sparse: file name of an RGB-D folder's ready-made sparse depth
    (`sparse_1000.png`), given as `Frame.sparse_depth`. motion: where the poses that deskew a bag's scans come from:
    auto, none, odometry, tf or tf:FRAME, see `motion.Motion`. point_time: how the times of a bag's points are to be
    read. lidar: whether a bag's images are paired with scans; all of them are frames without points otherwise. Raises
    BagError when the path is nothing known or an option does not fit it.
    """
    path = Path(path)
    if not path.exists():
        raise BagError(f"{path}: does not exist: give a bag or a folder of frames")
    of_scans = extrinsics is not None or motion not in ("auto", "none") or point_time != AUTO_TIME
    if is_bag(path):
        if sparse is not None:
            raise BagError(f"{path}: is a bag, and sparse names a file of RGB-D folders: leave it out")
        if isinstance(extrinsics, (str, Path)):
            extrinsics = given_extrinsics(path, extrinsics, topics)
        if not lidar and (of_scans or "points" in (topics or ())):
            raise BagError(
                f"{path}: no scan is read, so points, extrinsics, motion and times of points have no meaning: leave "
                "them out"
            )
        return BagSource(
            path,
            partial(
                BagReader if lidar else ImageReader,
                path,
                topics=topics,
                extrinsics=extrinsics,
                pairing=pairing,
                motion=motion,
                point_time=point_time,
            ),
        )
    if path.is_file():
        raise BagError(f"{path}: is no bag: give a .mcap, .db3 or .bag file, a bag's folder or a folder of frames")
    if topics is not None or of_scans:
        raise BagError(
            f"{path}: is no bag, so topics, extrinsics, motion and times of points have no meaning: leave them out"
        )
    return FolderSource(path, sparse=sparse)


class BagSource:
    """A bag as a FrameSource: every iteration opens it anew."""

    def __init__(self, path: Path, open_reader: Callable[[], BagReader]) -> None:
        self.name = path.resolve().stem
        self.faults: list[str] = []
        self._open = open_reader

    def samples(self) -> Iterator[Sample]:
        """Yield the samples as `BagReader.samples` does."""
        reader = self._open()
        self.faults = reader.faults
        with reader:
            yield from reader.samples()
