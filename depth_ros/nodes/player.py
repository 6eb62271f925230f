"""bag_player: the messages of a bag onto live topics, byte for byte, at their own pace."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from itertools import count
from threading import TIMEOUT_MAX, Event
from time import monotonic
from typing import Any

from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time
from rosgraph_msgs.msg import Clock

from depth_ros.bags.bag_file import BagFile, Recorded, Topic
from depth_ros.bags.writer import LATCHED_TOPICS
from depth_ros.errors import MessageError, NodeError
from depth_ros.nodes.factory import message_class
from depth_ros.nodes.options import PlayOptions, add_play_arguments, play_options
from depth_ros.nodes.qos import profile, refusals_named
from depth_ros.nodes.spin import one_line_errors, own_arguments, ros_context

# A subscriber is seen a little before it has seen us.
SETTLE_S = 0.5
LINGER_S = 5.0
REMEDY = (
    "start the node first, check ROS_DOMAIN_ID and the remaps, and let somebody listen to its depth, as rviz does "
    "(it subscribes only then)"
)


class BagPlayer(Node):  # type: ignore[misc]
    """Publishes an open bag; topics that ROS 2 cannot carry here (type, name) are left out, said once."""

    def __init__(self, bag: BagFile, options: PlayOptions, stop: Event) -> None:
        super().__init__("bag_player", start_parameter_services=False)
        self._bag, self._options, self._stop = bag, options, stop
        # Not called _publishers: that name is rclpy's.
        self._outputs: dict[str, Any] = {}
        for topic, about in bag.topics.items():
            if options.topics and topic not in options.topics:
                continue
            try:
                self._outputs[topic] = self._publisher(about)
            except (MessageError, NodeError) as error:
                remedy = "; the node can read a file instead: depth_ros bag extrinsics" if "/tf" in topic else ""
                self.get_logger().warning(f"{topic} is not played: {error}{remedy}")
        self._clock_output = self.create_publisher(Clock, "/clock", 10) if options.clock else None
        if not self._outputs:
            raise NodeError(f"{bag.path}: no topic to play: choose among {', '.join(bag.topics) or 'none'}")

    def _publisher(self, about: Topic) -> Any:
        recorded = "reliable" if about.reliable else "best_effort"
        reliability = recorded if self._options.reliability == "recorded" else self._options.reliability
        latched = about.latched or about.name in LATCHED_TOPICS
        with refusals_named(about.name):
            qos = profile(reliability, self._options.depth, latched=latched)
            return self.create_publisher(message_class(about.type_name), about.name, qos)

    def play(self) -> int:
        """Wait for the subscribers, publish the bag once (or until stopped), and return how many messages went out."""
        self._wait_for_subscribers()
        sent = 0
        for lap in count():
            sent += self._play_once()
            self.get_logger().info(f"played {sent} messages of {self._bag.path}" + f" ({lap + 1} times)" * (lap > 0))
            if self._stop.is_set() or not self._options.loop:
                break
        for output in () if self._stop.is_set() else self._outputs.values():
            output.wait_for_all_acked(Duration(seconds=LINGER_S))
        return sent

    def _play_once(self) -> int:
        sent, start, first_ns = 0, monotonic(), None
        for message in self._bag.messages(list(self._outputs)):
            first_ns = message.arrival_ns if first_ns is None else first_ns
            due = start + (message.arrival_ns - first_ns) / 1e9 / self._options.rate
            if self._stop.wait(min(max(due - monotonic(), 0), TIMEOUT_MAX)):
                break
            self._publish(message)
            sent += 1
        return sent

    def _publish(self, message: Recorded) -> None:
        if self._clock_output is not None:
            self._clock_output.publish(Clock(clock=Time(nanoseconds=message.arrival_ns).to_msg()))
        self._outputs[message.topic].publish(bytes(message.raw))

    def _wait_for_subscribers(self) -> None:
        unknown = [topic for topic in self._options.wait_for if topic not in self._outputs]
        if unknown:
            raise NodeError(f"{', '.join(unknown)}: not played, so not to wait for: {', '.join(self._outputs)} are")
        if not self._options.wait_for:
            return
        patience = f"{self._options.wait_timeout:g} s"
        self.get_logger().info(f"waits up to {patience} for subscribers on {', '.join(self._options.wait_for)}")
        deadline = monotonic() + self._options.wait_timeout
        while (lonely := self._lonely()) and monotonic() < deadline and not self._stop.wait(0.05):
            pass
        if lonely and not self._stop.is_set():
            fault = f"no subscriber on {', '.join(lonely)} in {patience}"
            if not self._options.start_anyway:
                raise NodeError(f"{fault}: {REMEDY}")
            self.get_logger().warning(f"{fault}, so the bag is played all the same: {REMEDY}")
        self._stop.wait(SETTLE_S)

    def _lonely(self) -> list[str]:
        wanted = Counter(self._options.wait_for)
        return [topic for topic, count in wanted.items() if self._outputs[topic].get_subscription_count() < count]


def play(options: PlayOptions, ros_args: Sequence[str] | None = None) -> int:
    """Play a bag until its end or a signal; return how many messages went out.

    Raises BagError when the bag cannot be read and NodeError when a subscriber stays away.
    """
    sent = 0
    with BagFile(options.path) as bag, ros_context(ros_args) as stop:
        player = BagPlayer(bag, options, stop)
        try:
            sent = player.play()
        finally:
            player.destroy_node()
    return sent


def main(args: Sequence[str] | None = None) -> int:
    """Run `bag_player BAG [options] [--ros-args ...]`; return 0, or 1 after one line when it cannot play."""
    argv = sys.argv if args is None else ["bag_player", *args]
    parser = argparse.ArgumentParser(
        prog="bag_player", description=__doc__, epilog="example: bag_player my_bag --rate 0.5 --wait-for /lidar/points"
    )
    add_play_arguments(parser)
    return one_line_errors(lambda: play(play_options(parser.parse_args(own_arguments(argv))), argv[1:]))


if __name__ == "__main__":
    raise SystemExit(main())
