"""Bags as frames without a scan: every image with the camera it was taken by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from depth_ros.bags.bag_file import Recorded
from depth_ros.bags.reader import BagReader
from depth_ros.bags.sample import Sample
from depth_ros.bags.topics import Topics, choose_topics
from depth_ros.bags.truths import Truths
from depth_ros.errors import MessageError
from depth_ros.frame import Frame
from depth_ros.geometry.camera import Camera
from depth_ros.messages.decode import decode_image, stamp_ns


class ImageReader(BagReader):
    """Read the images of one bag as frames without points; a context manager, made as a `BagReader`.

    Without a CameraInfo, or with a K of zeros, the camera is not calibrated (`Camera.uncalibrated`).
    """

    uncalibrated = True

    def samples(self) -> Iterator[Sample]:
        """Yield every image that can be decoded, with its truth depth where the bag has one.

        What cannot be is counted and reported at the end. Raises BagError when there is no image.
        """
        topics = choose_topics(self.bag, self._given_topics, lidar=False)
        self._check_image(topics)
        truths, count = Truths(self.path, topics.truth), 0
        for recorded, message, camera in self._images(topics):
            stamp = stamp_ns(message.header.stamp) or recorded.arrival_ns
            frame = self._image_frame(stamp, message, camera)
            if frame is not None:
                yield Sample(f"{stamp}", frame, truths.at(stamp))
                count += 1
        self._report(count, f"no message on {topics.image}")

    def _images(self, topics: Topics) -> Iterator[tuple[Recorded, Any, Camera | None]]:
        camera = None if topics.camera_info is None else self._first_camera(topics)
        for recorded in self.bag.messages([topic for topic in (topics.image, topics.camera_info) if topic]):
            message = self._decoded(recorded)
            if message is None:
                continue
            if recorded.topic == topics.camera_info:
                camera = self._camera(message, topics) or camera
            else:
                yield recorded, message, camera

    def _image_frame(self, stamp: int, message: Any, camera: Camera | None) -> Frame | None:
        try:
            rgb = decode_image(message)
        except MessageError as error:
            self._count_fault(str(error))
            self.faults.append(f"{stamp}: {error}")
            return None
        camera = camera or Camera.uncalibrated(rgb.shape[1], rgb.shape[0])
        return Frame(stamp, message.header.frame_id, rgb, camera)
