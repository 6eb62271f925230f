"""Where frames come from offline: one call for a bag and for every folder layout."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from depth_ros.config import PairingConfig
from depth_ros.errors import BagError
from depth_ros.frame import Frame

BAG_SUFFIXES = (".mcap", ".db3", ".bag")


class Sample(NamedTuple):
    """One frame with what is known of the truth.

    truth: float32 [H,W], metres along z in the rectified camera, NaN = unknown; None where the source has none.
    """

    name: str
    frame: Frame
    truth: NDArray[np.float32] | None


class FrameSource(Protocol):
    """Gives frames in the order of their stamps, read one by one; may be iterated again."""

    name: str

    def samples(self) -> Iterator[Sample]:
        """Yield the samples; raises BagError on what cannot be read."""


def open_source(
    path: str | Path,
    *,
    topics: Mapping[str, str] | None = None,
    extrinsics: str | Path | NDArray[np.float64] | None = None,
    pairing: PairingConfig | None = None,
    sparse: str | None = None,
) -> FrameSource:
    """Open a bag (rosbag2 folder, lone .mcap or .db3, ROS 1 .bag) or a folder of frames; see `folders.find_frames`.

    topics: bag topics by role (image, camera_info, points, truth) where their types do not tell. extrinsics:
    T_cam_lidar [4,4] or a calibration file; None = the bag's /tf_static. pairing: how a bag's images and scans are
    matched. sparse: file name of an RGB-D folder's ready-made sparse depth (`sparse_1000.png`), given as
    `Frame.sparse_depth`. Raises BagError when the path is nothing known or an option does not fit it.
    """
    path = Path(path)
    if not path.exists():
        raise BagError(f"{path}: does not exist: give a bag or a folder of frames")
    if is_bag(path):
        from depth_ros.bags.reader import BagSource

        if sparse is not None:
            raise BagError(f"{path}: is a bag, and sparse names a file of RGB-D folders: leave it out")
        return BagSource(path, topics=topics, extrinsics=extrinsics, pairing=pairing)
    if path.is_file():
        raise BagError(f"{path}: is no bag: give a .mcap, .db3 or .bag file, a bag's folder or a folder of frames")
    if topics is not None or extrinsics is not None:
        raise BagError(f"{path}: is no bag, so topics and extrinsics have no meaning: leave them out")
    from depth_ros.bags.folders import FolderSource

    return FolderSource(path, sparse=sparse)


def is_bag(path: Path) -> bool:
    """Tell whether `path` looks like a bag: by its suffix, a metadata.yaml or a lone bag file in the folder."""
    if path.is_file():
        return path.suffix in BAG_SUFFIXES
    return (path / "metadata.yaml").is_file() or bool(bag_files(path))


def bag_files(folder: Path) -> list[Path]:
    """Return the bag files that lie directly in a folder, sorted; raises BagError when it cannot be listed."""
    try:
        return sorted(file for file in folder.iterdir() if file.suffix in BAG_SUFFIXES and file.is_file())
    except OSError as error:
        raise BagError(f"{folder}: cannot be listed ({error.strerror}): check its permissions") from None
