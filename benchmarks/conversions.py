"""Conversions measured against the ways people use today: ms per 1280x720 image and per 130k-point cloud.

depth_ros is timed beside "the way of cv_bridge" (images) or "the way of sensor_msgs_py" (clouds) and beside a plain
Python loop. The others are imitations, written here from what those packages are documented to do, in NumPy and OpenCV,
without their own overhead: the packages themselves do not run here.
Messages are plain objects whose `data` is an array.array, as rclpy's is. The ways of a case are first found equal, then
take turns in a rotating order, each after an untimed call of its own; a ratio is the median over the rounds of one
way's time by depth_ros's.

    python benchmarks/conversions.py
    python benchmarks/conversions.py --json benchmarks/results/conversions.json
"""

from __future__ import annotations

import argparse
import array
import json
import os
import platform
import statistics
import struct
import sys
import time
import types
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.lib import recfunctions
from numpy.typing import NDArray

from depth_ros.evaluation.result import used_versions
from depth_ros.frame import DepthMap, PointCloud
from depth_ros.geometry.camera import Camera
from depth_ros.geometry.cloud import depth_to_points
from depth_ros.messages.decode import decode_cloud, decode_image
from depth_ros.messages.depth_encoding import decode_depth
from depth_ros.messages.encode import encode_cloud, encode_depth, encode_depth_cloud, encode_image
from depth_ros.nodes.factory import make

CV_BRIDGE, SENSOR_MSGS_PY = "the way of cv_bridge", "the way of sensor_msgs_py"
WIDTH, HEIGHT, POINTS = 1280, 720, 130_000
NUMPY_CODES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 8: "f8"}
STRUCT_CODES = {2: "B", 4: "H", 5: "i", 6: "I", 7: "f"}
Columns = Sequence[NDArray[Any]]
Way = Callable[[], Columns]


class Case(NamedTuple):
    """One conversion in several ways; every way returns the same arrays."""

    name: str
    ways: dict[str, Way]


def received(_kind: str, /, **fields: Any) -> Any:
    """Make a plain message whose bytes are an array.array, as rclpy hands it to a callback."""
    return types.SimpleNamespace(
        **{name: filled(v) if isinstance(v, np.ndarray) and v.dtype == np.uint8 else v for name, v in fields.items()}
    )


def filled(values: NDArray[Any]) -> array.array[int]:
    """Copy an array's bytes once, into what rclpy takes without a second copy."""
    data = array.array("B")
    data.frombytes(np.ascontiguousarray(values).reshape(-1).view(np.uint8))  # type: ignore[arg-type]
    return data


def sent(data: Any) -> Columns:
    """View a message's bytes, to compare."""
    return [np.frombuffer(data, np.uint8)]


def image_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Yield decoding and encoding of pictures."""
    rgb = rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    grey = rng.integers(0, 65536, (HEIGHT, WIDTH), dtype=np.uint16)
    for encoding, stored in (("rgb8", rgb), ("bgr8", rgb), ("mono16", grey), ("bayer_rggb8", grey.astype(np.uint8))):
        yield Case(f"decode {encoding}", decode_ways(encode_image(received, 0, "camera", stored, encoding)))
    yield Case(
        "encode rgb8",
        {
            "depth_ros": lambda: sent(encode_image(make, 0, "camera", rgb, "rgb8").data),
            CV_BRIDGE: lambda: sent(array.array("B", rgb.tobytes())),
            "loop": lambda: sent(array.array("B", rgb.ravel().tolist())),
        },
    )


def decode_ways(msg: Any) -> dict[str, Way]:
    """Return the ways of decoding a picture to RGB."""
    kind = np.uint16 if msg.encoding.endswith("16") else np.uint8
    channels = 3 if msg.encoding in ("rgb8", "bgr8") else 1
    codes = {"bgr8": cv2.COLOR_BGR2RGB, "mono16": cv2.COLOR_GRAY2RGB, "bayer_rggb8": cv2.COLOR_BayerBG2RGB}

    def to_rgb(pixels: NDArray[Any]) -> NDArray[Any]:
        eight_bit = (pixels >> 8).astype(np.uint8) if kind is np.uint16 else pixels
        return cv2.cvtColor(eight_bit, codes[msg.encoding]) if msg.encoding in codes else eight_bit.copy()

    shape = (msg.height, msg.width, 3)[: 2 if channels == 1 else 3]
    return {
        "depth_ros": lambda: [decode_image(msg)],
        CV_BRIDGE: lambda: [to_rgb(np.ndarray(shape, kind, msg.data))],
        "loop": lambda: [to_rgb(np.array(list(msg.data), np.uint8).view(kind).reshape(shape))],
    }


def depth_cases(depth: NDArray[np.float32]) -> Iterator[Case]:
    """Yield decoding and encoding of depth images."""
    metres, millimetres = (encode_depth(received, 0, "camera", depth, encoding) for encoding in ("32FC1", "16UC1"))

    def metres_view() -> Columns:
        values = np.ndarray((HEIGHT, WIDTH), np.float32, metres.data).copy()
        values[values == 0] = np.nan
        return [values]

    def metres_from_mm() -> Columns:
        values = np.ndarray((HEIGHT, WIDTH), np.uint16, millimetres.data).astype(np.float32) / np.float32(1000)
        values[values == 0] = np.nan
        return [values]

    def mm_from_metres() -> Columns:
        values = np.nan_to_num(depth * np.float32(1000), nan=0.0, posinf=0.0, neginf=0.0)
        values = np.where(values > 65535, 0, np.rint(values)).astype(np.uint16)
        return sent(array.array("B", values.tobytes()))

    yield Case("decode 32FC1 depth", {"depth_ros": lambda: [decode_depth(metres)], CV_BRIDGE: metres_view})
    yield Case("decode 16UC1 depth", {"depth_ros": lambda: [decode_depth(millimetres)], CV_BRIDGE: metres_from_mm})
    yield Case(
        "encode 16UC1 depth",
        {
            "depth_ros": lambda: sent(encode_depth(make, 0, "camera", depth, "16UC1").data),
            CV_BRIDGE: mm_from_metres,
        },
    )


def cloud_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Yield decoding and encoding of LiDAR clouds, a tenth of the returns missing (NaN)."""
    cloud = PointCloud(
        rng.normal(0, 20, (POINTS, 3)).astype(np.float32),
        rng.random(POINTS).astype(np.float32),
        rng.integers(0, 64, POINTS).astype(np.int32),
        rng.integers(0, 100_000_000, POINTS),
    )
    cloud.xyz[::10] = np.nan
    full, bare = (encode_cloud(received, 0, "lidar", c) for c in (cloud, PointCloud(cloud.xyz)))
    yield Case("decode cloud xyz", cloud_decode_ways(bare))
    yield Case("decode cloud xyz intensity t ring", cloud_decode_ways(full))
    yield Case("encode cloud xyz intensity t ring", cloud_encode_ways(cloud, full))


def cloud_decode_ways(msg: Any) -> dict[str, Way]:
    """Return the ways of reading the finite points of a cloud, column by column."""
    fields = {field.name: field for field in msg.fields}

    def depth_ros() -> Columns:
        cloud = decode_cloud(msg)
        rest = [part for part in (cloud.intensity, cloud.time_ns, cloud.ring) if part is not None]
        return [*cloud.xyz.T, *rest]

    def sensor_msgs_py() -> Columns:
        dtype = np.dtype(
            {
                "names": list(fields),
                "formats": [NUMPY_CODES[field.datatype] for field in fields.values()],
                "offsets": [field.offset for field in fields.values()],
                "itemsize": msg.point_step,
            }
        )
        points = np.ndarray(msg.width * msg.height, dtype, msg.data)
        keep = np.ones(len(points), bool)
        for name in fields:
            keep &= ~np.isnan(points[name])
        points = points[keep]
        xyz = recfunctions.structured_to_unstructured(points[["x", "y", "z"]])
        return [*xyz.T, *(np.array(points[name]) for name in fields if name not in "xyz")]

    def loop() -> Columns:
        codes = [("<" + STRUCT_CODES[field.datatype], field.offset) for field in fields.values()]
        kept = []
        for at in range(0, len(msg.data), msg.point_step):
            point = [struct.unpack_from(code, msg.data, at + offset)[0] for code, offset in codes]
            if all(value == value for value in point[:3]):
                kept.append(point)
        return list(np.array(kept).T)

    return {"depth_ros": depth_ros, SENSOR_MSGS_PY: sensor_msgs_py, "loop": loop}


def cloud_encode_ways(cloud: PointCloud, like: Any) -> dict[str, Way]:
    """Return the ways of writing a cloud in the layout of the message `like`."""
    fields = {field.name: field for field in like.fields}
    layout: Any = {
        "names": list(fields),
        "formats": ["<" + NUMPY_CODES[field.datatype] for field in fields.values()],
        "offsets": [field.offset for field in fields.values()],
        "itemsize": like.point_step,
    }
    columns = (*cloud.xyz.T, cloud.intensity, cloud.time_ns, cloud.ring)

    def sensor_msgs_py() -> Columns:
        points = np.zeros(len(cloud), np.dtype(layout))
        for name, values in zip(fields, columns, strict=True):
            points[name] = values
        return sent(array.array("B", points.tobytes()))

    def loop() -> Columns:
        code = "<ffffiHxx"
        rows = zip(*(values.tolist() for values in columns if values is not None), strict=True)
        return sent(array.array("B", b"".join(struct.pack(code, *row) for row in rows)))

    return {
        "depth_ros": lambda: sent(encode_cloud(make, 0, "lidar", cloud).data),
        SENSOR_MSGS_PY: sensor_msgs_py,
        "loop": loop,
    }


def depth_cloud_case(depth: NDArray[np.float32], rng: np.random.Generator) -> Case:
    """Return the organised cloud of a whole depth image."""
    camera = Camera.from_focal(WIDTH, HEIGHT, 900, 900, 639.5, 359.5)
    rgb = rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    depth_map = DepthMap(0, "camera", camera, depth, depth * np.float32(0.1), np.full(depth.shape, 2, np.uint8), rgb)
    names = ["x", "y", "z", "rgb", "sigma", "source"]
    formats, offsets = ["<f4", "<f4", "<f4", "<u4", "<f4", "u1"], [0, 4, 8, 12, 16, 20]
    point: Any = {"names": names, "formats": formats, "offsets": offsets, "itemsize": 24}

    def sensor_msgs_py() -> Columns:
        xyz = depth_to_points(depth, camera)
        red, green, blue = (rgb[..., channel].astype(np.uint32) for channel in range(3))
        values: Columns = [
            *(xyz[..., axis] for axis in range(3)),
            red << 16 | green << 8 | blue,
            depth_map.sigma,
            depth_map.source,
        ]
        points = np.zeros((HEIGHT, WIDTH), np.dtype(point))
        for name, plane in zip(names, values, strict=True):
            points[name] = plane
        return sent(array.array("B", points.tobytes()))

    return Case(
        "encode depth cloud 1280x720",
        {"depth_ros": lambda: sent(encode_depth_cloud(make, depth_map).data), SENSOR_MSGS_PY: sensor_msgs_py},
    )


def all_cases() -> Iterator[Case]:
    """Yield every conversion, over the same random data in every run."""
    rng = np.random.default_rng(0)
    depth = rng.uniform(0.5, 65, (HEIGHT, WIDTH)).astype(np.float32)
    depth[: HEIGHT // 5] = np.nan
    yield from image_cases(rng)
    yield from depth_cases(depth)
    yield from cloud_cases(rng)
    yield depth_cloud_case(depth, rng)


def check_equal(case: Case) -> None:
    """Stop when two ways of a case give different arrays."""
    expected = case.ways["depth_ros"]()
    for name, way in case.ways.items():
        found = way()
        if not all(np.array_equal(a, b, equal_nan=True) for a, b in zip(expected, found, strict=True)):
            sys.exit(f"{case.name}: {name} and depth_ros differ")


def measure(case: Case, rounds: int) -> list[dict[str, Any]]:
    """Time all ways in turn and return one row per way: median wall and CPU ms, median ratio to depth_ros."""
    wall: dict[str, list[float]] = {name: [] for name in case.ways}
    cpu: dict[str, list[float]] = {name: [] for name in case.ways}
    names = list(case.ways)
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            way = case.ways[name]
            way()
            wall_start, cpu_start = time.perf_counter(), time.process_time()
            way()
            wall[name].append((time.perf_counter() - wall_start) * 1e3)
            cpu[name].append((time.process_time() - cpu_start) * 1e3)
    return [
        {
            "conversion": case.name,
            "way": name,
            "wall_ms": statistics.median(wall[name]),
            "cpu_ms": statistics.median(cpu[name]),
            "ratio": statistics.median(a / b for a, b in zip(wall[name], wall["depth_ros"], strict=True)),
        }
        for name in names
    ]


def machine() -> dict[str, str]:
    """Return what the figures depend on: processor, cores that this process may use, versions."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": _processor(),
        "cores": f"{cores}",
        "opencv threads": f"{cv2.getNumThreads()}",
        **used_versions(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "unknown")


def main() -> None:
    """Measure every case, print a table, and store it where --json says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9, help="how often each way is timed (default 9)")
    parser.add_argument("--json", metavar="FILE", type=Path, help="store machine, versions and figures there as JSON")
    args = parser.parse_args()
    if args.rounds < 1:
        parser.error("--rounds must be at least 1")
    used = machine()
    print(", ".join(f"{name} {value}" for name, value in used.items()))
    rows = []
    for case in all_cases():
        check_equal(case)
        rows += measure(case, args.rounds)
    if args.json:
        record = {"machine": used, "rounds": args.rounds, "conversions": rows}
        args.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(f"{'conversion':34} {'way':25} {'wall ms':>9} {'CPU ms':>9} {'ratio':>8}")
    for row in rows:
        name = row["conversion"] if row["way"] == "depth_ros" else ""
        print(f"{name:34} {row['way']:25} {row['wall_ms']:9.3f} {row['cpu_ms']:9.3f} {row['ratio']:8.1f}")


if __name__ == "__main__":
    main()
