"""Look at it: image, sparse input, and depth with its error of every method, for real frames of all kinds.

Frames without a reference depth are drawn without errors. Most of the frames may not be published: neither may the
pictures. Needs the real frames:

    DEPTH_ROS_TEST_DATA=<folder> python -m benchmarks.pictures [--model FILE.onnx] --out bench_output/pictures
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.accuracy.methods import CLASSICAL, NEAREST, Method, estimate, network_methods
from depth_ros.bags.source import open_source
from depth_ros.evaluation.cases import Case, EvaluationConfig, make_cases
from depth_ros.evaluation.plots import save_methods
from depth_ros.frame import Frame
from depth_ros.models.store import BEST, bundled_models


class Scene(NamedTuple):
    """Frames of a folder to look at; config: what is given of them, None = all that the sensor measured."""

    folder: str
    frames: int
    config: EvaluationConfig | None


SCENES = (
    Scene("kitti/object_training", 8, EvaluationConfig(holdout=4)),
    Scene("kitti/object_testing", 3, EvaluationConfig(holdout=8)),
    Scene("kitti/sequence_2011_09_26", 1, EvaluationConfig(holdout=4)),
    Scene("nuscenes", 6, EvaluationConfig(holdout=2)),
    Scene("pjlab", 2, EvaluationConfig(holdout=4)),
    Scene("radiate", 1, EvaluationConfig(holdout=2)),
    *(
        Scene(f"rgbd/{name}", 2, EvaluationConfig(input=f"points:{count}"))
        for name in ("icl_nuim", "ibims_plants", "nyu_basement", "nyu_hallway", "seven_scenes_redkitchen")
        for count in (500, 100)
    ),
    Scene("rgbd/phone_tof_doll", 1, EvaluationConfig(input="file:lowres_depth.png")),
    Scene("rgbd/rgbd_camera", 4, EvaluationConfig(input="points:500")),
    Scene("rgbd/rgbd_camera", 4, None),
    Scene("rgbd/iphone_lidar", 1, None),
)


def read_scene(data: Path, scene: Scene) -> Iterator[tuple[Frame, Case]]:
    """Yield the frames of a scene with their cases; without a reference, the case has NaN for one."""
    config = scene.config
    for sample in islice(
        open_source(data / scene.folder, sparse=None if config is None else config.file).samples(), scene.frames
    ):
        if config is not None:
            yield next(make_cases(*sample, config))
            continue
        frame = sample.frame
        measured = frame.sparse_depth if sample.truth is None else np.nan_to_num(sample.truth)
        assert measured is not None
        unknown = np.full(measured.shape, np.nan, np.float32)
        given = replace(frame, sparse_depth=measured)
        yield given, Case(sample.name, frame.rgb, measured, unknown, "all that was measured", "nothing")


def main() -> None:
    """Write one picture per frame."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    bundled = bundled_models().get(BEST)
    parser.add_argument("--model", type=Path, default=bundled, help="ONNX file of a network (the bundled one)")
    parser.add_argument("--only", default="", help="draw only scenes whose folder contains this")
    parser.add_argument("--out", type=Path, default=Path("bench_output") / "pictures", help="folder (%(default)s)")
    args = parser.parse_args()
    data = Path(os.environ.get("DEPTH_ROS_TEST_DATA") or "?")
    if not data.is_dir():
        raise SystemExit("pictures needs the real frames: set DEPTH_ROS_TEST_DATA to their folder")
    methods = [Method(CLASSICAL, CLASSICAL), *(network_methods(str(args.model), ()) if args.model else ())]
    methods = methods if args.model else [Method(NEAREST, NEAREST), *methods]
    for scene in SCENES:
        if args.only not in scene.folder:
            continue
        for frame, case in read_scene(data, scene):
            depths = {method.name: estimate(method, frame, case).depth for method in methods}
            truth = np.where(case.reference > 0, case.reference, np.float32(np.nan))
            stem = f"{scene.folder}_{case.name}_{case.given}".replace("/", "_").replace(" ", "_")
            title = f"{scene.folder} {case.name}: {case.given}"
            print(save_methods(args.out / f"{stem}.jpg", case.rgb, case.sparse, depths, truth, title), flush=True)


if __name__ == "__main__":
    main()
