"""The outermost level of an ONNX file, against the onnx package."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from depth_ros.engines.onnx_file import graph_sha256, read_metadata
from depth_ros.errors import EngineError

MakeToy = Callable[..., Path]


def test_metadata_and_sum_are_those_of_the_onnx_package(make_toy: MakeToy) -> None:
    onnx = pytest.importorskip("onnx")
    path = make_toy()
    model = onnx.load(path)
    assert read_metadata(path) == {entry.key: entry.value for entry in model.metadata_props}
    assert graph_sha256(path) == hashlib.sha256(model.graph.SerializeToString()).hexdigest()


def test_a_file_without_metadata_has_none(make_toy: MakeToy) -> None:
    onnx = pytest.importorskip("onnx")
    path = make_toy()
    model = onnx.load(path)
    before = graph_sha256(path)
    del model.metadata_props[:]
    onnx.save(model, path)
    assert read_metadata(path) == {}
    assert graph_sha256(path) == before


def test_a_file_that_is_cut_off_anywhere_is_one_known_error(make_toy: MakeToy) -> None:
    whole = make_toy().read_bytes()
    path = make_toy("cut")
    texts = []
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        with suppress(EngineError):
            read_metadata(path)
            continue
        texts.append(_refusal(path))
    assert all(str(path) in text and "\n" not in text for text in texts)
    # Cut between two of its last fields it is a whole file that says less.
    assert len(texts) > len(whole) - 5


def _refusal(path: Path) -> str:
    with pytest.raises(EngineError) as caught:
        graph_sha256(path)
    return str(caught.value)


@pytest.mark.parametrize("content", [b"", b"hello, this is text\n", b"\x00" * 64, b"\xff" * 64, b"\x89PNG\r\n\x1a\n"])
def test_what_is_not_onnx_is_one_known_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(EngineError, match=r"model\.onnx is .*: (give|fetch)"):
        read_metadata(path)


@pytest.mark.parametrize("name", ["absent.onnx", "."])
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(EngineError, match="cannot be read"):
        read_metadata(tmp_path / name)
