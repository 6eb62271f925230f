"""Weights that an ONNX file keeps in files beside it: where they lie, and copying them without holding them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

CHUNK = 1 << 22
ALIGNED = 4096
"""Weights begin at multiples of it, so that engines can map them."""


class Place(NamedTuple):
    """Name of a file beside the model, and offset and length there in bytes; length 0: to its end."""

    name: str
    offset: int
    length: int


def is_external(tensor: Any) -> bool:
    """Tell whether a TensorProto has its numbers in another file."""
    return bool(tensor.data_location == 1)  # TensorProto.EXTERNAL


def place_of(tensor: Any) -> Place:
    """Return where the numbers of an external TensorProto lie; no name when that is not said."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    offset, length = (entries.get(key) or "0" for key in ("offset", "length"))
    whole = offset.isdecimal() and length.isdecimal()
    return Place(entries.get("location", "") if whole else "", int(offset) if whole else 0, int(length) if whole else 0)


def embed(tensor: Any, folder: Path) -> None:
    """Bring the numbers of an external tensor into it: what decides on shapes must lie in the graph."""
    place = place_of(tensor)
    with (folder / place.name).open("rb") as source:
        source.seek(place.offset)
        tensor.raw_data = source.read(place.length or -1)
    del tensor.external_data[:]
    tensor.data_location = 0  # TensorProto.DEFAULT


def copy_weights(tensors: Sequence[Any], folder: Path, out: Path) -> None:
    """Copy the numbers of external tensors from files in `folder` into `out`, and say so in the tensors."""
    with out.open("wb") as data:
        for tensor in tensors:
            place = place_of(tensor)
            data.seek(-(-data.tell() // ALIGNED) * ALIGNED)
            start = data.tell()
            with (folder / place.name).open("rb") as source:
                source.seek(place.offset)
                length = _copy(source, data, place.length)
            del tensor.external_data[:]
            for key, value in (("location", out.name), ("offset", start), ("length", length)):
                entry = tensor.external_data.add()
                entry.key, entry.value = key, str(value)


def _copy(source: BinaryIO, target: BinaryIO, length: int) -> int:
    """Copy bytes, all that are left where length is 0, and return how many."""
    copied = 0
    while chunk := source.read(min(CHUNK, length - copied) if length else CHUNK):
        target.write(chunk)
        copied += len(chunk)
    return copied
