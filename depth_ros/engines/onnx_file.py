"""The outermost level of an ONNX file, read without any library: is it one, is it whole, what does it say of itself.

An ONNX file is one protobuf message ModelProto (onnx.proto); field numbers are part of that format.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from depth_ros.errors import EngineError

GRAPH, METADATA = 7, 14
KEY, VALUE = 1, 2
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
FIXED_SIZE = {FIXED64: 8, FIXED32: 4}
CHUNK = 1 << 20
SIDECAR = ".data"
"""What the name of a file has more that holds the weights of a model of over 2 GB."""


class Field(NamedTuple):
    """One field of a message: its number, and where its content lies in the file."""

    number: int
    start: int
    size: int


def read_metadata(path: Path) -> dict[str, str]:
    """Return the metadata of an ONNX file; raises EngineError when there is no such file, or it is not a whole one."""
    with _opened(path) as file:
        entries = [_read(file, field) for field in _model_fields(file, path) if field.number == METADATA]
    try:
        pairs = [_entry(entry, path) for entry in entries]
        return {key.decode(): value.decode() for key, value in pairs}
    except UnicodeDecodeError as error:
        raise EngineError(f"{path}: its metadata is not text: fetch the file again") from error


def graph_sha256(path: Path) -> str:
    """Return the SHA-256 of the graph alone, weights included and metadata not; raises as `read_metadata`."""
    digest = hashlib.sha256()
    with _opened(path) as file:
        for field in _model_fields(file, path):
            if field.number == GRAPH:
                file.seek(field.start)
                for start in range(0, field.size, CHUNK):
                    digest.update(file.read(min(CHUNK, field.size - start)))
    return digest.hexdigest()


def is_quantised(path: Path) -> bool:
    """Whether a file has integers where it computes; raises as `read_metadata`."""
    with _opened(path) as file:
        return b"DequantizeLinear" in file.read()


def content_sha256(path: Path) -> str:
    """Return the SHA-256 of a whole file, with the weights that lie beside it (SIDECAR); raises the same."""
    digest = hashlib.sha256()
    for part in filter(Path.is_file, (path, path.with_name(path.name + SIDECAR))):
        with _opened(part) as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
    return digest.hexdigest()


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise EngineError(f"model file {path} cannot be read: {error.strerror}: check the path") from error


def _model_fields(file: BinaryIO, path: Path) -> list[Field]:
    size = file.seek(0, 2)
    fields = list(_fields(file, 0, size, path))
    if not any(field.number == GRAPH for field in fields):
        raise EngineError(f"{path} is {'empty' if not size else 'not an ONNX file'}: give a .onnx file")
    return fields


def _fields(file: BinaryIO, start: int, end: int, path: Path) -> Iterator[Field]:
    """Yield the fields of the message between `start` and `end`."""
    file.seek(start)
    while start < end:
        key = _varint(file, path)
        wire = key & 7
        if wire == VARINT:
            _varint(file, path)
            size, content = 0, file.tell()
        elif wire in (BYTES, FIXED32, FIXED64) and key >> 3:
            size = _varint(file, path) if wire == BYTES else FIXED_SIZE[wire]
            content = file.tell()
        else:
            raise EngineError(f"{path} is not an ONNX file: give a .onnx file")
        start = content + size
        if start > end:
            raise EngineError(f"{path} is cut off or not an ONNX file: fetch it again")
        yield Field(key >> 3, content, size)
        file.seek(start)


def _entry(entry: bytes, path: Path) -> tuple[bytes, bytes]:
    """Split a StringStringEntryProto into its key and its value."""
    from io import BytesIO

    file = BytesIO(entry)
    parts = {field.number: field for field in _fields(file, 0, len(entry), path)}
    key, value = (_read(file, parts[number]) if number in parts else b"" for number in (KEY, VALUE))
    return key, value


def _read(file: BinaryIO, field: Field) -> bytes:
    file.seek(field.start)
    return file.read(field.size)


def _varint(file: BinaryIO, path: Path) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            break
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise EngineError(f"{path} is cut off or not an ONNX file: fetch it again")
