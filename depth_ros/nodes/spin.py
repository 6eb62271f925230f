"""Start a node, spin it, and end it in the order that rclpy needs."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Event, current_thread, main_thread
from time import monotonic
from traceback import format_exc
from typing import Any

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import remove_ros_args

from depth_ros.errors import DepthRosError, NodeError
from depth_ros.nodes.arguments import refusal
from depth_ros.nodes.memory import keep_freed_memory

SLICE_S = 0.2
SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Ctrl-C under `ros2 launch` reaches a node twice: from the terminal, and from launch.
ECHO_S = 2.0


@contextmanager
def ros_context(args: Sequence[str] | None) -> Iterator[Event]:
    """Initialise rclpy for the body of the with statement, which is to end once the event is set: SIGINT or SIGTERM.

    Bad ROS arguments are a NodeError of one line.
    """
    stop = Event()
    with signals_set(stop):
        # rclpy's own handlers end the context under a thread that is publishing: that crashes.
        try:
            rclpy.init(args=None if args is None else list(args), signal_handler_options=SignalHandlerOptions.NO)
        except Exception as error:  # rclpy has no public class for what its C side refuses
            raise NodeError(f"ROS 2 does not start: {refusal(error)}") from error
        try:
            yield stop
        except (KeyboardInterrupt, ExternalShutdownException):
            pass
        finally:
            rclpy.try_shutdown()


def own_arguments(argv: Sequence[str]) -> list[str]:
    """Return what of the command line is not for ROS, without the program; NodeError when ROS refuses its part."""
    try:
        return list(remove_ros_args(list(argv))[1:])
    except Exception as error:  # rclpy has no public class for what its C side refuses
        raise NodeError(f"ROS arguments: {refusal(error)}") from error


def run(make_node: Callable[[], Any], args: Sequence[str] | None) -> int:
    """Make a node, call its `start` with what tells whether it is to end, and spin it until SIGINT or SIGTERM.

    Returns 0, or 1 after one line when it cannot start.
    """
    return one_line_errors(lambda: _run(make_node, args))


def run_named(name: str, make_node: Callable[[], Any], about: str, example: str, args: Sequence[str] | None) -> int:
    """Run the node of the executable `name`, which takes nothing but ROS arguments and --help; returns as `run`."""
    argv = sys.argv if args is None else [name, *args]
    parser = argparse.ArgumentParser(prog=name, description=about, epilog=example)
    return one_line_errors(lambda: parser.parse_args(own_arguments(argv))) or run(make_node, args)


def one_line_errors(action: Callable[[], Any]) -> int:
    """Run `action`; return 0, or 1 after one line on stderr: an error of ours, or of rclpy about a parameter."""
    try:
        action()
    except (DepthRosError, ParameterException) as error:
        sys.stderr.write(" ".join(str(error).split()) + "\n")
        return 1
    return 0


def warn_of_mixed_ros(logger: Any) -> None:
    """Warn when another ROS is sourced while rclpy comes from this virtual environment's own packages."""
    distro, inside = os.environ.get("ROS_DISTRO"), rclpy.__file__.startswith(sys.prefix + os.sep)
    if distro and inside and sys.prefix != sys.base_prefix:
        logger.warning(
            f"ROS {distro} is sourced, but rclpy comes from {sys.prefix}: two ROS installations in one process may "
            "crash; use a virtual environment with system site packages and without the ROS wheels"
        )


def _run(make_node: Callable[[], Any], args: Sequence[str] | None) -> None:
    keep_freed_memory()
    with ros_context(args) as stop:
        node, executor = make_node(), SingleThreadedExecutor()
        try:
            warn_of_mixed_ros(node.get_logger())
            executor.add_node(node)
            node.start(stop.is_set)
            while not stop.is_set():
                _spin_once(node, executor, stop)
        finally:
            executor.shutdown()
            node.destroy_node()


def _spin_once(node: Any, executor: SingleThreadedExecutor, stop: Event) -> None:
    """Run what is due; what a callback raises is logged and does not end the node, unless it is a known error.

    So does rclpy of Humble on a transition that the node's state does not have, as a lifecycle manager may ask for.
    """
    try:
        executor.spin_once(timeout_sec=SLICE_S)
    except (DepthRosError, ExternalShutdownException):
        raise
    except Exception:
        if not rclpy.ok():
            raise
        node.get_logger().error(f"a callback failed, please report:\n{format_exc()}", throttle_duration_sec=10.0)
        stop.wait(SLICE_S)


@contextmanager
def signals_set(stop: Event) -> Iterator[None]:
    """Set `stop` on SIGINT or SIGTERM in the body of the with statement; one more, later, is a KeyboardInterrupt."""
    asked: list[float] = []

    def on_signal(*_: Any) -> None:
        asked.append(monotonic())
        stop.set()
        if asked[-1] - asked[0] > ECHO_S:  # asked again: do not wait for an orderly end
            raise KeyboardInterrupt

    if current_thread() is not main_thread():
        yield
        return
    before = {number: signal.signal(number, on_signal) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
