"""The scale guard: what is held out, what the residual says of depth that is right or wrong, what is put back."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from depth_ros.bags.source import open_source
from depth_ros.classical import fill
from depth_ros.classical.fill import Completion, complete
from depth_ros.config import NO_GUARD, CompletionConfig, GuardConfig
from depth_ros.errors import CompletionError, ConfigError, SparseScanError
from depth_ros.frame import Frame, Source
from depth_ros.geometry.camera import Camera
from depth_ros.pipelines import completion
from depth_ros.pipelines.completion import ClassicalCompletion
from depth_ros.pipelines.guard import LEAST, compare, hold_out, outdated, put_back, require_points

WIDTH, HEIGHT = 320, 160
CONFIG, GUARD = CompletionConfig(), GuardConfig()


def make_sparse(step: int = 8) -> NDArray[np.float32]:
    """Return scan lines on a wall that recedes to the right: 3200 points at the default step."""
    rows, columns = np.indices((HEIGHT, WIDTH))
    on_line = (rows % step == 0) & (columns % 2 == 0)
    return np.where(on_line, 5 + columns / 40, 0).astype(np.float32)


def make_frame(stamp_ns: int = 7, step: int = 8) -> Frame:
    camera = Camera.from_focal(WIDTH, HEIGHT, 200, 200, WIDTH / 2, HEIGHT / 2)
    rgb = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    return Frame(stamp_ns, "camera", rgb, camera, sparse_depth=make_sparse(step))


@pytest.mark.parametrize("share", [0.02, 0.3, 0.37, 0.5])
def test_the_share_is_taken_out_and_nothing_else_is_touched(share: float) -> None:
    whole = make_sparse()
    given = whole.copy()
    held_out = hold_out(given, share, 7)
    assert held_out is not None
    assert len(held_out.depth) == int(share * np.count_nonzero(whole))
    assert len(set(zip(held_out.rows, held_out.columns))) == len(held_out.depth)  # noqa: B905
    assert (given[held_out.rows, held_out.columns] == 0).all()
    given[held_out.rows, held_out.columns] = held_out.depth
    assert np.array_equal(given, whole)


def test_it_is_spread_over_the_image() -> None:
    held_out = hold_out(make_sparse(step=4), 0.04, 1)
    assert held_out is not None
    counts, _, _ = np.histogram2d(held_out.rows, held_out.columns, bins=(4, 4), range=((0, HEIGHT), (0, WIDTH)))
    assert counts.min() > 0
    assert counts.max() < 3 * counts.mean()


@pytest.mark.parametrize("stamps", [(7, 7), (0, 0), (-5, -5), (1_700_000_000_000_000_000,) * 2])
def test_the_same_stamp_takes_the_same_points(stamps: tuple[int, int]) -> None:
    one, other = (hold_out(make_sparse(), 0.02, stamp) for stamp in stamps)
    assert one is not None
    assert other is not None
    assert np.array_equal(one.rows, other.rows)
    assert np.array_equal(one.columns, other.columns)


def test_another_stamp_takes_others() -> None:
    one, other = (hold_out(make_sparse(), 0.02, stamp) for stamp in (7, 8))
    assert one is not None
    assert other is not None
    assert not np.array_equal(one.columns, other.columns)


@pytest.mark.parametrize("share", [0.0, (LEAST - 1) / 3200])
def test_what_tells_too_little_is_not_taken(share: float) -> None:
    given = make_sparse()
    assert hold_out(given, share, 7) is None
    assert np.array_equal(given, make_sparse())
    assert hold_out(np.zeros((5, 5), np.float32), 0.5, 7) is None


def test_the_residual_is_the_share_of_the_depth_by_which_it_is_off() -> None:
    truth = np.where(make_sparse() > 0, make_sparse(), np.float32(3))
    held_out = hold_out(make_sparse(), 0.02, 7)
    assert held_out is not None
    right, far, near = (compare(truth * np.float32(gain), held_out) for gain in (1.0, 1.2, 0.8))
    assert right is not None
    assert far is not None
    assert near is not None
    assert (right.median, right.p90, right.count) == (0, 0, 64)
    assert far.median == pytest.approx(0.2, abs=1e-6)
    assert near.p90 == pytest.approx(0.2, abs=1e-6)


@pytest.mark.parametrize("unknown", [np.nan, np.inf, -np.inf])
def test_unknown_depth_does_not_count(unknown: float) -> None:
    depth = make_sparse()
    held_out = hold_out(make_sparse(), 0.02, 7)
    assert held_out is not None
    some = slice(None, 10)
    depth[held_out.rows[some], held_out.columns[some]] = unknown
    found = compare(depth, held_out)
    assert found is not None
    assert found.count == len(held_out.depth) - 10
    assert found.median == 0
    assert compare(np.full_like(depth, unknown), held_out) is None


def test_a_right_depth_map_has_a_small_residual_and_all_its_returns() -> None:
    found = ClassicalCompletion(CONFIG, GUARD).process(make_frame())
    plain = ClassicalCompletion(CONFIG).process(make_frame())
    assert plain.residual is None
    assert found.residual is not None
    assert found.residual.count > LEAST
    assert found.residual.p90 < 0.01
    measured = make_sparse() > 0
    assert (found.source[measured] == Source.MEASURED).all()
    assert np.array_equal(found.source, plain.source)
    for name in ("depth", "sigma"):
        assert np.array_equal(getattr(found, name)[measured], getattr(plain, name)[measured])
    assert "guard" in found.timings
    assert "guard" not in plain.timings


def test_depth_of_a_wrong_scale_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    def scaled(*args: object, **options: object) -> Completion:
        found = complete(*args, **options)  # type: ignore[arg-type]
        return found._replace(depth=found.depth * np.float32(1.2))

    monkeypatch.setattr(completion, "complete", scaled)
    found = ClassicalCompletion(CONFIG, GUARD).process(make_frame())
    assert found.residual is not None
    assert found.residual.median == pytest.approx(0.2, abs=0.01)
    assert found.residual.median > GUARD.guard_error


def test_without_paste_the_depth_is_left_as_it_was_found() -> None:
    found = ClassicalCompletion(replace(CONFIG, paste_measured=False), GUARD).process(make_frame())
    assert (found.source[make_sparse() > 0] == Source.MEASURED).all()
    given = make_sparse()
    assert hold_out(given, GUARD.guard_share, 7) is not None
    depth = complete(given, make_frame().rgb, paste_measured=False).depth
    assert np.array_equal(found.depth, depth, equal_nan=True)


def test_what_is_put_back_where_nothing_was_found() -> None:
    held_out = hold_out(make_sparse(), 0.02, 7)
    assert held_out is not None
    at = held_out.rows, held_out.columns
    for pasted, source in ((True, Source.MEASURED), (False, Source.NONE)):
        nothing = fill.complete(np.zeros((HEIGHT, WIDTH), np.float32))
        put_back(nothing, held_out, pasted)
        assert (nothing.source[at] == source).all()
        assert np.isfinite(nothing.depth[at]).all() == pasted
        assert np.isfinite(nothing.sigma[at]).all() == pasted


@pytest.mark.parametrize("paste", [True, False])
def test_what_is_put_back_out_of_range_is_labelled_as_its_neighbours(paste: bool) -> None:
    """RGB-D depth is not cut to the range before: the guard must not show at 2 % of the pixels."""
    config = replace(CONFIG, min_depth=50.0, paste_measured=paste)
    frame = make_frame()
    found = ClassicalCompletion(config, GUARD).process(frame)
    assert frame.sparse_depth is not None
    assert (frame.sparse_depth < config.min_depth).any()
    known = np.isfinite(found.depth)
    assert (found.depth[known] >= config.min_depth).all()
    assert np.array_equal(known, found.source != Source.NONE)


def test_the_frame_is_not_changed() -> None:
    frame = make_frame()
    ClassicalCompletion(CONFIG, GUARD).process(frame)
    assert frame.sparse_depth is not None
    assert np.array_equal(frame.sparse_depth, make_sparse())


def test_a_thin_scan_has_no_residual_and_a_thinner_one_no_depth() -> None:
    sparse = make_sparse(step=80)  # 320 points
    frame = replace(make_frame(), sparse_depth=sparse)
    assert ClassicalCompletion(CONFIG, GUARD).process(frame).residual is None
    with pytest.raises(SparseScanError, match="leaves 320 points in the image, fewer than min_points 321: check"):
        ClassicalCompletion(CONFIG, replace(GUARD, min_points=321)).process(frame)
    assert issubclass(SparseScanError, CompletionError)


def test_points_are_required_only_where_a_number_is_given() -> None:
    nothing = np.zeros((5, 5), np.float32)
    require_points(nothing, 0)
    with pytest.raises(SparseScanError):
        require_points(nothing, 1)


def test_a_pipeline_takes_another_guard() -> None:
    pipeline = ClassicalCompletion(CONFIG)
    assert pipeline.configured(CONFIG, GUARD).process(make_frame()).residual is not None
    assert pipeline.configured(CONFIG, NO_GUARD).process(make_frame()).residual is None


def test_an_outdated_scan_is_flagged_and_nothing_else_changes() -> None:
    found = ClassicalCompletion(CONFIG).process(make_frame(step=20))
    old = outdated(found)
    assert old.source.dtype == np.uint8
    assert np.array_equal(old.source == Source.NONE, found.source == Source.NONE)
    assert set(np.unique(old.source)) <= {Source.NONE, Source.OUTDATED}
    assert np.array_equal(old.depth, found.depth, equal_nan=True)


def test_bounds_that_cross_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"guard_error 0\.01 is less than guard_warn 0\.03"):
        GuardConfig(guard_error=0.01)


@pytest.mark.real
def test_the_residual_is_blind_to_the_extrinsics(real_data: Path) -> None:
    """A completion follows its LiDAR wherever that lies: a scan beside its picture is seen by `geometry.alignment`."""
    sample = next(iter(open_source(real_data / "kitti" / "object_training").samples()))
    assert sample.frame.T_cam_lidar is not None
    turn = np.eye(4)
    turn[:3, :3] = cv2.Rodrigues(np.array([0, np.deg2rad(3), 0]))[0]
    found = ClassicalCompletion(CONFIG, GUARD).process(
        replace(sample.frame, T_cam_lidar=turn @ sample.frame.T_cam_lidar)
    )
    assert found.residual is not None
    assert found.residual.median < GUARD.guard_warn / 3


@pytest.mark.real
@pytest.mark.parametrize("folder", ["kitti/object_training", "nuscenes", "pjlab"])
def test_the_bounds_separate_right_from_wrong_on_real_frames(real_data: Path, folder: str) -> None:
    for sample in islice(open_source(real_data / folder).samples(), 1):
        found = ClassicalCompletion(CONFIG, GUARD).process(sample.frame)
        assert found.residual is not None
        assert found.residual.median < GUARD.guard_warn / 3
        held_out = hold_out(np.where(found.source == Source.MEASURED, found.depth, np.float32(0)), 0.02, 1)
        assert held_out is not None
        scaled = compare(found.depth * np.float32(1.2), held_out)
        assert scaled is not None
        assert scaled.median > GUARD.guard_error
