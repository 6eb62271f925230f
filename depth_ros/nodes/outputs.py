"""The outputs of a node: depth, its camera, cloud, sigma and source, for whoever listens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.lifecycle import LifecycleNode
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from depth_ros.frame import DepthMap
from depth_ros.geometry.cloud import CloudFilter
from depth_ros.messages.encode import encode_camera, encode_depth, encode_depth_cloud, encode_image
from depth_ros.nodes.config import OutputConfig
from depth_ros.nodes.factory import make
from depth_ros.nodes.inputs import topic_of
from depth_ros.nodes.parameters import ParameterGroup
from depth_ros.nodes.qos import overrides_named, profile, refusals_named
from depth_ros.pipelines.base import Stopwatch

KINDS = {
    "depth/image_rect": Image,
    "depth/camera_info": CameraInfo,
    "depth/points": PointCloud2,
    "depth/sigma": Image,
    "depth/source": Image,
}


class Outputs:
    """Publishes depth maps of one camera under the names of `KINDS`; what nobody listens to is not encoded.

    The parameters qos_overrides.<topic>.publisher.{history, depth, reliability} take effect, as everywhere in ROS 2.
    Construction raises NodeError when a topic's name or its QoS is refused.
    """

    def __init__(self, node: LifecycleNode, camera: str, config: ParameterGroup[OutputConfig]) -> None:
        self._node, self._config = node, config
        self._publishers: dict[str, Any] = {}
        how = config.value.output_reliability, config.value.output_depth
        for topic, kind in KINDS.items():
            name, overriding = topic_of(camera, topic), QoSOverridingOptions.with_default_policies()
            # A profile for each: rclpy writes the overrides into it.
            with refusals_named(name), overrides_named(node, name):
                self._publishers[topic] = node.create_lifecycle_publisher(
                    kind, name, profile(*how), qos_overriding_options=overriding
                )

    def listeners(self) -> int:
        """Return how many subscriptions there are, of all topics together."""
        return sum(publisher.get_subscription_count() for publisher in self._publishers.values())

    def publish(self, depth_map: DepthMap, watch: Stopwatch) -> None:
        """Publish one depth map, every message with its image's stamp and frame; timed as encode and publish."""
        stamp, frame, config = depth_map.stamp_ns, depth_map.frame_id, self._config.value
        encoders: dict[str, Callable[[], Any]] = {
            "depth/image_rect": lambda: encode_depth(
                make, stamp, frame, depth_map.depth, config.depth_encoding, rep117=config.rep117
            ),
            "depth/camera_info": lambda: encode_camera(make, stamp, frame, depth_map.camera),
            "depth/points": lambda: encode_depth_cloud(
                make,
                depth_map,
                config.cloud_stride,
                CloudFilter(config.max_sigma, config.max_sigma_ratio, config.flying_pixels),
            ),
            "depth/sigma": lambda: encode_depth(make, stamp, frame, depth_map.sigma),
            "depth/source": lambda: encode_image(make, stamp, frame, depth_map.source, "mono8"),
        }
        for topic, encode in encoders.items():
            if self._publishers[topic].get_subscription_count():
                with watch.stage("encode"):
                    message = encode()
                with watch.stage("publish"):
                    self._publishers[topic].publish(message)

    def close(self) -> None:
        """Remove the publishers."""
        for publisher in self._publishers.values():
            self._node.destroy_lifecycle_publisher(publisher)
