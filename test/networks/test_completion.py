from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from depth_ros.networks import completion
from depth_ros.networks.completion import CompletionNet

NARROW = (8, 8, 8, 8, 8)
Inputs = tuple[Tensor, Tensor, Tensor, Tensor]


def frame(height: int = 64, width: int = 96, batch: int = 1, seed: int = 0) -> Inputs:
    """Ground that rises, a box before it, a sky without prior, 5 % measured, a prior wrong by a few per cent."""
    torch.manual_seed(seed)
    truth = torch.logspace(1.6, 0.3, height)[:, None].expand(batch, height, width).clone()
    truth[:, height // 3 : height // 2, width // 4 : width // 2] = 3
    prior = truth * (0.05 * torch.randn_like(truth)).exp()
    prior[:, : height // 4] = 0
    sparse = truth * (torch.rand_like(truth) < 0.05) * (prior > 0)
    image = torch.randint(0, 256, (batch, height, width, 3), dtype=torch.uint8)
    return image, sparse, prior, torch.tensor([[width, width, width / 2, height / 2]]).repeat(batch, 1)


def trained(seed: int = 0) -> CompletionNet:
    """A network whose every weight and statistic is away from where it starts."""
    torch.manual_seed(seed)
    network = CompletionNet(NARROW).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0, 0.1)  # type: ignore[arg-type]
            nn.init.uniform_(module.running_var, 0.5, 1.5)  # type: ignore[arg-type]
    nn.init.normal_(network.head.weight, 0, 0.3)
    return network


def run(network: nn.Module, inputs: Inputs) -> tuple[Tensor, Tensor]:
    with torch.inference_mode():
        depth, sigma = network(*inputs)
    return depth, sigma


def sound(depth: Tensor, sigma: Tensor) -> bool:
    return all(bool(torch.isfinite(value).all() and (value > 0).all()) for value in (depth, sigma))


def test_it_is_small() -> None:
    assert sum(weight.numel() for weight in CompletionNet().parameters()) < 3e6


def test_it_starts_as_a_mix_that_leans_on_the_prior() -> None:
    image, sparse, prior, intrinsics = frame()
    depth, sigma = run(CompletionNet(NARROW).eval(), (image, torch.zeros_like(sparse), prior, intrinsics))
    torch.testing.assert_close(depth[prior > 0], prior[prior > 0])  # nothing to mix it with
    torch.testing.assert_close(sigma, depth * torch.tensor(-3.0).exp())


def test_at_the_start_the_mix_is_geometric_with_the_weights_of_the_bias() -> None:
    image, _, prior, intrinsics = frame()
    sparse = torch.zeros_like(prior)
    sparse[:, 20, 40] = 7.0
    prior = torch.full_like(prior, 10.0)
    depth, _ = run(CompletionNet(NARROW).eval(), (image, sparse, prior, intrinsics))
    weights = torch.tensor([2.0, 0.0, 0.0]).softmax(0)
    on_the_point = 10 * (0.7 ** (weights[1] + weights[2]))
    below_it = 10 * (0.7 ** weights[1])
    assert depth[0, 20, 40].item() == pytest.approx(on_the_point.item(), rel=1e-5)
    assert depth[0, 30, 40].item() == pytest.approx(below_it.item(), rel=1e-5)
    assert depth[0, 30, 80].item() == pytest.approx(10, rel=1e-5)


@pytest.mark.parametrize("factor", [0.1, 10.0])
def test_depth_and_sigma_scale_with_the_depth_that_goes_in(factor: float) -> None:
    network, (image, sparse, prior, intrinsics) = trained(), frame()
    depth, sigma = run(network, (image, sparse, prior, intrinsics))
    scaled_depth, scaled_sigma = run(network, (image, factor * sparse, factor * prior, intrinsics))
    torch.testing.assert_close(scaled_depth, factor * depth, rtol=1e-3, atol=0)
    torch.testing.assert_close(scaled_sigma, factor * sigma, rtol=1e-3, atol=0)


@pytest.mark.parametrize("points", [0, 1, 2, 10])
def test_few_or_no_points_with_their_prior_or_without(points: int) -> None:
    network, (image, sparse, prior, intrinsics) = trained(), frame()
    places = (sparse > 0).nonzero()[:points]
    few = torch.zeros_like(sparse)
    few[tuple(places.T)] = sparse[tuple(places.T)]
    assert sound(*run(network, (image, few, prior, intrinsics)))
    assert sound(*run(network, (image, few, torch.zeros_like(prior), intrinsics)))


def test_all_inputs_zero_and_an_untaught_network_give_the_scale_of_no_points() -> None:
    image, sparse, _, intrinsics = (torch.zeros_like(value) for value in frame())
    depth, sigma = run(CompletionNet(NARROW).eval(), (image, sparse, sparse, intrinsics + 100))
    assert sound(depth, sigma)
    torch.testing.assert_close(depth, torch.full_like(depth, completion.SCALE_WITHOUT_POINTS))


@pytest.mark.parametrize("value", [0, 255])
def test_black_and_white_images(value: int) -> None:
    image, *others = frame()
    assert sound(*run(trained(), (torch.full_like(image, value), *others)))  # type: ignore[arg-type]


def test_outliers_tiny_and_huge_depth() -> None:
    image, sparse, prior, intrinsics = frame()
    wild = torch.where(torch.rand_like(sparse) < 0.1, 10 ** (8 * torch.rand_like(sparse) - 4), sparse)
    assert sound(*run(trained(), (image, wild, prior, intrinsics)))


def test_nan_and_negative_depth_count_as_none() -> None:
    network, (image, sparse, prior, intrinsics) = trained(), frame()
    spoiled = sparse.clone()
    spoiled[sparse == 0] = torch.nan
    spoiled[:, 40:][sparse[:, 40:] == 0] = -1
    for clean, found in zip(
        run(network, (image, sparse, prior, intrinsics)), run(network, (image, spoiled, prior, intrinsics)), strict=True
    ):
        torch.testing.assert_close(found, clean)


def test_a_frame_does_not_see_its_neighbours_in_the_batch() -> None:
    network, inputs = trained(), frame(batch=2)
    whole = run(network, inputs)
    alone = run(network, tuple(value[1:] for value in inputs))  # type: ignore[arg-type]
    for one, both in zip(alone, whole, strict=True):
        torch.testing.assert_close(one, both[1:], rtol=1e-4, atol=1e-5)


def test_mirrored_frames_start_mirrored() -> None:
    image, sparse, prior, intrinsics = frame()
    network = CompletionNet(NARROW).eval()
    depth, _ = run(network, (image, sparse, prior, intrinsics))
    mirrored, _ = run(network, (image.flip(2), sparse.flip(2), prior.flip(2), intrinsics))
    torch.testing.assert_close(mirrored.flip(2), depth)
    assert sound(*run(trained(), (image.flip(2), sparse.flip(2), prior.flip(2), intrinsics)))


def test_every_weight_learns() -> None:
    network = trained().train()
    depth, sigma = network(*frame(batch=2))
    (depth.log().square().mean() + sigma.log().square().mean()).backward()
    assert [name for name, weight in network.named_parameters() if weight.grad is None or not weight.grad.any()] == []


@pytest.mark.parametrize("size", [(32, 32), (32, 64), (96, 32)])
def test_any_size_of_the_multiple(size: tuple[int, int]) -> None:
    depth, sigma = run(trained(), frame(*size))
    assert depth.shape == sigma.shape == (1, *size)
    assert sound(depth, sigma)
