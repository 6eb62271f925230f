"""What a frame costs beside the completion itself: 1280x720 with 130k points, step by step.

depth_ros is timed beside the usual way: rclpy's own setters, NumPy as sensor_msgs_py and cv_bridge use it (the real
sensor_msgs_py where it imports, else an imitation of what it is documented to do; cv_bridge is always imitated), and a
textbook projection without a see-through filter. Both sides read the same received messages and write the same
topics. "publish" hands the messages to the RMW with nobody listening: what a reader adds is the RMW's. The allocator is
set as the node sets it, for both sides. The steps of both take turns in one process, in a rotating order; medians of
wall and processor time.

    python -m benchmarks.node_overhead [--rounds 15] [--threads 2] [--json FILE]
"""

from __future__ import annotations

import argparse
import array
import itertools
import json
import os
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, NamedTuple

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the node has it, and before NumPy is imported

import cv2
import numpy as np
import rclpy
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.serialization import deserialize_message, serialize_message

from benchmarks.conversions import CV_BRIDGE, POINTS, SENSOR_MSGS_PY, cloud_decode_ways, decode_ways, machine
from depth_ros.config import CompletionConfig, PairingConfig
from depth_ros.frame import DepthMap, Frame, PointCloud
from depth_ros.geometry.camera import Camera
from depth_ros.geometry.cloud import NO_FILTER, CloudFilter
from depth_ros.messages.decode import decode_camera, decode_cloud, decode_image
from depth_ros.messages.encode import encode_camera, encode_cloud, encode_depth, encode_depth_cloud, encode_image
from depth_ros.nodes.factory import make, message_class
from depth_ros.nodes.memory import keep_freed_memory
from depth_ros.pairing import Pairer
from depth_ros.pipelines.base import measure

WIDTH, HEIGHT, STAMP, FRAME = 1280, 720, 1_700_000_000_000_000_000, "camera"
T_CAM_LIDAR = np.array([[0, -1, 0, 0.05], [0, 0, -1, -0.3], [1, 0, 0, -0.1], [0, 0, 0, 1.0]])
FILTERS = {
    "": NO_FILTER,
    ", max_sigma": CloudFilter(max_sigma=2.0),
    ", flying_pixels": CloudFilter(flying_pixels=True),
}
CLOUDS = {
    f"cloud{how}{name}": (stride, chosen)
    for stride, how in ((1, ""), (2, ", stride 2"))
    for name, chosen in FILTERS.items()
}
PARTS = {
    "without the cloud": (),
    "with the cloud": ("cloud",),
    "with the cloud, flying_pixels": ("cloud, flying_pixels",),
    "with the cloud, stride 2": ("cloud, stride 2",),
}
Step = Callable[[], Any]


class Given(NamedTuple):
    """What comes in, as rclpy hands it to a callback, and what a completion would have made of it."""

    image: Any
    info: Any
    cloud: Any
    found: DepthMap


def make_given() -> Given:
    """Return a slanted world of boxes, seen by a camera and a LiDAR of 64 beams, a tenth of its returns missing."""
    rng = np.random.default_rng(0)
    camera = Camera.from_focal(WIDTH, HEIGHT, 900, 900, 639.5, 359.5)
    rgb = rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    rows, columns = np.indices((HEIGHT, WIDTH), np.float32)
    depth = np.where((columns // 160 + rows // 120) % 3 == 0, 8, 1500 / (rows + 20)).astype(np.float32)
    depth[: HEIGHT // 5] = np.nan
    source = np.where(np.isnan(depth), 0, np.where(rng.random(depth.shape) < 0.03, 1, 2)).astype(np.uint8)
    found = DepthMap(STAMP, FRAME, camera, depth, depth * np.float32(0.05), source, rgb)
    angle, tilt = np.meshgrid(np.linspace(-np.pi, np.pi, POINTS // 64), np.linspace(-0.4, 0.05, 64))
    reach = rng.uniform(4, 60, angle.shape)
    xyz = np.stack([np.cos(tilt) * np.cos(angle), np.cos(tilt) * np.sin(angle), np.sin(tilt)], -1) * reach[..., None]
    points: NDArray[np.float32] = xyz.reshape(-1, 3).astype(np.float32)
    points[::10] = np.nan
    ring = np.repeat(np.arange(64), POINTS // 64)
    scan = PointCloud(points, points[:, 0], ring.astype(np.int32), np.arange(len(points)) * 700)
    return Given(
        received(encode_image(make, STAMP, FRAME, rgb, "bgr8")),
        received(encode_camera(make, STAMP, FRAME, camera)),
        received(encode_cloud(make, STAMP, "lidar", scan)),
        found,
    )


def received(message: Any) -> Any:
    """Send a message through the serialisation of ROS."""
    return deserialize_message(serialize_message(message), type(message))


def our_steps(given: Given) -> dict[str, Step]:
    """Name what `completion_node` does."""
    found, config = given.found, CompletionConfig()
    rgb, scan, camera = decode_image(given.image), decode_cloud(given.cloud), decode_camera(given.info)
    frame = Frame(STAMP, FRAME, rgb, camera, points=scan, T_cam_lidar=T_CAM_LIDAR)

    pairer: Pairer[Any, Any] = Pairer(PairingConfig())
    stamps = itertools.count(STAMP, 100_000_000)

    def pair() -> Any:
        stamp = next(stamps)
        pairer.add_scan(stamp, scan, stamp)
        return pairer.add_image(stamp, frame, stamp)

    def cloud(kind: str) -> Step:
        return lambda: encode_depth_cloud(make, found, *CLOUDS[kind])

    return {
        "decode image": lambda: decode_image(given.image),
        "decode camera": lambda: decode_camera(given.info),
        "decode cloud": lambda: decode_cloud(given.cloud),
        "pair": pair,
        "project": lambda: measure(frame, config),
        "encode depth": lambda: encode_depth(make, STAMP, FRAME, found.depth),
        "encode camera": lambda: encode_camera(make, STAMP, FRAME, camera),
        "encode sigma": lambda: encode_depth(make, STAMP, FRAME, found.sigma),
        "encode source": lambda: encode_image(make, STAMP, FRAME, found.source, "mono8"),
        **{f"encode {kind}": cloud(kind) for kind in CLOUDS},
    }


def usual_steps(given: Given) -> dict[str, Step]:
    """Name the same steps in the usual way; None stands for what it does not have."""
    found, camera = given.found, given.found.camera
    points = np.stack(read_points(given.cloud)[:3], axis=1)
    header = given.image.header

    def image(array_: NDArray[Any], encoding: str) -> Any:
        message = message_class("sensor_msgs/msg/Image")()
        message.header, message.encoding = header, encoding
        message.height, message.width, message.step = *array_.shape[:2], array_.strides[0]
        message.data = array.array("B", array_.tobytes())
        return message

    def cloud(stride: int) -> Step:
        return lambda: usual_cloud(given, stride)

    return {
        "decode image": decode_ways(given.image)[CV_BRIDGE],
        "decode camera": lambda: np.array(given.info.p).reshape(3, 4),
        "decode cloud": lambda: read_points(given.cloud),
        "project": lambda: usual_projection(points, camera),
        "encode depth": lambda: image(found.depth, "32FC1"),
        "encode camera": lambda: encode_camera(make, STAMP, FRAME, camera),
        "encode sigma": lambda: image(found.sigma, "32FC1"),
        "encode source": lambda: image(found.source, "mono8"),
        "encode cloud": cloud(1),
        "encode cloud, stride 2": cloud(2),
    }


def read_points(message: Any) -> Sequence[NDArray[Any]]:
    """Return the columns x y z and the others of the finite points, as sensor_msgs_py reads them."""
    try:
        from sensor_msgs_py import point_cloud2
    except ImportError:
        return cloud_decode_ways(message)[SENSOR_MSGS_PY]()
    points = point_cloud2.read_points(message, skip_nans=True)
    return [np.array(points[name]) for name in points.dtype.names]


def usual_projection(points: NDArray[np.float32], camera: Camera) -> NDArray[np.float32]:
    """Project by homogeneous coordinates, the nearest point of a pixel last."""
    inside = (T_CAM_LIDAR @ np.column_stack([points, np.ones(len(points))]).T)[:3]
    inside = inside[:, inside[2] > 0.5]
    pixels = camera.K @ inside
    u, v = np.round(pixels[:2] / pixels[2]).astype(int)
    seen = (u >= 0) & (u < WIDTH) & (v >= 0) & (v < HEIGHT)
    u, v, z = u[seen], v[seen], inside[2][seen]
    order = np.argsort(-z)
    depth = np.zeros((HEIGHT, WIDTH), np.float32)
    depth[v[order], u[order]] = z[order]
    return depth


def usual_cloud(given: Given, stride: int) -> Any:
    """Make the organised cloud column by column, as examples around create_cloud do."""
    found, camera = given.found, given.found.camera
    z, rgb = found.depth[::stride, ::stride], given.found.rgb
    assert rgb is not None
    rgb = rgb[::stride, ::stride]
    fx, fy, cx, cy = camera.intrinsics
    v, u = np.mgrid[0:HEIGHT:stride, 0:WIDTH:stride]
    red, green, blue = (rgb[..., channel].astype(np.uint32) for channel in range(3))
    kinds = [(name, "<f4") for name in "xyz"] + [("rgb", "<u4"), ("sigma", "<f4"), ("source", "<u4")]
    points = np.zeros(z.shape, np.dtype(kinds))
    points["x"], points["y"], points["z"] = (u - cx) * z / fx, (v - cy) * z / fy, z
    points["rgb"] = red << 16 | green << 8 | blue
    points["sigma"], points["source"] = found.sigma[::stride, ::stride], found.source[::stride, ::stride]
    message = message_class("sensor_msgs/msg/PointCloud2")()
    message.header, message.height, message.width = given.image.header, *z.shape
    message.point_step, message.row_step = 24, 24 * z.shape[1]
    message.data = array.array("B", points.tobytes())
    return message


def with_publishing(node: Node, steps: dict[str, Step]) -> dict[str, Step]:
    """Add the publishing of what the steps make: all images and the camera as one step, and each cloud."""

    def publish(kinds: Sequence[str]) -> Step:
        messages = [steps[f"encode {kind}"]() for kind in kinds]
        names = [f"{kind.replace(', ', '_').replace(' ', '_')}" for kind in kinds]
        publishers = [node.create_publisher(type(m), n, 10) for m, n in zip(messages, names, strict=True)]

        def send() -> None:
            for publisher, message in zip(publishers, messages, strict=True):
                publisher.publish(message)

        return send

    added = {"publish images": publish(("depth", "camera", "sigma", "source"))}
    return {**steps, **added, **{f"publish {kind}": publish((kind,)) for kind in CLOUDS if f"encode {kind}" in steps}}


def check_equal(ours: dict[str, Step], usual: dict[str, Step]) -> None:
    """Stop when both sides send different images."""
    for name in ("encode depth", "encode sigma", "encode source"):
        if bytes(ours[name]().data) != bytes(usual[name]().data):
            raise SystemExit(f"{name}: the two ways differ")


def take_turns(sides: dict[str, dict[str, Step]], rounds: int) -> list[dict[str, Any]]:
    """Return one row per step: median wall and processor milliseconds by side."""
    times: dict[tuple[str, str], list[tuple[float, float]]] = {}
    steps = [(step, side) for step in sides["depth_ros"] for side in sides if step in sides[side]]
    for number in range(rounds + 1):
        first = number % len(steps)
        for step, side in steps[first:] + steps[:first]:
            wall, cpu = perf_counter(), process_time()
            kept = sides[side][step]()
            spent = 1e3 * (perf_counter() - wall), 1e3 * (process_time() - cpu)
            del kept
            if number:
                times.setdefault((step, side), []).append(spent)
    return [
        {"step": step, "way": side, "wall_ms": statistics.median(w), "cpu_ms": statistics.median(c)}
        for (step, side), spent in sorted(times.items(), key=lambda item: steps.index(item[0]))
        for w, c in (zip(*spent, strict=True),)
    ]


def totals(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the sums of the steps that a node runs, by what it publishes."""
    clouds = {f"{verb} {kind}" for kind in CLOUDS for verb in ("encode", "publish")}
    sums = []
    for name, kinds in PARTS.items():
        chosen = {f"{verb} {kind}" for kind in kinds for verb in ("encode", "publish")}
        for way in dict.fromkeys(row["way"] for row in rows):
            of_way = [row for row in rows if row["way"] == way]
            if not chosen <= {row["step"] for row in of_way}:
                continue
            used = [row for row in of_way if row["step"] not in clouds - chosen]
            sums.append({"step": name, "way": way, **{k: sum(row[k] for row in used) for k in ("wall_ms", "cpu_ms")}})
    return sums


def main() -> None:
    """Measure, print a table, and store it where --json says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="how often each step is timed (%(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="threads of OpenCV (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="store machine, versions and figures there")
    args = parser.parse_args()
    cv2.setNumThreads(args.threads)
    keep_freed_memory()
    rclpy.init()
    node, given = Node("node_overhead"), make_given()
    sides = {"depth_ros": with_publishing(node, our_steps(given)), "usual": with_publishing(node, usual_steps(given))}
    check_equal(sides["depth_ros"], sides["usual"])
    load = os.getloadavg()[0]
    rows = take_turns(sides, args.rounds)
    sums = totals(rows)
    print(", ".join(f"{name} {value}" for name, value in machine().items()), f"load {load:.1f} at the start", sep=", ")
    for row in [*rows, *sums]:
        print(f"{row['step']:34} {row['way']:10} {row['wall_ms']:8.2f} ms wall {row['cpu_ms']:8.2f} ms processor")
    if args.json:
        record = {"machine": machine(), "load": load, "rounds": args.rounds, "steps": rows, "totals": sums}
        args.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
