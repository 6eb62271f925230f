"""Training samples, made once and kept on disk: rendering and the prior cost more than a step of training."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from depth_ros.classical.fill import complete
from depth_ros.errors import TrainingError
from depth_ros.geometry.camera import Camera
from depth_ros.parallel import parallel_map
from depth_ros.synthetic.cast import cast
from depth_ros.synthetic.grid import RayGrid
from depth_ros.synthetic.render import render
from depth_ros.synthetic.shapes import FloatArray, Scene
from depth_ros.synthetic.world import View, World
from depth_ros.synthetic.worlds import DISGUISED, choose_view, make_world
from depth_ros.training.augment import degrade
from depth_ros.training.patterns import Sparse, sense

KIND_SHARES = {"street": 0.46, "country": 0.15, "room": 0.1, "corridor": 0.05, "warehouse": 0.1, "clutter": 0.14}
"""How often each kind of world is visited."""
SIZE = (224, 416)
"""Height and width of a sample; training crops from it."""
VIEWS = 4
"""Views of one world."""
SHARD = 32
"""Samples in one file."""
LEAST_TRUTH = 0.25
"""A view must show surfaces on at least this share of its pixels."""
MOST_WANTED_EDGES = 0.12
"""Views with fewer edges than a number drawn from 0 to this are passed over: a bare wall teaches little."""
EDGE = 0.2
"""Step in log depth between two pixels of a thumbnail that counts as an edge."""
THUMBNAIL = 16
GUIDED = 0.5
"""Share of the samples whose prior was guided by the image, as it is where a robot has one."""
FARTHEST_M = 200.0
PLANES = ("image", "sparse", "prior", "truth")
FACTS = ("intrinsics",)
FIELDS = (*PLANES, *FACTS)
_TRIES = 8
_PLAN, _SHARDS = "pool.json", "[0-9]*.safetensors"
_log = logging.getLogger("depth_ros")

Watch = Callable[[Iterable[Any], int], Iterable[Any]]
Arrays = dict[str, NDArray[Any]]
Make = Callable[["Job"], int]
Render = Callable[[Scene, Camera, FloatArray], tuple[NDArray[np.uint8], NDArray[np.float32]]]


class Job(NamedTuple):
    """One shard to make: where, which, from what seed, of what size (height, width), rendered on what device."""

    directory: Path
    shard: int
    seed: int
    size: tuple[int, int]
    device: str = "cpu"


def build_pool(
    directory: str | Path,
    samples: int,
    seed: int = 0,
    *,
    size: tuple[int, int] = SIZE,
    workers: int | None = None,
    device: str = "cpu",
    watch: Watch | None = None,
    make: Make | None = None,
    fields: Sequence[str] = FIELDS,
) -> None:
    """Make a pool of at least `samples` samples of `size` (height, width); shards that are there already are kept.

    The same seed and size give the same samples, whatever `workers` (processes; None = one per core). watch: wraps the
    shards, whose number it gets too, for a progress bar. device: what renders, "cpu" or a CUDA device of torch. make:
    what makes a shard, of the `fields` (None: `make_shard`).

    Raises TrainingError when the directory holds a pool of another seed or size, or cannot be written.
    """
    directory = Path(directory)
    _claim(directory, {"seed": seed, "size": list(size), "shard": SHARD, "fields": list(fields)}, samples)
    wanted = range(-(-samples // SHARD))
    jobs = [Job(directory, shard, seed, size, device) for shard in wanted if not shard_path(directory, shard).exists()]
    done: Iterable[Any] = parallel_map(make or make_shard, jobs, workers or os.cpu_count() or 1)
    for _ in done if watch is None else watch(done, len(jobs)):
        pass


def _claim(directory: Path, plan: dict[str, Any], samples: int) -> None:
    """Write what the pool is made of and how many samples are wanted, or see that it is made of the same."""
    path = directory / _PLAN
    part = path.with_suffix(f".{os.getpid()}.part")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        found = {**json.loads(path.read_text(encoding="utf-8"))} if path.exists() else dict(plan)
        found.pop("samples", None)
        if found == plan:
            part.write_text(json.dumps({**plan, "samples": samples}), encoding="utf-8")
            os.replace(part, path)
    except (OSError, ValueError, TypeError) as error:
        raise TrainingError(f"pool {directory}: {error}") from None
    if found != plan:
        raise TrainingError(f"pool {directory} was made with {found}, not {plan}: name another directory")


def count_samples(directory: Path) -> int:
    """Return how many samples are there; logged when they are fewer than `build_pool` was last asked for."""
    there = SHARD * len(list(directory.glob(_SHARDS)))
    try:
        plan = json.loads((directory / _PLAN).read_text(encoding="utf-8"))
        wanted, seed = int(plan["samples"]), int(plan["seed"])
    except (OSError, ValueError, TypeError, KeyError):
        return there  # made before this was written down, or by other means
    if 0 < there < wanted:
        again = f"depth_ros train pool --out {directory} --samples {wanted} --seed {seed}"
        _log.warning(
            "pool %s holds %d of %d samples; unless they are being made now: %s", directory, there, wanted, again
        )
    return there


def shard_path(directory: Path, shard: int) -> Path:
    """Where a shard of a pool lies."""
    return directory / f"{shard:06d}.safetensors"


def make_shard(job: Job) -> int:
    """Make one shard and return its number."""
    made = [
        sample
        for group in range(SHARD // VIEWS)
        for sample in make_samples((job.seed, job.shard, group), job.size, VIEWS, job.device)
    ]
    write_shard(job, made)
    return job.shard


def write_shard(job: Job, made: Sequence[Arrays]) -> None:
    """Write the samples of a shard; the file appears whole or not at all."""
    path = shard_path(job.directory, job.shard)
    part = path.with_suffix(f".{os.getpid()}.part")
    save_file({name: np.stack([sample[name] for sample in made]) for name in made[0]}, part)
    os.replace(part, path)


def make_samples(seed: Sequence[int], size: tuple[int, int], views: int, device: str = "cpu") -> list[Arrays]:
    """Make `views` samples of one world.

    Each holds image uint8 [H,W,3]; sparse, prior and truth float16 [H,W], metres along z, 0 = none; intrinsics float32
    [4], fx, fy, cx, cy in pixels.
    """
    rng = np.random.default_rng(seed)
    world = draw_world(rng)
    return [_look(world, size, rng, renderer(device)) for _ in range(views)]


def draw_world(
    rng: np.random.Generator, shares: Mapping[str, float] = KIND_SHARES, disguised: float = DISGUISED
) -> World:
    """Return a world of one of the kinds, each as often as `shares` says; disguised: as `worlds.make_world`."""
    kind = str(rng.choice(list(shares), p=list(shares.values())))
    return make_world(kind, int(rng.integers(1 << 31)), disguised=disguised)


@lru_cache(maxsize=1)
def renderer(device: str) -> Render:
    """Return what renders on "cpu" or on a CUDA device of torch."""
    if device == "cpu":
        return render
    from depth_ros.training.device_render import DeviceRenderer

    return DeviceRenderer(device).render


def find_view(world: World, size: tuple[int, int], rng: np.random.Generator, *, whole: bool = False) -> View:
    """Return a view of `size` (height, width) that teaches something; whole: as `worlds.choose_view`."""

    def choose() -> View:
        return choose_view(world, rng, size[1], size[0], whole=whole)

    view, wanted = choose(), rng.uniform(0, MOST_WANTED_EDGES)
    for _ in range(_TRIES):
        seen, edges = _preview(world, view)
        if seen >= LEAST_TRUTH and edges >= wanted:
            break
        view = choose()
    return view


def _look(world: World, size: tuple[int, int], rng: np.random.Generator, draw: Render) -> Arrays:
    camera, T_world_cam = find_view(world, size, rng)
    rgb, depth = draw(world.scene, camera, T_world_cam)
    sparse = sense(world.scene, camera, T_world_cam, depth, rgb, rng)
    return _pack(degrade(rgb, depth, rng), sparse, depth, camera, guided=rng.random() < GUIDED)


def _preview(world: World, view: View) -> tuple[float, float]:
    """Shares of a thumbnail's pixels that see a surface, and of its neighbours that lie on two sides of an edge."""
    camera = view.camera
    fx, fy, cx, cy = (value / THUMBNAIL for value in camera.intrinsics)
    small = Camera.from_focal(camera.width // THUMBNAIL, camera.height // THUMBNAIL, fx, fy, cx - 0.5, cy - 0.5)
    hits = cast(world.scene, view.T_world_cam, RayGrid.from_camera(small))
    log_depth = np.log(np.minimum(hits.t, 2 * FARTHEST_M))
    edges = [(np.abs(np.diff(log_depth, axis=axis)) > EDGE).mean() for axis in (0, 1)]
    return float((hits.shape >= 0).mean()), float(np.mean(edges))


def known_truth(depth: NDArray[np.float32]) -> NDArray[np.float16]:
    """Return depth in metres as a pool stores it: 0 in the sky and beyond `FARTHEST_M`."""
    return np.where(depth < FARTHEST_M, depth, np.float32(0)).astype(np.float16)


def _pack(rgb: NDArray[np.uint8], sparse: Sparse, depth: NDArray[np.float32], camera: Camera, guided: bool) -> Arrays:
    return {
        "image": rgb,
        "sparse": sparse.depth.astype(np.float16),
        "prior": make_prior(sparse.depth, rgb if guided else None).astype(np.float16),
        "truth": known_truth(depth),
        "intrinsics": np.array(camera.intrinsics, np.float32),
    }


def make_prior(sparse: NDArray[np.float32], rgb: NDArray[np.uint8] | None) -> NDArray[np.float32]:
    """Return what the network corrects: the classical completion, guided by the image or not, m, 0 beyond coverage."""
    return np.nan_to_num(complete(sparse, rgb, paste_measured=False, with_sigma=False).depth)


class Pool:
    """The samples of a pool directory, read from disk where they lie; a pool may grow while it is read.

    planes, facts: what is read of a sample.

    Raises TrainingError when there is no shard, or one cannot be read or is of another network.
    """

    def __init__(self, directory: str | Path, planes: Sequence[str] = PLANES, facts: Sequence[str] = FACTS) -> None:
        self.directory, self._planes, self._facts = Path(directory), planes, facts
        self._open: dict[Path, Any] = {}
        self.refresh()

    def refresh(self) -> None:
        """See the shards that are there now."""
        self.shards = sorted(self.directory.glob(_SHARDS))
        if not self.shards:
            raise TrainingError(f"pool {self.directory} is empty: make one with 'depth_ros train pool --out DIR'")

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": {}}  # another process opens its own

    def __len__(self) -> int:
        return len(self.shards) * SHARD

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the samples."""
        height, width = self._shard(self.shards[0]).get_slice("truth").get_shape()[1:]
        return int(height), int(width)

    def read(self, number: int, window: tuple[slice, slice] = (slice(None), slice(None))) -> Arrays:
        """Read one sample inside a window of rows and columns; intrinsics are those of the window."""
        shard, row = self._shard(self.shards[number // SHARD]), number % SHARD
        part = (slice(row, row + 1), *window)
        arrays = {name: shard.get_slice(name)[part][0] for name in self._planes}
        arrays.update((name, shard.get_slice(name)[row : row + 1][0]) for name in self._facts)
        arrays["intrinsics"][2:] -= (window[1].start or 0, window[0].start or 0)
        return arrays

    def _shard(self, path: Path) -> Any:
        if path not in self._open:
            try:
                shard: Any = safe_open(path, "numpy")
            except (OSError, SafetensorError) as error:
                raise TrainingError(f"{path}: cannot be read: {error}: delete it, and make the pool anew") from None
            lacking = sorted({*self._planes, *self._facts} - set(shard.keys()))
            if lacking:
                raise TrainingError(f"{path}: has no '{lacking[0]}': is it of the pool of another network?")
            self._open[path] = shard
        return self._open[path]
