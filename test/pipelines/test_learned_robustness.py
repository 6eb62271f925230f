"""What the bundled model does where input is scaled, wrong, scarce or of no use. No bundled model: skipped, loudly."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from depth_ros.classical.fill import complete
from depth_ros.config import CompletionConfig
from depth_ros.engines.factory import probe_engines
from depth_ros.frame import DepthMap, Frame, Source
from depth_ros.geometry.camera import Camera
from depth_ros.models.model import Model
from depth_ros.models.store import BEST, bundled_models
from depth_ros.pipelines.base import Pipeline
from depth_ros.pipelines.factory import make_pipeline

FloatImage = NDArray[np.float32]

HEIGHT, WIDTH = 96, 160
CAMERA = Camera.from_focal(WIDTH, HEIGHT, 120.0, 120.0, 79.5, 47.5)
HEIGHT_M, WALL_M = 1.5, 20.0
RING_ROWS = range(30, HEIGHT, 6)

runs_here = [kind for kind, probe in probe_engines().items() if not probe.reason]
pytestmark = [
    pytest.mark.skipif(BEST not in bundled_models(), reason=f"THE NETWORK WAS NOT TESTED: no model {BEST} is bundled"),
    pytest.mark.skipif(not runs_here, reason="THE NETWORK WAS NOT TESTED: no engine is installed"),
]


def truth() -> FloatImage:
    """Depth of flat ground and a wall, as the LiDAR's camera sees them."""
    row = (np.arange(HEIGHT) - 47.5) / 120
    z = np.where(row > 0, HEIGHT_M / np.maximum(row, 1e-9), np.inf)
    return np.repeat(np.minimum(z, WALL_M)[:, None], WIDTH, axis=1).astype(np.float32)


def lines() -> FloatImage:
    sparse = np.zeros((HEIGHT, WIDTH), np.float32)
    sparse[list(RING_ROWS), ::2] = truth()[list(RING_ROWS), ::2]
    return sparse


def grey() -> NDArray[np.uint8]:
    return np.full((HEIGHT, WIDTH, 3), 120, np.uint8)


@pytest.fixture(scope="module")
def pipeline() -> Iterator[Pipeline]:
    made = make_pipeline(CompletionConfig(model=BEST, engine=runs_here[-1], precision="f32", threads=1))
    yield made
    made.close()


def process(pipeline: Pipeline, sparse: FloatImage, rgb: NDArray[np.uint8] | None = None) -> DepthMap:
    """Complete, and check what holds whatever comes in: finite and positive where answered, NaN elsewhere."""
    found = pipeline.process(Frame(0, "camera", grey() if rgb is None else rgb, CAMERA, sparse_depth=sparse))
    answered = found.source != Source.NONE
    for values in (found.depth, found.sigma):
        assert np.isfinite(values[answered]).all()
        assert (values[answered] > 0).all()
        assert np.isnan(values[~answered]).all()
    return found


@pytest.mark.parametrize("scale", [0.1, 10.0])
def test_scaled_points_and_prior_give_scaled_depth_and_sigma_on_the_graph_alone(scale: float) -> None:
    model = Model(bundled_models()[BEST], engine=runs_here[-1], precision="f32", threads=1)
    sparse = lines()
    sparse[sparse > 0] += np.random.default_rng(0).normal(0, 0.05, np.count_nonzero(sparse)).astype(np.float32)
    inputs: dict[str, NDArray[Any]] = {
        "image": np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8),
        "sparse_depth": sparse,
        "prior_depth": np.nan_to_num(complete(sparse, paste_measured=False).depth),
        "intrinsics": np.array([120, 120, 79.5, 47.5], np.float32),
    }
    factor = np.float32(scale)
    scaled = {**inputs, "sparse_depth": sparse * factor, "prior_depth": inputs["prior_depth"] * factor}
    once, again = model.run(inputs), model.run(scaled)
    known = inputs["prior_depth"] > 0
    for name in ("depth", "sigma"):
        np.testing.assert_allclose(again[name][known], scale * once[name][known], rtol=1e-3, err_msg=name)


def test_a_plane_and_a_wall_come_out_as_they_are(pipeline: Pipeline) -> None:
    found = process(pipeline, lines())
    answered = found.source != Source.NONE
    assert answered[RING_ROWS[0] : RING_ROWS[-1]].mean() > 0.9
    relative = np.abs(found.depth - truth())[answered] / truth()[answered]
    assert np.median(relative) < 0.05


@pytest.mark.parametrize("share", [0.0, 0.02, 0.05, 0.1])
def test_outliers_stay_local_and_raise_sigma(pipeline: Pipeline, share: float) -> None:
    rng, sparse, clean = np.random.default_rng(2), lines(), process(pipeline, lines())
    wrong = (sparse > 0) & (rng.random(sparse.shape) < share)
    sparse[wrong] *= rng.uniform(0.3, 2, np.count_nonzero(wrong)).astype(np.float32)
    found = process(pipeline, sparse)
    both = (found.source != Source.NONE) & (clean.source != Source.NONE)
    error = np.abs(found.depth - truth())[both] / truth()[both]
    assert np.median(error) < 0.05 + share
    assert np.median(found.sigma[both]) >= 0.9 * np.median(clean.sigma[both])
    struck = both & (cv2.dilate(wrong.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0)
    assert not share or np.median(found.sigma[struck] / clean.sigma[struck]) > 1.2


@pytest.mark.parametrize("count", [0, 1, 2, 10])
def test_few_points_claim_little(pipeline: Pipeline, count: int) -> None:
    rows, columns = np.random.default_rng(3).permutation(HEIGHT * WIDTH)[:count] // WIDTH, np.arange(count) * 15
    sparse = np.zeros((HEIGHT, WIDTH), np.float32)
    sparse[rows, columns] = truth()[rows, columns]
    found = process(pipeline, sparse)
    assert (found.source != Source.NONE).any() == (count > 0)
    if count < 3:
        assert (found.source != Source.NONE).mean() < 0.5


@pytest.mark.parametrize("where", ["row", "column", "diagonal"])
def test_all_points_on_one_line(pipeline: Pipeline, where: str) -> None:
    sparse, at = np.zeros((HEIGHT, WIDTH), np.float32), np.arange(HEIGHT)
    rows, columns = {"row": (60 + 0 * at, at), "column": (at, 80 + 0 * at), "diagonal": (at, at)}[where]
    sparse[rows, columns] = 8
    found = process(pipeline, sparse)
    measured = sparse > 0
    assert (found.source[measured] != Source.NONE).all()
    assert np.median(np.abs(found.depth[measured] - 8)) < 0.5


@pytest.mark.parametrize("picture", ["black", "white", "noise", "stripes"])
def test_a_worthless_image_does_little_harm(pipeline: Pipeline, picture: str) -> None:
    noise = np.random.default_rng(4).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    stripes = np.where(np.indices((HEIGHT, WIDTH, 3))[1] // 8 % 2, 255, 0).astype(np.uint8)
    rgb = {"black": grey() * 0, "white": grey() * 0 + 255, "noise": noise, "stripes": stripes}[picture]
    found = process(pipeline, lines(), rgb)
    answered = found.source != Source.NONE
    relative = np.abs(found.depth - truth())[answered] / truth()[answered]
    assert np.median(relative) < 0.05


def test_sigma_grows_where_points_vanish(pipeline: Pipeline) -> None:
    sparse = lines()
    dense = process(pipeline, sparse)
    sparse[list(RING_ROWS)[1::2]] = 0
    sparse[:, 1::4] = 0
    thin = process(pipeline, sparse)
    both = (dense.source == Source.COMPLETED) & (thin.source == Source.COMPLETED)
    both &= np.indices(both.shape)[0] > 50
    assert both.any()
    assert np.median(thin.sigma[both]) > np.median(dense.sigma[both])
