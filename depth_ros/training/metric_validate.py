"""How good a metric network is, with the focal length given and without, on held-out worlds and a real sequence."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from depth_ros.bags.source import open_source
from depth_ros.config import CompletionConfig
from depth_ros.evaluation.metrics import abs_rel, delta1, mean_over_frames, sigma_coverage, silog
from depth_ros.evaluation.replay import spread
from depth_ros.networks.metric import MetricGraph, MetricNet
from depth_ros.pipelines.base import measure
from depth_ros.training.metric_pool import FACTS, PLANES
from depth_ros.training.pictures import Rgb, draw_sheet
from depth_ros.training.pool import Pool
from depth_ros.training.validate import SEQUENCE, Validation

Depth = NDArray[np.float32]
GIVEN, TOLD = "given", "told by the network"
PICTURES = 3


class Picture(NamedTuple):
    """An image with its camera and what is known of its depth.

    rgb: uint8 [H,W,3]. intrinsics: float32 [4], pixels. truth: float32 [H,W], metres, 0 = none. synthetic: whether
    every 0 is sky or beyond reach.
    """

    rgb: Rgb
    intrinsics: NDArray[np.float32]
    truth: Depth
    synthetic: bool


class Found(NamedTuple):
    """What the network told of a picture: depth and sigma [H,W] in metres, valid [H,W], focal length in pixels."""

    depth: Depth
    sigma: Depth
    valid: NDArray[np.uint8]
    focal: float


class MetricValidator:
    """Scores a network on sets of pictures, each with its camera and without.

    The score, by which weights are chosen, is the geometric mean of the two AbsRel of the first set: real frames are
    looked at, and choose nothing.
    """

    def __init__(self, sets: dict[str, list[Picture]], canvas: tuple[int, int]) -> None:
        self._sets, self._canvas = {name: pictures for name, pictures in sets.items() if pictures}, canvas

    def __call__(self, network: nn.Module, device: torch.device) -> Validation:
        """Score `network`, which is in evaluation mode."""
        assert isinstance(network, MetricNet)
        graph = MetricGraph(network, self._canvas)
        rows: list[dict[str, Any]] = []
        sheets: dict[str, Rgb] = {}
        for name, pictures in self._sets.items():
            with_camera = [predict(graph, picture, device) for picture in pictures]
            without = [predict(graph, picture, device, use_camera=False) for picture in pictures]
            for how, found in ((GIVEN, with_camera), (TOLD, without)):
                means = mean_over_frames([score(p, f) for p, f in zip(pictures, found, strict=True)])
                rows.append({"set": name, "focal": how, **means})
            for place in spread(len(pictures), PICTURES):
                picture = pictures[place]
                sheets[f"{name} {place}"] = draw_sheet(
                    picture.rgb, picture.truth, without[place].depth, with_camera[place].depth, picture.truth
                )
        return Validation(rows, math.sqrt(rows[0]["abs_rel"] * rows[1]["abs_rel"]), sheets)


@torch.inference_mode()
def predict(graph: MetricGraph, picture: Picture, device: torch.device, *, use_camera: bool = True) -> Found:
    """Ask the network for a picture's depth; use_camera: tell it the intrinsics."""
    given = picture.intrinsics if use_camera else np.zeros(4, np.float32)
    answer = graph(*(torch.from_numpy(np.ascontiguousarray(a))[None].to(device) for a in (picture.rgb, given)))
    depth, sigma, valid, focal = (part[0].float().cpu().numpy() for part in answer)
    return Found(depth, sigma, valid.astype(np.uint8), float(focal))


def score(picture: Picture, found: Found) -> dict[str, float]:
    """Score one picture, metres as they come: no scale is fitted.

    focal_error: |log| of the told focal length over the true one. sky: share of the pixels that are rightly sky or
    rightly not, NaN where the truth does not know the sky.
    """
    told_sky, sky = found.valid == 2, picture.truth <= 0
    return {
        "abs_rel": abs_rel(found.depth, picture.truth),
        "delta1": delta1(found.depth, picture.truth),
        "silog": silog(found.depth, picture.truth),
        "within_1_sigma": sigma_coverage(found.depth, found.sigma, picture.truth),
        "focal_error": abs(math.log(found.focal / float(picture.intrinsics[0]))),
        "sky": float((told_sky == sky).mean()) if picture.synthetic else math.nan,
    }


def synthetic_pictures(directory: Path, count: int) -> list[Picture]:
    """Return up to `count` samples of a pool of the metric network, whole and not augmented."""
    pool = Pool(directory, PLANES, FACTS)
    found = [pool.read(number) for number in spread(len(pool), count)]
    return [Picture(a["image"], a["intrinsics"], a["truth"].astype(np.float32), True) for a in found]


def real_pictures(data: Path, count: int) -> list[Picture]:
    """Return `count` frames spread over the real sequence in `data`, with what the LiDAR measured."""
    if not count or not (data / SEQUENCE).is_dir():
        return []
    samples = list(open_source(data / SEQUENCE).samples())
    pictures = []
    for place in spread(len(samples), count):
        frame, sparse, *_ = measure(samples[place].frame, CompletionConfig())
        assert frame.rgb is not None
        pictures.append(Picture(frame.rgb, np.array(frame.camera.intrinsics, np.float32), sparse, False))
    return pictures
