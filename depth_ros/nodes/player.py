"""bag_player: the messages of a bag onto live topics, byte for byte, at their own pace."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from itertools import count
from threading import Event
from time import monotonic
from typing import Any

from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time
from rclpy.utilities import remove_ros_args
from rosgraph_msgs.msg import Clock

from depth_ros.bags.bag_file import BagFile, Recorded
from depth_ros.bags.writer import LATCHED_TOPICS
from depth_ros.errors import MessageError, NodeError
from depth_ros.nodes.factory import message_class
from depth_ros.nodes.options import PlayOptions, add_play_arguments, play_options
from depth_ros.nodes.qos import profile
from depth_ros.nodes.spin import one_line_errors, ros_context

# A subscriber is seen a little before it has seen us.
SETTLE_S = 0.5
LINGER_S = 5.0


class BagPlayer(Node):  # type: ignore[misc]
    """Publishes an open bag; types that are not installed are left out, said once."""

    def __init__(self, bag: BagFile, options: PlayOptions, stop: Event) -> None:
        super().__init__("bag_player", start_parameter_services=False)
        self._bag, self._options, self._stop = bag, options, stop
        # Not called _publishers: that name is rclpy's.
        self._outputs: dict[str, Any] = {}
        for topic, about in bag.topics.items():
            if options.topics and topic not in options.topics:
                continue
            recorded = "reliable" if about.reliable else "best_effort"
            reliability = recorded if options.reliability == "recorded" else options.reliability
            try:
                kind = message_class(about.type_name)
            except MessageError as error:
                self.get_logger().warning(f"{topic} is not played: {error}")
                continue
            qos = profile(reliability, options.depth, latched=about.latched or topic in LATCHED_TOPICS)
            self._outputs[topic] = self.create_publisher(kind, topic, qos)
        self._clock_output = self.create_publisher(Clock, "/clock", 10) if options.clock else None
        if not self._outputs:
            raise NodeError(f"{bag.path}: no topic to play: choose among {', '.join(bag.topics) or 'none'}")

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
            if self._stop.wait(max(due - monotonic(), 0)):
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
        wanted = Counter(self._options.wait_for)
        deadline, lonely = monotonic() + self._options.wait_timeout, list(wanted)
        while lonely and not self._stop.wait(0.05):
            if monotonic() > deadline:
                raise NodeError(
                    f"no subscriber on {', '.join(lonely)} in {self._options.wait_timeout:g} s: start the node first, "
                    "check ROS_DOMAIN_ID and the remaps, and let somebody listen to its depth (it subscribes only then)"
                )
            lonely = [topic for topic in lonely if self._outputs[topic].get_subscription_count() < wanted[topic]]
        if self._options.wait_for:
            self._stop.wait(SETTLE_S)


def play(options: PlayOptions, ros_args: Sequence[str] | None = None) -> int:
    """Play a bag until its end or a signal; return how many messages went out.

    Raises BagError when the bag cannot be read and NodeError when a subscriber stays away.
    """
    if options.rate <= 0:
        raise NodeError(f"rate is {options.rate:g}: give a positive one, 1 is the bag's own pace")
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
    return one_line_errors(lambda: play(play_options(parser.parse_args(remove_ros_args(argv)[1:])), argv[1:]))


if __name__ == "__main__":
    raise SystemExit(main())
