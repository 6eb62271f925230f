from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from depth_ros.cli.main import main
from depth_ros.errors import TrainingError
from depth_ros.export.to_onnx import load_network
from depth_ros.networks.completion import CompletionNet
from depth_ros.training import run
from depth_ros.training.calibrate import SHARE
from depth_ros.training.checkpoint import BEST, LAST, STATE, load_tensors, load_weights, save_tensors
from depth_ros.training.config import TrainConfig
from depth_ros.training.pool import SHARD, shard_path
from depth_ros.training.validate import complete, synthetic_problems

SIZE = (64, 96)
SMALL = [
    "crop_height=32",
    "crop_width=64",
    "batch=2",
    "validation_samples=2",
    "real_frames=0",
    "device=cpu",
    "threads=1",
]
ARGUMENTS = [word for text in SMALL for word in ("--set", text)]


def fill_pool(directory: Path) -> None:
    """A shard of slopes with every eighth row measured, whose prior is 10 % too far."""
    rng = np.random.default_rng(0)
    truth = np.linspace(3, 30, SIZE[1], dtype=np.float32) * rng.uniform(0.5, 2, (SHARD, SIZE[0], 1)).astype(np.float32)
    sparse = np.where(np.arange(SIZE[0])[:, None] % 8 == 0, truth, 0)
    directory.mkdir(parents=True)
    save_file(
        {
            "image": rng.integers(1, 256, (SHARD, *SIZE, 3), dtype=np.uint8),
            **{
                name: plane.astype(np.float16)
                for name, plane in (("sparse", sparse), ("prior", 1.1 * truth), ("truth", truth))
            },
            "intrinsics": np.tile(np.array([90, 90, 48, 32], np.float32), (SHARD, 1)),
        },
        shard_path(directory, 0),
    )


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("DEPTH_ROS_TEST_DATA", raising=False)
    monkeypatch.setattr(run, "build_pool", lambda *_, **__: None)
    directory = tmp_path / "pool"
    fill_pool(directory)
    fill_pool(directory / "validation")
    return directory


def train(pool: Path, out: Path, *more: str) -> int:
    return main(["train", "completion", "--pool", str(pool), "--out", str(out), *ARGUMENTS, *more])


def test_the_command_trains_validates_and_saves(
    pool: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "run"
    assert train(pool, out, "--steps", "2", "--json") == 0
    printed = capsys.readouterr()
    facts = json.loads(printed.out)
    assert facts["finished"]
    assert (facts["step"], facts["samples"]) == (2, 4)
    assert "samples/s" in printed.err
    assert "synthetic  no image" in printed.err
    assert facts["config"]["crop_height"] == 32
    network = CompletionNet()
    assert load_weights(out / BEST, network)["step"] == 2
    assert (out / "config.yaml").read_text().startswith(f"pool: {pool}")
    assert train(pool, out, "--steps", "2") == 1
    assert "--resume" in capsys.readouterr().err
    assert main(["train", "completion", "--out", str(out), "--resume", "--steps", "3"]) == 0
    assert load_tensors(out / STATE)[1]["samples"] == 6
    assert "samples; unless" not in caplog.text
    (pool / "pool.json").write_text('{"samples": 100, "seed": 0}')
    assert main(["train", "completion", "--out", str(out), "--resume", "--steps", "3"]) == 0
    assert f"pool {pool} holds {SHARD} of 100 samples" in caplog.text


def test_a_run_starts_from_the_weights_it_is_given(
    pool: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights, out = tmp_path / "weights.safetensors", tmp_path / "run"
    torch.manual_seed(7)
    given = CompletionNet().state_dict()
    save_tensors(weights, given, {})
    assert train(pool, out, "--steps", "1", "--set", f"weights={weights}", "--set", "lr=0") == 0
    assert all(torch.equal(value, given[name]) for name, value in parameters(out / LAST))
    weights.unlink()
    assert main(["train", "completion", "--out", str(out), "--resume", "--steps", "2"]) == 0
    assert train(pool, tmp_path / "other", "--steps", "1", "--set", f"weights={weights}") == 1
    assert f"{weights}: does not exist" in capsys.readouterr().err


def parameters(path: Path) -> list[tuple[str, torch.Tensor]]:
    tensors, _ = load_tensors(path)
    return [(name, tensors[name]) for name, _ in CompletionNet().named_parameters()]


def test_the_command_scales_sigma(pool: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights, out = tmp_path / "weights.safetensors", tmp_path / "calibrated.safetensors"
    torch.manual_seed(0)
    save_tensors(weights, CompletionNet().state_dict(), {"step": 7})
    line = ["train", "calibrate", "--weights", str(weights), "--pool", str(pool), "--out", str(out), "--samples", "2"]
    assert main([*line, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    gain = said["sigma_gain"]
    assert (said["weights"], said["share"]) == (str(out), SHARE)
    assert load_tensors(out)[1] == {"step": 7, "sigma_gain": round(gain, 4)}
    shown = [load_network(path) for path in (weights, out)]
    problem = synthetic_problems(pool / "validation", 1)[0]
    before, after = (complete(network, problem, torch.device("cpu"), use_image=True) for network in shown)
    np.testing.assert_array_equal(after[0], before[0])
    np.testing.assert_allclose(after[1], gain * before[1], rtol=1e-5)
    line[line.index(str(weights))] = str(out)
    assert main(line) == 0
    assert f"{out}: sigma times 1.000, so that one sigma holds" in capsys.readouterr().out


def test_calibrate_on_a_pool_without_held_out_samples_is_one_line(
    pool: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = tmp_path / "weights.safetensors"
    save_tensors(weights, CompletionNet().state_dict(), {"step": 7})
    shard_path(pool / "validation", 0).unlink()
    assert main(["train", "calibrate", "--weights", str(weights), "--pool", str(pool), "--out", str(weights)]) == 1
    said = capsys.readouterr().err
    assert "is empty" in said
    assert said.count("\n") == 1


def test_an_empty_pool_that_cannot_be_made_is_one_line(
    pool: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shard_path(pool, 0).unlink()
    assert train(pool, tmp_path / "run") == 1
    assert "depth_ros train pool" in capsys.readouterr().err


def test_a_state_of_another_network_is_one_line(pool: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    out.mkdir()
    save_tensors(out / STATE, {"network.a": torch.ones(1)}, {"step": 1})
    assert train(pool, out, "--resume") == 1
    assert "another network" in capsys.readouterr().err


def test_out_that_is_a_file_is_one_line(pool: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run").write_text("")
    assert train(pool, tmp_path / "run") == 1
    assert "cannot be the folder of a run" in capsys.readouterr().err


def test_a_missing_pool_is_made_with_worlds_of_its_own_for_validation(tmp_path: Path) -> None:
    made: list[tuple[Path, int, int]] = []

    def build(where: Path, samples: int, seed: int, **_: object) -> None:
        made.append((where, samples, seed))

    run.prepare_pool(TrainConfig(pool=str(tmp_path), pool_samples=64, validation_samples=32, pool_seed=5), build)
    assert made == [(tmp_path, 64, 5), (tmp_path / "validation", 32, 1_000_008)]


def test_without_anything_to_validate_on_the_last_weights_are_the_outcome(pool: Path, tmp_path: Path) -> None:
    config = TrainConfig(
        pool=str(pool), crop_height=32, crop_width=64, batch=1, steps=1, validation_samples=0, device="cpu"
    )
    told: list[str] = []
    facts = run.train_completion(config, tmp_path / "run", tell=told.append)
    assert facts["weights"] == str(tmp_path / "run" / "last.safetensors")
    assert any("DEPTH_ROS_TEST_DATA" in line for line in told)


def test_a_crop_beyond_the_samples_is_refused(pool: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="crop"):
        run.train_completion(TrainConfig(pool=str(pool), device="cpu"), tmp_path / "run", tell=lambda _: None)


@pytest.mark.live
def test_worker_processes_and_a_thread_feed_the_same(pool: Path, tmp_path: Path) -> None:
    settings = ["--steps", "4", "--set", "checkpoint_every=2", "--set", "validation_samples=0"]
    assert train(pool, tmp_path / "thread", *settings) == 0
    assert train(pool, tmp_path / "workers", *settings, "--set", "data_workers=2") == 0
    thread, workers = (load_tensors(tmp_path / name / STATE)[0] for name in ("thread", "workers"))
    assert all(torch.equal(value, workers[name]) for name, value in thread.items())


@pytest.mark.live
def test_sigterm_leaves_a_run_to_resume(pool: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    line = [
        sys.executable,
        "-m",
        "depth_ros",
        "train",
        "completion",
        "--pool",
        str(pool),
        "--out",
        str(out),
        *ARGUMENTS,
    ]
    line += ["--set", "log_every=1", "--set", "validation_samples=0"]
    job = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    assert job.stdout is not None
    for told in job.stdout:
        if told.startswith("step 2/"):
            job.send_signal(signal.SIGTERM)
            break
    rest = job.stdout.read()
    assert job.wait(timeout=30) == 0
    assert f"go on with: depth_ros train completion --out {out} --resume" in rest
    assert load_tensors(out / STATE)[1]["step"] >= 2
