from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from torch import nn

from depth_ros.cli.main import main
from depth_ros.errors import TrainingError
from depth_ros.networks.metric import MetricGraph, MetricNet
from depth_ros.training import metric_dataset, metric_run
from depth_ros.training.checkpoint import load_tensors, load_weights, save_tensors
from depth_ros.training.config import MetricConfig
from depth_ros.training.metric_pool import build_metric_pool
from depth_ros.training.metric_validate import MetricValidator, Picture, predict, synthetic_pictures
from depth_ros.training.pool import SHARD, Arrays, shard_path
from depth_ros.training.run import VALIDATION_SEED

SIZE = (40, 72)
NARROW = (8, 12, 16)
SMALL = {
    "canvas_height": 32,
    "canvas_width": 64,
    "batch": 4,
    "validation_samples": 32,
    "real_frames": 0,
    "device": "cpu",
    "threads": 1,
    "bf16": False,
}


def walls(directory: Path, seed: int) -> None:
    """Walls that fill the view, one per picture; the red of a wall tells how many pixels a metre of it is."""
    rng = np.random.default_rng(seed)
    height, width = SIZE
    focal, depth = rng.uniform(40, 90, SHARD), rng.uniform(1, 12, SHARD)
    red = np.clip(45 * np.log2(focal / depth / 2), 0, 255)
    blue = np.clip(2.5 * focal, 0, 255)
    colours = np.stack([red, np.full(SHARD, 80), blue], axis=1).astype(np.uint8)
    image = colours[:, None, None].repeat(height, 1).repeat(width, 2)
    truth = depth.astype(np.float16)[:, None, None].repeat(height, 1).repeat(width, 2)
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    cameras = np.concatenate([np.stack([focal, focal], axis=1), np.tile(centre, (SHARD, 1))], axis=1)
    directory.mkdir(parents=True, exist_ok=True)
    arrays: Arrays = {"image": image, "truth": truth, "intrinsics": cameras.astype(np.float32)}
    save_file(arrays, shard_path(directory, 0))


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    directory = tmp_path / "pool"
    walls(directory, 0)
    walls(directory / "validation", 1)
    plan = {
        "seed": VALIDATION_SEED,
        "size": [224, 416],
        "shard": SHARD,
        "fields": ["image", "truth", "intrinsics"],
    }
    (directory / "validation" / "pool.json").write_text(json.dumps(plan))
    return directory


def narrow_network() -> MetricNet:
    """A narrow network whose statistics follow a run of few steps."""
    network = MetricNet(NARROW)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.2
    return network


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metric_run, "MetricNet", narrow_network)


@pytest.mark.usefixtures("narrow")
def test_a_world_of_walls_is_learned(pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        metric_dataset, "choose_window", lambda size, canvas, _: metric_dataset.fit_window(size, canvas)
    )
    told: list[str] = []
    settings = {"steps": 240, "lr": 0.01, "warm_up": 10, "image_jitter": 0.0, "ema_decay": 0.9, "log_every": 50}
    config = MetricConfig(pool=str(pool), **SMALL, **settings)  # type: ignore[arg-type]
    facts = metric_run.train_metric(config, tmp_path / "run", tell=told.append)
    assert facts["finished"]
    network = MetricNet(NARROW).eval()
    load_weights(facts["weights"], network)
    pictures = synthetic_pictures(pool / "validation", 8)
    found = MetricValidator({"walls": pictures}, config.canvas)(network, torch.device("cpu"))
    given = found.rows[0]
    assert given["focal"] == "given"
    assert given["abs_rel"] < 0.12
    assert found.rows[1]["abs_rel"] < 0.35
    assert any("score" in line for line in told)


@pytest.mark.usefixtures("narrow")
def test_it_stops_and_goes_on(pool: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = [f"{name}={value}" for name, value in SMALL.items()]
    common = ["train", "metric", "--pool", str(pool), "--out", str(tmp_path / "run"), "--json"]
    common += [part for setting in settings for part in ("--set", setting)]
    assert main([*common, "--steps", "2"]) == 0
    assert main([*common, "--steps", "3", "--resume", "--set", f"windows={pool}"]) == 0
    facts = json.loads(capsys.readouterr().out.rpartition("\n{")[2].join(["{", ""]))
    assert (facts["step"], facts["finished"]) == (3, True)
    assert load_tensors(tmp_path / "run" / "last.safetensors")[1]["config"]["canvas_width"] == 64


@pytest.mark.usefixtures("narrow")
def test_a_run_starts_from_the_weights_it_is_given(pool: Path, tmp_path: Path) -> None:
    weights = tmp_path / "weights.safetensors"
    torch.manual_seed(7)
    given = MetricNet(NARROW)
    save_tensors(weights, given.state_dict(), {})
    config = MetricConfig(pool=str(pool), weights=str(weights), steps=1, lr=0.0, **SMALL)  # type: ignore[arg-type]
    metric_run.train_metric(config, tmp_path / "run")
    found, _ = load_tensors(tmp_path / "run" / "last.safetensors")
    assert all(torch.equal(found[name], value) for name, value in given.named_parameters())


def test_a_canvas_that_does_not_fit_is_one_line(pool: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="multiples of 32"):
        metric_run.train_metric(MetricConfig(pool=str(pool), canvas_width=100), tmp_path / "run")


def test_a_pool_of_whole_cameras(tmp_path: Path) -> None:
    build_metric_pool(tmp_path, 1, 3, size=(32, 64), workers=1)
    pictures = synthetic_pictures(tmp_path, SHARD)
    assert len(pictures) == SHARD
    widths = np.array([64 / picture.intrinsics[0] for picture in pictures])
    assert 0.6 < widths.min() < 1.3 < widths.max() < 2.9
    centres = np.array([picture.intrinsics[2:] for picture in pictures]) - (31.5, 15.5)
    assert np.abs(centres / (64, 32)).max() < 0.1
    assert all((picture.truth > 0).any() for picture in pictures)


def test_a_picture_is_asked_with_its_camera_or_without() -> None:
    torch.manual_seed(0)
    graph = MetricGraph(MetricNet(NARROW).eval(), (32, 64))
    rgb = np.full((20, 30, 3), 90, np.uint8)
    picture = Picture(rgb, np.array([25, 25, 14.5, 9.5], np.float32), np.ones((20, 30), np.float32), True)
    given, told = (predict(graph, picture, torch.device("cpu"), use_camera=use) for use in (True, False))
    np.testing.assert_allclose(given.depth / 25, told.depth / told.focal, rtol=1e-5)
    assert given.focal == told.focal
