"""Picture files of frame folders."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_ros.errors import BagError

_SUFFIXES = (".png", ".jpg", ".jpeg")


def find_picture(folder: Path, stem: str) -> Path | None:
    """Return the picture file `stem`.png or .jpg of a folder, or None."""
    return next((path for suffix in _SUFFIXES if (path := folder / f"{stem}{suffix}").is_file()), None)


def read_picture(path: Path) -> NDArray[np.uint8]:
    """Read a picture as RGB uint8 [H,W,3], as stored (no turning by its EXIF tag); raises BagError."""
    image = _read(path, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def read_16bit(path: Path) -> NDArray[np.uint16]:
    """Read a 16-bit single-channel PNG as uint16 [H,W]; raises BagError on any other picture."""
    image = _read(path, cv2.IMREAD_UNCHANGED)
    if image.dtype != np.uint16 or image.ndim != 2:
        channels = image.shape[2] if image.ndim == 3 else 1
        raise BagError(f"{path}: is {image.dtype} with {channels} channels: give a 16-bit depth PNG of one channel")
    return image.astype(np.uint16, copy=False)


def _read(path: Path, flags: int) -> NDArray[np.uint8] | NDArray[np.uint16]:
    try:
        stored = np.fromfile(path, dtype=np.uint8)
        image = cv2.imdecode(stored, flags) if stored.size else None
    except (OSError, cv2.error) as error:
        raise BagError(f"{path}: cannot be read ({str(error).splitlines()[0]}): copy the file again") from None
    if image is None:
        raise BagError(f"{path}: is no picture that OpenCV can read: copy the file again")
    return image  # type: ignore[return-value]
