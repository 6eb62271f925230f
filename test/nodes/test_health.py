"""Levels and their reasons: residuals beyond bounds, a scan that lies beside the picture, percentiles of the stages."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from depth_ros.config import GuardConfig
from depth_ros.frame import DepthMap, Residual, Source
from depth_ros.geometry.alignment import Shift
from depth_ros.geometry.camera import Camera
from depth_ros.nodes import health
from depth_ros.nodes.health import (
    BAD,
    JUDGED,
    LEAST_LOOKS,
    LOOK_PERIOD_S,
    WINDOW,
    Finding,
    Level,
    ResidualWatch,
    ShiftWatch,
    Window,
    worst_first,
)

GUARD = GuardConfig(guard_warn=0.03, guard_error=0.10)
GOOD, BAD_ONE, WORSE = Residual(0.003, 0.02, 300), Residual(0.05, 0.1, 300), Residual(0.2, 0.25, 300)
WIDTH, HEIGHT = 310, 160


def watch_of(*residuals: Residual | None) -> ResidualWatch:
    watch = ResidualWatch()
    for residual in residuals:
        watch.add(residual)
    return watch


def level_of(watch: ResidualWatch) -> Level:
    found = watch.finding(GUARD)
    return Level.OK if found is None else found.level


def test_percentiles_are_of_the_last_samples_in_milliseconds() -> None:
    window = Window()
    assert window.values("infer") == {}
    for _ in range(50):
        window.add(9.0)
    for number in range(WINDOW):
        window.add((number + 1) / 1000)
    assert window.values("infer") == {"infer_p50_ms": "150.5", "infer_p95_ms": "285.0", "infer_p99_ms": "297.0"}


def test_one_or_two_bad_frames_raise_nothing() -> None:
    assert level_of(watch_of(*[GOOD] * 5, WORSE, GOOD, WORSE, GOOD)) == Level.OK


def test_some_of_the_last_frames_raise_the_level_that_they_all_reach() -> None:
    assert level_of(watch_of(*[GOOD] * 7, *[BAD_ONE] * BAD)) == Level.WARN
    assert level_of(watch_of(*[GOOD] * 7, *[WORSE] * (BAD - 1), BAD_ONE)) == Level.WARN
    assert level_of(watch_of(*[WORSE] * BAD)) == Level.ERROR


def test_it_is_over_when_the_last_frames_are_good_again() -> None:
    watch = watch_of(*[WORSE] * JUDGED)
    for _ in range(JUDGED - BAD):
        watch.add(GOOD)
    assert level_of(watch) == Level.ERROR
    watch.add(GOOD)
    assert level_of(watch) == Level.OK


def test_frames_without_a_residual_alarm_nobody() -> None:
    watch = watch_of(*[None] * JUDGED)
    assert level_of(watch) == Level.OK
    assert set(watch.values().values()) == {"none"}
    assert level_of(watch_of(WORSE, WORSE, *[None] * 8)) == Level.OK
    assert level_of(watch_of(*[WORSE] * JUDGED, *[None] * JUDGED)) == Level.OK


def test_the_words_say_how_far_off_and_the_bound() -> None:
    found = watch_of(*[WORSE] * BAD).finding(GUARD)
    assert found is not None
    assert "off its own LiDAR points by 20.0 % (bound 10 %)" in found.text
    assert watch_of(GOOD, GOOD).values() == {
        "residual_median_percent": "0.30",
        "residual_p90_percent": "2.00",
        "residual_points": "300",
    }


def test_bounds_take_effect_at_once() -> None:
    watch = watch_of(*[BAD_ONE] * BAD)
    assert watch.finding(replace(GUARD, guard_warn=0.06)) is None
    strict = watch.finding(replace(GUARD, guard_error=0.04))
    assert strict is not None
    assert strict.level == Level.ERROR


def depth_map(right: int, seed: int = 0, source: Source = Source.MEASURED) -> DepthMap:
    """Return boxes before a wall, their scan shifted to the right by so many pixels."""
    rng = np.random.default_rng(seed)
    depth, rgb = np.full((HEIGHT, WIDTH), 30, np.float32), np.full((HEIGHT, WIDTH, 3), 100, np.uint8)
    for distance in np.linspace(20, 5, 8):
        column, row, width, height = rng.integers((20, 20, 10, 20), (WIDTH - 60, HEIGHT - 60, 35, 45))
        box = np.s_[row : row + height, column : column + width]
        depth[box], rgb[box] = distance, rng.integers(0, 256, 3)
    rows, _ = np.indices(depth.shape)
    labels = np.where(rows % 4 == 0, source, Source.COMPLETED).astype(np.uint8)
    camera = Camera.from_focal(WIDTH, HEIGHT, 200, 200, WIDTH / 2, HEIGHT / 2)
    return DepthMap(0, "camera", camera, np.roll(depth, right, axis=1), depth, labels, rgb)


def looks(right: int, count: int = LEAST_LOOKS, source: Source = Source.MEASURED) -> ShiftWatch:
    watch = ShiftWatch()
    for number in range(count):
        watch.look(depth_map(right, number, source), 100 + number * LOOK_PERIOD_S)
    return watch


def test_a_scan_in_its_place_is_no_finding() -> None:
    watch = looks(0)
    assert watch.finding() is None
    assert watch.values() == {"scan_shift_right_px": "0", "scan_shift_down_px": "0"}


@pytest.mark.parametrize("right", [12, -15])
def test_a_scan_beside_the_picture_is_said(right: int) -> None:
    watch = looks(right)
    found = watch.finding()
    assert found is not None
    assert found.level == Level.WARN
    side = "left" if right > 0 else "right"
    assert f"{abs(right)} px to the {side}" in found.text
    assert watch.values()["scan_shift_right_px"] == str(-right)


def test_a_slightly_better_shift_is_not_told_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """As seen on real frames with the right extrinsics."""
    monkeypatch.setattr(health, "best_shift", lambda *_: Shift(6, -18, 4.6, 4.2))
    watch = looks(0)
    assert watch.finding() is None
    assert watch.values() == {"scan_shift_right_px": "0", "scan_shift_down_px": "0"}


@pytest.mark.parametrize("watch", [looks(12, LEAST_LOOKS - 1), looks(12, source=Source.OUTDATED)])
def test_too_little_to_see_is_said_as_none(watch: ShiftWatch) -> None:
    assert watch.finding() is None
    assert set(watch.values().values()) == {"none"}


def test_it_looks_once_a_second_and_only_at_pictures() -> None:
    watch = ShiftWatch()
    for number in range(20):
        watch.look(depth_map(12, number), 100 + number * LOOK_PERIOD_S / 10)
        watch.look(replace(depth_map(12), rgb=None), 200 + number * LOOK_PERIOD_S)
    assert watch.finding() is None


def test_another_size_of_image_starts_anew() -> None:
    watch = looks(12)
    camera = Camera.from_focal(2 * WIDTH, 50, 200, 200, 1, 1)
    blank = np.zeros((50, 2 * WIDTH), np.float32)
    rgb = np.zeros((50, 2 * WIDTH, 3), np.uint8)
    watch.look(DepthMap(0, "camera", camera, blank, blank, blank.astype(np.uint8), rgb), 1000)
    assert watch.finding() is None


def test_the_worst_comes_first_and_nothing_coming_in_is_less_than_nothing_to_trust() -> None:
    found = [Finding(level, level.name) for level in Level]
    assert [finding.text for finding in worst_first(found)] == ["ERROR", "STALE", "WARN", "OK"]
