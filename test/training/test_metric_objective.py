from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from depth_ros.networks.metric import Seen
from depth_ros.training.metric_objective import focal_losses, metric_loss

HEIGHT, WIDTH, FOCAL = 32, 48, 40.0
LATE, EARLY = torch.tensor(1.0), torch.tensor(0.0)


def batch(factor: float = 1.0) -> dict[str, Tensor]:
    """A floor under a sky, with a box, seen by two cameras; the last columns are not seen."""
    rows = torch.arange(HEIGHT).float()[:, None].expand(-1, WIDTH)
    truth = torch.where(rows > 12, 60 / (rows - 10), 0.0)
    truth[14:26, 10:22] = 2.5
    seen = torch.ones(HEIGHT, WIDTH)
    seen[:, -6:] = 0
    camera = torch.tensor([FOCAL, FOCAL, 23.5, 15.5])
    both = {"truth": truth * seen * factor, "seen": seen, "intrinsics": camera * torch.tensor([factor, factor, 1, 1])}
    return {name: torch.stack([one, one]) for name, one in both.items()} | {"whole": torch.tensor([True, False])}


def perfect(given: dict[str, Tensor]) -> Seen:
    """What an ideal network would tell."""
    truth, scale = given["truth"], given["intrinsics"][:, 0] / WIDTH
    inverse = torch.where(truth > 0, scale[:, None, None] / truth.clamp(min=1e-3), math.exp(-9))
    sky = torch.where((truth == 0) & (given["seen"] > 0), 20.0, -20.0)
    focal = torch.stack([scale.log(), torch.full((2,), -3.0)], dim=1)
    return Seen(inverse.log(), torch.full_like(truth, -4.0), sky, focal)


def test_the_truth_costs_next_to_nothing() -> None:
    given = batch()
    for progress in (EARLY, LATE):
        _, parts = metric_loss(*perfect(given), given, progress)
        doubts = {"quantile", "focal_quantile"}
        assert {name: float(part) for name, part in parts.items() if name not in doubts} == pytest.approx(
            dict.fromkeys(parts.keys() - doubts, 0.0), abs=2e-3
        )


def test_a_camera_of_another_focal_length_in_a_world_as_much_larger_is_the_same() -> None:
    torch.manual_seed(0)
    told = Seen(*(part + 0.1 * torch.randn_like(part) for part in perfect(batch())))
    losses = []  # but for the normals, which are those of a world stretched along the view
    for factor in (1.0, 3.0):
        torch.manual_seed(1)
        _, parts = metric_loss(*told, batch(factor), LATE)
        losses.append(
            {name: float(part) for name, part in parts.items() if not name.startswith(("focal", "beyond", "normals"))}
        )
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_what_is_not_seen_costs_nothing_and_teaches_nothing() -> None:
    given = batch()
    told = Seen(*(part.clone().requires_grad_() for part in perfect(given)))
    loss, _ = metric_loss(*told, given, LATE)
    loss.backward()  # type: ignore[no-untyped-call]
    for part in told[:3]:
        assert part.grad is not None
        assert part.grad.isfinite().all()
        assert not part.grad[:, :, -6:].any()
    wild = Seen(*(part.clone() for part in perfect(given)))
    for part in wild[:3]:
        part[:, :, -6:] = 3.0
    torch.manual_seed(0)
    one, _ = metric_loss(*perfect(given), given, LATE)
    torch.manual_seed(0)
    other, _ = metric_loss(*wild, given, LATE)
    torch.testing.assert_close(one, other)


def test_every_fault_is_felt_where_it_belongs() -> None:
    given = batch()
    _, right = metric_loss(*perfect(given), given, LATE)
    ideal = perfect(given)
    faults = {
        "absolute": ideal._replace(log_inverse=ideal.log_inverse + 0.3),
        "quantile": ideal._replace(log_inverse=ideal.log_inverse + 0.3),
        "sky": ideal._replace(sky=-ideal.sky),
        "beyond": ideal._replace(log_inverse=ideal.log_inverse.clamp(min=0)),
        "focal": ideal._replace(focal=ideal.focal + 0.5),
    }
    for name, told in faults.items():
        assert metric_loss(*told, given, LATE)[1][name] > right[name] + 0.02, name


def test_only_whole_cameras_teach_the_focal_length() -> None:
    focal = torch.tensor([[0.1, -2.0], [9.0, -2.0]], requires_grad=True)
    parts = focal_losses(focal, torch.tensor([1.0, 1.0]), torch.tensor([True, False]))
    assert float(parts["focal"].detach()) == pytest.approx(0.01)
    (parts["focal"] + parts["focal_quantile"]).backward()  # type: ignore[no-untyped-call]
    assert focal.grad is not None
    assert not focal.grad[1].any()


def test_nothing_known_is_no_trouble() -> None:
    given = batch()
    given["truth"] = torch.zeros_like(given["truth"])
    loss, _ = metric_loss(*perfect(given), given, EARLY)
    assert loss.isfinite()
