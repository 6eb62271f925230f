"""The verb `train metric`: the metric network, from procedural worlds to weights, stopped and resumed at will."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from depth_ros.cli.train_network import Course, add_course

if TYPE_CHECKING:
    from collections.abc import Callable

    from depth_ros.training.config import MetricConfig

EXAMPLE = """examples:
  depth_ros train metric --config config/train_metric.yaml --out runs/metric
  depth_ros train metric --out runs/metric --resume
  depth_ros train metric --out runs/try --pool pools/metric --steps 2000 --set batch=16 --set windows=pools/completion

It stops, resumes and logs as `depth_ros train completion` does."""


def add_parser(subparsers: Any) -> None:
    """Register the verb with its arguments."""
    description = (
        "Train the metric network on a pool of procedural pictures, which is made where it is missing. "
        "Real frames in the folder DEPTH_ROS_TEST_DATA are looked at, and choose nothing."
    )
    add_course(
        subparsers,
        Course("metric", "train the metric network (one image to metres)", description, EXAMPLE, "pictures", _load),
    )


def _load() -> tuple[type[MetricConfig], Callable[..., dict[str, Any]]]:
    from depth_ros.training.config import MetricConfig
    from depth_ros.training.metric_run import train_metric

    return MetricConfig, train_metric
