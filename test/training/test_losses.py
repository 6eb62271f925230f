from __future__ import annotations

import math

import pytest
import torch

from depth_ros.training import losses


def plane(value: float = 10.0, size: tuple[int, int, int] = (1, 32, 48)) -> torch.Tensor:
    return torch.full(size, value)


def batch(truth: torch.Tensor, prior: torch.Tensor) -> dict[str, torch.Tensor]:
    return {"truth": truth, "prior_depth": prior}


def at(progress: float) -> torch.Tensor:
    return torch.tensor(progress)


def test_weighted_mean_passes_over_what_does_not_count() -> None:
    value, weight = torch.tensor([[[1.0, 5.0, 1e6]]]), torch.tensor([[[3.0, 1.0, 0.0]]])
    assert losses.mean(value, weight).item() == pytest.approx(2.0)
    assert losses.mean(value, torch.zeros_like(weight)).item() == 0


def test_huber_by_hand() -> None:
    error, weight = torch.tensor([[[0.1, -1.0]]]), torch.ones(1, 1, 2)
    expected = (0.5 * 0.1**2 / 0.3 + (1.0 - 0.15)) / 2
    assert losses.huber(error, weight, beta=0.3).item() == pytest.approx(expected)


def test_gradients_of_an_error_that_is_everywhere_the_same_are_zero() -> None:
    assert losses.gradient_matching(plane(0.7), torch.ones(1, 32, 48)).item() == 0


def test_gradients_of_a_ramp() -> None:
    ramp = 0.01 * torch.arange(48.0).expand(1, 32, 48)
    # One column apart at each scale: 0.01, 0.02, 0.04, 0.08; rows do not differ.
    assert losses.gradient_matching(ramp, torch.ones(1, 32, 48)).item() == pytest.approx(0.15 / 4, rel=1e-4)


def test_gradients_across_what_is_not_known_do_not_count() -> None:
    error, weight = torch.zeros(1, 32, 48), torch.ones(1, 32, 48)
    error[:, :, 20:] = 5
    weight[:, :, 12:28] = 0
    assert losses.gradient_matching(error, weight).item() == 0


def test_metric_loss_is_in_units_of_the_scene() -> None:
    truth, weight = plane() + torch.rand(1, 32, 48), torch.ones(1, 32, 48)
    near = losses.metric(1.2 * truth, truth, weight)
    far = losses.metric(12 * truth, 10 * truth, weight)
    assert near.item() == pytest.approx(far.item(), rel=1e-4)
    assert losses.metric(truth, truth, torch.zeros_like(weight)).item() == 0


@pytest.mark.parametrize("share", [losses.SIGMA_SHARE, losses.TWO_SIGMA_SHARE])
def test_the_pinball_loss_is_least_where_its_share_lies_below(share: float) -> None:
    values = torch.randn(20_000, generator=torch.Generator().manual_seed(0))
    estimates = torch.linspace(-2, 3, 500)
    found = torch.stack([losses.pinball(values - estimate, share).mean() for estimate in estimates])
    assert (values <= estimates[found.argmin()]).float().mean().item() == pytest.approx(share, abs=0.01)


def test_sigma_holds_its_two_shares_as_nearly_as_one_number_can() -> None:
    truth = plane(10.0, (1, 200, 200))
    # Student's t with 3 degrees of freedom has the heavy tails of depth errors.
    depth = truth + 0.3 * torch.distributions.StudentT(3).sample(truth.shape)
    depth = depth.clamp(min=1)
    weight, shares = torch.ones_like(truth), torch.linspace(0.005, 0.1, 400)
    found = torch.stack([losses.quantile(depth, depth * share, truth, weight) for share in shares])
    error, best = ((depth - truth).abs() / depth).ravel(), shares[found.argmin()]
    one, two = error.quantile(losses.SIGMA_SHARE), error.quantile(losses.TWO_SIGMA_SHARE) / 2
    assert min(one, two) <= best + 1e-3
    assert best - 1e-3 <= max(one, two)


def test_the_quantile_loss_teaches_sigma_and_not_depth() -> None:
    depth = plane().requires_grad_()
    ratio = torch.zeros(1, 32, 48, requires_grad=True)
    losses.quantile(depth, depth * ratio.exp(), plane(11.0), torch.ones(1, 32, 48)).backward()  # type: ignore[no-untyped-call]
    assert depth.grad is not None
    assert ratio.grad is not None
    torch.testing.assert_close(depth.grad, torch.zeros_like(depth))
    assert (ratio.grad > 0).all()  # sigma is as large as depth: far too large


@pytest.mark.parametrize("progress", [0.0, 0.3, 1.0])
def test_no_loss_at_the_truth_but_that_of_sigma(progress: float) -> None:
    truth = plane() + torch.rand(1, 32, 48)
    loss, parts = losses.completion_loss(truth, 1e-4 * truth, batch(truth, truth), at(progress))
    assert {name for name, part in parts.items() if abs(part.item()) > 1e-5} == {"quantile"}
    assert loss.item() == pytest.approx(0.05 * parts["quantile"].item(), abs=1e-5)


def test_loss_does_not_see_what_has_no_truth() -> None:
    torch.manual_seed(0)
    truth = plane() + torch.rand(1, 32, 48)
    truth[:, :10] = 0
    depth = (truth + 1).requires_grad_()
    loss, _ = losses.completion_loss(depth, 0.1 * depth, batch(truth, plane()), at(1.0))
    loss.backward()  # type: ignore[no-untyped-call]
    assert depth.grad is not None
    assert not depth.grad[:, :10].any()
    assert depth.grad[:, 11:].all()


def test_pixels_beyond_the_prior_count_little() -> None:
    truth, depth, prior = plane(), plane(), plane()
    depth[:, :16] = 12  # half of the frame is wrong, and has no prior
    prior[:, :16] = 0
    _, parts = losses.completion_loss(depth, 0.1 * depth, batch(truth, prior), at(1.0))
    share = losses.WEIGHT_BEYOND / (1 + losses.WEIGHT_BEYOND)
    assert parts["absolute"].item() == pytest.approx(share * math.log(1.2), rel=1e-4)


def test_what_lies_behind_an_edge_counts_little() -> None:
    truth = plane()
    truth[:, :, :24] = 5
    depth = truth.clone()
    behind = losses.is_behind(truth)
    depth[behind] = 12
    _, parts = losses.completion_loss(depth, 0.1 * depth, batch(truth, truth), at(1.0))
    share = behind.float().mean().item()
    counted = losses.WEIGHT_BEHIND * share / (losses.WEIGHT_BEHIND * share + 1 - share)
    assert 0 < share < 0.5
    assert parts["absolute"].item() == pytest.approx(counted * math.log(1.2), rel=1e-4)


def test_loss_is_the_same_at_every_scale() -> None:
    torch.manual_seed(0)
    truth, prior = plane() + 5 * torch.rand(1, 32, 48), plane()
    depth = truth * (0.2 * torch.randn_like(truth)).exp()
    near, _ = losses.completion_loss(depth, 0.1 * depth, batch(truth, prior), at(0.5))
    far, _ = losses.completion_loss(10 * depth, depth, batch(10 * truth, 10 * prior), at(0.5))
    assert near.item() == pytest.approx(far.item(), rel=1e-4)


def test_it_starts_smooth_and_ends_on_absolute_errors_and_edges() -> None:
    torch.manual_seed(0)
    truth = plane()
    depth = (truth * (0.2 * torch.randn_like(truth)).exp()).requires_grad_()

    def weight_of(name: str, progress: float) -> float:
        loss, parts = losses.completion_loss(depth, 0.1 * depth.detach(), batch(truth, truth), at(progress))
        return float(torch.autograd.grad(loss, parts[name])[0])

    assert weight_of("huber", 0) == pytest.approx(1)
    assert weight_of("gradient", 0.05) == 0
    assert weight_of("huber", 1) == pytest.approx(0.2)
    assert weight_of("absolute", 1) == pytest.approx(0.7)
    assert weight_of("gradient", 1) == pytest.approx(0.2)


def test_a_batch_without_any_truth_gives_no_loss_and_no_nan() -> None:
    depth = plane().requires_grad_()
    loss, _ = losses.completion_loss(depth, 0.1 * depth, batch(torch.zeros_like(plane()), plane()), at(1.0))
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == 0
    assert depth.grad is not None
    assert torch.isfinite(depth.grad).all()


def test_what_lies_behind_a_nearer_surface_is_found_within_the_window_alone() -> None:
    truth = torch.full((1, 40, 60), 20.0)
    truth[:, 10:30, 20:40] = 5
    truth[:, :, 0] = 0
    behind = losses.is_behind(truth)
    rows, columns = (size // 2 for size in losses.WINDOW)
    assert behind[0, :, 30].nonzero().ravel().tolist() == [*range(10 - rows, 10), *range(30, 30 + rows)]
    assert behind[0, 20].nonzero().ravel().tolist() == [*range(20 - columns, 20), *range(40, 40 + columns)]
    assert not losses.is_behind(torch.full((1, 20, 20), 3.0)).any()


def test_inverse_depth_is_the_metric_loss_of_the_inverse() -> None:
    truth = torch.rand(2, 8, 8, generator=torch.Generator().manual_seed(1)) * 20 + 1
    depth, weight = truth * 1.3, torch.ones_like(truth)
    torch.testing.assert_close(losses.inverse(depth, truth, weight), losses.metric(1 / depth, 1 / truth, weight))
    truth[0] = 0
    assert losses.inverse(depth, truth, (truth > 0).float()).isfinite()
