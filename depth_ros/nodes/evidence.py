"""What a node knows about its inputs and outputs when it asks why there is no output; no ROS types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

IMAGES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
CLOUD = "sensor_msgs/msg/PointCloud2"
LONGEST_PATIENCE_S = 10.0
"""A sensor whose last two messages were far apart is waited for no longer than this."""


@dataclass(frozen=True)
class Publisher:
    """A publisher as the graph shows it. reliability: reliable or best_effort."""

    node: str
    type_name: str
    reliability: str = "reliable"
    latched: bool = False


@dataclass(frozen=True)
class Topic:
    """One input.

    reliability: of our subscription, "" before there is one. received: messages so far. age_s: seconds since the last
    one, None before. interval_s: between the last two, 0 before. stamp_ns and frame_id: of the last one's header, None
    before. refused: incompatible-QoS events. setting: what the user calls our reliability. candidates: other topics of
    this type that somebody else publishes. waited_s: seconds since we subscribed to what is offered now. choice: what
    the user writes before the name of another topic to read that instead, such as "-r front/image:=". suffix: what we
    add to that name ourselves.
    """

    name: str
    type_name: str
    publishers: Sequence[Publisher] = ()
    reliability: str = ""
    latched: bool = False
    received: int = 0
    age_s: float | None = None
    interval_s: float = 0.0
    stamp_ns: int | None = None
    frame_id: str = ""
    refused: int = 0
    setting: str = "input_reliability"
    candidates: Sequence[str] = ()
    waited_s: float = 0.0
    choice: str = ""
    suffix: str = ""


@dataclass(frozen=True)
class Drop:
    """How often something was dropped for one reason, the text of the last time, and how many lines told of it."""

    times: int
    text: str
    lines: int = 0


@dataclass(frozen=True)
class Clocks:
    """now_ns: the node's clock. wall_ns: the machine's. simulated: use_sim_time is on."""

    now_ns: int
    wall_ns: int
    simulated: bool = False


@dataclass(frozen=True)
class Evidence:
    """Everything that tells why there is no output.

    state: of the lifecycle. refused: why configuring failed, "" when it did not. building: what is being built, "" when
    nothing is. listeners: subscriptions of the outputs, None when it does not matter. topics: the inputs, empty before
    they are subscribed. outputs: depth maps published so far. paired: pairs made so far. drops: so far, by reason
    (`SilenceWatch` makes both those of the silence). gap_ns: between the last image that found no scan within `slop_s`
    and the nearest scan, None before. large_lost: the middleware loses large best-effort messages (stock Fast DDS).
    other_nodes: nodes besides our own that are seen, None when nobody looked.
    """

    state: str = "active"
    refused: str = ""
    building: str = ""
    listeners: int | None = None
    topics: Sequence[Topic] = ()
    outputs: int = 0
    paired: int = 0
    gap_ns: int | None = None
    slop_s: float = 0.06
    drops: Mapping[str, Drop] = field(default_factory=dict)
    clocks: Clocks | None = None
    large_lost: bool = False
    other_nodes: int | None = None


@dataclass(frozen=True)
class Cause:
    """Why there is no output.

    name: a key of `silence.CAUSES`. text: what, where and what to do, in one line. topic: the one it is about, or "".
    said: a line about what was dropped has told it in this silence.
    """

    name: str
    text: str
    topic: str = ""
    said: bool = False
