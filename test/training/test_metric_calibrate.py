"""`depth_ros train calibrate` of a metric network: both sigmas hold their share, and nothing else changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from torch import nn

from depth_ros.cli.main import main
from depth_ros.errors import TrainingError
from depth_ros.networks.metric import MetricNet, Seen
from depth_ros.training.calibrate import SHARE
from depth_ros.training.checkpoint import load_tensors, load_weights, save_tensors
from depth_ros.training.metric_calibrate import calibrate_metric
from depth_ros.training.metric_dataset import MetricSamples
from depth_ros.training.metric_run import INPUTS
from depth_ros.training.pool import SHARD, shard_path

SIZE, CANVAS, NARROW = (40, 72), (32, 64), (8, 8, 12)
FACTS = {"step": 7, "config": {"canvas_height": CANVAS[0], "canvas_width": CANVAS[1]}}


def fill(directory: Path, *, off: float = 0.0, without: str = "") -> Path:
    """Noise before slopes, seen by cameras of many focal lengths; off: of their principal point, in pixels."""
    rng = np.random.default_rng(0)
    truth = rng.uniform(5, 20, (SHARD, 1, 1)) * np.linspace(0.5, 1.5, SIZE[0])[None, :, None]
    focal = rng.uniform(20, 120, SHARD)
    centre = np.array([(SIZE[1] - 1) / 2 + off, (SIZE[0] - 1) / 2])
    arrays: dict[str, Any] = {
        "image": rng.integers(0, 256, (SHARD, *SIZE, 3)).astype(np.uint8),
        "truth": np.broadcast_to(truth, (SHARD, *SIZE)).astype(np.float16),
        "intrinsics": np.concatenate([np.stack([focal] * 2, 1), np.tile(centre, (SHARD, 1))], 1).astype(np.float32),
    }
    arrays.pop(without, None)
    directory.mkdir(parents=True)
    save_file(arrays, shard_path(directory, 0))
    return directory


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    fill(tmp_path / "pool" / "validation")
    return tmp_path / "pool"


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "weights.safetensors"
    save_tensors(path, made().state_dict(), FACTS)
    return path


def made() -> MetricNet:
    """A network that answers at random, and its sigmas too."""
    torch.manual_seed(0)
    network = MetricNet(NARROW)
    nn.init.normal_(network.head.weight, 0, 0.02)
    nn.init.normal_(network.focal[-1].weight, 0, 0.5)  # type: ignore[arg-type]
    return network.eval()


@torch.inference_mode()
def tell(network: MetricNet, samples: MetricSamples, number: int) -> Seen:
    seen: Seen = network(*(samples[number][name][None] for name in INPUTS))
    return seen


def test_both_sigmas_hold_the_share_that_was_asked_for(pool: Path) -> None:
    network, samples = made(), MetricSamples(pool / "validation", CANVAS, augment=False)
    before = tell(network, samples, 3)
    depth, focal = calibrate_metric(network, samples, SHARD, 0.6)
    after = tell(network, samples, 3)
    assert depth.after == pytest.approx(0.6, abs=0.01)
    assert focal.after == pytest.approx(0.6, abs=1 / SHARD)
    assert abs(depth.before - 0.6) > 0.1
    assert abs(focal.before - 0.6) > 0.1
    torch.testing.assert_close(after.log_sigma, before.log_sigma + np.log(depth.gain))
    torch.testing.assert_close(after.focal[:, 1], before.focal[:, 1] + np.log(focal.gain))
    for same in ("log_inverse", "sky"):
        assert torch.equal(getattr(after, same), getattr(before, same))
    assert torch.equal(after.focal[:, 0], before.focal[:, 0])
    errors = []
    for number in range(SHARD):
        sample, told = samples[number], tell(network, samples, number)
        metres = sample["intrinsics"][0] / CANVAS[1] / told.log_inverse[0].exp()
        known = sample["truth"] > 0
        errors.append(((metres - sample["truth"]).abs() <= metres * told.log_sigma[0].exp())[known].float().mean())
    assert float(torch.stack(errors).mean()) == pytest.approx(depth.after)


def test_the_command_knows_the_network_by_its_weights(
    pool: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "calibrated.safetensors"
    line = ["train", "calibrate", "--weights", str(weights), "--pool", str(pool), "--out", str(out)]
    assert main([*line, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["weights"], said["share"]) == (str(out), SHARE)
    assert said["sigma_after"] == pytest.approx(SHARE, abs=0.01)
    assert load_tensors(out)[1] == {
        **FACTS,
        "sigma_gain": round(said["sigma_gain"], 4),
        "focal_sigma_gain": round(said["focal_sigma_gain"], 4),
    }
    network, samples = MetricNet(NARROW).eval(), MetricSamples(pool / "validation", CANVAS, augment=False)
    load_weights(out, network)
    raised = tell(network, samples, 0).log_sigma - tell(made(), samples, 0).log_sigma
    torch.testing.assert_close(raised, torch.full_like(raised, np.log(said["sigma_gain"])))
    assert main(line) == 0
    told = capsys.readouterr().out.splitlines()
    assert [text.partition(", ")[0] for text in told] == [
        f"{out}: sigma times {said['sigma_gain']:.3f}",
        f"{out}: sigma of the focal length times {said['focal_sigma_gain']:.3f}",
    ]
    assert all("of the errors on held-out samples (before: " in text for text in told)


def test_a_pool_that_tells_no_focal_length_is_a_known_error(tmp_path: Path) -> None:
    samples = MetricSamples(fill(tmp_path / "off", off=30), CANVAS, augment=False)
    with pytest.raises(TrainingError, match="is of a whole camera: give a pool of the metric network"):
        calibrate_metric(made(), samples, 4)


@pytest.mark.parametrize(
    ("what", "text"),
    [("empty", "is empty"), ("other", "has no 'truth': is it of the pool"), ("cut", "cannot be read")],
)
def test_a_pool_that_will_not_do_is_one_line(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str, text: str
) -> None:
    held_out, out = tmp_path / "bad" / "validation", tmp_path / "out.safetensors"
    if what != "empty":
        fill(held_out, without="truth" if what == "other" else "")
    if what == "cut":
        shard = shard_path(held_out, 0)
        shard.write_bytes(shard.read_bytes()[:1000])
    line = ["train", "calibrate", "--weights", str(weights), "--pool", str(tmp_path / "bad"), "--out", str(out)]
    assert main(line) == 1
    said = capsys.readouterr().err
    assert text in said
    assert said.count("\n") == 1
    assert not out.exists()


def test_weights_that_answer_nothing_are_a_known_error(pool: Path) -> None:
    network = made()
    nn.init.constant_(network.head.weight, torch.nan)
    with pytest.raises(TrainingError, match="within nan sigma"):
        calibrate_metric(network, MetricSamples(pool / "validation", CANVAS, augment=False), 4)
