"""The outputs of a node: depth, its camera, cloud, sigma and source, for whoever listens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from depth_ros.frame import DepthMap
from depth_ros.messages.encode import encode_camera, encode_depth, encode_depth_cloud, encode_image
from depth_ros.nodes.config import OutputConfig
from depth_ros.nodes.factory import make
from depth_ros.nodes.parameters import ParameterGroup
from depth_ros.nodes.qos import profile

KINDS = {
    "depth/image_rect": Image,
    "depth/camera_info": CameraInfo,
    "depth/points": PointCloud2,
    "depth/sigma": Image,
    "depth/source": Image,
}


class Outputs:
    """Publishes depth maps under the names of `KINDS`; nothing is encoded for a topic without subscribers."""

    def __init__(self, node: LifecycleNode, config: ParameterGroup[OutputConfig]) -> None:
        self._node, self._config = node, config
        qos = profile(config.value.output_reliability, config.value.output_depth)
        self._publishers: dict[str, Any] = {
            topic: node.create_lifecycle_publisher(kind, topic, qos) for topic, kind in KINDS.items()
        }

    def wanted(self) -> bool:
        """Tell whether anybody listens to any of the topics."""
        return any(publisher.get_subscription_count() for publisher in self._publishers.values())

    def publish(self, depth_map: DepthMap) -> None:
        """Publish one depth map, every message with its image's stamp and frame."""
        stamp, frame, config = depth_map.stamp_ns, depth_map.frame_id, self._config.value
        encoders: dict[str, Callable[[], Any]] = {
            "depth/image_rect": lambda: encode_depth(make, stamp, frame, depth_map.depth, config.depth_encoding),
            "depth/camera_info": lambda: encode_camera(make, stamp, frame, depth_map.camera),
            "depth/points": lambda: encode_depth_cloud(make, depth_map, config.cloud_stride),
            "depth/sigma": lambda: encode_depth(make, stamp, frame, depth_map.sigma),
            "depth/source": lambda: encode_image(make, stamp, frame, depth_map.source, "mono8"),
        }
        for topic, encode in encoders.items():
            if self._publishers[topic].get_subscription_count():
                self._publishers[topic].publish(encode())

    def close(self) -> None:
        """Remove the publishers."""
        for publisher in self._publishers.values():
            self._node.destroy_lifecycle_publisher(publisher)
