from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from depth_ros.training import derivative_losses, metric_losses, normal_losses

SIZE = (2, 24, 40)
INTRINSICS = torch.tensor([[40.0, 42.0, 19.3, 11.8], [55.0, 55.0, 19.5, 11.5]])


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def proposals(predicted: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    return metric_losses.proposal_loss(predicted, truth, valid, seeded())


def normals(predicted: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    return normal_losses.virtual_normal_loss(predicted, truth, valid, INTRINSICS, seeded())


def ssi_mae(predicted: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    shape, shape_truth = (metric_losses.without_scale_and_shift(value, valid) for value in (predicted, truth))
    return metric_losses.mae(shape, shape_truth, valid)


Array = np.ndarray[Any, Any]
Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
LOSSES: dict[str, Loss] = {
    "mae": metric_losses.mae,
    "trimmed": metric_losses.trimmed_mae,
    "silog": metric_losses.silog,
    "ssi": ssi_mae,
    "rpnl": proposals,
    "vnl": normals,
    "mage": derivative_losses.mage,
    "male": derivative_losses.male,
    "msge": derivative_losses.msge,
}
EACH = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())


def frame(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Predicted and true depth, a fifth not known (NaN and 0 there), an image on which little is."""
    generator = seeded(seed)
    truth = 1 + 4 * torch.rand(SIZE, generator=generator)
    predicted = truth * torch.empty(SIZE).uniform_(0.8, 1.3, generator=generator)
    valid = torch.rand(SIZE, generator=generator) > 0.2
    valid[:, :10, :12] = True
    return predicted, torch.where(valid, truth, torch.nan), valid


@EACH
def test_the_truth_costs_nothing_and_anything_else_something(loss: Loss) -> None:
    predicted, truth, valid = frame()
    assert loss(torch.where(valid, truth, 7.0), truth, valid).item() == pytest.approx(0, abs=1e-5)
    assert loss(predicted, truth, valid) > 0.01


@EACH
def test_what_lies_where_there_is_no_truth_changes_nothing(loss: Loss) -> None:
    predicted, truth, valid = frame()
    expected = loss(predicted, truth, valid)
    for anything in (0.0, -5.0, 1e9, math.nan, math.inf):
        torch.testing.assert_close(
            loss(torch.where(valid, predicted, anything), torch.where(valid, truth, 0.0), valid), expected
        )


@EACH
@pytest.mark.parametrize("known", ["none", "one image", "one pixel", "all"])
def test_gradients_are_finite_whatever_is_known(loss: Loss, known: str) -> None:
    predicted, truth, valid = frame()
    valid = {
        "none": torch.zeros_like(valid),
        "one image": valid & torch.tensor([True, False])[:, None, None],
        "one pixel": torch.zeros_like(valid).index_fill(2, torch.tensor([3]), True) & valid,
        "all": torch.ones_like(valid),
    }[known]
    truth = torch.where(truth.isnan(), 2.0 if known == "all" else math.nan, truth)
    leaf = torch.where(valid, predicted, math.nan).requires_grad_()
    cost = loss(leaf, truth, valid)
    cost.backward()  # type: ignore[no-untyped-call]
    assert torch.isfinite(cost)
    assert leaf.grad is not None
    assert torch.isfinite(leaf.grad).all()
    assert (leaf.grad[~valid] == 0).all()
    assert known != "none" or cost == 0
    assert known != "all" or leaf.grad.abs().sum() > 0


@EACH
@pytest.mark.parametrize("value", [3.0, 0.0])
def test_flat_and_perfect_predictions_have_finite_gradients(loss: Loss, value: float) -> None:
    _, truth, valid = frame()
    if value == 0 and loss is metric_losses.silog:
        return  # depth is positive
    for start in (torch.full(SIZE, value), torch.where(valid, truth, 1.0)):
        leaf = start.clone().requires_grad_()
        loss(leaf, truth, valid).backward()  # type: ignore[no-untyped-call]
        assert leaf.grad is not None
        assert torch.isfinite(leaf.grad).all()


@EACH
def test_an_image_without_truth_does_not_dilute_the_others(loss: Loss) -> None:
    predicted, truth, valid = frame()
    both = loss(predicted, truth, valid & torch.tensor([False, True])[:, None, None])
    if loss not in (normals,):  # whose draws differ
        torch.testing.assert_close(both, loss(predicted[1:], truth[1:], valid[1:]))


@pytest.mark.parametrize("name", ["rpnl", "ssi"])
def test_shape_losses_do_not_see_scale_and_shift(name: str) -> None:
    predicted, truth, valid = frame()
    expected = LOSSES[name](predicted, truth, valid)
    torch.testing.assert_close(LOSSES[name](3 * predicted + 2, 0.1 * truth - 1, valid), expected, rtol=1e-4, atol=1e-5)
    assert LOSSES[name](-predicted, truth, valid) > 1.1 * expected


@pytest.mark.parametrize("name", ["mage", "male", "msge"])
def test_derivative_losses_do_not_see_shift_and_scale_as_they_should(name: str) -> None:
    predicted, truth, valid = frame()
    expected = LOSSES[name](predicted, truth, valid)
    torch.testing.assert_close(LOSSES[name](predicted + 0.5, truth, valid), expected, rtol=1e-3, atol=1e-5)
    power = 2 if name == "msge" else 1
    torch.testing.assert_close(LOSSES[name](2 * predicted, 2 * truth, valid), 2**power * expected)


def numpy_ssi(value: Tensor, valid: Tensor) -> Array:
    known = np.sort(value[valid].double().numpy())
    median = known[(len(known) - 1) // 2]
    shape: Array = (value.double().numpy() - median) / np.abs(known - median).mean()
    return shape


def test_ssi_against_numpy() -> None:
    predicted, _, valid = frame()
    shapes = metric_losses.without_scale_and_shift(predicted, valid)
    for n in range(2):
        expected = numpy_ssi(predicted[n], valid[n])
        np.testing.assert_allclose(shapes[n][valid[n]].numpy(), expected[valid[n].numpy()], rtol=1e-4, atol=1e-5)
        assert (shapes[n][~valid[n]] == 0).all()


def test_rpnl_against_numpy() -> None:
    predicted, truth, valid = frame()
    windows = metric_losses._windows(24, 40, 32, seeded())
    total, counted = 0.0, 0
    for top, left, rows, columns in windows:
        assert 3 <= rows <= 12
        assert 5 <= columns <= 20
        assert top + rows <= 24
        assert left + columns <= 40
        for n in range(2):
            p, t, v = (x[n, top : top + rows, left : left + columns] for x in (predicted, truth, valid))
            if v.sum() >= 16:
                total += np.abs(numpy_ssi(p, v) - numpy_ssi(t, v))[v.numpy()].mean()
                counted += 1
    assert counted > 40
    assert proposals(predicted, truth, valid).item() == pytest.approx(total / counted, rel=1e-4)


def test_rpnl_leaves_flat_walls_alone() -> None:
    predicted, truth, valid = frame()
    assert proposals(predicted, torch.full_like(truth, 5.0), valid) == 0


def test_silog_by_hand() -> None:
    truth, everywhere = torch.full((1, 2, 2), 2.0), torch.ones(1, 2, 2, dtype=torch.bool)
    assert metric_losses.silog(truth * math.e, truth, everywhere).item() == pytest.approx(0.5)
    assert metric_losses.silog(truth * 7, truth, everywhere, 1.0).item() == pytest.approx(0, abs=1e-5)
    predicted, truth, valid = frame()
    each = [np.log((predicted[n] / truth[n])[valid[n]].double().numpy()) for n in range(2)]
    expected = np.mean([(g**2).mean() - 0.5 * g.mean() ** 2 for g in each])
    assert metric_losses.silog(predicted, truth, valid).item() == pytest.approx(expected, rel=1e-4)


def test_trimmed_mae_against_numpy() -> None:
    predicted, truth, valid = frame()
    costs = []
    for n in range(2):
        error = np.sort(np.abs((predicted[n] - truth[n])[valid[n]].numpy()))
        costs.append(error[: len(error) - int(len(error) * 0.2)].mean())
    assert metric_losses.trimmed_mae(predicted, truth, valid).item() == pytest.approx(np.mean(costs), rel=1e-5)
    whole = metric_losses.mae(predicted, truth, valid)
    torch.testing.assert_close(metric_losses.trimmed_mae(predicted, truth, valid, 0.0), whole)


def test_trimmed_mae_does_not_see_a_fifth_of_wrong_truth() -> None:
    truth, everywhere = torch.ones(1, 10, 10), torch.ones(1, 10, 10, dtype=torch.bool)
    predicted = truth + 0.25
    truth[0, :2] = 90
    assert metric_losses.trimmed_mae(predicted, truth, everywhere).item() == pytest.approx(0.25)


def plain_mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else 0.0


def slow_half(error: Array, known: Array) -> tuple[Array, Array]:
    height, width = error.shape
    coarse, coarse_known = np.zeros((height // 2, width // 2)), np.zeros((height // 2, width // 2))
    for y in range(height // 2):
        for x in range(width // 2):
            total = share = value = 0.0
            for dy, wy in zip(range(-1, 3), (1, 3, 3, 1), strict=True):
                for dx, wx in zip(range(-1, 3), (1, 3, 3, 1), strict=True):
                    v, u = 2 * y + dy, 2 * x + dx
                    if 0 <= v < height and 0 <= u < width:
                        total += wy * wx
                        share += wy * wx * known[v, u]
                        value += wy * wx * known[v, u] * error[v, u]
            if share >= 0.5 * total:
                coarse[y, x], coarse_known[y, x] = value / share, 1
    return coarse, coarse_known


def slow_derivatives(error: Array, known: Array, name: str, scales: int) -> float:
    """One image, in loops; error and known float64 [H,W]."""
    kernels = {
        "scharr": [
            np.array([[-3, 0, 3], [-10, 0, 10], [-3, 0, 3]]) / 32,
            np.array([[-3, -10, -3], [0, 0, 0], [3, 10, 3]]) / 32,
        ],
        "laplace": [np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]])],
    }[name.split("-")[0]]
    power, costs = int(name.split("-")[1]), []
    for _ in range(scales):
        height, width = error.shape
        if min(height, width) < 3:
            break
        found = []
        for y in range(1, height - 1):
            for x in range(1, width - 1):
                part = (slice(y - 1, y + 2), slice(x - 1, x + 2))
                if known[part].all():
                    found.append(sum(abs((kernel * error[part]).sum()) ** power for kernel in kernels))
        costs.append(plain_mean(found))
        error, known = slow_half(error, known)
    return float(np.mean(costs))


@pytest.mark.parametrize(("name", "reference"), [("mage", "scharr-1"), ("male", "laplace-1"), ("msge", "scharr-2")])
def test_derivative_losses_against_loops(name: str, reference: str) -> None:
    predicted, truth, valid = (value[:1] for value in frame(3))
    valid = valid | (torch.rand(1, *SIZE[1:], generator=seeded(5)) > 0.3)
    truth = torch.where(truth.isnan(), 2.0, truth)
    error = np.where(valid[0], (predicted - truth)[0].double().numpy(), 0)
    expected = slow_derivatives(error, valid[0].double().numpy(), reference, 3)
    loss = partial(getattr(derivative_losses, name), scales=3)
    assert loss(predicted, truth, valid).item() == pytest.approx(expected, rel=1e-4)


def test_derivatives_of_simple_shapes() -> None:
    x = torch.arange(32.0).expand(1, 32, 32)
    everywhere, zero = torch.ones(1, 32, 32, dtype=torch.bool), torch.zeros(1, 32, 32)
    assert derivative_losses.mage(0.5 * x, zero, everywhere, 1).item() == pytest.approx(0.5)
    assert derivative_losses.msge(0.5 * x, zero, everywhere, 1).item() == pytest.approx(0.25)
    assert derivative_losses.male(0.5 * x, zero, everywhere, 1).item() == pytest.approx(0, abs=1e-5)
    assert derivative_losses.male(x**2 / 100, zero, everywhere, 1).item() == pytest.approx(0.02, rel=1e-3)
    assert derivative_losses.mage(torch.ones(1, 2, 2), torch.zeros(1, 2, 2), everywhere[:, :2, :2]) == 0


def slow_normals(seed: int, predicted: Tensor, truth: Tensor, valid: Tensor) -> float:
    """The triples that the loss draws, taken one by one in numpy."""
    places = normal_losses._draw(valid, int(0.2 * 24 * 40), seeded(seed)).places.numpy()
    costs = []
    for n in range(2):
        fx, fy, cx, cy = INTRINSICS[n].double().numpy()
        found = []
        for triple in places[n]:
            corners = []
            for depth in (truth[n].double().numpy(), predicted[n].double().numpy()):
                y, x = np.divmod(triple, 40)
                z = depth[y, x]
                corners.append(np.column_stack([(x - cx) / fx * z, (y - cy) / fy * z, z]))
            assert np.isfinite(corners[0]).all()
            a, b, c = corners[0]
            sides = [b - a, c - b, a - c]
            if any(np.abs(side).max() <= 0.01 for side in sides):
                continue
            units = [side / np.linalg.norm(side) for side in sides]
            if max(abs(units[i] @ units[j]) for i, j in ((0, 1), (1, 2), (0, 2))) >= 0.867:
                continue
            both = []
            for a, b, c in corners:
                normal = np.cross(b - a, c - a)
                both.append(normal / np.linalg.norm(normal))
            found.append(np.abs(both[0] - both[1]).sum())
        assert len(found) > 20
        costs.append(np.mean(found))
    return float(np.mean(costs))


def test_virtual_normals_against_numpy() -> None:
    predicted, truth, valid = frame()
    assert normals(predicted, truth, valid).item() == pytest.approx(slow_normals(0, predicted, truth, valid), rel=1e-3)


def test_virtual_normals_of_two_planes() -> None:
    """A wall that faces the camera against one that is turned by 30 degrees: the difference of their normals."""
    x = (torch.arange(40.0) - INTRINSICS[0, 2]) / INTRINSICS[0, 0]
    y = torch.zeros(24, 1)
    wall, turned = (4 + 0 * x + y)[None], (4 / (1 + math.tan(math.radians(30)) * x) + y)[None]
    everywhere = torch.ones(1, 24, 40, dtype=torch.bool)
    cost = normal_losses.virtual_normal_loss(turned, wall, everywhere, INTRINSICS[:1], seeded())
    angle = math.radians(30)
    assert cost.item() == pytest.approx(math.sin(angle) + 1 - math.cos(angle), rel=1e-3)
    assert normal_losses.virtual_normal_loss(2 * wall, wall, everywhere, INTRINSICS[:1], seeded()).item() < 1e-4


def test_draws_take_what_is_known_alone_and_all_of_it() -> None:
    _, _, valid = frame()
    places = normal_losses._draw(valid, 4000, seeded()).places
    for n in range(2):
        assert set(places[n].flatten().tolist()) == set(valid[n].flatten().nonzero()[:, 0].tolist())
