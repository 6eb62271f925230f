from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from depth_ros.geometry import canonical as numpy_canonical
from depth_ros.geometry.view import View
from depth_ros.networks import canonical
from depth_ros.networks.canonical import CanonicalImage

INTRINSICS = torch.tensor([[721.5, 720.0, 609.6, 172.9], [400.0, 401.0, 300.0, 180.0], [2000.0, 2000.0, 640.0, 360.0]])


def depth(seed: int = 0) -> Tensor:
    return torch.empty(3, 8, 12).uniform_(0.3, 80, generator=torch.Generator().manual_seed(seed))


def test_label_transforms_are_those_of_numpy_both_ways() -> None:
    metres = depth()
    there, inverse = (
        canonical.to_canonical(metres, INTRINSICS),
        canonical.to_canonical_inverse(metres, INTRINSICS, 1280),
    )
    for n, fx in enumerate(INTRINSICS[:, 0].tolist()):
        one = metres[n].numpy()
        np.testing.assert_allclose(there[n].numpy(), numpy_canonical.to_canonical(one, fx), rtol=1e-6)
        np.testing.assert_allclose(inverse[n].numpy(), numpy_canonical.to_canonical_inverse(one, fx, 1280), rtol=1e-6)
    torch.testing.assert_close(canonical.from_canonical(there, INTRINSICS), metres)
    torch.testing.assert_close(canonical.from_canonical_inverse(inverse, INTRINSICS, 1280), metres)


def test_what_is_no_inverse_depth_is_bounded() -> None:
    answer = canonical.from_canonical_inverse(torch.tensor([[[0.0, -3.0, 1e30]]]), INTRINSICS[:1], 1280)
    torch.testing.assert_close(answer, torch.tensor([[[1e4, 1e4, 1e-4]]]))


def test_the_focal_head_answers_only_where_the_camera_does_not() -> None:
    given = INTRINSICS.clone()
    given[1] = 0
    known = canonical.known_intrinsics(given, torch.tensor([1.0, 555.0, 2.0]), 1280, 720)
    torch.testing.assert_close(known[[0, 2]], given[[0, 2]])
    assert known[1].tolist() == [555.0, 555.0, 639.5, 359.5]
    assert canonical.known_intrinsics(given, 1000.0, 1280, 720)[1, 0] == 1000


def test_a_focal_head_that_answers_nothing_divides_by_no_zero() -> None:
    known = canonical.known_intrinsics(torch.zeros(1, 4), torch.zeros(1), 64, 48)
    assert torch.isfinite(canonical.from_canonical_inverse(torch.ones(1, 2, 2), known, 64)).all()
    assert torch.isfinite(canonical.to_canonical(torch.ones(1, 2, 2), torch.zeros(1, 4))).all()


def test_field_of_view() -> None:
    focal = canonical.focal_from_fov(torch.tensor([60.0, 90.0]), 1280)
    expected = [numpy_canonical.focal_from_fov(fov, 1280) for fov in (60.0, 90.0)]
    np.testing.assert_allclose(focal.numpy(), expected, rtol=1e-6)


def test_intrinsics_follow_as_a_view_carries_them() -> None:
    view = View(1280, 720, *INTRINSICS[0].tolist())
    seen = view.resize(1064, 598).pad(0, 9, 0, 9).crop(10, 5, 600, 400)
    moved = canonical.resized_intrinsics(INTRINSICS, (1064 / 1280, 598 / 720))
    moved = canonical.moved_intrinsics(canonical.moved_intrinsics(moved, 0, -9), 10, 5)
    np.testing.assert_allclose(moved[0].numpy(), seen.intrinsics, rtol=1e-5)


def picture(height: int = 90, width: int = 160, batch: int = 1) -> Tensor:
    noise = torch.rand(batch, 3, 9, 16, generator=torch.Generator().manual_seed(1))
    return functional.interpolate(noise, size=(height, width), mode="bicubic")


def centred(focal: float, height: int = 90, width: int = 160) -> Tensor:
    return torch.tensor([[focal, focal, (width - 1) / 2, (height - 1) / 2]])


@pytest.mark.parametrize(("focal", "size"), [(100.0, (180, 320)), (400.0, (45, 80)), (200.0, (90, 160))])
def test_a_centred_camera_is_an_antialiased_resize(focal: float, size: tuple[int, int]) -> None:
    seen, inside = CanonicalImage(*size, focal=200.0)(picture(), centred(focal))
    expected = functional.interpolate(picture(), size=size, mode="bilinear", align_corners=False, antialias=True)
    torch.testing.assert_close(seen, expected, atol=2e-5, rtol=0)
    assert inside.min() == 1


def test_what_the_camera_did_not_see_is_filled() -> None:
    seen, inside = CanonicalImage(120, 200, focal=200.0)(picture(), centred(200.0), [0.1, 0.2, 0.3])
    torch.testing.assert_close(seen[:, :, 15:105, 20:180], picture(), atol=1e-5, rtol=0)
    assert inside.sum() == 90 * 160
    torch.testing.assert_close(seen[0, :, 0, 0], torch.tensor([0.1, 0.2, 0.3]))


def rays(intrinsics: Tensor, height: int, width: int) -> Tensor:
    """x/z and y/z of every pixel: pictures of the world that look the same wherever a camera shows them."""
    fx, fy, cx, cy = (value[:, None, None] for value in intrinsics.unbind(1))
    x = ((torch.arange(width) - cx) / fx).expand(-1, height, -1)
    y = ((torch.arange(height)[:, None] - cy) / fy).expand(-1, -1, width)
    return torch.stack([x, y], dim=1)


def test_each_camera_of_a_batch_sees_the_same_world() -> None:
    layer = CanonicalImage(120, 200, focal=150.0)
    intrinsics = torch.tensor([[300.0, 310.0, 70.0, 50.0], [90.0, 80.0, 85.0, 41.0], [150.0, 150.0, 79.5, 44.5]])
    seen, inside = layer(rays(intrinsics, 90, 160), intrinsics)
    expected = rays(torch.tensor([[150.0, 150.0, 99.5, 59.5]]), 120, 200).expand(3, -1, -1, -1)
    # Beside the edge of an image a footprint may be cut off: two pixels there.
    inner = functional.max_pool2d(1 - inside, 5, 1, 2) == 0
    assert inner.flatten(1).sum(dim=1).min() > 2500
    # A fifth of a pixel: a triangle of a width that is no whole number of pixels is not quite its own middle.
    torch.testing.assert_close(torch.where(inner, seen, 0), torch.where(inner, expected, 0), atol=0.2 / 90, rtol=0)


def test_depth_comes_back_to_the_camera_that_took_the_picture() -> None:
    layer = CanonicalImage(120, 200, focal=150.0)
    intrinsics = torch.tensor([[180.0, 190.0, 70.0, 50.0], [130.0, 130.0, 85.0, 41.0]])
    world = rays(torch.tensor([[150.0, 150.0, 99.5, 59.5]]), 120, 200)
    metres = (5 + world[:, 0] - 2 * world[:, 1]).expand(2, -1, -1)
    answer, seen = layer.back(metres, intrinsics, 90, 160)
    own = rays(intrinsics, 90, 160)
    expected = 5 + own[:, 0] - 2 * own[:, 1]
    assert seen.mean() > 0.95
    inner = functional.max_pool2d(1 - seen[:, None], 5, 1, 2)[:, 0] == 0
    inner[:, :2] = inner[:, -2:] = inner[:, :, :2] = inner[:, :, -2:] = False
    torch.testing.assert_close(
        torch.where(inner, answer, 0), torch.where(inner, expected, 0), atol=0.2 * 2 / 130, rtol=0
    )


class _Graph(nn.Module):
    """What a network of this kind has around it: focal head, image transform, both label transforms, way back."""

    def __init__(self) -> None:
        super().__init__()
        self.image = CanonicalImage(48, 64, focal=60.0)

    def forward(self, image: Tensor, intrinsics: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        rgb = image.permute(0, 3, 1, 2).float() / 255
        height, width = rgb.shape[2:]
        focal = canonical.focal_from_fov(40 + 20 * rgb.mean(dim=(1, 2, 3)), width)
        known = canonical.known_intrinsics(intrinsics, focal, width, height)
        seen, _ = self.image(rgb, known, (0.485, 0.456, 0.406))
        depth, inside = self.image.back(1 + seen.mean(dim=1), known, height, width)
        metres = canonical.from_canonical(canonical.to_canonical(depth, known), known)
        inverse = canonical.to_canonical_inverse(metres, known, width)
        return canonical.from_canonical_inverse(inverse, known, width), inside, focal


def test_the_layers_are_the_same_in_onnx_runtime(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    image = (picture(40, 56, 2).permute(0, 2, 3, 1).clamp(0, 1) * 255).to(torch.uint8)
    intrinsics = torch.tensor([[50.0, 51.0, 27.0, 19.0], [0.0, 0.0, 0.0, 0.0]])
    network = _Graph().eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (image, intrinsics),
            tmp_path / "graph.onnx",
            input_names=["image", "intrinsics"],
            opset_version=18,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    session = runtime.InferenceSession(tmp_path / "graph.onnx", providers=["CPUExecutionProvider"])
    answers = session.run(None, {"image": image.numpy(), "intrinsics": intrinsics.numpy()})
    for answer, expected in zip(answers, network(image, intrinsics), strict=True):
        np.testing.assert_allclose(answer, expected.numpy(), rtol=1e-4, atol=1e-5)
