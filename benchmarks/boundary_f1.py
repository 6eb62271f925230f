"""Boundary F1 of the multi-scale patch pyramid against the same network without it, on synthetic scenes at 1536x1536.

The same small patch encoder and the same decoder, trained from nothing for the same steps on the same scenes in the
same order, with the same loss: once on Depth Pro's pyramid (1536, 768 and 384 in 35 overlapping patches), once on the
image at 384 alone. Both answer at 1536x1536; boundary F1 needs no alignment. Two further rows tell what the figures
mean: a bilinear answer cannot have sharper edges than the truth itself brought to 384 and back; and plain nearest
beside it. Few scenes tell what either network can draw; many, what it makes of new ones.

    python -m benchmarks.boundary_f1 --steps 900 --scenes 4 --tests 4 --json benchmarks/results/boundary_f1.json

Scenes are rendered once and kept in --cache.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from depth_ros.evaluation.boundary import boundary_f1
from depth_ros.evaluation.metrics import abs_rel
from depth_ros.evaluation.result import used_versions
from depth_ros.geometry.camera import Camera
from depth_ros.networks.blocks import Convolution, Merge
from depth_ros.networks.pyramid import PatchPyramid, PyramidGeometry
from depth_ros.synthetic.render import render
from depth_ros.synthetic.worlds import KINDS, choose_view, make_world
from depth_ros.training.derivative_losses import derivative_errors
from depth_ros.training.metric_losses import mae

SIDE, COARSE = 1536, 384
SEED = 88_000_001
WIDTHS = (12, 24, 48)
"""Channels of the patch encoder at 1/4, 1/8 and 1/16 of a patch."""
FARTHEST_M = 200.0
LEAST_INVERSE = 2e-3
"""What the sky counts as: farther than all that is drawn."""
WINDOW = 768
"""Side of the part of an answer that a step learns from, elsewhere in each: the loss at 1536 would cost half a step."""
LR = 3e-3
KEYS = "learned", "new"
PYRAMID, PLAIN = "pyramid of 35 patches", "without it"
GEOMETRIES = {PYRAMID: PyramidGeometry(), PLAIN: PyramidGeometry(COARSE, COARSE, overlaps=(0.0,))}


class SceneView(NamedTuple):
    """image: uint8 [1536,1536,3] RGB. inverse: float32 [1536,1536], canonical inverse depth f / (W D), 0 in the sky."""

    image: NDArray[np.uint8]
    inverse: NDArray[np.float32]


class PatchEncoder(nn.Module):
    """A patch [M,3,384,384] to features at 1/4, 1/8 and 1/16 of its size."""

    def __init__(self) -> None:
        super().__init__()
        first, second, third = WIDTHS
        self.stem = nn.Sequential(nn.PixelUnshuffle(4), Convolution(48, first), Convolution(first, first))
        self.second = nn.Sequential(Convolution(first, second, 2), Convolution(second, second))
        self.third = nn.Sequential(Convolution(second, third, 2), Convolution(third, third))

    def forward(self, patch: Tensor) -> list[Tensor]:
        """Return the three feature maps, finest first."""
        fine = self.stem(patch)
        middle = self.second(fine)
        return [fine, middle, self.third(middle)]


class PyramidNet(nn.Module):
    """Encoder, pyramid and a decoder that goes from the coarsest map to the finest that there is."""

    def __init__(self, geometry: PyramidGeometry) -> None:
        super().__init__()
        self.pyramid = PatchPyramid(PatchEncoder(), geometry)
        # At every size: the maps of all levels that have it, joined.
        levels = len(geometry.overlaps)
        self.sizes = sorted({(level + depth) for level in range(levels) for depth in range(3)})
        joined = [sum(WIDTHS[size - level] for level in range(levels) if 0 <= size - level < 3) for size in self.sizes]
        kept = [WIDTHS[min(size - self.sizes[0], 2)] for size in self.sizes]
        self.join = nn.ModuleList(nn.Conv2d(before, after, 1) for before, after in zip(joined, kept, strict=True))
        self.merge = nn.ModuleList(Merge(below, level) for below, level in zip(kept[:0:-1], kept[-2::-1], strict=True))
        self.head = nn.Conv2d(kept[0], 16, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        nn.init.constant_(self.head.bias, -2.5)  # type: ignore[arg-type]

    def forward(self, image: Tensor) -> Tensor:
        """Return canonical inverse depth [N,1536,1536] of an image [N,3,1536,1536], 0..1."""
        maps = self.pyramid(image)
        planes = [
            join(torch.cat([maps[size - depth][depth] for depth in range(3) if 0 <= size - depth < len(maps)], dim=1))
            for size, join in zip(self.sizes, self.join, strict=True)
        ]
        x = planes.pop()
        for merge in self.merge:
            x = merge(x, planes.pop())
        told = functional.pixel_shuffle(self.head(x), 4).clamp(-9, 4).exp()
        return functional.interpolate(told, size=(SIDE, SIDE), mode="bilinear", align_corners=False)[:, 0]


def scene(number: int, cache: Path) -> SceneView:
    """Return a scene, rendered where it is not in the cache."""
    path = cache / f"{number:04d}.npz"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        world = make_world(KINDS[number % len(KINDS)], SEED + number)
        rng = np.random.default_rng((SEED, number))
        focal = SIDE / 2 / np.tan(np.radians(rng.uniform(50, 90)) / 2)
        camera = Camera.from_focal(SIDE, SIDE, focal, focal, (SIDE - 1) / 2, (SIDE - 1) / 2)
        image, depth = render(world.scene, camera, choose_view(world, rng, 320, 320, whole=True).T_world_cam)
        far = np.where(depth < FARTHEST_M, depth, np.inf)
        np.savez(path, image=image, inverse=(focal / SIDE / far).astype(np.float32))
    with np.load(path) as arrays:
        return SceneView(arrays["image"], arrays["inverse"])


def train(name: str, scenes: Sequence[SceneView], steps: int) -> tuple[PyramidNet, float]:
    """Return the trained network and the processor seconds of a step."""
    torch.manual_seed(0)
    rng, network = np.random.default_rng(0), PyramidNet(GEOMETRIES[name])
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(network.parameters(), lr=LR)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LR, total_steps=steps, pct_start=0.05)
    start = time.process_time()
    for step in range(steps):
        image, inverse = _tensors(scenes[int(rng.integers(len(scenes)))], mirror=bool(rng.random() < 0.5))
        top, left = (int(corner) for corner in rng.integers(SIDE - WINDOW + 1, size=2))
        window = np.s_[:, top : top + WINDOW, left : left + WINDOW]
        with torch.autocast("cpu", torch.bfloat16):
            found = network(image)
        cost = loss(found[window].float(), inverse[window])
        optimizer.zero_grad()
        cost.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if (step + 1) % 20 == 0:
            print(f"  {name}: step {step + 1} of {steps}, loss {float(cost.detach()):.3f}", flush=True)
    return network, (time.process_time() - start) / steps


def loss(found: Tensor, inverse: Tensor) -> Tensor:
    """MAE, MAGE, MALE and MSGE as in Depth Pro's second stage, of log inverse depth: F1 judges ratios of depth."""
    told, truth = (plane.clamp(min=LEAST_INVERSE).log() for plane in (found, inverse))
    everywhere = torch.ones_like(inverse, dtype=torch.bool)
    mage, male, msge = derivative_errors(told, truth, everywhere)
    return mae(told, truth, everywhere) + mage + male + msge


def _tensors(view: SceneView, *, mirror: bool) -> tuple[Tensor, Tensor]:
    step = -1 if mirror else 1
    image = torch.from_numpy(np.ascontiguousarray(view.image[:, ::step])).permute(2, 0, 1)[None].float() / 255
    return image, torch.from_numpy(np.ascontiguousarray(view.inverse[:, ::step]))[None]


@torch.no_grad()
def evaluate(network: PyramidNet, scenes: Sequence[SceneView]) -> dict[str, list[float]]:
    """Return boundary F1 and AbsRel of every scene; BatchNorm takes the scene's own statistics, as in training."""
    return _scores(scenes, [network(_tensors(view, mirror=False)[0])[0].float().numpy() for view in scenes])


def _scores(scenes: Sequence[SceneView], answers: Sequence[NDArray[np.float32]]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {"boundary_f1": [], "abs_rel": []}
    for view, answer in zip(scenes, answers, strict=True):
        truth = np.where(view.inverse > 0, 1 / np.maximum(view.inverse, 1e-9), np.nan)
        depth = 1 / np.maximum(answer, 1e-4)
        found["boundary_f1"].append(boundary_f1(depth, truth))
        found["abs_rel"].append(abs_rel(depth, truth))
    return found


def bounds(scenes: Sequence[SceneView]) -> dict[str, dict[str, list[float]]]:
    """Return the scores of the truth itself, brought to 384 and back."""
    ways = {"truth at 384, bilinear": cv2.INTER_LINEAR, "truth at 384, nearest": cv2.INTER_NEAREST}
    return {
        name: _scores(scenes, [_there_and_back(view.inverse, way) for view in scenes]) for name, way in ways.items()
    }


def _there_and_back(plane: NDArray[np.float32], way: int) -> NDArray[np.float32]:
    small = cv2.resize(plane, (COARSE, COARSE), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (SIDE, SIDE), interpolation=way).astype(np.float32, copy=False)


def main() -> int:
    """Train both, print the table, write the record."""
    args = _arguments()
    torch.set_num_threads(args.threads)
    training = [scene(number, args.cache) for number in range(args.scenes)]
    tests = [scene(10_000 + number, args.cache) for number in range(args.tests)]
    report: dict[str, dict[str, Any]] = {}
    for name in (PYRAMID, PLAIN):
        network, step_s = train(name, training, args.steps)
        weights = sum(weight.numel() for weight in network.parameters())
        report[name] = {
            "learned": evaluate(network, training[: args.tests]),
            "new": evaluate(network, tests),
            "step_s": round(step_s, 2),
            "parameters": weights,
        }
    of_learned, of_new = bounds(training[: args.tests]), bounds(tests)
    report |= {name: {"learned": of_learned[name], "new": of_new[name]} for name in of_new}
    print("| F1 / AbsRel | scenes it learned from | new scenes | processor s per step | parameters |")
    print("|---|---|---|---|---|")
    for name, row in report.items():
        learned, new = (" / ".join(f"{np.nanmean(values):.3f}" for values in row[key].values()) for key in KEYS)
        print(f"| {name} | {learned} | {new} | {row.get('step_s', '')} | {row.get('parameters', '')} |")
    if args.json:
        facts = {"steps": args.steps, "scenes": args.scenes, "tests": args.tests, "seed": SEED}
        record = {**facts, "torch": torch.__version__, "versions": used_versions(), "rows": report}
        args.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--steps", type=int, default=600, metavar="N", help="of each training, one scene a step (%(default)s)")
    add("--scenes", type=int, default=48, metavar="N", help="scenes to train on (%(default)s)")
    add("--tests", type=int, default=12, metavar="N", help="scenes to score (%(default)s)")
    add("--threads", type=int, default=1, help="of torch (%(default)s)")
    add("--cache", type=Path, default=Path("bench_output/boundary"), metavar="DIR", help="rendered scenes")
    add("--json", type=Path, metavar="FILE", help="write the numbers here")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
