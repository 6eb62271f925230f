"""Checkpoints of transformers, with few random weights, become models that answer as transformers does."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from depth_ros.engines.factory import make_engine
from depth_ros.errors import ExportError
from depth_ros.export import network as exporting
from depth_ros.export.checkpoint import read_checkpoint
from depth_ros.export.network import Shapes, export_network, import_checkpoint
from depth_ros.export.presets import find_preset
from depth_ros.export.published import import_published
from depth_ros.export.zoe import every_head
from depth_ros.models.card import read_card

torch = pytest.importorskip("torch")


def import_torchvision() -> None:
    """Import what transformers' image processors are made of, also beside a torch without CUDA.

    The wheels of torchvision hold operators of boxes for the CUDA build of torch alone; no image processor takes one.
    """
    try:
        pytest.importorskip("torchvision", reason="torchvision is not installed: image processors are not compared")
    except RuntimeError:
        operators = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        pytest.importorskip("torchvision")


import_torchvision()
hub = pytest.importorskip("transformers", reason="transformers is not installed: its checkpoints are not tried")
ort = pytest.importorskip("onnxruntime")
F = torch.nn.functional
Array = NDArray[Any]
SIZE = (90, 160)
CAMERA = np.array([[150.0, 140.0, 79.5, 44.5]], np.float32)
LEGACY = ("legacy",)
IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
HALF = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
PATCHES = {"size": {"height": 98, "width": 98}, "ensure_multiple_of": 14, "keep_aspect_ratio": True, "resample": 3}
WINDOWS = {"size": {"height": 64, "width": 96}, "ensure_multiple_of": 32, "keep_aspect_ratio": True, "resample": 2}
# The first is the one that the models were made with.
DPT_KINDS = ("DPTImageProcessorPil", "DPTImageProcessor")
PROMPT_KINDS = ("PromptDepthAnythingImageProcessorPil", "PromptDepthAnythingImageProcessor")
ZOE_KINDS = ("ZoeDepthImageProcessorPil", "ZoeDepthImageProcessor")
NARROW = {"neck_hidden_sizes": [8, 12, 16, 16], "fusion_hidden_size": 8}


def dinov2(**more: Any) -> Any:
    shape = {"hidden_size": 24, "num_hidden_layers": 4, "num_attention_heads": 2, "mlp_ratio": 2, "patch_size": 14}
    rest = {"image_size": 98, "out_indices": [1, 2, 3, 4], "reshape_hidden_states": False}
    return hub.Dinov2Config(**{**shape, **rest, **more})


def anything(kind: str = "DepthAnything", **more: Any) -> Any:
    head = {"patch_size": 14, "reassemble_hidden_size": 24, "head_hidden_size": 8, **NARROW, **more}
    config = getattr(hub, f"{kind}Config")(backbone_config=dinov2(), **head)
    return getattr(hub, f"{kind}ForDepthEstimation")(config)


def dpt(*, dino: bool) -> Any:
    shape = {"num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 48}
    vit = {**shape, "image_size": 64, "patch_size": 16, "backbone_out_indices": [0, 1, 2, 3]}
    more = {"backbone_config": dinov2()} if dino else vit
    return hub.DPTForDepthEstimation(hub.DPTConfig(hidden_size=24, is_hybrid=False, **NARROW, **more))


def zoe(heads: int) -> Any:
    shape = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 64}
    rest = {"image_size": 64, "patch_size": 16, "out_indices": [1, 2, 3, 4], "reshape_hidden_states": False}
    bins = [{"name": name, "min_depth": 1e-3, "max_depth": most, "n_bins": 16} for name, most in (("a", 10), ("b", 80))]
    router = {"num_patch_transformer_layers": 4, "patch_transformer_intermediate_size": 16}
    router |= {"patch_transformer_hidden_size": 128, "patch_transformer_num_attention_heads": 2}
    return hub.ZoeDepthForDepthEstimation(
        hub.ZoeDepthConfig(
            backbone_config=hub.BeitConfig(use_relative_position_bias=True, **shape, **rest),
            bottleneck_features=8,
            num_relative_features=8,
            bin_embedding_dim=8,
            num_attractors=[4, 2, 2, 1],
            bin_configurations=bins[:heads],
            **(router if heads > 1 else {}),
            **NARROW,
        )
    )


def depth_pro() -> Any:
    vit = {"model_type": "dinov2", "hidden_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2, "mlp_ratio": 2}
    encoder = {**vit, "image_size": 16, "patch_size": 8, "use_mask_token": False}
    scales = {"scaled_images_ratios": [0.5, 1.0], "scaled_images_overlap_ratios": [0.0, 0.2]}
    wide = {"scaled_images_feature_dims": [16, 16], "intermediate_feature_dims": [16, 16]}
    return hub.DepthProForDepthEstimation(
        hub.DepthProConfig(
            patch_size=16,
            fusion_hidden_size=16,
            intermediate_hook_ids=[2, 0],
            merge_padding_value=1,
            use_batch_norm_in_fusion_residual=False,
            num_fov_head_layers=0,
            use_fov_model=True,
            **{f"{name}_model_config": dict(encoder) for name in ("image", "patch", "fov")},
            **scales,
            **wide,
        )
    )


class Case(NamedTuple):
    """preset: its name. make: the model. processor: preprocessor_config.json. kinds: classes that read that."""

    preset: str
    make: Callable[[], Any]
    processor: dict[str, Any]
    kinds: tuple[str, ...]


CASES = {
    "relative": Case("depth-anything-v2-small", anything, {**PATCHES, **IMAGENET}, DPT_KINDS),
    "metric": Case(
        "depth-anything-v2-metric-indoor",
        lambda: anything(depth_estimation_type="metric", max_depth=20),
        {**PATCHES, **IMAGENET},
        DPT_KINDS,
    ),
    "prompted": Case(
        "promptda",
        lambda: anything("PromptDepthAnything", depth_estimation_type="metric"),
        {**PATCHES, **IMAGENET, "prompt_scale_to_meter": 1.0},
        PROMPT_KINDS,
    ),
    "dpt": Case("dpt", lambda: dpt(dino=False), {"size": 64, "resample": 2, **HALF}, DPT_KINDS),
    "dpt-dinov2": Case("dpt", lambda: dpt(dino=True), {**PATCHES, **IMAGENET}, DPT_KINDS),
    "zoedepth": Case("zoedepth", lambda: zoe(1), {**WINDOWS, **HALF, "do_pad": True}, ZOE_KINDS),
    "two-heads": Case("zoedepth", lambda: zoe(2), {**WINDOWS, **HALF, "do_pad": True}, ZOE_KINDS),
    "depth-pro": Case(
        "depth-pro-transformers",
        depth_pro,
        {"size": {"height": 32, "width": 32}, "resample": 2, **HALF},
        ("DepthProImageProcessor",),
    ),
}


def shaken(case: Case) -> Any:
    """Random weights that make the answer depend on the picture, and keep it away from 0."""
    for seed in range(3):
        model = case.make().eval()
        draw = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for weight in model.parameters():
                weight.copy_(torch.randn(weight.shape, generator=draw) * 0.2)
            for bias in (0.0, 1.0, 5.0, 25.0, 125.0):
                for name, weight in model.named_parameters():
                    if name.endswith("bias") and weight.shape == (1,):
                        weight.fill_(50 if name.startswith("fov_model") else bias)
                found = model(**prepared(case, picture(0))).predicted_depth
                if found.min() > 0.02 * found.max() and found.std() > 0.02 * found.mean():
                    return model
    raise AssertionError("no seed gives an answer that can be compared")


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Any]]:
    """The folder and the model of a case."""
    made: dict[str, tuple[Path, Any]] = {}

    def make(name: str) -> tuple[Path, Any]:
        if name not in made:
            folder, model = tmp_path_factory.mktemp(name), shaken(CASES[name])
            if name == "two-heads":
                balance(model, CASES[name])
            model.save_pretrained(folder)
            text = json.dumps(CASES[name].processor)
            (folder / "preprocessor_config.json").write_text(text, encoding="utf-8")
            made[name] = folder, model
        return made[name]

    return make


def balance(model: Any, case: Case) -> None:
    """Make the two heads each win some pictures."""
    with torch.no_grad():
        votes = torch.cat([model(**prepared(case, picture(seed))).domain_logits for seed in range(6)])
        apart = (votes[:, 0] - votes[:, 1]).sort().values
        model.metric_head.mlp_classifier.linear2.bias[0] -= (apart[2] + apart[3]) / 2


def picture(seed: int) -> Array:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (6, 9, 3)).astype(np.uint8)
    image = cv2.resize(coarse, SIZE[::-1], interpolation=cv2.INTER_CUBIC).astype(np.int16)
    return np.asarray(np.clip(image + rng.integers(-20, 21, image.shape), 0, 255), np.uint8)


def prior() -> Array:
    depth = np.tile(np.linspace(30, 2, SIZE[0], dtype=np.float32)[:, None], (1, SIZE[1]))
    depth[:10] = 0
    return depth


def prompt() -> Array:
    rows, columns = np.arange(192) * SIZE[0] // 192, np.arange(341) * SIZE[1] // 341
    given = prior()[np.ix_(rows, columns)]
    return np.where(given > 0, given, given.max())


def processor(case: Case, kind: str = "") -> Any:
    return getattr(hub, kind or case.kinds[0])(**case.processor)


def prepared(case: Case, image: Array, kind: str = "") -> dict[str, Any]:
    """What transformers' own image processor makes of an image."""
    more = {"prompt_depth": prompt()} if case.preset == "promptda" else {}
    found = processor(case, kind)(images=image, return_tensors="pt", **more)
    return {name: value.float() for name, value in found.items()}


def expected(case: Case, model: Any, image: Array) -> Array:
    """Depth or disparity [H,W] by transformers' model and its post-processing."""
    with torch.no_grad():
        found = model(**prepared(case, image))
    found.predicted_depth = found.predicted_depth.double()
    if case.preset == "depth-pro-transformers":  # for a camera that is known: its focal length instead of the found one
        found.field_of_view = torch.rad2deg(2 * torch.atan(torch.tensor([0.5 * SIZE[1] / CAMERA[0, 0]])))
    more = {"source_sizes": [SIZE]} if case.preset == "zoedepth" else {}
    made = processor(case).post_process_depth_estimation(found, target_sizes=[SIZE], **more)
    return np.asarray(made[0]["predicted_depth"].numpy())


def tapped(path: Path) -> Path:
    """A copy of a wrapped file that also gives what its network takes."""
    model = onnx.load(path)
    model.graph.output.append(onnx.helper.make_tensor_value_info("net/pixel_values", onnx.TensorProto.FLOAT, None))
    onnx.save(model, path.with_suffix(".tapped.onnx"))
    return path.with_suffix(".tapped.onnx")


@pytest.mark.parametrize("name", CASES)
def test_a_checkpoint_answers_as_transformers_does(
    name: str, folders: Any, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    case, out = CASES[name], tmp_path / "made.onnx"
    folder, model = folders(name)
    preset = find_preset(case.preset)
    card, apart = import_checkpoint(folder, out, preset, SIZE, version="1", exporters=LEGACY)
    assert apart < 1e-4
    assert card == read_card(out)
    assert card.weights_sha256 == read_checkpoint(folder, preset).sha256
    inputs = {"image": picture(1)[None], "intrinsics": CAMERA, "prior_depth": prior()[None]}
    session = ort.InferenceSession(str(tapped(out)), providers=["CPUExecutionProvider"])
    taken = {entry.name for entry in session.get_inputs()}
    given = {key: value for key, value in inputs.items() if key in taken}
    seen = session.run(["net/pixel_values"], given)[0]
    std = np.array(case.processor["image_std"]).reshape(1, 3, 1, 1) * 255
    for kind in case.kinds:
        theirs = prepared(case, picture(1), kind)["pixel_values"].numpy()
        assert seen.shape == theirs.shape
        apart_by = np.abs(seen - theirs) * std  # of 0..255
        # Of torchvision's bicubic, Pillow's own is up to 2 away: in one value of 50 000.
        assert np.percentile(apart_by, 99.99 if kind != case.kinds[0] else 100) <= 1.001
        assert apart_by.max() <= 2.001
    output, limits = ("inverse_depth", (0, 1e6)) if card.task == "relative" else ("depth", preset.limits)
    for engine in ("onnxruntime", "openvino"):
        pytest.importorskip(engine)
        made = make_engine(out, engine, threads=1, precision="f32")
        for seed in range(6) if name == "two-heads" else (1,):
            found = made.run({**given, "image": picture(seed)[None]})
            near(found[output][0], expected(case, model, picture(seed)), limits)
    request.getfixturevalue("build_rtx")(out)


def near(found: Array, reference: Array, limits: tuple[float, float]) -> None:
    reference = np.clip(reference, *limits)
    assert reference.std() > 1e-3 * reference.mean()
    assert np.percentile(np.abs(found - reference) / np.maximum(reference, 1e-3), 99) < 1e-2


def test_both_heads_of_zoedepth_are_in_the_file(folders: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, model = folders("two-heads")
    case = CASES["two-heads"]
    with torch.no_grad():
        votes = {int(model(**prepared(case, picture(seed))).domain_logits.argmax()) for seed in range(6)}
        with every_head(model):
            inside = model(**prepared(case, picture(0))).predicted_depth
        assert torch.equal(inside, model(**prepared(case, picture(0))).predicted_depth)
    assert votes == {0, 1}
    # Left alone, the exporter freezes the head that its example voted for: the file has the weights of one alone.
    checkpoint, shapes = read_checkpoint(folder, find_preset("zoedepth")), Shapes((64, 96), (1, 1))
    export_network(checkpoint, tmp_path / "both.onnx", shapes, LEGACY)
    monkeypatch.setattr(exporting, "every_head", lambda _: nullcontext())
    export_network(checkpoint, tmp_path / "one.onnx", shapes, LEGACY)
    sizes = [(tmp_path / name).stat().st_size for name in ("both.onnx", "one.onnx")]
    assert sizes[0] > sizes[1] + 1000


@pytest.mark.parametrize("name", ["metric", "prompted"])
def test_a_network_of_free_size_answers_at_a_second_one(name: str, folders: Any, tmp_path: Path) -> None:
    checkpoint = read_checkpoint(folders(name)[0], find_preset(CASES[name].preset))
    assert export_network(checkpoint, tmp_path / "free.onnx", None, LEGACY) < 1e-3
    # And such a file is wrapped for any camera.
    known = replace(checkpoint.preset, downloads=())
    card = import_published(tmp_path / "free.onnx", tmp_path / "made.onnx", known, (70, 120))
    assert card.training["network_size"] == "56x98"


def test_a_size_that_an_exporter_froze_is_found(folders: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "_sizes_stay_symbols", lambda _: nullcontext())
    checkpoint = read_checkpoint(folders("relative")[0], find_preset("depth-anything-v2-small"))
    with pytest.raises(ExportError, match=r"cannot be exported .*: the size is frozen") as caught:
        export_network(checkpoint, tmp_path / "free.onnx", None, LEGACY)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["dpt-dinov2", "zoedepth", "depth-pro"])
def test_what_cannot_be_free_in_size_is_one_line(name: str, folders: Any, tmp_path: Path) -> None:
    checkpoint = read_checkpoint(folders(name)[0], find_preset(CASES[name].preset))
    with pytest.raises(ExportError, match="is fixed in size: give --size"):
        export_network(checkpoint, tmp_path / "free.onnx", None)


def test_the_exporter_that_torch_prefers_makes_the_same_file(folders: Any, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    checkpoint = read_checkpoint(folders("metric")[0], find_preset("depth-anything-v2-metric-indoor"))
    assert export_network(checkpoint, tmp_path / "net.onnx", Shapes((56, 70), (1, 1)), ("dynamo",)) < 1e-4


def test_a_torchvision_of_another_torch_is_one_line(folders: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        __version__, logging = "5", hub.logging

        @property
        def DepthAnythingForDepthEstimation(self) -> None:
            raise ModuleNotFoundError("could not import") from RuntimeError("no operator\ntorchvision::nms")

    checkpoint = read_checkpoint(folders("relative")[0], find_preset("depth-anything-v2-small"))
    monkeypatch.setitem(sys.modules, "transformers", Broken())
    told = r"transformers 5 cannot load its 'depth_anything' \(no operator torchvision::nms\): install torch and"
    with pytest.raises(ExportError, match=told):
        exporting.load_network(checkpoint)


def test_weights_that_are_cut_off_or_incomplete_are_one_line(folders: Any, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    source, preset = folders("relative")[0], find_preset("depth-anything-v2-small")
    for name in ("config.json", "preprocessor_config.json"):
        (tmp_path / name).write_bytes((source / name).read_bytes())
    weights = tmp_path / "model.safetensors"
    weights.write_bytes((source / "model.safetensors").read_bytes()[:-100])

    def one_line(told: str, **more: Any) -> None:
        with pytest.raises(ExportError, match=told) as caught:
            import_checkpoint(tmp_path, tmp_path / "made.onnx", preset, SIZE, exporters=LEGACY, **more)
        assert "\n" not in str(caught.value)
        assert not list(tmp_path.glob("*.onnx"))
        assert not list(tmp_path.glob(".import*"))

    one_line("cannot be loaded: .*: download it again")
    state = load_file(source / "model.safetensors")
    save_file({name: value for name, value in state.items() if not name.startswith("head")}, weights, {"format": "pt"})
    one_line(r"has no weights for \d+ tensors of the network \(head")
    one_line("the weights of .* are not those that are expected", sha256="0" * 64)
    with pytest.raises(ExportError, match=r"nowhere/made\.onnx cannot be written"):
        import_checkpoint(source, tmp_path / "nowhere" / "made.onnx", preset, SIZE)
