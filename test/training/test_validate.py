from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from depth_ros.evaluation.cases import Case
from depth_ros.training.validate import CompletionValidator, Problem, complete, make_problem, real_problems

CPU = torch.device("cpu")


class Scaled(nn.Module):
    """The prior times a factor; one more with the image."""

    def __init__(self, factor: float, with_image: float = 1.0) -> None:
        super().__init__()
        self.factor, self.with_image = factor, with_image

    def forward(self, image: Tensor, _: Tensor, prior: Tensor, __: Tensor) -> tuple[Tensor, Tensor]:
        assert image.shape[1] % 32 == image.shape[2] % 32 == 0
        factor = self.factor * (self.with_image if image.any() else 1.0)
        return torch.where(prior > 0, prior * factor, 1.0), torch.ones_like(prior)


def problem(error: float = 1.1, *, rgb: bool = True) -> Problem:
    """A frame of 40 x 50 pixels whose prior is `error` times the truth, and knows nothing on the right."""
    truth = np.linspace(5, 20, 40 * 50, dtype=np.float32).reshape(40, 50)
    sparse = np.where(np.arange(40)[:, None] % 8 == 0, truth, 0).astype(np.float32)
    prior = truth * np.float32(error)
    prior[:, 45:] = 0
    image = np.full((40, 50, 3), 9, np.uint8) if rgb else None
    return make_problem(Case("made up", image, sparse, truth, "", ""), sparse, prior, np.ones(4, np.float32))


def test_the_score_is_the_ratio_to_the_prior() -> None:
    """Half of the error of a prior that is 10 % too far: 0.5 in depth, (1 - 1/1.05) / (1 - 1/1.1) in its inverse."""
    inside = problem()
    truth = inside.case.reference.copy()
    truth[:, 45:] = 0
    inside = make_problem(inside.case._replace(reference=truth), inside.sparse, inside.prior, inside.intrinsics)
    found = CompletionValidator({"one": [inside], "none": []})(Scaled(1.05 / 1.1), CPU)
    assert [(row["set"], row["image"]) for row in found.rows] == [("one", "image"), ("one", "no image")]
    assert found.rows[0]["mae_mm_ratio"] == pytest.approx(0.5, rel=1e-3)
    inverse = (1 - 1 / 1.05) / (1 - 1 / 1.1)
    assert found.rows[0]["irmse_per_km_ratio"] == pytest.approx(inverse, rel=1e-3)
    assert found.score == pytest.approx(math.sqrt(0.5 * inverse), rel=1e-3)


def test_both_image_modes_count() -> None:
    found = CompletionValidator({"one": [problem()]})(Scaled(1.0, with_image=1.1), CPU)
    assert found.rows[0]["mae_mm"] > found.rows[1]["mae_mm"]
    assert found.rows[1]["mae_mm_ratio"] == pytest.approx(1)
    without = CompletionValidator({"one": [problem(rgb=False)]})(Scaled(1.0, with_image=1.1), CPU)
    assert without.score == pytest.approx(1)


def test_nothing_is_answered_where_the_prior_knows_nothing() -> None:
    depth, sigma = complete(Scaled(1.0), problem(), CPU)
    assert depth.shape == sigma.shape == (40, 50)
    assert np.isnan(depth[:, 45:]).all()
    assert np.isnan(sigma[:, 45:]).all()
    assert np.isfinite(depth[:, :45]).all()


def test_a_network_that_gives_no_number_never_wins() -> None:
    assert CompletionValidator({"one": [problem()]})(Scaled(float("inf")), CPU).score == math.inf


def test_problems_of_one_mode_each_are_held_to_their_own_coverage() -> None:
    """The order of real frames: with the image, without it, with it; coverage differs from frame to frame."""
    frames = [problem(), problem(), problem()]
    wide = frames[2].prior.copy()
    wide[:, 45:] = 1
    wide[:, :9] = 0
    frames[2] = make_problem(frames[2].case, frames[2].sparse, wide, frames[2].intrinsics)
    modes = [("image",), ("no image",), ("image",)]
    given = [frame._replace(modes=mode) for frame, mode in zip(frames, modes, strict=True)]
    assert CompletionValidator({"one": given})(Scaled(1.0), CPU).score == pytest.approx(1)


def test_pictures_are_drawn() -> None:
    found = CompletionValidator({"one": [problem()]})(Scaled(1.0), CPU)
    assert {picture.shape for picture in found.pictures.values()} == {(80, 150, 3)}
    assert set(found.pictures) == {"one 0 image", "one 0 no image"}


def test_no_real_frames_are_no_problems(tmp_path: Path) -> None:
    assert real_problems(tmp_path, 5) == []


@pytest.mark.real
def test_real_frames_have_a_prior_worth_correcting(real_data: Path) -> None:
    guided, plain, other, _ = real_problems(real_data, 2)
    assert (guided.modes, plain.modes) == (("image",), ("no image",))
    assert guided.case.given != other.case.given
    assert 0 < guided.prior_scores["mae_mm"] < 2000
    assert not np.array_equal(guided.prior, plain.prior)
    assert CompletionValidator({"real": [guided, plain]})(Scaled(1.0), CPU).score == pytest.approx(1)
