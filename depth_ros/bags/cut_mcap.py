"""Read an mcap file that was cut off, as after a power failure: its whole records, closed by an empty footer.

Format: https://mcap.dev/spec (records of one byte kind, eight bytes length, content; a footer and the magic close).
"""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path

_MAGIC = b"\x89MCAP0\r\n"
_DATA_END, _FOOTER = 0x0F, 0x02
_EMPTY_FOOTER = struct.pack("<BQQQI", _FOOTER, 20, 0, 0, 0) + _MAGIC


class CutMcap:
    """Stands for the path of a cut mcap file where rosbags wants one (exists, is_dir, suffix, open)."""

    suffix = ".mcap"

    def __init__(self, path: Path) -> None:
        self._path = path

    def __str__(self) -> str:
        """Return the file's path."""
        return str(self._path)

    def exists(self) -> bool:
        """Tell whether the file is there."""
        return self._path.exists()

    def is_dir(self) -> bool:
        """Return False: this is a file."""
        return False

    def open(self, mode: str = "rb") -> io.BufferedReader:
        """Open what the file would be had the recorder stopped after the last whole record."""
        return io.BufferedReader(_Closed(io.FileIO(self._path, mode), _whole_records(self._path)))


class _Closed(io.RawIOBase):
    """The first `size` bytes of a file, then an empty footer."""

    def __init__(self, file: io.FileIO, size: int) -> None:
        self._file = file
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size + len(_EMPTY_FOOTER)}[whence]
        self._position = max(0, start + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        if self._position < self._size:
            self._file.seek(self._position)
            data = self._file.read(min(len(buffer), self._size - self._position))
        else:
            start = self._position - self._size
            data = _EMPTY_FOOTER[start : start + len(buffer)]
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


def _whole_records(path: Path) -> int:
    """Return where the last whole record before the summary ends."""
    end, position = path.stat().st_size, len(_MAGIC)
    with path.open("rb") as file:
        while position + 9 <= end:
            file.seek(position)
            kind, length = struct.unpack("<BQ", file.read(9))
            if kind in (_DATA_END, _FOOTER) or position + 9 + length > end:
                break
            position += 9 + length
    return position
