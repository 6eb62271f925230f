"""Live topics into a bag, byte for byte."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from time import monotonic, time_ns

from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from depth_ros.bags.writer import BagWriter
from depth_ros.errors import MessageError, NodeError
from depth_ros.nodes.evidence import Evidence
from depth_ros.nodes.factory import message_class
from depth_ros.nodes.graph import large_lost
from depth_ros.nodes.options import RecordOptions
from depth_ros.nodes.qos import InputSubscription, refusals_named, steady_timer
from depth_ros.nodes.silence import QOS_CAUSES, SilenceWatch
from depth_ros.nodes.spin import ros_context

SLICE_S = 0.1
SILENCE_S = 5.0


class BagRecorder(Node):  # type: ignore[misc]
    """Subscribes to topics as soon as their types are known, and writes what comes; bag time is the wall clock.

    counts: messages by topic.
    """

    def __init__(self, writer: BagWriter, options: RecordOptions) -> None:
        super().__init__("bag_recorder", start_parameter_services=False)
        self._writer, self._options = writer, options
        self._inputs: dict[InputSubscription, SilenceWatch] = {}
        self._missing = [self._resolved(topic) for topic in options.topics]
        self.counts: dict[str, int] = dict.fromkeys(self._missing, 0)
        self._started = self._last = monotonic()
        self._search()
        steady_timer(self, SLICE_S, self._search)
        steady_timer(self, 1.0, self._watch)

    def is_done(self) -> bool:
        """Tell whether the options say stop; raises NodeError when nothing has come within `wait`."""
        options, now = self._options, monotonic()
        if not self.counts:
            raise NodeError(f"none of {', '.join(options.topics)} can be recorded: their types are not installed")
        if not any(self.counts.values()):
            if options.wait and now - self._started > options.wait:
                raise NodeError(
                    f"nothing came on {', '.join(self.counts)} in {options.wait:g} s: is the publisher running?"
                )
            return False
        if options.count and min(self.counts.values()) >= options.count:
            return True
        return bool(options.idle) and now - self._last > options.idle

    def _resolved(self, topic: str) -> str:
        with refusals_named(topic):
            return str(self.resolve_topic_name(topic))

    def _search(self) -> None:
        types = dict(self.get_topic_names_and_types())
        for topic in [topic for topic in self._missing if topic in types]:
            self._missing.remove(topic)
            self._subscribe(topic, types[topic][0])

    def _subscribe(self, topic: str, type_name: str) -> None:
        try:
            kind = message_class(type_name)
        except MessageError as error:
            del self.counts[topic]
            self.get_logger().error(f"{topic} is not recorded: {error}")
            return
        receive: Callable[[bytes], None] = partial(self._write, topic, type_name)
        reliability, depth = self._options.reliability, self._options.depth
        subscription = InputSubscription(
            self, kind, topic, receive, reliability, depth, raw=True, setting="--reliability"
        )
        self._inputs[subscription] = SilenceWatch(
            self.get_logger(), what="not recorded", after_s=SILENCE_S, only=QOS_CAUSES
        )

    def _watch(self) -> None:
        for subscription, watch in self._inputs.items():
            topic = subscription.evidence()
            watch.look(Evidence(topics=[topic], outputs=topic.received, large_lost=large_lost()))

    def _write(self, topic: str, type_name: str, raw: bytes) -> None:
        if self._options.count and self.counts[topic] >= self._options.count:
            return
        self._writer.write_raw(topic, type_name, raw, time_ns())
        self.counts[topic] += 1
        self._last = monotonic()


def record(options: RecordOptions, ros_args: Sequence[str] | None = None) -> dict[str, int]:
    """Record until the options or a signal say stop; return how many messages of each topic were written.

    Raises BagError when the bag cannot be written and NodeError when nothing comes within `wait`.
    """
    if not options.topics:
        raise NodeError("no topic to record: name at least one")
    counts: dict[str, int] = {}
    with (
        BagWriter(options.path, options.storage, options.overwrite, keep_cut=True) as writer,
        ros_context(ros_args) as stop,
    ):
        recorder = BagRecorder(writer, options)
        executor = SingleThreadedExecutor()
        executor.add_node(recorder)
        counts = recorder.counts
        try:
            while not stop.is_set() and not recorder.is_done():
                executor.spin_once(timeout_sec=SLICE_S)
        finally:
            executor.shutdown()
            recorder.destroy_node()
    return counts
