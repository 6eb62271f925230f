from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest

from depth_ros.errors import TrainingError
from depth_ros.training import pool
from depth_ros.training.pool import Pool, build_pool, count_samples, make_prior, make_samples, shard_path

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


def test_a_build_goes_on_where_it_stopped(directory: Path) -> None:
    lost = shard_path(directory, 1)
    before, kept = lost.read_bytes(), shard_path(directory, 0).stat().st_mtime_ns
    lost.unlink()
    build_pool(directory, 40, seed=3, size=SIZE, workers=1)
    assert lost.read_bytes() == before
    assert shard_path(directory, 0).stat().st_mtime_ns == kept
    assert not list(directory.glob("*.part"))


def test_a_part_of_a_pool_is_told_in_one_line(
    directory: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("pool.json", shard_path(directory, 0).name):
        (tmp_path / name).write_bytes((directory / name).read_bytes())
    assert count_samples(directory) == 2 * pool.SHARD
    assert count_samples(tmp_path / "nowhere") == 0
    assert not caplog.records
    assert count_samples(tmp_path) == pool.SHARD
    again = f"depth_ros train pool --out {tmp_path} --samples 40 --seed 3"
    assert [record.getMessage() for record in caplog.records] == [
        f"pool {tmp_path} holds 32 of 40 samples; unless they are being made now: {again}"
    ]
    assert caplog.records[0].levelno == logging.WARNING
    build_pool(tmp_path, 20, seed=3, size=SIZE, workers=1)  # fewer are wanted now
    plan = json.loads((tmp_path / "pool.json").read_text())
    del plan["samples"]
    assert count_samples(tmp_path) == pool.SHARD
    (tmp_path / "pool.json").write_text(json.dumps(plan))  # as it was written before
    assert count_samples(tmp_path) == pool.SHARD
    assert len(caplog.records) == 1


@pytest.mark.parametrize("text", ["", "[]", "[1]", "3"])
def test_a_plan_that_is_none_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "pool.json").write_text(text)
    with pytest.raises(TrainingError, match="pool"):
        build_pool(tmp_path, 40, seed=3, size=SIZE)
    assert count_samples(tmp_path) == 0


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
