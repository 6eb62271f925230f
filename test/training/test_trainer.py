from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from depth_ros.errors import TrainingError
from depth_ros.training import checkpoint
from depth_ros.training.trainer import Trainer
from depth_ros.training.validate import Validation

MakeTrainer = Callable[..., Trainer]
Parts = tuple[Tensor, dict[str, Tensor]]


def after(steps: int, act: Callable[[], None]) -> Callable[..., Parts]:
    """A loss that does something in one of its calls."""
    calls = 0

    def loss(depth: Tensor, _: Tensor, batch: dict[str, Tensor], progress: Tensor) -> Parts:
        nonlocal calls
        calls += 1
        if calls == steps:
            act()
        error = (depth.log() - batch["truth"].log()).abs().mean() * (1 + progress)
        return error, {"error": error}

    return loss


def die() -> None:
    raise RuntimeError("power cut")


def everything(out: Path) -> dict[str, Tensor]:
    return checkpoint.load_tensors(out / checkpoint.STATE)[0]


def assert_same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return [
            {k: v for k, v in row.items() if not k.startswith(("seconds", "samples_per"))}
            for row in csv.DictReader(file)
        ]


@pytest.mark.parametrize("channels_last", [False, True])
def test_a_killed_run_resumes_to_the_same_bits(make_trainer: MakeTrainer, channels_last: bool) -> None:
    settings = {"channels_last": channels_last}
    whole = make_trainer("whole", loss=after(0, die), **settings)
    assert whole.run()
    killed = make_trainer("killed", loss=after(6, die), **settings)
    with pytest.raises(RuntimeError, match="power cut"):
        killed.run()
    resumed = make_trainer("killed", loss=after(0, die), resume=True, **settings)
    assert resumed.step == 3
    assert resumed.run()
    assert_same(everything(whole.out), everything(resumed.out))
    assert rows(whole.out / "log.csv") == rows(resumed.out / "log.csv")
    assert [row["step"] for row in rows(resumed.out / "log.csv")] == ["1", "2", "3", "4", "5", "6"]


def test_sigterm_finishes_the_step_and_saves(make_trainer: MakeTrainer) -> None:
    whole = make_trainer("whole", loss=after(0, die))
    whole.run()
    stopped = make_trainer("run", loss=after(2, lambda: os.kill(os.getpid(), signal.SIGTERM)))
    before = signal.getsignal(signal.SIGTERM)
    assert not stopped.run()
    assert signal.getsignal(signal.SIGTERM) is before
    assert checkpoint.load_tensors(stopped.out / checkpoint.STATE)[1]["step"] == 2
    resumed = make_trainer("run", loss=after(0, die), resume=True)
    assert resumed.run()
    assert_same(everything(whole.out), everything(resumed.out))


def test_another_run_is_not_overwritten(make_trainer: MakeTrainer) -> None:
    make_trainer().run()
    with pytest.raises(TrainingError, match="--resume"):
        make_trainer()


def test_resume_starts_where_there_is_nothing(make_trainer: MakeTrainer) -> None:
    assert make_trainer(resume=True).run()


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_good_state(make_trainer: MakeTrainer) -> None:
    calls = 0

    def loss(depth: Tensor, *_: object) -> Parts:
        nonlocal calls
        calls += 1
        value = depth.mean() * (float("nan") if calls == 5 else 1)
        return value, {"mean": value}

    trainer = make_trainer(loss=loss, log_every=100)
    with pytest.raises(TrainingError, match="not finite at step 4"):
        trainer.run()
    state, facts = checkpoint.load_tensors(trainer.out / checkpoint.STATE)
    assert facts["step"] == 3
    assert all(value.isfinite().all() for value in state.values())


def test_the_best_average_is_kept(make_trainer: MakeTrainer) -> None:
    scores = iter([0.8, 0.9, 0.7, 0.75])

    def validator(network: nn.Module, _: torch.device) -> Validation:
        assert not network.training
        return Validation([{"set": "made up", "image": "image", "mae_mm": 1.0}], next(scores), {})

    trainer = make_trainer(validator=validator, steps=4, validate_every=1)
    trainer.run()
    best, facts = checkpoint.load_tensors(trainer.out / checkpoint.BEST)
    assert facts["step"] == 3
    assert facts["best"] == 0.7
    assert [row["mae_mm"] for row in rows(trainer.out / "validation.csv")] == ["1"] * 4
    last, _ = checkpoint.load_tensors(trainer.out / checkpoint.LAST)
    assert best.keys() == last.keys() == trainer.network.state_dict().keys()
    assert trainer.network.training
    resumed = make_trainer(validator=validator, steps=4, resume=True)
    assert resumed.best == 0.7


def test_a_validation_that_was_killed_is_made_up_for(make_trainer: MakeTrainer) -> None:
    scores: list[float] = [0.8]

    def validator(_: nn.Module, __: torch.device) -> Validation:
        if not scores:
            die()
        return Validation([{"set": "made up", "image": "image", "mae_mm": 1.0}], scores.pop(), {})

    killed = make_trainer(validator=validator, steps=4, validate_every=2)
    with pytest.raises(RuntimeError, match="power cut"):
        killed.run()
    scores.append(0.7)
    resumed = make_trainer(validator=validator, steps=4, validate_every=2, resume=True)
    assert resumed.step == 4
    assert resumed.run()
    assert checkpoint.load_tensors(resumed.out / checkpoint.BEST)[1]["step"] == 4
    assert [row["step"] for row in rows(resumed.out / "validation.csv")] == ["2", "4"]
    again = make_trainer(validator=validator, steps=4, validate_every=2, resume=True)
    assert again.run()


def test_a_run_that_goes_on_with_other_settings_says_so(make_trainer: MakeTrainer) -> None:
    make_trainer(steps=3).run()
    told: list[str] = []
    make_trainer(steps=6, lr=0.5, resume=True, tell=told.append)
    assert "settings that are not those of the steps before: steps 3 -> 6, lr 0.001 -> 0.5" in told
    told.clear()
    make_trainer(steps=3, resume=True, tell=told.append)
    assert not [line for line in told if "settings" in line]


def test_a_best_file_that_is_gone_is_no_score_to_beat(make_trainer: MakeTrainer) -> None:
    def validator(_: nn.Module, __: torch.device) -> Validation:
        return Validation([], 0.5, {})

    trainer = make_trainer(validator=validator)
    trainer.run()
    (trainer.out / checkpoint.BEST).unlink()
    assert make_trainer(validator=validator, resume=True).best == float("inf")


def test_validation_leaves_training_as_it_was(make_trainer: MakeTrainer) -> None:
    def validator(_: nn.Module, __: torch.device) -> Validation:
        return Validation([], 1.0, {})

    with_it, without = make_trainer("with", validator=validator, validate_every=1), make_trainer("without")
    with_it.run()
    without.run()
    assert_same(everything(with_it.out), everything(without.out))


def test_a_missing_compiler_is_one_line(
    make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_compiler(_: object) -> object:
        raise RuntimeError("no C++ compiler\nand much more")

    monkeypatch.setattr(torch, "compile", no_compiler)
    assert make_trainer(compile=True, steps=1).run()
    assert "no C++ compiler" in caplog.text
    assert "much more" not in caplog.text


def test_bf16_trains(make_trainer: MakeTrainer) -> None:
    assert make_trainer(bf16=True).run()


TWO = """
import sys, importlib.util, pathlib, torch
spec = importlib.util.spec_from_file_location("tiny", sys.argv[1]); tiny = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tiny)
from depth_ros.training.config import TrainConfig
from depth_ros.training.processes import Processes
from depth_ros.training.trainer import Trainer
torch.manual_seed(0)
config = TrainConfig(steps=3, batch=int(sys.argv[3]), warm_up=0, bf16=False, device="cpu", threads=1)
with Processes("cpu") as processes:
    network = tiny.TinyNetwork(plain=True)
    samples, out = tiny.TinySamples(), pathlib.Path(sys.argv[2])
    Trainer(config, network, tiny.tiny_loss, samples, None, out, processes=processes, tell=print).run()
"""


@pytest.mark.live
def test_two_processes_do_what_one_does_with_both_batches(tmp_path: Path) -> None:
    tiny = str(Path(__file__).with_name("conftest.py"))
    with_two = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(20000 + os.getpid() % 20000)}
    jobs = [
        subprocess.Popen([sys.executable, "-c", TWO, tiny, str(tmp_path / out), batch], env={**os.environ, **env})
        for out, batch, env in (
            ("two", "2", {**with_two, "RANK": "0"}),
            ("two", "2", {**with_two, "RANK": "1"}),
        )
    ]
    subprocess.run([sys.executable, "-c", TWO, tiny, str(tmp_path / "one"), "4"], check=True)
    assert [job.wait(timeout=60) for job in jobs] == [0, 0]
    two, one = everything(tmp_path / "two"), everything(tmp_path / "one")
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=1e-5, atol=1e-6)
