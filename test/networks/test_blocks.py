from __future__ import annotations

import torch

from depth_ros.networks.blocks import Merge, twice


def test_twice_repeats_every_pixel_whether_it_is_to_be_learned_or_not() -> None:
    plane = torch.arange(24.0).reshape(2, 3, 2, 2)
    wanted = plane.repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert torch.equal(twice(plane), wanted)
    with torch.no_grad():
        assert torch.equal(twice(plane), wanted)


def test_what_lies_below_a_merge_learns() -> None:
    merge, below, level = Merge(3, 4), torch.randn(2, 3, 4, 6, requires_grad=True), torch.randn(2, 4, 8, 12)
    merge(below, level).square().mean().backward()
    assert below.grad is not None
    assert below.grad.any(dim=(2, 3)).all()
    assert merge.reduce.weight.grad is not None
    assert merge.reduce.weight.grad.any()
