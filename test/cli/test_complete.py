from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from depth_ros.cli.main import main
from depth_ros.messages.depth_encoding import read_depth
from depth_ros.pipelines.factory import resolve


def complete(
    folder: Path, *more: str, points: Sequence[str] = (), out: str | Path = "", model: str = "classical"
) -> int:
    """Run the verb; the classical completion is exact on a wall, so what is read and written can be judged exactly."""
    files = ["--image", str(folder / "image.png"), "--calib", str(folder / "calib.txt"), *points]
    return main(["complete", *files, "--out", str(out or folder / "out.npy"), "--model", model, *more])


@pytest.mark.parametrize("name", ["out.npy", "out.png"])
def test_the_default_model_finds_a_wall_and_says_what_it_is(
    lidar: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert complete(lidar, model="auto", out=lidar / name) == 0
    depth = read_depth(lidar / name)
    # A network in half the digits is off by millimetres on a flat wall; 2 % is what no honest one exceeds.
    np.testing.assert_allclose(depth[20:60, 20:100], 10, rtol=0.02)
    assert f"model: {resolve('auto')}" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["out.npy", "out.png"])
def test_a_wall_is_where_it_is(lidar: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert complete(lidar, out=lidar / name) == 0
    depth = read_depth(lidar / name)
    assert depth.shape == (80, 120)
    np.testing.assert_allclose(depth[20:60, 20:100], 10, rtol=1e-5)
    out = capsys.readouterr().out
    assert f"{lidar / name}: 120x80" in out
    assert "% measured" in out
    assert "model: classical" in out
    assert "depth: 10.00 to 10.00 m" in out
    assert " ms (" in out


def test_figures_as_json(lidar: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert complete(lidar, "--json") == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["width"], figures["height"], figures["rectified"]) == (120, 80, False)
    assert sum(figures["share"].values()) == pytest.approx(1)
    assert figures["depth_m"]["median"] == pytest.approx(10)
    assert figures["time_ms"].keys() >= {"project", "complete"}
    assert figures["model"] == "classical"


def test_the_time_of_a_frame_is_without_the_making_of_the_engine(
    lidar: Path, make_toy: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxruntime")
    toy = str(make_toy())
    assert complete(lidar, "--json", model=toy) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["model"] == "toy 1.0"
    assert figures["engine"].split()[0] in ("openvino", "onnxruntime")
    assert figures["time_ms"].keys() >= {"prior", "build", "infer"}
    assert complete(lidar, model=toy) == 0
    model, time = capsys.readouterr().out.splitlines()[-2:]
    assert model.startswith("model: toy 1.0, ")
    stages, _, once = time.partition("), ")
    assert "build" not in stages
    assert once.endswith(" ms once to build the model for this size")


def test_sigma_and_picture_beside(lidar: Path, tmp_path: Path) -> None:
    sigma, picture = tmp_path / "sigma.npy", tmp_path / "picture.png"
    assert complete(lidar, "--out-sigma", str(sigma), "--picture", str(picture)) == 0
    assert np.isfinite(read_depth(sigma)[40, 60])
    assert cv2.imread(str(picture)) is not None


def test_points_as_npy_with_nan_rows(lidar: Path) -> None:
    points = np.fromfile(lidar / "points.bin", "<f4").reshape(-1, 4)[:, :3].astype(np.float64)
    np.save(lidar / "p.npy", np.vstack([points, [np.nan, 0, 0]]))
    assert complete(lidar, points=["--points", str(lidar / "p.npy")]) == 0
    np.testing.assert_allclose(read_depth(lidar / "out.npy")[40, 60], 10, rtol=1e-5)


def test_kitti_object_layout(lidar: Path) -> None:
    text = (
        "P2: 100 0 59.5 0 0 100 39.5 0 0 0 1 0\nR0_rect: 1 0 0 0 1 0 0 0 1\nTr_velo_to_cam: 0 -1 0 0 0 0 -1 0 1 0 0 0\n"
    )
    (lidar / "calib.txt").write_text(text)
    assert complete(lidar, points=["--points", str(lidar / "points.bin")]) == 0
    np.testing.assert_allclose(read_depth(lidar / "out.npy")[40, 60], 10, rtol=1e-5)


def test_a_distorted_image_is_rectified_and_that_is_said(lidar: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = lidar / "calib.txt"
    path.write_text(path.read_text().replace("D 0 0 0 0 0", "D -0.2 0.05 0 0 0"))
    assert complete(lidar) == 0
    assert "of the rectified camera" in capsys.readouterr().out
    np.testing.assert_allclose(read_depth(lidar / "out.npy")[40, 60], 10, rtol=1e-5)


SMALLER = b"image_size 60 40\nK 100 0 30 0 100 20 0 0 1\nT_cam_lidar 0 -1 0 0 0 0 -1 0 1 0 0 0\n"
NO_FOCAL = b"image_size 120 80\nK 0 0 0 0 0 0 0 0 0\nT_cam_lidar 0 -1 0 0 0 0 -1 0 1 0 0 0\n"
BROKEN = {
    "empty image": ("image.png", b"", "image.png"),
    "no image": ("image.png", b"not a picture", "image.png"),
    "cut scan": ("points.bin", b"123", "points.bin"),
    "empty scan": ("points.bin", b"", "no point"),
    "scan of NaN": ("points.bin", np.full((9, 4), np.nan, "<f4").tobytes(), "no point"),
    "scan behind": ("points.bin", np.full((9, 4), -5, "<f4").tobytes(), "no point of the scan falls into the image"),
    "empty calibration": ("calib.txt", b"", "calib.txt"),
    "binary calibration": ("calib.txt", b"\xff\xfe", "calib.txt"),
    "another size": ("calib.txt", SMALLER, "120x80"),
    "no focal length": ("calib.txt", NO_FOCAL, "focal"),
}


@pytest.mark.parametrize(("name", "content", "text"), BROKEN.values(), ids=BROKEN)
def test_broken_files_are_one_line(
    lidar: Path, name: str, content: bytes, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (lidar / name).write_bytes(content)
    assert complete(lidar) == 1
    err = capsys.readouterr().err
    assert text in err
    assert len(err.splitlines()) == 1
    assert not (lidar / "out.npy").exists()


@pytest.mark.parametrize("name", ["image.png", "points.bin", "calib.txt"])
def test_missing_files_are_one_line(lidar: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    (lidar / name).unlink()
    assert complete(lidar) == 1
    err = capsys.readouterr().err
    assert name in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (["--out", "{0}/none/out.npy"], "cannot write depth"),
        (["--out", "{0}/out.tiff"], "name it .npy"),
        (["--picture", "{0}/out.bmp"], ".png or .jpg"),
        (["--model", "magic"], "unknown model"),
        (["--points", "{0}/points.pcd"], "convert it"),
        (["--points", "{0}/points.npy"], "cannot be read"),
        (["--points", "{0}/flat.npy"], "give numbers"),
    ],
)
def test_wrong_arguments_are_one_line(
    lidar: Path, more: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(lidar / "flat.npy", np.zeros(5))
    assert complete(lidar, *(entry.format(lidar) for entry in more)) == 1
    err = capsys.readouterr().err
    assert text in err
    assert len(err.splitlines()) == 1


@pytest.mark.real
@pytest.mark.parametrize(
    "folder",
    [
        "kitti/object_training/000002",
        "kitti/object_testing/000007",
        "nuscenes/sample0/CAM_FRONT",
        "pjlab/ours_2",
        "radiate/tiny_foggy/000001",
    ],
)
def test_one_frame_of_every_real_folder(real_data: Path, tmp_path: Path, folder: str) -> None:
    home = real_data / folder
    image = next(home.glob("image.*"))
    own = home / "points.bin"
    points = ["--points", str(own)] if own.is_file() else []
    argv = ["complete", "--image", str(image), "--calib", str(home / "calib.txt"), *points]
    assert main([*argv, "--out", str(tmp_path / "d.png")]) == 0
    depth = read_depth(tmp_path / "d.png")
    assert np.isfinite(depth).mean() > 0.1
    assert np.nanmedian(depth) < 60
