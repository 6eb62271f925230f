from __future__ import annotations

import os
import signal

import pytest
import torch

from depth_ros.errors import TrainingError
from depth_ros.training.processes import Processes, stop_on_signal


def test_alone_without_torchrun() -> None:
    with Processes("cpu") as processes:
        network = torch.nn.Linear(1, 1)
        assert processes.wrap(network) is network
        assert processes.first
        assert processes.any(True)
        assert not processes.any_at(1, False)
        processes.wait()


@pytest.mark.skipif(torch.cuda.is_available(), reason="has a CUDA device")
def test_an_absent_gpu_is_said_so() -> None:
    with pytest.raises(TrainingError, match="device=cpu"):
        Processes("cuda")


def test_the_second_signal_ends_the_program() -> None:
    with stop_on_signal() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop == [signal.SIGTERM]
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
