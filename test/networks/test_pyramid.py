from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from depth_ros.errors import GeometryError
from depth_ros.networks.pyramid import PatchPyramid, PyramidGeometry


class _Identity(nn.Module):
    """Every pixel of a token in its vector: what is merged can be compared with the picture."""

    def __init__(self, token: int) -> None:
        super().__init__()
        self.token = token
        self.calls: list[tuple[int, ...]] = []

    def forward(self, patches: Tensor) -> Tensor:
        self.calls.append(tuple(patches.shape))
        return functional.pixel_unshuffle(patches, self.token)


GEOMETRIES = [
    PyramidGeometry(),
    PyramidGeometry(96, 96, 24, 4),
    PyramidGeometry(96, 160, 24, 4),
    PyramidGeometry(92, 132, 24, 4),
    PyramidGeometry(896, 1190, 224, 14),
    PyramidGeometry(64, 64, 64, 8, (0.0,)),
    PyramidGeometry(200, 104, 40, 8, (0.6, 0.1)),
    PyramidGeometry(128, 128, 8, 8, (0.9, 0.0, 0.3, 0.0)),
]


def picture(geometry: PyramidGeometry, batch: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(batch, 3, geometry.height, geometry.width, generator=generator)


def test_the_default_is_depth_pro() -> None:
    geometry = PyramidGeometry()
    assert geometry.sizes == [(1536, 1536), (768, 768), (384, 384)]
    assert geometry.counts == [25, 9, 1]
    assert [geometry.cuts(level)[0].starts for level in range(3)] == [(0, 18, 36, 54, 72), (0, 12, 24), (0,)]
    # Strides of 288 and 192 px; 3 tokens are cropped at each inner side of the fine patches, 6 of the others.
    assert geometry.cuts(0)[1].seams == (0, 21, 39, 57, 75, 96)
    assert geometry.cuts(1)[1].seams == (0, 18, 30, 48)


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
def test_split_then_merge_of_an_identity_encoder_is_the_identity(geometry: PyramidGeometry) -> None:
    image = picture(geometry, 1 if geometry.height > 1000 else 2)
    pyramid = PatchPyramid(_Identity(geometry.token), geometry)
    levels = pyramid(image)
    for (merged,), size in zip(levels, geometry.sizes, strict=True):
        back = functional.pixel_shuffle(merged, geometry.token)
        torch.testing.assert_close(back, functional.interpolate(image, size=size, mode="bilinear"), rtol=0, atol=0)
    patch = geometry.patch
    assert pyramid.encoder.calls == [(sum(geometry.counts) * len(image), 3, patch, patch)]


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
def test_cuts_cover_every_token_once_with_the_overlap_that_was_asked_for(geometry: PyramidGeometry) -> None:
    side = geometry.patch // geometry.token
    for level, (rows, columns) in enumerate(geometry.sizes):
        for cuts, size in zip(geometry.cuts(level), (rows, columns), strict=True):
            tokens = size // geometry.token
            assert (cuts.starts[0], cuts.starts[-1] + side) == (0, tokens)
            assert (cuts.seams[0], cuts.seams[-1]) == (0, tokens)
            for start, (low, high) in zip(cuts.starts, zip(cuts.seams, cuts.seams[1:], strict=False), strict=True):
                assert start <= low < high <= start + side
            strides = [after - before for before, after in zip(cuts.starts, cuts.starts[1:], strict=False)]
            assert all(stride <= max(side * (1 - geometry.overlaps[level]) + 1e-6, 1) for stride in strides)
            # What a patch says of its border goes to waste on both sides alike.
            for i in range(len(strides)):
                from_left, from_right = (
                    cuts.starts[i] + side - cuts.seams[i + 1],
                    cuts.seams[i + 1] - cuts.starts[i + 1],
                )
                assert from_left - from_right in (0, 1)


class _Place(nn.Module):
    """Answers where in the patch a token lies, whatever the patch shows."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, patches: Tensor) -> list[Tensor]:
        place = torch.arange(self.side * self.side, dtype=torch.float32).reshape(1, 1, self.side, self.side)
        coarse = place.expand(len(patches), 1, -1, -1)
        return [coarse, functional.interpolate(coarse, scale_factor=3, mode="nearest")]


def test_several_answers_of_several_sizes_are_merged_alike() -> None:
    geometry = PyramidGeometry(96, 160, 24, 4)
    levels = PatchPyramid(_Place(6), geometry)(picture(geometry))
    for (coarse, fine), (rows, columns) in zip(levels, geometry.sizes, strict=True):
        assert coarse.shape == (2, 1, rows // 4, columns // 4)
        torch.testing.assert_close(fine, functional.interpolate(coarse, scale_factor=3, mode="nearest"))
    # Half overlap: of 6 tokens those of a patch's middle, but at the edge of the image.
    assert (levels[1][0][0, 0, 0] % 6).tolist()[:7] == [0, 1, 2, 3, 2, 3, 1]


def test_a_batch_is_its_images_one_by_one() -> None:
    torch.manual_seed(0)
    geometry = PyramidGeometry(64, 96, 32, 8, (0.25, 0.5))
    pyramid = PatchPyramid(nn.Conv2d(3, 5, 8, 8), geometry)
    image = picture(geometry, 3)
    alone = [pyramid(one[None]) for one in image]
    for level, (merged,) in enumerate(pyramid(image)):
        torch.testing.assert_close(merged, torch.cat([answer[level][0] for answer in alone]))


def test_an_encoder_that_looks_at_tokens_alone_needs_no_patches() -> None:
    torch.manual_seed(0)
    geometry = PyramidGeometry(96, 160, 24, 4)
    encoder = nn.Conv2d(3, 5, 4, 4)
    image = picture(geometry)
    for (merged,), size in zip(PatchPyramid(encoder, geometry)(image), geometry.sizes, strict=True):
        torch.testing.assert_close(merged, encoder(functional.interpolate(image, size=size, mode="bilinear")))


def test_an_image_of_any_size_is_brought_to_the_finest_level() -> None:
    geometry = PyramidGeometry(96, 96, 24, 4)
    levels = PatchPyramid(_Identity(4), geometry)(torch.full((1, 3, 51, 203), 0.7))
    assert [merged.shape[2:] for (merged,) in levels] == [(24, 24), (12, 12), (6, 6)]
    assert all(torch.allclose(merged, torch.tensor(0.7)) for (merged,) in levels)


def test_gradients_reach_every_pixel() -> None:
    geometry = PyramidGeometry(96, 96, 24, 4)
    image = picture(geometry).requires_grad_()
    sum(merged.sum() for (merged,) in PatchPyramid(_Identity(4), geometry)(image)).backward()
    assert image.grad is not None
    assert (image.grad >= 1 - 1e-6).all()


@pytest.mark.parametrize(
    "wrong",
    [
        {"height": 1530},
        {"patch": 380},
        {"overlaps": ()},
        {"overlaps": (1.0,)},
        {"overlaps": (0.25, 0.5, 0.0, 0.0)},
        {"token": 0},
        {"height": 0},
    ],
)
def test_what_cannot_be_cut_is_said(wrong: dict[str, object]) -> None:
    with pytest.raises(GeometryError, match=r"pyramid|coarsest"):
        PyramidGeometry(**wrong)  # type: ignore[arg-type]


def test_an_encoder_that_is_coarser_than_its_tokens_is_refused() -> None:
    with pytest.raises(GeometryError, match="multiple of 6"):
        PatchPyramid(nn.Conv2d(3, 2, 8, 8), PyramidGeometry(96, 96, 24, 4))(torch.zeros(1, 3, 96, 96))


def test_it_is_the_same_in_onnx_runtime(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    torch.manual_seed(0)
    geometry = PyramidGeometry(48, 80, 16, 4, (0.25, 0.5))
    pyramid = PatchPyramid(nn.Conv2d(3, 5, 4, 4), geometry).eval()
    image = torch.rand(2, 3, 50, 70)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            pyramid,
            (image,),
            tmp_path / "pyramid.onnx",
            input_names=["image"],
            opset_version=18,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    session = runtime.InferenceSession(tmp_path / "pyramid.onnx", providers=["CPUExecutionProvider"])
    answers = session.run(None, {"image": image.numpy()})
    with torch.inference_mode():
        expected = [merged for level in pyramid(image) for merged in level]
    for answer, merged in zip(answers, expected, strict=True):
        np.testing.assert_allclose(answer, merged.numpy(), rtol=1e-4, atol=1e-5)
