"""Boundary F1 of the multi-scale patch pyramid against the same network without it, on synthetic scenes at 1536x1536.

The patch encoder is the metric network as it was trained, without its head and frozen, so a patch of 384 comes with
features at 1/2, 1/4, 1/8 and 1/16 of its size: once of Depth Pro's pyramid (1536, 768 and 384 in 35 overlapping
patches), once of the image at 384 alone. What is learned here is a decoder of the same form for both, for the same
steps on the same windows of the same scenes in the same order, with the same loss. Both answer at 1536x1536, the one
without the pyramid at 384 and bilinearly from there; boundary F1 needs no alignment. Two further rows tell what the
figures mean: the truth itself brought to 384 and back, bilinearly and by nearest. The sky counts as a far distance.

    python -m benchmarks.boundary_f1 --weights runs/metric/best.safetensors --json benchmarks/results/boundary_f1.json

Scenes are rendered once and kept in --cache; features stay in memory, about 100 MB a scene.
"""

from __future__ import annotations

import argparse
import hashlib
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
from depth_ros.networks.metric import WIDTHS, MetricNet
from depth_ros.networks.pyramid import PatchPyramid, PyramidGeometry
from depth_ros.synthetic.render import render
from depth_ros.synthetic.worlds import choose_view, make_world
from depth_ros.training.checkpoint import load_weights

SIDE, COARSE = 1536, 384
SEED = 88_000_001
KINDS = "street", "room", "warehouse", "corridor"
FARTHEST_M = 200.0
LEAST_INVERSE = 4e-3
"""What the sky counts as, and what is about as far as the farthest that is drawn."""
FEATURES = 2 * WIDTHS[0], *WIDTHS[1:4]
"""Channels of the patch encoder at 1/2, 1/4, 1/8 and 1/16 of a patch."""
KEPT = 24, 32, 48, 64, 64, 64
"""Channels of the decoder, finest first."""
WINDOW, MARGIN, BATCH, GRID = 384, 32, 2, 64
"""Side of the parts that a step learns from, what of them does not count towards the rest of the image, how many, and
the pixels on which they begin: one of the coarsest map."""
SCALES = 1, 2, 4
CONTOUR, NEAR_PX, WEIGHT, GRADIENT = float(np.log(1.1)), 2, 8.0, 1.0
"""Pixels this near to a contour weigh this much; what differences of neighbours count."""
LR = 2e-3
KEYS = "learned", "new"
PYRAMID, PLAIN = "pyramid of 35 patches", "without it"
GEOMETRIES = {PYRAMID: PyramidGeometry(), PLAIN: PyramidGeometry(COARSE, COARSE, overlaps=(0.0,))}

Maps = list[Tensor]
"""Features of an image, finest first, those of one size joined: [N,C,h,w], each half as large as the one before."""


class SceneView(NamedTuple):
    """image: uint8 [1536,1536,3] RGB. inverse: float32 [1536,1536], canonical inverse depth f / (W D), 0 in the sky."""

    image: NDArray[np.uint8]
    inverse: NDArray[np.float32]


class Lesson(NamedTuple):
    """Features of a scene, and its log inverse depth [1,1536,1536]."""

    maps: Maps
    truth: Tensor


class PatchEncoder(nn.Module):
    """The metric network without its head, every patch seen as an image of its own."""

    def __init__(self, network: MetricNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, patch: Tensor) -> list[Tensor]:
        """Return features of patches [M,3,384,384], 0..255: one tensor [M,C,h,w] for each of `FEATURES`."""
        kept: dict[nn.Module, Tensor] = {}
        parts = [self.network.encoder[0], *self.network.decoder]
        hooks = [part.register_forward_hook(lambda part, _, told: kept.update({part: told})) for part in parts]
        count, _, height, width = patch.shape
        self.network(
            patch.permute(0, 2, 3, 1),
            patch.new_ones(count, height, width),
            patch.new_tensor([[(width - 1) / 2, (height - 1) / 2]]).expand(count, -1),
        )
        for hook in hooks:
            hook.remove()
        first, *rest = (kept[part] for part in parts)
        finest, *coarser = rest[::-1]
        return [torch.cat([first, finest], dim=1), *coarser]


class Decoder(nn.Module):
    """From the coarsest map to the finest and to twice its size. Without norms: a window is as a whole image."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        kept = KEPT[: len(channels)]
        self.join = nn.ModuleList(nn.Conv2d(before, after, 1) for before, after in zip(channels, kept, strict=True))
        self.reduce = nn.ModuleList(nn.Conv2d(below, own, 1) for below, own in zip(kept[1:], kept[:-1], strict=True))
        self.refine = nn.ModuleList(
            nn.Sequential(nn.ReLU(), nn.Conv2d(own, own, 3, padding=1), nn.ReLU(), nn.Conv2d(own, own, 3, padding=1))
            for own in kept
        )
        self.last = nn.Sequential(nn.ReLU(), nn.Conv2d(kept[0], 32, 3, padding=1), nn.ReLU())
        self.head = nn.Conv2d(32, 4, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.constant_(self.head.bias, -2.5)  # type: ignore[arg-type]

    def forward(self, maps: Maps) -> Tensor:
        """Return log canonical inverse depth [N,2h,2w]."""
        with torch.autocast("cpu", torch.bfloat16):
            planes = [join(plane) for join, plane in zip(self.join, maps, strict=True)]
            x = planes.pop()
            x = x + self.refine[-1](x)
            for reduce, refine in zip(reversed(self.reduce), list(self.refine)[-2::-1], strict=True):
                x = functional.interpolate(reduce(x), scale_factor=2, mode="nearest") + planes.pop()
                x = x + refine(x)
            x = self.last(x)
        return functional.pixel_shuffle(self.head(x.float()), 2)[:, 0]


def scene(number: int, cache: Path) -> SceneView:
    """Return a scene, rendered where it is not in the cache."""
    path = cache / f"{number:04d}.npz"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        world = make_world(KINDS[number % len(KINDS)], SEED + number, disguised=0.0)
        rng = np.random.default_rng((SEED, number))
        focal = SIDE / 2 / np.tan(np.radians(rng.uniform(50, 90)) / 2)
        camera = Camera.from_focal(SIDE, SIDE, focal, focal, (SIDE - 1) / 2, (SIDE - 1) / 2)
        image, depth = render(world.scene, camera, choose_view(world, rng, 320, 320, whole=True).T_world_cam)
        far = np.where(depth < FARTHEST_M, depth, np.inf)
        np.savez(path, image=image, inverse=(focal / SIDE / far).astype(np.float32))
    with np.load(path) as arrays:
        return SceneView(arrays["image"], arrays["inverse"])


@torch.no_grad()
def lessons(name: str, network: MetricNet, scenes: Sequence[SceneView]) -> list[Lesson]:
    """Return what the frozen encoder tells of the scenes."""
    pyramid = PatchPyramid(PatchEncoder(network), GEOMETRIES[name])
    found = []
    for view in scenes:
        image = torch.from_numpy(view.image).permute(2, 0, 1)[None].float()
        with torch.autocast("cpu", torch.bfloat16):
            levels = pyramid(image)
        depths, sizes = len(FEATURES), len(levels) + len(FEATURES) - 1
        maps = [
            torch.cat([levels[size - d][d] for d in range(depths) if 0 <= size - d < len(levels)], dim=1).bfloat16()
            for size in range(sizes)
        ]
        found.append(Lesson(maps, torch.from_numpy(_log(view.inverse))[None]))
    return found


def normalise(learned: Sequence[Lesson], others: Sequence[Lesson]) -> None:
    """Bring every channel, in place, to mean 0 and deviation 1 over the learned scenes."""
    for size in range(len(learned[0].maps)):
        planes = [lesson.maps[size].float() for lesson in learned]
        mean = torch.stack([plane.mean(dim=(0, 2, 3)) for plane in planes]).mean(dim=0)[:, None, None]
        square = torch.stack([(plane - mean).square().mean(dim=(0, 2, 3)) for plane in planes]).mean(dim=0)
        for lesson in (*learned, *others):
            plane = lesson.maps[size]
            plane.copy_((plane.float() - mean) / (square.sqrt()[:, None, None] + 1e-3))


def train(name: str, learned: Sequence[Lesson], steps: int) -> tuple[Decoder, float, float]:
    """Return the trained decoder, the processor seconds of a step, and the last fiftieth's mean loss."""
    torch.manual_seed(0)
    rng, decoder = np.random.default_rng(0), Decoder([plane.shape[1] for plane in learned[0].maps])
    decoder = decoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(decoder.parameters(), lr=LR)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LR, total_steps=steps, pct_start=0.05)
    start, costs = time.process_time(), []
    for step in range(steps):
        maps, truth, counts = _windows(learned, rng)
        cost = loss(_full(decoder(maps), WINDOW), truth, counts)
        optimizer.zero_grad()
        cost.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(decoder.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        costs.append(float(cost.detach()))
        if (step + 1) % 100 == 0:
            print(f"  {name}: step {step + 1} of {steps}, loss {np.mean(costs[-100:]):.4f}", flush=True)
    return decoder, (time.process_time() - start) / steps, float(np.mean(costs[-max(steps // 50, 20) :]))


def _windows(learned: Sequence[Lesson], rng: np.random.Generator) -> tuple[Maps, Tensor, Tensor]:
    """Return a batch of windows: features, truth, and where an answer counts, 1 or 0."""
    maps, truths, counts = [], [], []
    for _ in range(BATCH):
        lesson = learned[int(rng.integers(len(learned)))]
        top, left = (int(corner) * GRID for corner in rng.integers((SIDE - WINDOW) // GRID + 1, size=2))
        maps.append([_cut(plane, top, left) for plane in lesson.maps])
        truths.append(_cut(lesson.truth, top, left))
        whole = torch.zeros(1, SIDE, SIDE)
        whole[:, _inside(top), _inside(left)] = 1
        counts.append(_cut(whole, top, left))
    joined = [torch.cat(planes).contiguous(memory_format=torch.channels_last) for planes in zip(*maps, strict=True)]
    return joined, torch.cat(truths), torch.cat(counts)


def _cut(plane: Tensor, top: int, left: int) -> Tensor:
    pixel = SIDE // plane.shape[-1]
    rows, columns = (slice(corner // pixel, (corner + WINDOW) // pixel) for corner in (top, left))
    return plane[..., rows, columns]


def _inside(start: int) -> slice:
    end = start + WINDOW
    return slice(start + MARGIN if start else 0, end - MARGIN if end < SIDE else SIDE)


def _full(told: Tensor, side: int) -> Tensor:
    """Bring an answer [N,h,w] to the full size bilinearly."""
    return functional.interpolate(told[:, None], size=(side, side), mode="bilinear", align_corners=False)[:, 0]


def loss(told: Tensor, truth: Tensor, counts: Tensor) -> Tensor:
    """L1 of log inverse depth and of its differences, contours weighted up; counts: where, 1 or 0."""
    weights = (1 + (WEIGHT - 1) * _near_contours(truth)) * counts
    cost = ((told - truth).abs() * weights).sum() / weights.sum()
    error = told - truth
    for scale in SCALES:
        for axis in (1, 2):
            size = error.shape[axis] - scale
            step = (error.narrow(axis, scale, size) - error.narrow(axis, 0, size)).abs()
            weight = weights.narrow(axis, 0, size)
            cost = cost + GRADIENT / len(SCALES) / 2 * (step * weight).sum() / weight.sum()
    return cost


def _near_contours(truth: Tensor) -> Tensor:
    contours = torch.zeros_like(truth)
    contours[:, :, 1:] = (truth.diff(dim=2).abs() > CONTOUR).float()
    contours[:, 1:] = torch.maximum(contours[:, 1:], (truth.diff(dim=1).abs() > CONTOUR).float())
    return functional.max_pool2d(contours[:, None], 2 * NEAR_PX + 1, 1, NEAR_PX)[:, 0]


def _log(inverse: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.log(np.maximum(inverse, np.float32(LEAST_INVERSE)))


@torch.no_grad()
def answer(decoder: Decoder, lesson: Lesson) -> tuple[NDArray[np.float32], float]:
    """Return the inverse depth of a scene, float32 [1536,1536], and the loss of the whole image."""
    told = _full(decoder(lesson.maps), SIDE)
    answered: NDArray[np.float32] = told[0].exp().numpy()
    return answered, float(loss(told, lesson.truth, torch.ones_like(told)))


def _scores(scenes: Sequence[SceneView], answers: Sequence[NDArray[np.float32]]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {"boundary_f1": [], "abs_rel": []}
    for view, told in zip(scenes, answers, strict=True):
        depth, truth = (1 / np.maximum(plane, LEAST_INVERSE) for plane in (told, view.inverse))
        found["boundary_f1"].append(boundary_f1(depth, truth))
        found["abs_rel"].append(abs_rel(depth, np.where(view.inverse > 0, truth, np.nan)))
    return found


def bounds(scenes: Sequence[SceneView]) -> dict[str, dict[str, list[float]]]:
    """Return the scores of the truth itself, brought to 384 and back."""
    ways = {"truth at 384, bilinear": cv2.INTER_LINEAR, "truth at 384, nearest": cv2.INTER_NEAREST}
    return {
        name: _scores(scenes, [_there_and_back(view.inverse, way) for view in scenes]) for name, way in ways.items()
    }


def _there_and_back(plane: NDArray[np.float32], way: int) -> NDArray[np.float32]:
    small = cv2.resize(np.maximum(plane, LEAST_INVERSE), (COARSE, COARSE), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (SIDE, SIDE), interpolation=way).astype(np.float32, copy=False)


def main() -> int:
    """Train both, print the table, write the record."""
    args = _arguments()
    torch.set_num_threads(args.threads)
    encoder = MetricNet().eval().requires_grad_(False)
    load_weights(args.weights, encoder)
    scored = {
        "learned": [scene(number, args.cache) for number in range(args.scenes)],
        "new": [scene(10_000 + number, args.cache) for number in range(args.tests)],
    }
    report: dict[str, dict[str, Any]] = {}
    pictured: list[NDArray[np.float32]] = []
    for name in (PYRAMID, PLAIN):
        taught = {key: lessons(name, encoder, views) for key, views in scored.items()}
        normalise(taught["learned"], taught["new"])
        decoder, step_s, last = train(name, taught["learned"], args.steps)
        told = {key: [answer(decoder, lesson) for lesson in parts[: args.tests]] for key, parts in taught.items()}
        answers = {key: [plane for plane, _ in parts] for key, parts in told.items()}
        pictured += [answers[key][args.viewed] for key in KEYS]
        report[name] = {
            **{key: _scores(scored[key][: args.tests], answers[key]) for key in KEYS},
            "loss": {
                "last_windows": last,
                **{key: float(np.mean([cost for _, cost in parts])) for key, parts in told.items()},
            },
            "step_s": round(step_s, 2),
            "parameters": sum(weight.numel() for weight in decoder.parameters()),
        }
        print(json.dumps(report[name]), flush=True)
    of_learned, of_new = (bounds(scored[key][: args.tests]) for key in KEYS)
    report |= {name: {"learned": of_learned[name], "new": of_new[name]} for name in of_new}
    print("| F1 / AbsRel | scenes it learned from | new scenes | processor s per step | parameters |")
    print("|---|---|---|---|---|")
    for name, row in report.items():
        learned, new = (" / ".join(f"{np.nanmean(values):.3f}" for values in row[key].values()) for key in KEYS)
        print(f"| {name} | {learned} | {new} | {row.get('step_s', '')} | {row.get('parameters', '')} |")
    if args.view:
        rows = zip((scored[key][args.viewed] for key in KEYS), pictured[:2], pictured[2:], strict=True)
        cv2.imwrite(str(args.view), np.vstack([_picture(*row) for row in rows]))
    if args.json:
        facts: dict[str, Any] = {"steps": args.steps, "scenes": args.scenes, "tests": args.tests, "seed": SEED}
        facts["weights_sha256"] = hashlib.sha256(args.weights.read_bytes()).hexdigest()
        record = {**facts, "torch": torch.__version__, "versions": used_versions(), "rows": report}
        args.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return 0


def _picture(view: SceneView, *answers: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Image, truth, answers side by side: log inverse depth, blue far, red near."""
    told = [np.interp(_log(plane), (np.log(LEAST_INVERSE), 0), (0, 255)) for plane in (view.inverse, *answers)]
    planes = [cv2.applyColorMap(plane.astype(np.uint8), cv2.COLORMAP_TURBO) for plane in told]
    return np.hstack([view.image[:, :, ::-1], *planes]).astype(np.uint8, copy=False)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--weights", type=Path, required=True, metavar="FILE", help="of a trained metric network, .safetensors")
    add("--steps", type=int, default=600, metavar="N", help="of each training (%(default)s)")
    add("--scenes", type=int, default=4, metavar="N", help="scenes to learn from (%(default)s)")
    add("--tests", type=int, default=4, metavar="N", help="new scenes, and learned ones to score (%(default)s)")
    add("--threads", type=int, default=1, help="of torch (%(default)s)")
    add("--cache", type=Path, default=Path("bench_output/boundary_scenes"), metavar="DIR", help="rendered scenes")
    add("--view", type=Path, metavar="FILE", help="write image, truth and answers of two scenes here, PNG")
    add("--viewed", type=int, default=0, metavar="N", help="which learned and which new scene (%(default)s)")
    add("--json", type=Path, metavar="FILE", help="write the numbers here")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
