from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from depth_ros.errors import TrainingError
from depth_ros.training import pool
from depth_ros.training.pool import Pool, build_pool, make_prior, make_samples, shard_path

SIZE = (64, 96)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("pool")
    build_pool(where, 40, seed=3, size=SIZE, workers=2)
    return where


def test_a_pool_holds_whole_shards_and_gives_back_what_was_made(directory: Path) -> None:
    made = Pool(directory)
    assert len(made) == 2 * pool.SHARD
    assert made.size == SIZE
    again = make_samples((3, 1, 0), SIZE, pool.VIEWS)[1]
    stored = made.read(pool.SHARD + 1)
    for name in again:
        np.testing.assert_array_equal(stored[name], again[name])


def test_a_window_shares_the_sample_and_moves_the_principal_point(directory: Path) -> None:
    made = Pool(directory)
    whole, part = made.read(5), made.read(5, (slice(10, 42), slice(20, 84)))
    np.testing.assert_array_equal(part["truth"], whole["truth"][10:42, 20:84])
    np.testing.assert_array_equal(part["image"], whole["image"][10:42, 20:84])
    np.testing.assert_allclose(part["intrinsics"], whole["intrinsics"] - (0, 0, 20, 10))


def test_samples_are_what_the_network_will_be_given(directory: Path) -> None:
    made = Pool(directory)
    samples = [made.read(number) for number in range(len(made))]
    for sample in samples:
        for name in ("sparse", "prior", "truth"):
            assert np.isfinite(sample[name]).all()
            assert (sample[name] >= 0).all()
        assert sample["image"].shape == (*SIZE, 3)
        assert sample["image"].dtype == np.uint8
    assert sum((sample["truth"] > 0).mean() > pool.LEAST_TRUTH for sample in samples) > 0.9 * len(samples)
    assert sum((sample["sparse"] > 0).any() for sample in samples) > 0.8 * len(samples)
    assert 0.2 * len(samples) < sum(bool(sample["scanned"]) for sample in samples) < len(samples)


def test_a_build_goes_on_where_it_stopped(directory: Path) -> None:
    lost = shard_path(directory, 1)
    before, kept = lost.read_bytes(), shard_path(directory, 0).stat().st_mtime_ns
    lost.unlink()
    build_pool(directory, 40, seed=3, size=SIZE, workers=1)
    assert lost.read_bytes() == before
    assert shard_path(directory, 0).stat().st_mtime_ns == kept
    assert not list(directory.glob("*.part"))


def test_a_pool_of_another_seed_is_refused(directory: Path) -> None:
    with pytest.raises(TrainingError, match="name another directory"):
        build_pool(directory, 40, seed=4, size=SIZE)


def test_a_growing_pool_is_seen(directory: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="is empty"):
        Pool(tmp_path)
    shard_path(tmp_path, 0).write_bytes(shard_path(directory, 0).read_bytes())
    growing = Pool(tmp_path)
    shard_path(tmp_path, 1).write_bytes(shard_path(directory, 1).read_bytes())
    assert len(growing) == pool.SHARD
    growing.refresh()
    assert len(growing) == 2 * pool.SHARD


def test_the_prior_is_none_beyond_coverage_and_near_the_points_within() -> None:
    sparse = np.zeros((64, 96), np.float32)
    sparse[32:60:4] = 10
    prior = make_prior(sparse, None)
    assert (prior[:8] == 0).all()
    np.testing.assert_allclose(prior[34:58], 10, rtol=1e-3)
    assert (make_prior(np.zeros((64, 96), np.float32), None) == 0).all()
