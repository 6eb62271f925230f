from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from depth_ros.errors import TrainingError
from depth_ros.training import checkpoint


def test_weights_come_back_with_their_facts(tmp_path: Path) -> None:
    network, other = nn.Linear(3, 2), nn.Linear(3, 2)
    checkpoint.save_tensors(tmp_path / "w.safetensors", network.state_dict(), {"step": 7})
    assert checkpoint.load_weights(tmp_path / "w.safetensors", other) == {"step": 7}
    assert torch.equal(network.weight, other.weight)
    assert [path.name for path in tmp_path.iterdir()] == ["w.safetensors"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "w.safetensors"
    checkpoint.save_tensors(path, {"a": torch.ones(2)}, {"step": 1})

    def full(*_: object, **__: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(TrainingError, match="no space left"):
        checkpoint.save_tensors(path, {"a": torch.zeros(2)}, {"step": 2})
    tensors, facts = checkpoint.load_tensors(path)
    assert facts["step"] == 1
    assert torch.equal(tensors["a"], torch.ones(2))


@pytest.mark.parametrize("other", [nn.Linear(3, 3), nn.Conv2d(3, 2, 1), nn.Sequential(nn.Linear(3, 2))])
def test_another_network_is_refused(tmp_path: Path, other: nn.Module) -> None:
    checkpoint.save_tensors(tmp_path / "w.safetensors", nn.Linear(3, 2).state_dict(), {})
    with pytest.raises(TrainingError, match="another network"):
        checkpoint.load_weights(tmp_path / "w.safetensors", other)


@pytest.mark.parametrize("content", [b"", b"no safetensors at all", b"\xff" * 64])
def test_what_is_no_checkpoint_is_said_so(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    with pytest.raises(TrainingError, match="not a checkpoint"):
        checkpoint.load_tensors(path)


def test_a_missing_file_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="does not exist"):
        checkpoint.load_tensors(tmp_path / "none.safetensors")


def test_a_state_without_facts_is_refused(tmp_path: Path) -> None:
    path = tmp_path / checkpoint.STATE
    save_file({"a": torch.ones(1)}, path, metadata={"depth_ros": json.dumps({})})
    network = nn.Linear(1, 1)
    state = checkpoint.RunState(network, {}, torch.optim.AdamW(network.parameters()))
    with pytest.raises(TrainingError, match="another network"):
        checkpoint.load_state(path, state)


def test_facts_that_are_no_mapping_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "strange.safetensors"
    save_file({"weight": torch.zeros(1)}, path, {checkpoint.FACTS: "[]"})
    with pytest.raises(TrainingError, match=r"is not a checkpoint: its facts are \[\]"):
        checkpoint.load_tensors(path)
