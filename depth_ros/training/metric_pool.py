"""Samples of the metric network: pictures of whole cameras and their depth, without any LiDAR."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from depth_ros.training.augment import degrade
from depth_ros.training.pool import (
    SHARD,
    SIZE,
    VIEWS,
    Arrays,
    Job,
    Watch,
    build_pool,
    draw_world,
    find_view,
    known_truth,
    renderer,
    write_shard,
)

PLANES = ("image", "truth")
FACTS = ("intrinsics",)
KIND_SHARES = {"street": 0.4, "country": 0.12, "room": 0.22, "corridor": 0.12, "warehouse": 0.14}
"""How often each kind of world is visited: those in which things are as large as they are in life."""
CLEAN = 0.5
"""How often an image stays as it was rendered."""
DISGUISED = 0.25
"""Share of the worlds whose paint tells nothing: they teach what perspective tells."""
_STREAM = 5
"""Tells the worlds of these samples from those of the completion network's."""


def build_metric_pool(
    directory: str | Path,
    samples: int,
    seed: int = 0,
    *,
    size: tuple[int, int] = SIZE,
    workers: int | None = None,
    device: str = "cpu",
    watch: Watch | None = None,
) -> None:
    """Make a pool of at least `samples` samples for the metric network; as `pool.build_pool` otherwise."""
    make = partial(build_pool, directory, samples, seed, size=size, workers=workers, device=device, watch=watch)
    make(make=make_metric_shard, fields=(*PLANES, *FACTS))


def make_metric_shard(job: Job) -> int:
    """Make one shard and return its number."""
    groups = range(SHARD // VIEWS)
    worlds = [
        make_metric_samples((job.seed, job.shard, group, _STREAM), job.size, VIEWS, job.device) for group in groups
    ]
    write_shard(job, [sample for made in worlds for sample in made])
    return job.shard


def make_metric_samples(seed: Sequence[int], size: tuple[int, int], views: int, device: str = "cpu") -> list[Arrays]:
    """Make `views` samples of one world.

    Each holds image uint8 [H,W,3]; truth float16 [H,W], metres along z, 0 = sky or beyond reach; intrinsics float32
    [4], fx, fy, cx, cy in pixels.
    """
    rng = np.random.default_rng(seed)
    world, draw = draw_world(rng, KIND_SHARES, DISGUISED), renderer(device)
    made: list[Arrays] = []
    for _ in range(views):
        camera, T_world_cam = find_view(world, size, rng, whole=True)
        rgb, depth = draw(world.scene, camera, T_world_cam)
        intrinsics = np.array(camera.intrinsics, np.float32)
        made.append(
            {"image": degrade(rgb, depth, rng, clean=CLEAN), "truth": known_truth(depth), "intrinsics": intrinsics}
        )
    return made
