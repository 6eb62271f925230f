"""What pipelines speak in to messages, made by whichever library `make` stands for (rclpy, rosbags)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_ros.errors import MessageError
from depth_ros.frame import DepthMap, PointCloud, Source
from depth_ros.geometry import rigid
from depth_ros.geometry.camera import Camera
from depth_ros.geometry.cloud import NO_FILTER, CloudFilter, depth_to_points, hidden_points
from depth_ros.messages.clouds import DATATYPES
from depth_ros.messages.depth_encoding import Depth, depth_to_uint16_mm
from depth_ros.messages.images import Layout, layout

_DATATYPE_NUMBERS = {name: number for number, name in DATATYPES.items()}
_CLOUD_INTEGERS = {"t": "<i4", "ring": "<u2"}
_DEPTH_POINT = np.dtype(
    {
        "names": ["x", "y", "z", "rgb", "sigma", "source"],
        "formats": ["<f4", "<f4", "<f4", "<f4", "<f4", "u1"],
        "offsets": [0, 4, 8, 12, 16, 20],
        "itemsize": 24,
    }
)


class MessageFactory(Protocol):
    """Makes a message of the type named like "sensor_msgs/msg/Image".

    Arrays among the fields (`data`: uint8, CameraInfo's d, k, r, p: float64) are flat ndarrays, which the factory
    turns into what its library wants.
    """

    def __call__(self, kind: str, /, **fields: Any) -> Any:
        """Return the message; fields that are not named have their defaults."""


def encode_header(make: MessageFactory, stamp_ns: int, frame_id: str) -> Any:
    """Make a std_msgs/Header of an integer stamp in nanoseconds; MessageError when int32 seconds cannot hold it."""
    seconds, nanoseconds = divmod(int(stamp_ns), 1_000_000_000)
    if not -(2**31) <= seconds < 2**31:
        raise MessageError(f"stamp {stamp_ns} ns is beyond what builtin_interfaces/Time holds: check the clock")
    stamp = make("builtin_interfaces/msg/Time", sec=seconds, nanosec=nanoseconds)
    return make("std_msgs/msg/Header", stamp=stamp, frame_id=frame_id)


def encode_image(make: MessageFactory, stamp_ns: int, frame_id: str, image: NDArray[Any], encoding: str) -> Any:
    """Make an Image of an array as `decode_array` gives it: [H,W] or [H,W,C] ([H*3/2,W] for nv12, nv21).

    Raises MessageError when dtype or shape is not that of `encoding`, or the array is empty.
    """
    kind = layout(encoding)
    _check_array(image, encoding, kind)
    stored = np.ascontiguousarray(image, kind.dtype.newbyteorder("<"))
    return make(
        "sensor_msgs/msg/Image",
        header=encode_header(make, stamp_ns, frame_id),
        height=image.shape[0] * 2 // kind.rows_x2,
        width=image.shape[1],
        encoding=encoding,
        is_bigendian=0,
        step=stored.strides[0],
        data=stored.reshape(-1).view(np.uint8),
    )


def _check_array(image: NDArray[Any], encoding: str, kind: Layout) -> None:
    channels = image.shape[2] if image.ndim == 3 else 1
    fits = image.ndim in (2, 3) and image.size and image.shape[0] % 3 * (kind.rows_x2 - 2) == 0
    if not fits or (image.dtype.newbyteorder("="), channels) != (kind.dtype, kind.channels):
        shape = "[H*3/2,W]" if kind.rows_x2 == 3 else "[H,W]" if kind.channels == 1 else f"[H,W,{kind.channels}]"
        raise MessageError(
            f"{image.dtype.name} array {list(image.shape)} is no {encoding} image: give {kind.dtype.name} {shape}"
        )


def encode_depth(
    make: MessageFactory, stamp_ns: int, frame_id: str, depth: Depth, encoding: str = "32FC1", *, rep117: bool = True
) -> Any:
    """Make an Image of depth (float32 [H,W], metres, NaN = unknown) as 32FC1 metres or 16UC1 millimetres (REP 118).

    rep117: 32FC1 keeps +Inf (beyond the range) and -Inf (too near); otherwise they become NaN. 16UC1 is 0 for all.
    """
    if encoding == "32FC1":
        depth = np.asarray(depth, np.float32)
        stated = depth if rep117 else np.where(np.isinf(depth), np.float32(np.nan), depth)
        return encode_image(make, stamp_ns, frame_id, stated, encoding)
    if encoding == "16UC1":
        return encode_image(make, stamp_ns, frame_id, depth_to_uint16_mm(depth), encoding)
    raise MessageError(f"depth encoding {encoding!r} is unknown: give 32FC1 or 16UC1")


def encode_camera(make: MessageFactory, stamp_ns: int, frame_id: str, camera: Camera) -> Any:
    """Make the CameraInfo of a rectified camera: plumb_bob with D = 0, R = I, P = [K|0].

    Raises MessageError when the camera is not rectified.
    """
    if not camera.is_rectified:
        raise MessageError("the camera has distortion or a rectifying rotation: encode camera.rectified()")
    region = make("sensor_msgs/msg/RegionOfInterest", x_offset=0, y_offset=0, height=0, width=0, do_rectify=False)
    return make(
        "sensor_msgs/msg/CameraInfo",
        header=encode_header(make, stamp_ns, frame_id),
        height=camera.height,
        width=camera.width,
        distortion_model="plumb_bob",
        d=np.zeros(5),
        k=camera.K.ravel(),
        r=np.eye(3).ravel(),
        p=np.column_stack([camera.K, np.zeros(3)]).ravel(),
        binning_x=0,
        binning_y=0,
        roi=region,
    )


def encode_cloud(make: MessageFactory, stamp_ns: int, frame_id: str, cloud: PointCloud) -> Any:
    """Make a PointCloud2 of one row: x y z float32 and what the cloud has of intensity float32, t int32, ring uint16.

    t is nanoseconds from the stamp. Raises MessageError when ring or time leaves its type.
    """
    columns: dict[str, NDArray[Any]] = {name: cloud.xyz[:, axis] for axis, name in enumerate("xyz")}
    if cloud.intensity is not None:
        columns["intensity"] = cloud.intensity
    if cloud.time_ns is not None:
        columns["t"] = cloud.time_ns
    if cloud.ring is not None:
        columns["ring"] = cloud.ring
    for name in columns.keys() & _CLOUD_INTEGERS.keys():
        _check_fits(name, columns[name], np.iinfo(_CLOUD_INTEGERS[name]))
    dtype = np.dtype([(name, _CLOUD_INTEGERS.get(name, "<f4")) for name in columns], align=True)
    points = np.zeros((1, len(cloud)), dtype)
    for name, values in columns.items():
        points[name] = values
    return _encode_points(make, stamp_ns, frame_id, points, is_dense=True)


def encode_depth_cloud(
    make: MessageFactory, depth_map: DepthMap, stride: int = 1, chosen: CloudFilter = NO_FILTER
) -> Any:
    """Make the organised PointCloud2 of a depth map: every `stride`-th pixel of every `stride`-th row.

    Fields x y z float32 (metres, optical frame), rgb (0x00RRGGBB in the bits of a float32), sigma float32 (metres),
    source uint8; point_step 24. x y z are NaN where the depth is unknown or out of range, or the point is left out as
    `chosen` says.
    """
    points = _depth_points(depth_map, stride, chosen)
    return _encode_points(make, depth_map.stamp_ns, depth_map.frame_id, points, is_dense=False)


def _depth_points(depth_map: DepthMap, stride: int, chosen: CloudFilter) -> NDArray[Any]:
    """Return the fields of every pixel as _DEPTH_POINT [ceil(H/stride), ceil(W/stride)], interleaved by OpenCV."""
    pick = (slice(None, None, stride), slice(None, None, stride))
    hidden = None
    if chosen != NO_FILTER:
        measured = depth_map.source == Source.MEASURED
        hidden = hidden_points(depth_map.depth, depth_map.sigma, measured, chosen, stride)
    xyz = depth_to_points(depth_map.depth, depth_map.camera, stride, hidden)
    source = depth_map.source[pick].astype("<u4")
    rgb = np.zeros_like(source) if depth_map.rgb is None else _packed_rgb(depth_map.rgb[pick])
    planes = [*np.moveaxis(xyz, -1, 0), rgb.view(np.float32), depth_map.sigma[pick], source.view(np.float32)]
    points: NDArray[Any] = cv2.merge(planes).view(_DEPTH_POINT)[..., 0]
    return points


def _packed_rgb(rgb: NDArray[np.uint8]) -> NDArray[np.uint32]:
    bgra = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2BGRA)
    packed: NDArray[np.uint32] = bgra.view("<u4")[..., 0]
    packed &= np.uint32(0x00FFFFFF)
    return packed


def _check_fits(name: str, values: NDArray[Any], limits: np.iinfo[Any]) -> None:
    if len(values) and (values.min() < limits.min or values.max() > limits.max):
        raise MessageError(
            f"{name} of the points runs from {values.min()} to {values.max()}: "
            f"{limits.dtype.name} holds {limits.min} to {limits.max}, check the scan's stamp and fields"
        )


def _encode_points(make: MessageFactory, stamp_ns: int, frame_id: str, points: NDArray[Any], *, is_dense: bool) -> Any:
    """Make a PointCloud2 of a structured array [H,W] whose fields are the cloud's."""
    height, width = points.shape
    described: Mapping[str, Any] = points.dtype.fields or {}
    fields = [
        make("sensor_msgs/msg/PointField", name=name, offset=offset, datatype=_DATATYPE_NUMBERS[dtype.str[1:]], count=1)
        for name, (dtype, offset, *_) in described.items()
    ]
    return make(
        "sensor_msgs/msg/PointCloud2",
        header=encode_header(make, stamp_ns, frame_id),
        height=height,
        width=width,
        fields=fields,
        is_bigendian=False,
        point_step=points.dtype.itemsize,
        row_step=points.dtype.itemsize * width,
        data=points.reshape(-1).view(np.uint8),
        is_dense=is_dense,
    )


def encode_transform(
    make: MessageFactory, stamp_ns: int, parent: str, child: str, T_parent_child: NDArray[np.float64]
) -> Any:
    """Make the TransformStamped of T [4,4] with p_parent = T p_child, as TF has it."""
    xyz, quat = rigid.to_xyz_quat(T_parent_child)
    return make(
        "geometry_msgs/msg/TransformStamped",
        header=encode_header(make, stamp_ns, parent),
        child_frame_id=child,
        transform=make(
            "geometry_msgs/msg/Transform",
            translation=make("geometry_msgs/msg/Vector3", **dict(zip("xyz", xyz.tolist(), strict=True))),
            rotation=make("geometry_msgs/msg/Quaternion", **dict(zip("xyzw", quat.tolist(), strict=True))),
        ),
    )
