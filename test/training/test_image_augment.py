from collections.abc import Callable

import pytest
import torch
from torch import Generator, Tensor

from depth_ros.training.image_augment import blend_other, drop_image, jitter_colour

Change = Callable[[Tensor, float, Generator], Tensor]


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


@pytest.fixture
def images() -> Tensor:
    return torch.randint(1, 256, (64, 6, 9, 3), generator=seeded(9), dtype=torch.uint8)


@pytest.mark.parametrize("change", [drop_image, blend_other, jitter_colour])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_changes_keep_form_repeat_themselves_and_share_zero_is_nothing(
    change: Change, dtype: torch.dtype, images: Tensor
) -> None:
    images = images.to(dtype)
    result = change(images, 0.5, seeded())
    assert (result.shape, result.dtype) == (images.shape, dtype)
    assert 0 <= result.min() <= result.max() <= 255
    assert torch.equal(result, change(images, 0.5, seeded()))
    assert not torch.equal(result, change(images, 0.5, seeded(1)))
    assert torch.equal(change(images, 0.0, seeded()), images)
    changed = (result != images).flatten(1).any(dim=1).float().mean()
    assert 0.25 < changed < 0.75


@pytest.mark.parametrize("change", [blend_other, jitter_colour])
def test_no_image_stays_no_image(change: Change) -> None:
    images = torch.full((4, 5, 5, 3), 80, dtype=torch.uint8)
    images[2] = 0
    for seed in range(20):
        assert not change(images, 1.0, seeded(seed))[2].any()


def test_dropped_images_are_all_zero(images: Tensor) -> None:
    assert not drop_image(images, 1.0, seeded()).any()


def test_a_blend_lies_between_its_two_images() -> None:
    images = torch.stack([torch.full((4, 4, 3), v, dtype=torch.uint8) for v in (10, 210)])
    result = blend_other(images, 1.0, seeded())
    assert ((result > 40) & (result < 180)).all()
    alone = images[:1]
    assert torch.equal(blend_other(alone, 1.0, seeded()), alone)
