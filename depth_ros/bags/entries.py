"""Text files of one `key values` or `key: values` pair per line, as KITTI and the frame folders use them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from depth_ros.errors import BagError


class Entries:
    """The keys and values of one text file; every fault is a BagError that names the file, the key and the remedy."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._values: dict[str, str] = {}
        for line in _read_text(path).splitlines():
            key, _, value = line.strip().partition(" ")
            key = key.rstrip(":")
            if key and key in self._values:
                raise BagError(f"{path}: key '{key}' is there twice: keep one")
            if key:
                self._values[key] = value.strip()

    def __contains__(self, key: str) -> bool:
        """Tell whether the file has this key."""
        return key in self._values

    def text(self, key: str) -> str:
        """Return the text after `key`."""
        if key not in self._values:
            raise BagError(f"{self.path}: key '{key}' is missing: add the line '{key} ...'")
        return self._values[key]

    def numbers(self, key: str, *counts: int) -> NDArray[np.float64]:
        """Return the finite numbers after `key`: float64 [n], n one of `counts` (any n without counts)."""
        words = self.text(key).split()
        try:
            values = np.array([float(word) for word in words])
        except ValueError:
            raise BagError(f"{self.path}: key '{key}' holds a word that is not a number: give numbers") from None
        if counts and len(values) not in counts:
            expected = " or ".join(str(count) for count in counts)
            raise BagError(f"{self.path}: key '{key}' has {len(values)} values: give {expected}")
        if not np.isfinite(values).all():
            raise BagError(f"{self.path}: key '{key}' holds NaN or inf: calibrate again")
        return values

    def number(self, key: str) -> float:
        """Return the one number after `key`."""
        return float(self.numbers(key, 1)[0])

    def size(self, *keys: str) -> tuple[int, int]:
        """Return an image size (width, height) in pixels from one key of two numbers or two keys of one."""
        width, height = self.numbers(keys[0], 2) if len(keys) == 1 else [self.number(key) for key in keys]
        if width < 1 or height < 1 or width != int(width) or height != int(height):
            raise BagError(f"{self.path}: image size is {width} x {height}: give whole positive numbers of pixels")
        return int(width), int(height)


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise BagError(f"{path}: cannot be read ({error.strerror}): give a readable calibration file") from None
    except UnicodeDecodeError:
        raise BagError(f"{path}: is not text: give a calibration file of 'key values' lines") from None
