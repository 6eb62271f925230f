"""Why nothing arrives on one input: what its publishers offer, against what is asked for."""

from __future__ import annotations

from pathlib import Path

from depth_ros.nodes.evidence import CAMERA_INFO, CLOUD, IMAGES, LONGEST_PATIENCE_S, Cause, Evidence, Publisher, Topic

SILENT_S = 1.5
"""An input without a message for longer than this is silent, unless its messages come less often."""
LARGE_PROFILE = Path(__file__).parent / "fastdds_large.xml"
OTHER_TYPES = {
    (IMAGES[0], "CompressedImage"): "set image_transport: compressed (and remap image to the name without /compressed)",
    (IMAGES[1], "Image"): "set image_transport: raw",
    (CLOUD, "CustomMsg"): "set the Livox driver's xfer_format to 0 (PointCloud2)",
    (CLOUD, "LaserScan"): "this is a planar laser: give the topic of a 3D LiDAR",
}
"""What to do, by the type that is wanted and the short name of the one that is published."""


def is_silent(topic: Topic) -> bool:
    """Tell whether an input has stopped or never begun."""
    return topic.age_s is None or topic.age_s > max(SILENT_S, min(2 * topic.interval_s, LONGEST_PATIENCE_S))


def is_missing(topic: Topic) -> bool:
    """Tell whether what an output needs of an input is not there: one CameraInfo, or messages that go on."""
    return is_silent(topic) and not (topic.type_name == CAMERA_INFO and topic.received)


def topic_cause(topic: Topic, evidence: Evidence) -> Cause | None:
    """Return why nothing arrives on `topic`; None when something does, or as a CameraInfo once did."""
    if not is_missing(topic):
        return None
    ours = [publisher for publisher in topic.publishers if publisher.type_name == topic.type_name]
    if not topic.publishers:
        images_come = any(one.received for one in evidence.topics if one.type_name in IMAGES)
        return _no_publisher(topic, images_come=images_come)
    if not ours:
        return _wrong_type(topic)
    return _qos(topic, ours) or _nothing_sent(topic, ours, evidence)


def _no_publisher(topic: Topic, *, images_come: bool) -> Cause:
    if topic.received:
        return Cause(
            "input_stopped",
            f"the publisher of {topic.name} is gone, {_when(topic)}: start it again",
            topic.name,
        )
    what = topic.type_name.split("/")[-1]
    chosen = [name[: len(name) - len(topic.suffix)] for name in topic.candidates if name.endswith(topic.suffix)]
    if chosen:
        remedy = f"{what} is published on {', '.join(topic.candidates)}: is it {topic.choice}{chosen[0]}?"
    elif topic.type_name == CAMERA_INFO and images_come:
        remedy = (
            "the camera's driver publishes images and no CameraInfo at all; calibrate the camera, and let the driver "
            "publish what comes of it (most take a file as camera_info_url)"
        )
    else:
        remedy = f"nothing of type {what} is published here; start the driver or the bag, and compare ROS_DOMAIN_ID"
    name = "no_camera_info" if topic.type_name == CAMERA_INFO and images_come else "no_publisher"
    return Cause(name, f"nobody publishes {topic.name}: {remedy}", topic.name)


def _wrong_type(topic: Topic) -> Cause:
    found = topic.publishers[0].type_name
    remedy = OTHER_TYPES.get((topic.type_name, found.split("/")[-1]), f"remap to a topic of type {topic.type_name}")
    return Cause("wrong_type", f"{topic.name} is published as {found}, not {topic.type_name}: {remedy}", topic.name)


def _qos(topic: Topic, ours: list[Publisher]) -> Cause | None:
    weak = [publisher for publisher in ours if publisher.reliability == "best_effort"]
    if topic.reliability == "reliable" and len(weak) == len(ours):
        return Cause(
            "qos_reliability",
            f"{_names(weak)} offers {topic.name} as best_effort, and reliable is asked for, so nothing arrives: "
            f"set {topic.setting} to auto or best_effort",
            topic.name,
        )
    volatile = [publisher for publisher in ours if not publisher.latched]
    if topic.latched and len(volatile) == len(ours):
        return Cause(
            "qos_durability",
            f"{_names(volatile)} offers {topic.name} as volatile, and transient_local is asked for, so nothing "
            "arrives: publish it transient_local, or correct qos_overrides",
            topic.name,
        )
    if topic.refused:
        return Cause(
            "qos_incompatible",
            f"a publisher on {topic.name} offers less than is asked for, so nothing arrives from it: compare "
            f"`ros2 topic info -v {topic.name}`, set {topic.setting} to auto or best_effort",
            topic.name,
        )
    return None


def _nothing_sent(topic: Topic, ours: list[Publisher], evidence: Evidence) -> Cause | None:
    names = _names(ours)
    if topic.waited_s < SILENT_S:
        return None
    if topic.received:
        text = f"{topic.name} has stopped, {_when(topic)}, though {names} is there: check the sensor and its cable"
        return Cause("input_stopped", text, topic.name)
    if topic.type_name == CAMERA_INFO:
        text = (
            f"nothing has arrived on {topic.name}, though {names} is there: let the camera's driver load its "
            "calibration and publish a CameraInfo with every image, or latch it"
        )
        return Cause("no_camera_info", text, topic.name)
    if topic.reliability == "best_effort" and evidence.large_lost:
        text = (
            f"nothing has arrived on {topic.name}, though {names} is there: if it does publish, stock Fast DDS loses "
            "its best-effort messages over 0.5 MB; publish reliable, or start the publisher with "
            f"FASTDDS_DEFAULT_PROFILES_FILE={LARGE_PROFILE}"
        )
        return Cause("large_best_effort", text, topic.name)
    text = f"nothing has arrived on {topic.name}, though {names} is there: is the sensor connected, the bag playing?"
    return Cause("publisher_silent", text, topic.name)


def _when(topic: Topic) -> str:
    plural = "s" * (topic.received != 1)
    return f"{topic.age_s or 0:.1f} s after the last of {topic.received} message{plural}"


def _names(publishers: list[Publisher]) -> str:
    return ", ".join(dict.fromkeys(publisher.node for publisher in publishers))
