"""Depth in messages and files: units, saturation, unknown values, and what is refused."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from depth_ros.errors import MessageError
from depth_ros.messages.depth_encoding import decode_depth, depth_to_uint16_mm, read_depth, write_depth

NAN, INF = np.nan, np.inf


def message(encoding: str, values: Any, dtype: str, padding: int = 0) -> Any:
    stored = np.asarray(values, dtype)
    data = b"".join(row.tobytes() + bytes(padding) for row in stored)
    return types.SimpleNamespace(
        encoding=encoding,
        height=stored.shape[0],
        width=stored.shape[1],
        step=stored.strides[0] + padding,
        is_bigendian=dtype.startswith(">"),
        data=data,
    )


@pytest.mark.parametrize("padding", [0, 3])
@pytest.mark.parametrize("dtype", ["<f4", ">f4"])
def test_float_depth_keeps_what_rep_117_means(dtype: str, padding: int) -> None:
    depth = decode_depth(message("32FC1", [[1.5, 0.0, NAN], [INF, -INF, -2.0]], dtype, padding))
    assert depth.dtype == np.float32
    np.testing.assert_array_equal(depth, np.array([[1.5, NAN, NAN], [INF, -INF, NAN]], np.float32))


@pytest.mark.parametrize("padding", [0, 3])
@pytest.mark.parametrize("dtype", ["<u2", ">u2"])
@pytest.mark.parametrize("encoding", ["16UC1", "mono16"])
def test_millimetres(encoding: str, dtype: str, padding: int) -> None:
    depth = decode_depth(message(encoding, [[0, 1, 1500], [65535, 258, 0]], dtype, padding))
    assert depth.dtype == np.float32
    np.testing.assert_array_equal(depth, np.array([[NAN, 0.001, 1.5], [65.535, 0.258, NAN]], np.float32))


@pytest.mark.filterwarnings("error")
def test_millimetres_saturate_to_unknown() -> None:
    metres = np.array([[0.0, 0.001, 1.2345, 65.535, 65.54, 1e6], [3e38, NAN, INF, -INF, -1.0, 0.0004]], np.float32)
    np.testing.assert_array_equal(depth_to_uint16_mm(metres), [[0, 1, 1234, 65535, 0, 0], [0] * 6])


@pytest.mark.filterwarnings("error")
def test_every_millimetre_survives() -> None:
    stored = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    np.testing.assert_array_equal(depth_to_uint16_mm(decode_depth(message("16UC1", stored, "<u2"))), stored)


@pytest.mark.parametrize("encoding", ["mono8", "32FC2", "rgb8"])
def test_another_encoding_is_no_depth(encoding: str) -> None:
    size = {"mono8": 1, "32FC2": 8, "rgb8": 3}[encoding]
    msg = message("mono8", np.ones((2, 2 * size)), "u1")
    msg.encoding, msg.width = encoding, 2
    with pytest.raises(MessageError, match=f"{encoding} is no depth: publish 32FC1"):
        decode_depth(msg)


DEPTH = np.array([[0.5, NAN, 12.25], [255.0, 80.0, NAN]], np.float32)


@pytest.mark.parametrize("suffix", [".npy", ".png"])
def test_files_give_the_depth_back(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"depth{suffix}"
    write_depth(path, DEPTH)
    depth = read_depth(str(path))
    assert depth.dtype == np.float32
    np.testing.assert_array_equal(depth, DEPTH)


def test_png_is_16_bit_value_over_256(tmp_path: Path) -> None:
    path = tmp_path / "depth.png"
    write_depth(path, np.array([[1.0, NAN, 300.0, INF]], np.float32))
    np.testing.assert_array_equal(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), [[256, 0, 0, 0]])


def test_wrong_files_are_one_line(tmp_path: Path) -> None:
    eight_bit, cube, numbers, cut = (tmp_path / name for name in ("8.png", "cube.npy", "int.npy", "cut.npy"))
    cv2.imwrite(str(eight_bit), np.zeros((2, 2), np.uint8))
    np.save(cube, np.zeros((2, 2, 2), np.float32))
    np.save(numbers, np.zeros((2, 2), int))
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object))
    cut.write_bytes(cube.read_bytes()[:40])
    (tmp_path / "empty.npy").touch()
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("no picture")
    for name, text in {
        "8.png": "holds uint8",
        "cube.npy": r"holds float32 \[2, 2, 2\]",
        "int.npy": "holds int64",
        "objects.npy": "cannot read depth",
        "cut.npy": "cannot read depth",
        "empty.npy": "cannot read depth",
        "empty.png": "cannot read depth",
        "text.png": "cannot read depth",
        "absent.png": "cannot read depth",
        "absent.npy": "cannot read depth",
        "depth.exr": "name it .npy",
    }.items():
        with pytest.raises(MessageError, match=text) as caught:
            read_depth(tmp_path / name)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["absent/depth.npy", "absent/depth.png", "depth.tiff"])
def test_unwritable_path_is_one_line(name: str, tmp_path: Path) -> None:
    with pytest.raises(MessageError, match=r"cannot write depth to|name it \.npy"):
        write_depth(tmp_path / name, DEPTH)


def test_files_of_depth_that_is_out_of_range(tmp_path: Path) -> None:
    depth = np.array([[1.5, NAN], [INF, -INF]], np.float32)
    write_depth(tmp_path / "depth.npy", depth)
    np.testing.assert_array_equal(read_depth(tmp_path / "depth.npy"), depth)
    write_depth(tmp_path / "depth.png", depth)
    np.testing.assert_array_equal(read_depth(tmp_path / "depth.png"), np.where(np.isfinite(depth), depth, NAN))
