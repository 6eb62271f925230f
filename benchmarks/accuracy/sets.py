"""The frames of the accuracy benchmark, and what is given of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from depth_ros.bags.sample import Sample
from depth_ros.bags.source import open_source
from depth_ros.evaluation.cases import Case, EvaluationConfig, make_cases
from depth_ros.frame import Frame

SEEDS = (0, 1, 2)
LOW_RESOLUTION = "lowres_depth.png"


class DataSet(NamedTuple):
    """Frames of some folders, each given as each of `configs` says; every: only every n-th frame is used."""

    name: str
    folders: tuple[str, ...]
    configs: tuple[EvaluationConfig, ...]
    every: int = 1


class Given(NamedTuple):
    """One image, and each way in which it is given; image: its name."""

    image: str
    sample: Sample
    configs: tuple[EvaluationConfig, ...]

    def cases(self) -> Iterator[tuple[Frame, Case]]:
        """Yield every case with the frame that the methods get."""
        for config in self.configs:
            yield from make_cases(*self.sample, config)


def rings(holdout: int) -> tuple[EvaluationConfig, ...]:
    """Give every `holdout`-th ring, each phase in turn."""
    return (EvaluationConfig(holdout=holdout, phase=-1),)


def points(count: int) -> tuple[EvaluationConfig, ...]:
    """Give `count` random known pixels, drawn with several seeds."""
    return tuple(EvaluationConfig(input=f"points:{count}", seed=seed) for seed in SEEDS)


STILLS = ("kitti/object_testing", "kitti/object_training")
INDOOR = {
    "ICL-NUIM living room": ("rgbd/icl_nuim", 1),
    "iBims plants": ("rgbd/ibims_plants", 1),
    "NYU basement": ("rgbd/nyu_basement", 1),
    "NYU hallway": ("rgbd/nyu_hallway", 1),
    "7-Scenes red kitchen": ("rgbd/seven_scenes_redkitchen", 6),
}
GROUPS: dict[str, tuple[DataSet, ...]] = {
    "stills": tuple(DataSet(f"KITTI stills 1/{n}", STILLS, rings(n)) for n in (2, 4, 8, 16)),
    "sequence": tuple(
        DataSet(f"KITTI sequence 1/{n}", ("kitti/sequence_2011_09_26",), rings(n)) for n in (2, 4, 8, 16)
    ),
    "other": (
        *(DataSet(f"nuScenes 1/{n}", ("nuscenes",), rings(n)) for n in (2, 4)),
        *(DataSet(f"pjlab 1/{n}", ("pjlab",), rings(n)) for n in (2, 4)),
        *(DataSet(f"KITTI depth_gt, {n} points", ("kitti/depth_gt",), points(n)) for n in (2000, 500)),
        *(
            DataSet(f"{name}, {n} points", (folder,), points(n), every)
            for n in (500, 100)
            for name, (folder, every) in INDOOR.items()
        ),
        DataSet(
            "phone ToF doll, low resolution", ("rgbd/phone_tof_doll",), (EvaluationConfig(f"file:{LOW_RESOLUTION}"),)
        ),
    ),
}
POOLS = {
    f"indoor, {n} points": tuple(f"{name}, {n} points" for name in INDOOR)
    for n in (500, 100)
}  # fmt: skip


def read_set(data: Path, chosen: DataSet, phases: int) -> Iterator[Given]:
    """Yield the images of a set; phases: at most so many ring phases or draws of each, spread evenly; 0 = all."""
    every = [
        replace(config, phase=phase)
        for config in chosen.configs
        for phase in (range(config.holdout) if config.phase < 0 else (config.phase,))
    ]
    configs = tuple(every[:: -(-len(every) // phases)] if phases else every)
    for folder in chosen.folders:
        source = open_source(data / folder, sparse=configs[0].file)
        for sample in list(source.samples())[:: chosen.every]:
            yield Given(f"{folder}/{sample.name}", sample, configs)
