"""Published models become models of the contract, and answer as their own pre- and post-processing would."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from depth_ros.cli.main import main
from depth_ros.engines.factory import make_engine
from depth_ros.errors import DepthRosError, ExportError, ModelError
from depth_ros.export.preset import Preset, Resize
from depth_ros.export.presets import PRESETS, find_preset
from depth_ros.export.published import import_published
from depth_ros.models.card import ModelCard, check_data, read_card
from depth_ros.models.fetch import file_sha256
from depth_ros.models.model import Model

torch = pytest.importorskip("torch")
ort = pytest.importorskip("onnxruntime")
Image = pytest.importorskip("PIL.Image")
F = torch.nn.functional

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


class Tiny:
    """A graph that grows by nodes with one output."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []
        self.constants: list[Any] = []

    def node(self, kind: str, *inputs: str, out: str = "", **attributes: Any) -> str:
        name = out or f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def constant(self, value: Any, dtype: Any = np.float32) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def takes(self, name: str, shape: list[Any], kind: int = FLOAT) -> str:
        self.inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def gives(self, name: str, value: str, shape: list[Any], *reshaped: int) -> None:
        if reshaped:
            self.node("Reshape", value, self.constant(reshaped, np.int64), out=name)
        else:
            self.node("Identity", value, out=name)
        self.outputs.append(helper.make_tensor_value_info(name, FLOAT, shape))

    def save(self, path: Path, opset: int = 17, *, external: bool = False) -> Path:
        graph = helper.make_graph(self.nodes, "tiny", self.inputs, self.outputs, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
        onnx.save(model, path, save_as_external_data=external, location=path.name + "_data", size_threshold=0)
        return path


def weights(seed: int, scale: float) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0, scale, (1, 3, 5, 5)).astype(np.float32)


def field(tiny: Tiny, image: str, scale: float, seed: int = 0, middle: float = 0.0) -> str:
    """Return a positive map [1,1,h,w] that depends on the picture."""
    found = tiny.node("Conv", image, tiny.constant(weights(seed, scale)), pads=[2, 2, 2, 2])
    soft = tiny.node("AveragePool", found, kernel_shape=[5, 5], pads=[2, 2, 2, 2])
    return tiny.node("Exp", tiny.node("Add", soft, tiny.constant(middle)))


def score(tiny: Tiny, image: str, scale: float, least: float) -> str:
    """Return a map of 0..1, above and below a half."""
    return tiny.node("Sigmoid", tiny.node("Sub", field(tiny, image, scale, seed=1), tiny.constant(least)))


def published(preset: Preset, path: Path, size: tuple[int, int] | None = None, opset: int = 17) -> Path:
    """Write a file with the signature of a preset; size: height and width that it is fixed to."""
    tiny, sides = Tiny(), list(size or ("height", "width"))
    image = tiny.takes(preset.image[0], [1, 3, *sides])
    name = preset.output[0]
    scale = 0.002 if preset.std == (1.0, 1.0, 1.0) else 0.2
    value = field(tiny, image, scale, middle=1.0)
    if preset.kind == "affine_points":
        _moge(tiny, image, value)
    elif preset.kind == "points":
        rays = tiny.takes("rays", [1, 3, *sides])
        tiny.gives(name, tiny.node("Mul", rays, value), [1, 3, *sides])
        tiny.gives("confidence", value, [1, 1, *sides])
    elif preset.prompt:
        prompt = tiny.takes(preset.prompt, [1, 1, "rows", "columns"])
        mean = tiny.node("GlobalAveragePool", prompt)
        tiny.gives(name, tiny.node("Squeeze", tiny.node("Mul", value, mean), tiny.constant([1], np.int64)), [1, *sides])
    elif preset.name == "depth-anything-3-metric":
        tiny.gives(name, value, [1, 1, *sides])
        tiny.gives("sky", score(tiny, image, 0.2, 1.8), [1, 1, *sides])
    else:
        scaled = tiny.node("Mul", value, tiny.constant(0.1 if preset.kind == "inverse_depth" else 1.0))
        tiny.gives(name, tiny.node("Squeeze", scaled, tiny.constant([1], np.int64)), [1, *sides])
    if preset.focal:
        mean = tiny.node("GlobalAveragePool", value)
        span = tiny.constant(20.0 if preset.focal_unit == "degrees" else 400.0)
        tiny.gives(preset.focal, tiny.node("Mul", mean, span), [1], 1)
    return tiny.save(path, opset)


def _moge(tiny: Tiny, image: str, value: str) -> None:
    """Points that a pinhole camera would have seen, shifted along z, on images of 90x160."""
    tiny.takes("num_tokens", [], INT64)
    rows, columns, focal, shift = 90, 160, 1.3, 0.4
    half = np.hypot(rows, columns)
    u, v = np.meshgrid((2 * np.arange(columns) + 1 - columns) / half, (2 * np.arange(rows) + 1 - rows) / half)
    z = tiny.node("Reshape", value, tiny.constant([1, rows, columns, 1], np.int64))
    xy = tiny.node("Mul", z, tiny.constant(np.stack([u, v], -1)[None] / focal))
    tiny.gives(
        "points",
        tiny.node("Concat", xy, tiny.node("Sub", z, tiny.constant(shift)), axis=3),
        [1, "height", "width", 3],
    )
    tiny.gives("mask", score(tiny, image, 0.3, 0.7), [1, "height", "width"], 1, rows, columns)
    mean = tiny.node("GlobalAveragePool", value)
    tiny.gives("metric_scale", mean, [1], 1)


def bring(source: Path, out: Path, preset: Preset, size: tuple[int, int], **more: Any) -> ModelCard:
    """Import a file that is not the published one."""
    return import_published(source, out, preset, size, **{"sha256": file_sha256(source), **more})


SIZE = (90, 160)
CAMERA = np.array([[150.0, 140.0, 79.5, 44.5]], np.float32)
Array = NDArray[Any]


class Answer(NamedTuple):
    tensor: Array
    outputs: dict[str, Array]


def picture(size: tuple[int, int] = SIZE) -> Array:
    """Smooth colours, an edge and a little noise."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (8, 12, 3)).astype(np.uint8)
    image = cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC).astype(np.int16)
    image[:, size[1] // 2 :] = 255 - image[:, size[1] // 2 :]
    return np.asarray(np.clip(image + rng.integers(-20, 21, image.shape), 0, 255), np.uint8)


def run(path: Path, **inputs: Array) -> dict[str, Array]:
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [entry.name for entry in session.get_outputs()]
    taken = {entry.name for entry in session.get_inputs()}
    found = session.run(names, {name: value for name, value in inputs.items() if name in taken})
    return dict(zip(names, found, strict=True))


def resized(values: Array, size: tuple[int, int], mode: str, corners: bool | None = False) -> Array:
    """torch's interpolate of [h,w] or [c,h,w]."""
    tensor = torch.from_numpy(np.ascontiguousarray(values, np.float32)).reshape(1, -1, *values.shape[-2:])
    found: Array = F.interpolate(tensor, size=size, mode=mode, align_corners=corners)[0].numpy()
    return found.reshape(*values.shape[:-2], *size)


def tensor(image: Array, mean: Any, std: Any) -> Array:
    """[H,W,3] to [1,3,H,W]."""
    return ((image.astype(np.float32) - np.float32(mean)) / np.float32(std)).transpose(2, 0, 1)[None]


MEAN, STD = np.array([0.485, 0.456, 0.406]) * 255, np.array([0.229, 0.224, 0.225]) * 255


def dpt_size(image: Array, size: tuple[int, int], multiple: int) -> tuple[int, int]:
    rows, columns = size[0] / image.shape[0], size[1] / image.shape[1]
    scale = columns if abs(1 - columns) < abs(1 - rows) else rows
    return tuple(round(scale * side / multiple) * multiple for side in image.shape[:2])


def depth_anything(path: Path, image: Array) -> tuple[Array, Array]:
    """The DPT image processor of transformers, and its resize of the answer."""
    size = dpt_size(image, (518, 518), 14)
    small = np.asarray(Image.fromarray(image).resize(size[::-1], Image.Resampling.BICUBIC))
    given = tensor(small, MEAN, STD)
    return given, resized(run(path, pixel_values=given)["predicted_depth"][0], image.shape[:2], "bicubic")


def relative(path: Path, image: Array) -> Answer:
    given, value = depth_anything(path, image)
    return Answer(given, {"inverse_depth": value})


def metric(path: Path, image: Array) -> Answer:
    given, value = depth_anything(path, image)
    return Answer(given, {"depth": value})


def depth_anything_3(path: Path, image: Array) -> Answer:
    """The input processor of its repository: longest side to 504, then to multiples of 14, by OpenCV."""
    scale = 504 / max(image.shape[:2])
    size = [round(side * scale) for side in image.shape[:2]]
    image_1 = cv2.resize(image, size[::-1], interpolation=cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA)
    last = [int(side / 14 + 0.5) * 14 for side in size]
    grows = last[0] > size[0] or last[1] > size[1]
    image_2 = cv2.resize(image_1, last[::-1], interpolation=cv2.INTER_CUBIC if grows else cv2.INTER_AREA)
    given = tensor(image_2, MEAN, STD)
    found = run(path, image=given)
    across, down = last[1] / image.shape[1], last[0] / image.shape[0]
    focal = (CAMERA[0, 0] * across + CAMERA[0, 1] * down) / 2
    depth = resized(found["depth"][0, 0], image.shape[:2], "bilinear") * focal / 300
    sky = resized(found["sky"][0, 0], image.shape[:2], "bilinear")
    return Answer(given, {"depth": depth, "valid": np.where(sky > 0.3, 2, 1)})


def metric3d(path: Path, image: Array) -> Answer:
    """hubconf.py of its repository; the file normalises by itself."""
    rows, columns = 616, 1064
    scale = min(rows / image.shape[0], columns / image.shape[1])
    inner = int(image.shape[0] * scale), int(image.shape[1] * scale)
    rgb = cv2.resize(image, inner[::-1], interpolation=cv2.INTER_LINEAR)
    top, left = (rows - inner[0]) // 2, (columns - inner[1]) // 2
    border = (top, rows - inner[0] - top, left, columns - inner[1] - left)
    full = cv2.copyMakeBorder(rgb.astype(np.float32), *border, cv2.BORDER_CONSTANT, value=(123.675, 116.28, 103.53))
    given = full.transpose(2, 0, 1)[None]
    depth = run(path, pixel_values=given)["predicted_depth"][0]
    depth = resized(depth[top : top + inner[0], left : left + inner[1]], image.shape[:2], "bilinear")
    focal = (CAMERA[0, 0] + CAMERA[0, 1]) / 2 * scale
    return Answer(given, {"depth": depth * focal / 1000})


def depth_pro(path: Path, image: Array) -> Answer:
    """depth_pro.py of its repository, of the file that was exported for images of its own width."""
    given = resized(tensor(image, 127.5, 127.5)[0], (1536, 1536), "bilinear")[None]
    found = run(path, pixel_values=given)
    own, depth = float(found["focallength_px"][0]), found["predicted_depth"][0]
    width = image.shape[1]
    inverse_canonical = resized(depth * 1536 / own, image.shape[:2], "bilinear")
    outputs = {"depth": CAMERA[0, 0] / width * inverse_canonical, "focal": np.array([own * width / 1536])}
    return Answer(given, outputs)


def depth_pro_transformers(path: Path, image: Array) -> Answer:
    given = resized(tensor(image, 127.5, 127.5)[0], (1536, 1536), "bilinear")[None]
    found = run(path, pixel_values=given)
    width = image.shape[1]
    own = 0.5 * width / np.tan(0.5 * np.deg2rad(found["field_of_view"]))
    inverse = resized(found["predicted_depth"][0] * width / CAMERA[0, 0], image.shape[:2], "bilinear")
    return Answer(given, {"depth": 1 / np.clip(inverse, 1e-4, 1e4), "focal": own})


def zoedepth(path: Path, image: Array) -> Answer:
    rows, columns = (int(np.sqrt(side / 2) * 3) for side in image.shape[:2])
    wide = np.pad(image.astype(np.float64) / 255, ((rows, rows), (columns, columns), (0, 0)), mode="reflect")
    size = dpt_size(wide, (384, 512), 32)
    given = (resized(wide.transpose(2, 0, 1), size, "bilinear", corners=True)[None] - 0.5) / 0.5
    depth = resized(run(path, pixel_values=given)["predicted_depth"][0], wide.shape[:2], "bicubic")
    return Answer(given, {"depth": depth[rows:-rows, columns:-columns]})


def unidepth(path: Path, image: Array) -> Answer:
    """Unidepth's infer() with its bounds of aspect and pixels at the size of the file."""
    rows, columns, ratio = *image.shape[:2], 630 / 462
    wide = (int(columns / ratio), columns) if columns / rows > ratio else (rows, int(rows * ratio))
    top, left = (wide[0] - rows) // 2, (wide[1] - columns) // 2
    normal = np.zeros((3, *wide), np.float32)
    normal[:, top : top + rows, left : left + columns] = tensor(image, MEAN, STD)[0]
    given = resized(normal, (462, 630), "bilinear")[None]
    down, across = 462 / wide[0], 630 / wide[1]
    fx, fy, cx, cy = CAMERA[0]
    x = ((np.arange(630) + 0.5) / across - left - (cx + 0.5)) / fx
    y = ((np.arange(462) + 0.5) / down - top - (cy + 0.5)) / fy
    rays = np.stack([*np.meshgrid(x, y), np.ones((462, 630))])
    rays /= np.linalg.norm(rays, axis=0)
    points = run(path, rgbs=given, rays=rays[None].astype(np.float32))["pts_3d"][0]
    depth = resized(points[2], wide, "bilinear")[top : top + rows, left : left + columns]
    return Answer(given, {"depth": depth})


def moge(path: Path, image: Array) -> Answer:
    """infer() of its repository with a known field of view: SciPy finds the shift on 64x64 points."""
    from scipy.optimize import least_squares

    given = tensor(image, 0, 255)
    found = run(path, image=given, num_tokens=np.array(1800))
    rows, columns = image.shape[:2]
    diagonal = np.hypot(rows, columns)
    u = np.linspace(-(columns - 1) / diagonal, (columns - 1) / diagonal, columns)
    v = np.linspace(-(rows - 1) / diagonal, (rows - 1) / diagonal, rows)
    uv = np.stack(np.meshgrid(u, v), -1)
    index = np.ix_(np.arange(64) * rows // 64, np.arange(64) * columns // 64)
    mask = found["mask"][0] > 0.5
    counts = mask[index]
    xyz, uv = found["points"][0][index][counts].astype(np.float64), uv[index][counts]
    focal = 2 * CAMERA[0, 0] / diagonal

    def apart(shift: Array) -> Array:
        wrong: Array = focal * xyz[:, :2] / (xyz[:, 2:] + shift) - uv
        return wrong.ravel()

    solved = least_squares(apart, 0.0, method="lm")
    depth = (found["points"][0, ..., 2] + solved.x[0]) * found["metric_scale"][0]
    return Answer(given, {"depth": depth, "valid": mask, "focal": CAMERA[0, :1]})


def promptda(path: Path, image: Array) -> Answer:
    size = dpt_size(image, (756, 756), 14)
    small = np.asarray(Image.fromarray(image).resize(size[::-1], Image.Resampling.BICUBIC))
    given = tensor(small, MEAN, STD)
    rows, columns = np.arange(192) * SIZE[0] // 192, np.arange(341) * SIZE[1] // 341
    prompt = prior()[np.ix_(rows, columns)]
    prompt = np.where(prompt > 0, prompt, prompt.max())[None, None]
    depth = run(path, pixel_values=given, prompt_depth=prompt)["predicted_depth"][0]
    return Answer(given, {"depth": resized(depth, image.shape[:2], "bicubic")})


def prior() -> Array:
    depth = np.tile(np.linspace(30, 2, SIZE[0], dtype=np.float32)[:, None], (1, SIZE[1]))
    depth[:10] = 0
    return depth


def dpt(path: Path, image: Array) -> Answer:
    """The image processor of transformers with Intel/dpt-large's settings, and its resize of the answer."""
    small = np.asarray(Image.fromarray(image).resize((384, 384), Image.Resampling.BILINEAR))
    given = tensor(small, 127.5, 127.5)
    value = resized(run(path, pixel_values=given)["predicted_depth"][0], image.shape[:2], "bicubic")
    return Answer(given, {"inverse_depth": value})


REFERENCES = {
    "depth-anything-v2-small": relative,
    "depth-anything-v2-base": relative,
    "depth-anything-v2-large": relative,
    "depth-anything-v2-metric-indoor": metric,
    "depth-anything-v2-metric-outdoor": metric,
    "depth-anything-3-metric": depth_anything_3,
    "metric3d-v2-small": metric3d,
    "metric3d-v2-large": metric3d,
    "metric3d-v2-giant2": metric3d,
    "depth-pro": depth_pro,
    "depth-pro-transformers": depth_pro_transformers,
    "zoedepth": zoedepth,
    "unidepth-v2": unidepth,
    "dpt": dpt,
    "moge-2-small": moge,
    "moge-2-base": moge,
    "moge-2-large": moge,
    "promptda": promptda,
}
FIXED = {
    "depth-anything-3-metric": (280, 504),
    "metric3d-v2-large": (616, 1064),
    "depth-pro": (1536, 1536),
    "unidepth-v2": (462, 630),
}
"""Sizes that the published files are fixed to, where they are."""


def tapped(path: Path, name: str) -> Path:
    """A copy of a wrapped file that also gives what its network takes."""
    model = onnx.load(path)
    model.graph.output.append(onnx.helper.make_tensor_value_info("net/" + name, onnx.TensorProto.FLOAT, None))
    onnx.save(model, path.with_suffix(".tapped.onnx"))
    return path.with_suffix(".tapped.onnx")


def near(name: str, found: Array, expected: Array) -> None:
    if name == "valid":
        assert np.mean(found != expected) < 0.01
        assert len(np.unique(found)) == 2
        return
    wrong = np.abs(found - expected) / np.maximum(np.abs(expected), 1e-3)
    assert np.percentile(wrong, 99) < 1e-2


def test_every_preset_has_a_slow_version_of_its_published_steps() -> None:
    assert set(REFERENCES) == set(PRESETS)


@pytest.mark.parametrize("name", REFERENCES)
def test_a_published_model_answers_as_published(name: str, tmp_path: Path) -> None:
    preset, out = find_preset(name), tmp_path / "made.onnx"
    source = published(preset, tmp_path / "their.onnx", FIXED.get(name))
    card = bring(source, out, preset, SIZE)
    expected = REFERENCES[name](source, picture())
    inputs = {"image": picture()[None], "intrinsics": CAMERA, "prior_depth": prior()[None]}
    taken = run(tapped(out, preset.image[0]), **inputs)["net/" + preset.image[0]]
    # Of a value 0..255 the limit is 1, of one 0..1 it is 1/255.
    apart = np.abs(taken - expected.tensor) * np.array(preset.std).reshape(1, 3, 1, 1)
    assert taken.shape == expected.tensor.shape
    assert apart.max() <= 1.001
    for engine in ("onnxruntime", "openvino"):
        pytest.importorskip(engine)
        made = make_engine(out, engine, threads=1, precision="f32")
        found = made.run({spec.name: inputs[spec.name] for spec in made.inputs})
        assert set(found) == set(expected.outputs)
        for output, value in expected.outputs.items():
            value = np.clip(value, *preset.limits) if output == "depth" else value
            near(output, found[output][0] if value.shape != (1,) else found[output], value)
    assert card == read_card(out)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_builds_ahead_of_time(name: str, tmp_path: Path, build_rtx: Callable[[Path], None]) -> None:
    preset = find_preset(name)
    bring(published(preset, tmp_path / "their.onnx", FIXED.get(name)), tmp_path / "made.onnx", preset, SIZE)
    build_rtx(tmp_path / "made.onnx")


@pytest.mark.parametrize("name", ["depth-anything-v2-small", "depth-anything-3-metric", "zoedepth"])
def test_large_images_are_made_small_as_published(name: str, tmp_path: Path) -> None:
    preset, size = find_preset(name), (600, 1010)
    source = published(preset, tmp_path / "their.onnx")
    bring(source, tmp_path / "made.onnx", preset, size)
    taken = run(tapped(tmp_path / "made.onnx", preset.image[0]), image=picture(size)[None], intrinsics=CAMERA)
    expected = REFERENCES[name](source, picture(size))
    apart = taken["net/" + preset.image[0]] - expected.tensor
    assert np.abs(apart * np.array(preset.std).reshape(1, 3, 1, 1)).max() <= 1.001


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_preset_says_where_it_comes_from(name: str) -> None:
    preset = PRESETS[name]
    assert preset.name == name
    assert preset.source.startswith("https://")
    assert all(download.url.startswith("https://") for download in preset.downloads)


def test_the_card_says_origin_licence_and_task(tmp_path: Path) -> None:
    preset = find_preset("depth-anything-v2-small")
    source = published(preset, tmp_path / "their.onnx")
    card = bring(source, tmp_path / "made.onnx", preset, SIZE, version="2")
    assert (card.task, card.licence, card.inputs) == ("relative", "Apache-2.0", ("image",))
    assert card.training["source"] == preset.source
    assert card.weights_sha256 == file_sha256(source)
    model = Model(tmp_path / "made.onnx", "onnxruntime")
    assert set(model.run({"image": picture()})) == {"inverse_depth"}


@pytest.mark.parametrize("name", ["depth-pro", "depth-pro-transformers", "moge-2-small"])
def test_an_unknown_focal_length_is_the_networks_own(name: str, tmp_path: Path) -> None:
    preset = find_preset(name)
    bring(published(preset, tmp_path / "their.onnx"), tmp_path / "made.onnx", preset, SIZE)
    image = picture()[None]
    unknown = run(tmp_path / "made.onnx", image=image, intrinsics=np.zeros((1, 4), np.float32))
    own = np.array([[unknown["focal"][0], unknown["focal"][0], 80, 45]], np.float32)
    known = run(tmp_path / "made.onnx", image=image, intrinsics=own)
    np.testing.assert_allclose(unknown["depth"], known["depth"], rtol=1e-3)
    if name == "moge-2-small":
        np.testing.assert_allclose(unknown["focal"], 1.3 * np.hypot(*SIZE) / 2, rtol=1e-3)


def test_a_file_of_fixed_size_gets_that_size(tmp_path: Path) -> None:
    preset = find_preset("depth-anything-v2-metric-indoor")
    source = published(preset, tmp_path / "their.onnx", (280, 504))
    card = bring(source, tmp_path / "made.onnx", preset, SIZE)
    assert card.training["network_size"] == "280x504"


def test_kinds_layouts_and_confidence(tmp_path: Path) -> None:
    preset = replace(
        find_preset("depth-anything-v2-metric-indoor"),
        image=("x",),
        output=("y",),
        kind="log_depth",
        layout="NHWC",
        channels="BGR",
        confidence="sure",
        resize=Resize("stretch", (64, 96)),
    )
    tiny = Tiny()
    image = tiny.node("Transpose", tiny.takes("x", [1, 64, 96, 3]), perm=[0, 3, 1, 2])
    value = field(tiny, image, 0.02)
    tiny.gives("y", tiny.node("Transpose", value, perm=[0, 2, 3, 1]), [1, 64, 96, 1])
    tiny.gives("sure", tiny.node("Mul", value, tiny.constant(0.0)), [1, 64, 96, 1])
    source = tiny.save(tmp_path / "their.onnx")
    bring(source, tmp_path / "made.onnx", preset, (64, 96))
    rgb = picture((64, 96))
    found = run(tmp_path / "made.onnx", image=rgb[None])
    expected = np.exp(run(source, x=tensor(rgb[..., ::-1], MEAN, STD).transpose(0, 2, 3, 1))["y"][0, ..., 0])
    np.testing.assert_allclose(found["depth"][0], np.clip(expected, 0.001, 20), rtol=1e-3)
    np.testing.assert_allclose(found["sigma"], found["depth"])


def test_external_data_stay_beside_the_file(tmp_path: Path) -> None:
    preset = find_preset("depth-anything-v2-small")
    tiny = Tiny()
    value = field(tiny, tiny.takes("pixel_values", [1, 3, 280, 504]), 0.2)
    heavy = tiny.node("Mul", value, tiny.constant(np.linspace(0.5, 2, 280 * 504).reshape(1, 1, 280, 504)))
    tiny.gives("predicted_depth", tiny.node("Squeeze", heavy, tiny.constant([1], np.int64)), [1, 280, 504])
    plain = onnx.load(tiny.save(tmp_path / "plain.onnx"))
    their = tmp_path / "theirs" / "model.onnx"
    their.parent.mkdir()
    onnx.save(plain, their, save_as_external_data=True, location="model.onnx_data", size_threshold=0)
    out = tmp_path / "made.onnx"
    card = bring(their, out, preset, SIZE)
    assert card.training["data_sha256"] == file_sha256(tmp_path / "made.onnx.data")
    first = run(out, image=picture()[None])["inverse_depth"]
    bring(tmp_path / "plain.onnx", tmp_path / "one.onnx", preset, SIZE)
    np.testing.assert_array_equal(run(tmp_path / "one.onnx", image=picture()[None])["inverse_depth"], first)
    path, data = str(out), tmp_path / "made.onnx.data"
    check_data(out, read_card(out))
    whole = data.read_bytes()
    data.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(ModelError, match=f"{data} is damaged or of another model"):
        check_data(out, read_card(out))
    assert main(["model", "check", path, "--engine", "onnxruntime"]) == 1
    data.unlink()
    with pytest.raises(ModelError, match=f"{data}, the weights of made.onnx, cannot be read"):
        check_data(out, read_card(out))
    theirs = their.parent / "model.onnx_data"
    theirs.write_bytes(theirs.read_bytes()[:-1])
    check_one_line(their, tmp_path / "again.onnx", preset, "external data, model.onnx_data, are cut off")
    theirs.rename(tmp_path / "model.onnx_data")
    elsewhere = onnx.load(their, load_external_data=False)
    for tensor in elsewhere.graph.initializer:
        tensor.external_data[0].value = "../model.onnx_data"
    (their.parent / "up.onnx").write_bytes(elsewhere.SerializeToString())
    check_one_line(their.parent / "up.onnx", tmp_path / "again.onnx", preset, "are not beside it")
    check_one_line(their, tmp_path / "again.onnx", preset, "external data")


def test_older_opsets_are_converted(tmp_path: Path) -> None:
    preset = find_preset("depth-pro-transformers")
    tiny = Tiny()
    value = field(tiny, tiny.takes("pixel_values", [1, 3, 1536, 1536]), 0.2)
    weights = tiny.constant(np.linspace(0.02, 0.08, 1536)[None, None, None])
    tiny.gives("predicted_depth", tiny.node("Squeeze", tiny.node("Mul", value, weights), axes=[1]), [1, 1536, 1536])
    tiny.gives("field_of_view", tiny.constant([50.0]), [1])
    source = tiny.save(tmp_path / "old.onnx", 11)
    card = bring(source, tmp_path / "made.onnx", preset, SIZE)
    assert card.name == preset.name
    found = run(tmp_path / "made.onnx", image=picture()[None], intrinsics=CAMERA)["depth"][0]
    near("depth", found, depth_pro_transformers(source, picture()).outputs["depth"])


def test_an_opset_that_cannot_be_converted_is_one_line(tmp_path: Path) -> None:
    preset = find_preset("depth-anything-v2-small")
    tiny = Tiny()
    value = tiny.node("Nonsense", tiny.takes("pixel_values", [1, 3, 56, 56]))
    tiny.gives("predicted_depth", value, [1, 56, 56])
    check_one_line(tiny.save(tmp_path / "old.onnx", 7), tmp_path / "made.onnx", preset, "opset 7")


def check_one_line(source: Path, out: Path, preset: Preset, told: str, **more: Any) -> None:
    with pytest.raises(DepthRosError, match=told) as caught:
        import_published(source, out, replace(preset, downloads=()), SIZE, **more)
    assert "\n" not in str(caught.value)
    assert not out.exists()
    assert not list(out.parent.glob(".import*"))


def test_wrong_preset_foreign_signature_truncated_file_and_wrong_hash_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="unknown preset 'midas': known are depth-anything-v2-small"):
        find_preset("midas")
    preset, out = find_preset("metric3d-v2-small"), tmp_path / "made.onnx"
    other = published(find_preset("moge-2-small"), tmp_path / "moge.onnx")
    check_one_line(other, out, preset, "is not a metric3d-v2-small: it takes image, num_tokens and gives points")
    source = published(preset, tmp_path / "their.onnx")
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(source.read_bytes()[:-20])
    check_one_line(cut, out, preset, "cut off")
    check_one_line(source, out, preset, "is not the file that is expected", sha256="0" * 64)
    (tmp_path / "text.onnx").write_text("no model", encoding="utf-8")
    check_one_line(tmp_path / "text.onnx", out, preset, "not an ONNX file")
    tiny = Tiny()
    tiny.gives("pred_depth", tiny.takes("pixel_values", [1, 3, 616, 1064]), [1, 3, 616, 1064])
    check_one_line(tiny.save(tmp_path / "three.onnx"), out, preset, "gives pred_depth of \\[1, 3, 616, 1064\\]")
    check_one_line(tmp_path / "none.onnx", out, preset, "cannot be read")
    with pytest.raises(ExportError, match="is the file that is imported"):
        import_published(source, source, preset, SIZE)
    check_one_line(source, tmp_path / "nowhere" / "made.onnx", preset, "cannot be written")


def test_no_file_is_replaced_that_is_read_or_is_none(tmp_path: Path) -> None:
    preset, folder = find_preset("depth-anything-v2-small"), tmp_path / "theirs"
    folder.mkdir()
    onnx.save(
        onnx.load(published(preset, tmp_path / "plain.onnx")),
        folder / "model.onnx",
        save_as_external_data=True,
        location="other.onnx.data",
        size_threshold=0,
    )
    before = (folder / "other.onnx.data").read_bytes()
    for name in ("model.onnx", "other.onnx.data", "other.onnx"):  # the weights of the last would be other.onnx.data
        with pytest.raises(ExportError, match="is the file that is imported: give another name"):
            bring(folder / "model.onnx", folder / name, preset, SIZE)
    assert (folder / "other.onnx.data").read_bytes() == before
    assert len(list(folder.iterdir())) == 2
    os.mkfifo(tmp_path / "device")
    for place in (tmp_path / "device", folder):
        with pytest.raises(ExportError, match=f"{place} is there and is no file: give another name"):
            bring(tmp_path / "plain.onnx", place, preset, SIZE)
    assert (tmp_path / "device").is_fifo()


def test_a_file_that_is_not_the_published_one_needs_its_sum(tmp_path: Path) -> None:
    preset, out = find_preset("depth-anything-v2-small"), tmp_path / "made.onnx"
    source = published(preset, tmp_path / "their.onnx")
    digest = file_sha256(source)
    told = f"its SHA-256 is {digest}, not {preset.downloads[0].sha256}: fetch it again, or say --sha256 {digest}"
    with pytest.raises(ExportError, match=told):
        import_published(source, out, preset, SIZE)
    import_published(source, out, preset, SIZE, sha256=digest.upper())


def test_a_map_may_be_smaller_than_the_image_that_the_network_gets(tmp_path: Path) -> None:
    preset = find_preset("depth-anything-v2-metric-indoor")
    tiny = Tiny()
    value = field(tiny, tiny.takes("pixel_values", [1, 3, 280, 504]), 0.2)
    half = tiny.node("AveragePool", value, kernel_shape=[2, 2], strides=[2, 2])
    tiny.gives("predicted_depth", tiny.node("Squeeze", half, tiny.constant([1], np.int64)), [1, 140, 252])
    source = tiny.save(tmp_path / "half.onnx")
    bring(source, tmp_path / "made.onnx", preset, SIZE)
    small = np.asarray(Image.fromarray(picture()).resize((504, 280), Image.Resampling.BICUBIC))
    reference = resized(run(source, pixel_values=tensor(small, MEAN, STD))["predicted_depth"][0], SIZE, "bicubic")
    found = run(tmp_path / "made.onnx", image=picture()[None])["depth"][0]
    near("depth", found, np.clip(reference, *preset.limits))
    # A map of another size than an input with pads could not be cut.
    check_one_line(source, tmp_path / "no.onnx", find_preset("metric3d-v2-small"), "gives predicted_depth of")


def test_a_network_in_half_precision_gets_and_gives_it(tmp_path: Path) -> None:
    preset = find_preset("metric3d-v2-giant2")
    tiny = Tiny()
    image = tiny.node("Cast", tiny.takes("pixel_values", [1, 3, 616, 1064], TensorProto.FLOAT16), to=FLOAT)
    value = tiny.node("Squeeze", field(tiny, image, 0.002, middle=1.0), tiny.constant([1], np.int64))
    tiny.node("Cast", value, to=TensorProto.FLOAT16, out="predicted_depth")
    shape = [1, 616, 1064]
    tiny.outputs.append(helper.make_tensor_value_info("predicted_depth", TensorProto.FLOAT16, shape))
    bring(tiny.save(tmp_path / "half.onnx"), tmp_path / "made.onnx", preset, SIZE)
    found = run(tmp_path / "made.onnx", image=picture()[None], intrinsics=CAMERA)["depth"][0]
    same = published(find_preset("metric3d-v2-small"), tmp_path / "same.onnx")
    near("depth", found, metric3d(same, picture()).outputs["depth"])


def test_half_precision_is_of_an_opset_that_older_runtimes_build_too(tmp_path: Path) -> None:
    tiny = Tiny()
    image = tiny.takes("pixel_values", [1, 3, 616, 1064], TensorProto.FLOAT16)
    last = tiny.node("Transpose", image, perm=[0, 2, 3, 1])
    apart = tiny.node("Sub", last, tiny.node("ReduceMean", last, axes=[-1]))
    spread = tiny.node("ReduceMean", tiny.node("Pow", apart, tiny.constant(2, np.float16)), axes=[-1])
    deviation = tiny.node("Sqrt", tiny.node("Add", spread, tiny.constant(0.01, np.float16)))
    normal = tiny.node("Mul", tiny.node("Div", apart, deviation), tiny.constant([0.1, 0.2, 0.3], np.float16))
    value = tiny.node("ReduceMean", tiny.node("Exp", normal), axes=[-1])
    tiny.node("Transpose", value, perm=[0, 3, 1, 2], out="predicted_depth")
    shape = [1, 1, 616, 1064]
    tiny.outputs.append(helper.make_tensor_value_info("predicted_depth", TensorProto.FLOAT16, shape))
    preset = find_preset("metric3d-v2-giant2")
    bring(tiny.save(tmp_path / "half.onnx", 11), tmp_path / "made.onnx", preset, SIZE)
    assert [entry.version for entry in onnx.load(tmp_path / "made.onnx").opset_import] == [17]


def test_a_model_of_viewing_rays_is_computed_in_f32(tmp_path: Path) -> None:
    preset = find_preset("unidepth-v2")
    source = published(preset, tmp_path / "their.onnx", (462, 630))
    assert bring(source, tmp_path / "made.onnx", preset, SIZE).exact
    with pytest.raises(ModelError, match="must be computed in f32, not bf16: take precision auto or f32"):
        Model(tmp_path / "made.onnx", "onnxruntime", "bf16")


def test_a_model_that_gives_no_finite_depth_is_not_written(tmp_path: Path) -> None:
    preset = find_preset("metric3d-v2-small")
    tiny = Tiny()
    image = tiny.takes("pixel_values", [1, 3, 616, 1064])
    wrong = tiny.node("Log", tiny.node("Sub", field(tiny, image, 0.001), tiny.constant(1e6)))
    tiny.gives("predicted_depth", wrong, [1, 1, 616, 1064])
    told = r"not finite or not positive: .*nan\.onnx is broken, or is no metric3d-v2-small"
    check_one_line(tiny.save(tmp_path / "nan.onnx"), tmp_path / "made.onnx", preset, told)
