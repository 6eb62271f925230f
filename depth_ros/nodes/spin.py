"""Start a node, spin it, and end it in the order that rclpy needs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor

from depth_ros.errors import DepthRosError, NodeError


class Startable(Protocol):
    """A node that moves itself once it is built."""

    def start(self) -> None:
        """Begin to work."""

    def destroy_node(self) -> None:
        """Free everything."""


@contextmanager
def ros_context(args: Sequence[str] | None) -> Iterator[None]:
    """Initialise rclpy for the body of the with statement; bad ROS arguments are a NodeError of one line."""
    try:
        rclpy.init(args=None if args is None else list(args))
    except Exception as error:  # rclpy has no public class for what its C side refuses
        raise NodeError(f"ROS 2 does not start: {str(error).strip().splitlines()[0]}") from error
    try:
        yield
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        rclpy.try_shutdown()


def run(make_node: Callable[[], Any], args: Sequence[str] | None) -> int:
    """Run one node until SIGINT or SIGTERM; return 0, or 1 after one line when it cannot start."""
    try:
        with ros_context(args):
            _spin(make_node)
    except DepthRosError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _spin(make_node: Callable[[], Any]) -> None:
    executor = SingleThreadedExecutor()
    node = make_node()
    try:
        warn_of_mixed_ros(node.get_logger())
        executor.add_node(node)
        node.start()
        executor.spin()
    finally:
        executor.shutdown()
        node.destroy_node()


def warn_of_mixed_ros(logger: Any) -> None:
    """Warn when another ROS is sourced while rclpy comes from this virtual environment's own packages."""
    distro, inside = os.environ.get("ROS_DISTRO"), rclpy.__file__.startswith(sys.prefix + os.sep)
    if distro and inside and sys.prefix != sys.base_prefix:
        logger.warning(
            f"ROS {distro} is sourced, but rclpy comes from {sys.prefix}: two ROS installations in one process may "
            "crash; use a virtual environment with system site packages and without the ROS wheels"
        )
