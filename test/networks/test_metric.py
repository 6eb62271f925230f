from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from depth_ros.networks.metric import CANVAS, MetricGraph, MetricNet, Seen

SMALL = (64, 96)
WIDTHS = (8, 8, 12)


def shaken(seed: int = 0) -> MetricNet:
    """A narrow network, every weight of its heads away from where it starts."""
    torch.manual_seed(seed)
    network = MetricNet(WIDTHS).eval()
    nn.init.normal_(network.head.weight, 0, 0.05)
    nn.init.normal_(network.focal[-1].weight, 0, 0.3)  # type: ignore[arg-type]
    return network


def picture(height: int = 48, width: int = 80, batch: int = 1) -> Tensor:
    random = torch.Generator().manual_seed(1)
    coarse = torch.rand(batch, 3, 6, 10, generator=random)
    fine = nn.functional.interpolate(coarse, size=(height, width), mode="bilinear")
    return (255 * fine).round().to(torch.uint8).permute(0, 2, 3, 1)


def camera(focal: float, height: int = 48, width: int = 80) -> Tensor:
    return torch.tensor([[focal, focal, (width - 1) / 2, (height - 1) / 2]])


UNKNOWN = torch.zeros(1, 4)


def test_it_is_small() -> None:
    assert sum(weight.numel() for weight in MetricNet().parameters()) <= 2_000_000


@torch.inference_mode()
@pytest.mark.parametrize("size", [(48, 80), (1, 1), (2, 3), (375, 1242), (100, 30)])
def test_it_answers_images_of_any_size_as_the_contract_asks(size: tuple[int, int]) -> None:
    depth, sigma, valid, focal = MetricGraph(shaken(), SMALL)(picture(*size), camera(70.0, *size))
    assert depth.shape == sigma.shape == valid.shape == (1, *size)
    assert (depth.dtype, sigma.dtype, valid.dtype, focal.dtype) == (
        torch.float32,
        torch.float32,
        torch.uint8,
        torch.float32,
    )
    assert all(part.isfinite().all() and (part > 0).all() for part in (depth, sigma, focal))
    assert set(valid.unique().tolist()) <= {1, 2}


@torch.inference_mode()
def test_the_same_picture_by_a_camera_of_twice_the_focal_length_is_twice_as_far() -> None:
    graph = MetricGraph(shaken(), SMALL)
    near, sigma, *_ = graph(picture(), camera(50.0))
    for factor in (0.5, 2.0, 4.0):
        far, sigma_far, *_ = graph(picture(), camera(50.0 * factor))
        torch.testing.assert_close(far, factor * near)
        torch.testing.assert_close(sigma_far, factor * sigma)


@torch.inference_mode()
def test_the_same_view_in_more_pixels_has_the_same_metres() -> None:
    """A resize changes the focal length in pixels, and nothing in the world."""
    graph = MetricGraph(shaken(), SMALL)
    coarse, *_, focal = graph(picture(48, 80), camera(50.0, 48, 80))
    large = picture(48, 80).repeat_interleave(4, 1).repeat_interleave(4, 2)
    fine, *_, focal_fine = graph(large, camera(200.0, 192, 320))
    averaged = nn.functional.avg_pool2d(fine[:, None], 4)[:, 0]
    torch.testing.assert_close(averaged, coarse, rtol=0.05, atol=0.05)
    torch.testing.assert_close(focal_fine, 4 * focal, rtol=0.02, atol=0)


class Ideal(nn.Module):
    """Tells a wall 7 m away of which it knows how many pixels of the canvas a metre is: the ideal network."""

    def __init__(self, canvas_focal: float) -> None:
        super().__init__()
        self.canvas_focal = canvas_focal

    def forward(self, _: Tensor, seen: Tensor, __: Tensor) -> Seen:
        inverse = torch.full_like(seen, self.canvas_focal / seen.shape[2] / 7.0)
        return Seen(inverse.log(), torch.zeros_like(seen), torch.zeros_like(seen), torch.zeros(len(seen), 2))


@torch.inference_mode()
@pytest.mark.parametrize("focal", [400.0, 721.5, 1000.0, 2000.0])
@pytest.mark.parametrize("size", [(480, 640), (375, 1242), (1080, 1920)])
def test_cameras_of_400_to_2000_pixels_get_the_same_metres(focal: float, size: tuple[int, int]) -> None:
    height, width = size
    scale = min(CANVAS[0] / height, CANVAS[1] / width)
    depth, *_ = MetricGraph(Ideal(focal * scale))(picture(height, width), camera(focal, height, width))  # type: ignore[arg-type]
    torch.testing.assert_close(depth, torch.full_like(depth, 7.0))


@torch.inference_mode()
def test_the_focal_head_counts_only_where_the_camera_is_unknown() -> None:
    network = shaken()
    graph = MetricGraph(network, SMALL)
    both = torch.cat([camera(50.0), UNKNOWN])
    before = graph(picture().expand(2, -1, -1, -1), both)
    network.focal[-1].bias += torch.tensor([0.7, 0.0])  # type: ignore[operator]
    after = graph(picture().expand(2, -1, -1, -1), both)
    assert torch.equal(before[0][0], after[0][0])
    assert torch.equal(before[1][0], after[1][0])
    factor = torch.tensor(0.7).exp()
    torch.testing.assert_close(after[0][1], factor * before[0][1])
    torch.testing.assert_close(after[3], factor * before[3])


@torch.inference_mode()
def test_without_a_camera_the_depth_is_that_of_the_focal_length_it_tells() -> None:
    graph = MetricGraph(shaken(), SMALL)
    depth, sigma, _, focal = graph(picture(), UNKNOWN)
    given, sure, *_ = graph(picture(), camera(float(focal)))
    torch.testing.assert_close(depth, given)
    assert (sigma > sure).all()


def test_the_focal_head_does_not_shape_the_rest() -> None:
    network = shaken().train()
    seen = network(picture(*SMALL).float(), torch.ones(1, *SMALL), torch.zeros(1, 2))
    seen.focal.square().sum().backward()
    touched = {name.split(".")[0] for name, weight in network.named_parameters() if weight.grad is not None}
    assert touched == {"focal"}


@torch.inference_mode()
def test_sky_is_told_and_what_lies_beside_the_image_is_not_seen() -> None:
    network = shaken()
    nn.init.zeros_(network.head.weight)
    network.head.bias[8:] = 3.0  # type: ignore[index]
    assert (MetricGraph(network, SMALL)(picture(), camera(50.0))[2] == 2).all()
    canvas, seen = torch.zeros(1, *SMALL, 3), torch.zeros(1, *SMALL)
    seen[:, 16:48] = 1
    one = shaken()(canvas, seen, torch.zeros(1, 2))
    other = shaken()(canvas + 200 * (1 - seen[..., None]), seen, torch.zeros(1, 2))
    torch.testing.assert_close(one.log_inverse, other.log_inverse)
