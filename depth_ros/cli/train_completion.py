"""The verb `train completion`: from procedural worlds to weights, stopped and resumed at will."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from depth_ros.cli.train_network import Course, add_course

if TYPE_CHECKING:
    from collections.abc import Callable

    from depth_ros.training.config import TrainConfig

EXAMPLE = """examples:
  depth_ros train completion --config config/train_completion.yaml --out runs/first
  depth_ros train completion --out runs/first --resume
  depth_ros train completion --out runs/try --pool pools/small --steps 2000 --set batch=8 --set lr=5e-4
in the background, over the end of this shell:
  setsid nohup depth_ros train completion --out runs/first --resume > first.log 2>&1 &
on several GPUs:
  torchrun --nproc-per-node 4 -m depth_ros train completion --out runs/first

SIGTERM and Ctrl-C finish the step, save and leave; --resume goes on as if nothing had happened, after a kill from the
last saved state. OUT holds best.safetensors (moving average, best at validation), last.safetensors, state.safetensors
(all of the run), log.csv, validation.csv, tensorboard/ and config.yaml."""


def add_parser(subparsers: Any) -> None:
    """Register the verb with its arguments."""
    description = (
        "Train the completion network on a pool of procedural samples, which is made where it is missing. "
        "Real frames in the folder DEPTH_ROS_TEST_DATA serve for validation alone."
    )
    add_course(subparsers, Course("completion", "train the completion network", description, EXAMPLE, "samples", _load))


def _load() -> tuple[type[TrainConfig], Callable[..., dict[str, Any]]]:
    from depth_ros.training.config import TrainConfig
    from depth_ros.training.run import train_completion

    return TrainConfig, train_completion
