from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from depth_ros.errors import EvaluationError
from depth_ros.evaluation.plots import depth_range, save_comparison, save_depth_picture, save_methods

RGB = np.random.default_rng(0).integers(0, 255, (60, 200, 3), dtype=np.uint8)
DEPTH = np.linspace(2, 60, 60 * 200, dtype=np.float32).reshape(60, 200)
SPARSE = np.where(np.arange(60)[:, None] % 8 == 0, DEPTH, np.float32(0)).astype(np.float32)
NOTHING = np.full((60, 200), np.nan, np.float32)


@pytest.mark.parametrize("name", ["picture.png", "picture.jpg"])
def test_comparison_is_one_picture_of_two_by_two_panels(tmp_path: Path, name: str) -> None:
    path = save_comparison(tmp_path / "new" / name, RGB, SPARSE, DEPTH + 0.5, DEPTH, "title")
    picture = cv2.imread(str(path))
    assert picture is not None
    assert picture.shape[1] == 1560
    assert 2 * 220 < picture.shape[0] < 2 * 400


def test_every_method_has_a_row(tmp_path: Path) -> None:
    one, two = (
        cv2.imread(str(save_methods(tmp_path / f"{count}.png", RGB, SPARSE, depths, DEPTH)))
        for count, depths in enumerate([{"a": DEPTH}, {"a": DEPTH, "b": DEPTH + 1}])
    )
    assert one is not None
    assert two is not None
    assert one.shape[1] == two.shape[1]
    assert two.shape[0] == pytest.approx(1.5 * one.shape[0], rel=0.1)


@pytest.mark.parametrize("rgb", [RGB, None])
@pytest.mark.parametrize("values", [NOTHING, np.full_like(DEPTH, 7), DEPTH])
def test_nothing_known_and_one_depth_can_be_drawn(tmp_path: Path, rgb: np.ndarray | None, values: np.ndarray) -> None:
    assert save_comparison(tmp_path / "a.png", rgb, np.zeros_like(SPARSE), values, values).is_file()
    assert save_depth_picture(tmp_path / "b.png", rgb, values).is_file()


def test_errors_have_opposite_colours(tmp_path: Path) -> None:
    def middle_of_error_panel(depth: np.ndarray) -> np.ndarray:
        picture = cv2.imread(str(save_comparison(tmp_path / "a.png", RGB, SPARSE, depth, DEPTH)))
        assert picture is not None
        blue_green_red: np.ndarray = picture[int(picture.shape[0] * 0.72), int(picture.shape[1] * 0.75)].astype(int)
        return blue_green_red

    near, far, exact = (middle_of_error_panel(DEPTH + shift) for shift in (-5, 5, 0))
    assert near[2] > near[0] + 50, "too near is red"
    assert far[0] > far[2] + 50, "too far is blue"
    assert exact.min() > 230, "no error is white"


def test_range_spans_all_depths_and_never_collapses() -> None:
    near, far = depth_range(SPARSE, DEPTH)
    assert 2 < near < 4
    assert 55 < far < 60
    assert depth_range(np.full((2, 2), 5, np.float32)) == (5, 10)
    assert depth_range(NOTHING, None) == (1, 10)


def test_unknown_suffix_and_unwritable_place_are_said(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"\.png or \.jpg"):
        save_depth_picture(tmp_path / "a.bmp", RGB, DEPTH)
    (tmp_path / "file").write_text("")
    with pytest.raises(EvaluationError, match="cannot be written"):
        save_depth_picture(tmp_path / "file" / "a.png", RGB, DEPTH)


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_depth_that_is_out_of_range_is_drawn_as_unknown(tmp_path: Path) -> None:
    labels = DEPTH.copy()
    labels[:20, :50], labels[40:, 100:] = np.inf, -np.inf
    unknown = np.where(np.isinf(labels), np.float32(np.nan), labels)

    def pictures(depth: np.ndarray) -> list[np.ndarray | None]:
        paths = (tmp_path / f"{number}.png" for number in range(4))
        save_depth_picture(next(paths), RGB, depth)
        for answer, truth in ((depth, DEPTH), (DEPTH, depth), (depth, depth)):
            save_comparison(next(paths), RGB, SPARSE, answer, truth)
        return [cv2.imread(str(path)) for path in sorted(tmp_path.iterdir())]

    for one, two in zip(pictures(labels), pictures(unknown), strict=True):
        np.testing.assert_array_equal(one, two)
