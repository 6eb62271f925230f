"""Time of the classical completion per 1242x375 KITTI frame and stage, beside plain Qhull alone on the same points.

The ways take turns frame by frame, so that a busy machine slows all alike; a number is the median over frames and
rounds. Wall milliseconds with two OpenCV threads, and milliseconds of processor time. Needs the real frames:

    DEPTH_ROS_TEST_DATA=<folder> python benchmarks/completion_speed.py [--rounds 3] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Delaunay

from depth_ros.bags.source import open_source
from depth_ros.classical.fill import complete
from depth_ros.classical.guided import refine
from depth_ros.classical.nearest import nearest_fill
from depth_ros.classical.triangulate import delaunay_edges, interpolate
from depth_ros.evaluation.cases import EvaluationConfig, make_cases
from depth_ros.evaluation.holdout import input_depth
from depth_ros.frame import Frame
from depth_ros.geometry.lidar import project_points, see_through_filter
from depth_ros.geometry.spacing import Spacing, distance_to_empty, measure_gap, measure_stretch

THREADS = 2
FOLDERS = ("object_testing", "object_training")


class Input(NamedTuple):
    """A rectified frame and its sparse depth, float32 [H,W], 0 = none."""

    frame: Frame
    sparse: NDArray[np.float32]


def read_inputs(data: Path, holdout: int) -> list[Input]:
    """Read the stills with one of `holdout` rings, 1 = all."""
    inputs = []
    for folder in FOLDERS:
        for sample in open_source(data / "kitti" / folder).samples():
            frame = sample.frame
            if holdout > 1:
                frame, _ = next(make_cases(*sample, EvaluationConfig(holdout=holdout)))
            if frame.points is not None and frame.T_cam_lidar is not None:
                inputs.append(Input(frame, input_depth(frame.points, frame.T_cam_lidar, frame.camera)))
    return inputs


def stages(given: Input) -> dict[str, Callable[[], Any]]:
    """Name the whole, its parts, and Qhull on the same points."""
    frame, sparse = given
    assert frame.points is not None
    xyz, T_cam_lidar, camera = frame.points.xyz, frame.T_cam_lidar, frame.camera
    assert T_cam_lidar is not None
    rows, columns = np.nonzero(sparse)
    value = 1 / sparse[rows, columns].astype(np.float64)
    near = nearest_fill(sparse)
    stretch = measure_stretch(rows, columns, sparse.shape)
    edges = delaunay_edges(rows, columns, stretch)
    clearance = near.distance[rows[edges].sum(axis=1) // 2, columns[edges].sum(axis=1) // 2]
    spacing = Spacing(measure_gap(rows, columns, near.distance, clearance), stretch)
    surface = interpolate(edges, rows, columns, value, sparse.shape)
    return {
        "plain Qhull alone": lambda: Delaunay(np.column_stack([columns, rows])),
        "complete, whole": lambda: complete(sparse, frame.rgb),
        "  nearest fill": lambda: nearest_fill(sparse),
        "  stretch": lambda: measure_stretch(rows, columns, sparse.shape),
        "  triangulation": lambda: delaunay_edges(rows, columns, stretch),
        "  gap": lambda: measure_gap(rows, columns, near.distance, clearance),
        "  interpolation": lambda: interpolate(edges, rows, columns, value, sparse.shape),
        "  coverage": lambda: distance_to_empty(near.distance, 1.5 * spacing.gap),
        "  local model": lambda: refine(surface.value, rows, columns, value, frame.rgb, spacing),
        "projection": lambda: project_points(xyz, T_cam_lidar, camera),
        "see-through filter": lambda: see_through_filter(sparse, None),
    }


def measure(inputs: list[Input], rounds: int) -> dict[str, tuple[float, float]]:
    """Return median (wall, processor) milliseconds by stage."""
    times = defaultdict(list)
    for turn in range(rounds + 1):
        for given in inputs:
            for name, stage in stages(given).items():
                wall, cpu = perf_counter(), process_time()
                stage()
                if turn:
                    times[name].append((1e3 * (perf_counter() - wall), 1e3 * (process_time() - cpu)))
    return {name: (float(w), float(c)) for name, rows in times.items() for w, c in [np.median(rows, axis=0)]}


def main() -> None:
    """Print one table for a quarter of the rings and one for all of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="how often every frame takes its turn")
    parser.add_argument("--json", type=Path, help="write the medians there")
    args = parser.parse_args()
    folder = os.environ.get("DEPTH_ROS_TEST_DATA", "")
    if not folder or not Path(folder).is_dir():
        raise SystemExit("completion_speed needs the real frames: set DEPTH_ROS_TEST_DATA to their folder")
    cv2.setNumThreads(THREADS)
    report = {}
    for label, holdout in (("1/4 of the rings", 4), ("all 64 rings", 1)):
        inputs = read_inputs(Path(folder), holdout)
        points = np.median([np.count_nonzero(given.sparse) for given in inputs])
        report[label] = measure(inputs, args.rounds)
        qhull = report[label]["plain Qhull alone"][0]
        print(f"\n{label}, {points:.0f} points (median)\n{'':22}{'wall ms':>9}{'cpu ms':>9}{'of Qhull':>10}")
        for name, (wall, cpu) in report[label].items():
            print(f"{name:22}{wall:9.1f}{cpu:9.1f}{wall / qhull:10.2f}")
    if args.json:
        args.json.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
