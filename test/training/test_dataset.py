from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from depth_ros.errors import TrainingError
from depth_ros.training.dataset import PoolDataset
from depth_ros.training.pool import SHARD, shard_path


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    column = np.broadcast_to(np.arange(1, 49, dtype=np.float16), (SHARD, 32, 48))
    save_file(
        {
            "image": rng.integers(1, 256, (SHARD, 32, 48, 3), dtype=np.uint8),
            "sparse": np.ascontiguousarray(column),
            "prior": np.ascontiguousarray(column),
            "truth": np.ascontiguousarray(column),
            "intrinsics": np.tile(np.array([50, 50, 23.5, 15.5], np.float32), (SHARD, 1)),
        },
        shard_path(tmp_path, 0),
    )
    return tmp_path


def test_whole_samples_come_as_they_are(directory: Path) -> None:
    sample = PoolDataset(directory)[3]
    assert sample["image"].dtype == torch.uint8
    assert sample["image"].shape == (32, 48, 3)
    assert sample["truth"].dtype == torch.float32
    assert torch.equal(sample["truth"][0], torch.arange(1, 49, dtype=torch.float32))


def test_windows_keep_every_plane_and_the_rays_together(directory: Path) -> None:
    data = PoolDataset(directory, (16, 32), seed=1)
    turned = set()
    for draw in range(12):
        sample = data[2, draw]
        truth = sample["truth"]
        assert truth.shape == (16, 32)
        for name in ("sparse_depth", "prior_depth"):
            assert torch.equal(sample[name], truth)
        mirrored = bool(truth[0, 0] > truth[0, 1])
        turned.add(mirrored)
        # the value tells the column of the whole image, whose x / z is the same before and after
        fx, _, cx, _ = sample["intrinsics"].tolist()
        ray = (torch.arange(32) - cx) / fx
        whole = (truth[0] - 1 - 23.5) / 50
        torch.testing.assert_close(ray, -whole if mirrored else whole)
    assert turned == {False, True}


def test_the_same_draw_is_the_same_sample_and_another_is_not(directory: Path) -> None:
    first, second = (PoolDataset(directory, (16, 32), seed=1)[2, 7] for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    others = [PoolDataset(directory, (16, 32), seed=1)[2, draw] for draw in range(5)]
    assert any(not torch.equal(first["image"], other["image"]) for other in others)


def test_images_are_dropped_as_often_as_asked(directory: Path) -> None:
    data = PoolDataset(directory, (16, 32), image_dropout=0.5)
    dropped = sum(not data[number, draw]["image"].any() for number in range(SHARD) for draw in range(8))
    assert 0.35 < dropped / (8 * SHARD) < 0.65


def test_too_large_a_crop_is_refused(directory: Path) -> None:
    with pytest.raises(TrainingError, match="larger than the samples"):
        PoolDataset(directory, (64, 32))
