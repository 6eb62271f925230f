from __future__ import annotations

import numpy as np

from depth_ros.training.pictures import draw_sheet

SIZE = (20, 30)


def test_the_sheet_holds_six_panels_and_the_error_has_a_sign() -> None:
    image = np.full((*SIZE, 3), 77, np.uint8)
    truth = np.full(SIZE, 10, np.float32)
    depth = truth.copy()
    depth[:, :10], depth[:, 10:20] = 8, 12
    truth[:5] = 0
    sheet = draw_sheet(image, np.zeros(SIZE, np.float32), truth, depth, truth)
    assert sheet.shape == (40, 90, 3)
    assert sheet.dtype == np.uint8
    assert (sheet[:20, :30] == 77).all()
    error = sheet[20:, 60:]
    assert not error[:5].any()
    assert error[10, 5].tolist() == [0, 0, 255]
    assert error[10, 15].tolist() == [255, 0, 0]
    assert error[10, 25].tolist() == [255, 255, 255]


def test_nothing_known_is_drawn_as_nothing() -> None:
    nothing = np.full(SIZE, np.nan, np.float32)
    sheet = draw_sheet(np.zeros((*SIZE, 3), np.uint8), np.zeros(SIZE, np.float32), nothing, nothing, nothing)
    assert not sheet.any()
