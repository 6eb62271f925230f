"""The executables that setup.py names. A Ctrl-C in the second that their imports take ends them quietly."""

from __future__ import annotations

from importlib import import_module


def completion_node() -> int:
    """Run `completion_node`."""
    return _run("completion")


def monocular_node() -> int:
    """Run `monocular_node`."""
    return _run("monocular")


def bag_player() -> int:
    """Run `bag_player`."""
    return _run("player")


def _run(module: str) -> int:
    try:
        code: int = import_module(f"depth_ros.nodes.{module}").main()
    except KeyboardInterrupt:
        return 0
    return code
