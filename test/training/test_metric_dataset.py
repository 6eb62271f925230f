from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from depth_ros.training.metric_dataset import (
    ASPECTS,
    MetricSamples,
    Window,
    choose_window,
    fit_window,
    mirrored,
    on_canvas,
)
from depth_ros.training.pool import SHARD, Arrays, shard_path

SIZE, CANVAS = (56, 104), (64, 96)


def sample(height: int = 56, width: int = 104) -> Arrays:
    """The image tells column and row, the depth is one wall per quarter of the columns."""
    rows, columns = np.mgrid[:height, :width]
    image = np.stack([columns, rows, np.full_like(rows, 9)], axis=2).astype(np.uint8)
    truth = (1 + columns * 4 // width).astype(np.float16)
    truth[:3] = 0
    return {"image": image, "truth": truth, "intrinsics": np.array([90, 90, 51.5, 27.5], np.float32)}


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    one = sample()
    save_file({name: np.stack([array] * SHARD) for name, array in one.items()}, shard_path(tmp_path, 0))
    return tmp_path


def test_a_pixel_keeps_its_ray_and_its_depth() -> None:
    window = Window(slice(4, 44), slice(20, 80), (64, 96))
    arrays = sample()
    part = {name: array[window.rows, window.columns] for name, array in arrays.items() if array.ndim > 1}
    fx, fy, cx, cy = arrays["intrinsics"]
    seen = on_canvas({**part, "intrinsics": np.array([fx, fy, cx - 20, cy - 4], np.float32)}, window, CANVAS)
    new_fx, new_fy, new_cx, new_cy = seen["intrinsics"]
    for row, column in ((10, 12), (40, 70), (63, 95)):
        x, y = (column - new_cx) / new_fx, (row - new_cy) / new_fy
        at_column, at_row = x * fx + cx, y * fy + cy
        assert np.abs(seen["image"][row, column, :2] - np.array([at_column, at_row])).max() < 1.0
        assert seen["truth"][row, column] == arrays["truth"][round(float(at_row)), round(float(at_column))]
    assert (new_fx, new_fy) == pytest.approx((90 * 1.6, 90 * 1.6))
    assert (new_cx, new_cy) == pytest.approx((32 * 1.6 - 0.5, 24 * 1.6 - 0.5))


def test_what_is_beside_the_picture_is_not_seen() -> None:
    seen = on_canvas(sample(), fit_window(SIZE, CANVAS), CANVAS)
    rows = round(56 * 96 / 104)
    assert seen["seen"].sum() == rows * 96
    top = (64 - rows) // 2
    assert not seen["image"][:top].any()
    assert not seen["truth"][:top].any()
    assert seen["intrinsics"][3] == pytest.approx((27.5 + 0.5) * rows / 56 - 0.5 + top, abs=1e-4)


def test_windows_lie_inside_and_have_the_aspects_of_cameras() -> None:
    rng = np.random.default_rng(0)
    aspects = []
    for _ in range(200):
        window = choose_window(SIZE, CANVAS, rng)
        assert 0 <= window.rows.start < window.rows.stop <= SIZE[0]
        assert 0 <= window.columns.start < window.columns.stop <= SIZE[1]
        assert all(0 < got <= most for got, most in zip(window.size, CANVAS, strict=True))
        aspects.append((window.columns.stop - window.columns.start) / (window.rows.stop - window.rows.start))
    assert ASPECTS[0] * 0.9 < min(aspects) < 1.5
    assert 2.5 < max(aspects) < ASPECTS[1] * 1.1


def test_a_mirror_twice_changes_nothing() -> None:
    one = on_canvas(sample(), fit_window(SIZE, CANVAS), CANVAS)
    twice = mirrored(mirrored(one))
    assert all(np.array_equal(one[name], twice[name]) for name in one)
    assert mirrored(one)["truth"][40, 0] == one["truth"][40, -1]


def test_the_same_draw_is_the_same_sample_and_another_is_not(pool: Path) -> None:
    samples = MetricSamples(pool, CANVAS, unknown=0.5)
    one, same, other = samples[3, 8], samples[3, 8], samples[3, 9]
    assert all(one[name].equal(same[name]) for name in one)
    assert not one["image"].equal(other["image"])
    assert len(samples) == SHARD


def test_only_whole_cameras_go_without_their_principal_point(pool: Path) -> None:
    samples = MetricSamples(pool, CANVAS, unknown=1.0)
    middle = [(CANVAS[1] - 1) / 2, (CANVAS[0] - 1) / 2]
    drawn = [samples[0, draw] for draw in range(60)]
    assert {bool(one["whole"]) for one in drawn} == {True, False}
    for one in drawn:
        expected = middle if one["whole"] else one["intrinsics"][2:].tolist()
        assert one["centre"].tolist() == expected
    told = MetricSamples(pool, CANVAS, unknown=0.0)[0, 0]
    assert told["centre"].tolist() == told["intrinsics"][2:].tolist()


def test_windows_of_the_other_pool_come_as_often_as_asked(pool: Path, tmp_path: Path) -> None:
    other = tmp_path / "windows"
    other.mkdir()
    far = {**sample(), "truth": np.full(SIZE, 50, np.float16), "sparse": np.zeros(SIZE, np.float16)}
    save_file({name: np.stack([array] * SHARD) for name, array in far.items()}, shard_path(other, 0))
    samples = MetricSamples(pool, CANVAS, windows=other, share=0.25)
    share = np.mean([float(samples[0, draw]["truth"].max()) == 50 for draw in range(200)])
    assert 0.15 < share < 0.35
