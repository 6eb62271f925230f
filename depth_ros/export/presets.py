"""The published depth models that can be imported: facts, each with where it was read.

A fact that could not be read anywhere is empty here, and told by hand to the user. Nothing of these models was run for
this table: no weights were at hand.
"""

from __future__ import annotations

from dataclasses import replace

from depth_ros.errors import ExportError
from depth_ros.export.preset import BYTE, HALF, Download, Preset, Resize

HUB = "https://huggingface.co/"
TRANSFORMERS = (("pixel_values", "image", "input"), ("predicted_depth", "depth", "output"))
DPT_LIKE = Resize("closest", (518, 518), 14, "pil_bicubic", rounded=True, back="cubic")


def _onnx(repository: str, file: str, sha256: str = "") -> Download:
    return Download(f"{HUB}{repository}/resolve/main/{file}", sha256)


# Signature: the model cards of onnx-community. Size and filter: preprocessor_config.json of all V2 checkpoints (518,
# multiples of 14, resample 3). Licences: README of DepthAnything/Depth-Anything-V2. Sums: two public manifests of
# downloads name that of small, one (with the size that the file listing shows) that of base, none was found of large.
def _anything(size: str, licence: str, sha256: str) -> Preset:
    return Preset(
        f"depth-anything-v2-{size}",
        "relative",
        f"Depth Anything V2, ViT-{size[0].upper()}: relative disparity",
        f"{HUB}depth-anything/Depth-Anything-V2-{size.capitalize()}",
        licence,
        *TRANSFORMERS,
        DPT_LIKE,
        "inverse_depth",
        downloads=(_onnx(f"onnx-community/depth-anything-v2-{size}", "onnx/model.onnx", sha256),),
        architecture="depth_anything",
        checkpoint=f"{HUB}depth-anything/Depth-Anything-V2-{size.capitalize()}-hf",
    )


# max_depth 20 and 80: README of the repository's metric_depth. No ONNX file of them was found whose origin is known.
def _anything_metric(place: str, most: float) -> Preset:
    page = f"{HUB}depth-anything/Depth-Anything-V2-Metric-{place.capitalize()}-Small-hf"
    return replace(
        _anything("small", "Apache-2.0", ""),
        name=f"depth-anything-v2-metric-{place}",
        task="metric",
        kind="depth",
        description=f"Depth Anything V2, metric, {place}",
        source=page,
        limits=(0.001, most),
        downloads=(),
        checkpoint=page,
    )


# Input, outputs, opset 11, output of the input's size: read from the file by a user, and Metric3D issue 117. The graph
# normalises: preprocessor_config.json says do_rescale and do_normalize false. Size, padding, f r / 1000: hubconf.py and
# issue 141. Licence: the authors' (code, and a card of the weights); the page of the ONNX files says CC0-1.0. Sums: the
# hub shows those of the half-precision files; of the f32 files of small and large none was found; giant2 is taken in
# half precision, whose two files two public manifests name. Two projects also name
# those of small and large in half precision, one of them that ONNX Runtime stops at these (published.HALF_OPSET).
def _metric3d(size: str, *downloads: Download) -> Preset:
    return Preset(
        f"metric3d-v2-{size}",
        "metric",
        f"Metric3D v2, ViT {size}: depth in a canonical camera of 1000 px",
        f"{HUB}onnx-community/metric3d-vit-{size}",
        "BSD-2-Clause",
        ("pixel_values", "image"),
        ("predicted_depth", "pred_depth"),
        Resize("inside", (616, 1064), 28, "bilinear", rounded=True),
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        canonical_focal=1000.0,
        confidence="confidence",
        limits=(0.001, 300.0),
        downloads=downloads or (_onnx(f"onnx-community/metric3d-vit-{size}", "onnx/model.onnx"),),
    )


# Signature and files: docs/onnx.md of microsoft/MoGe. Sums: four public manifests of downloads agree. Licence: README.
def _moge(size: str, sha256: str) -> Preset:
    repository = f"Ruicheng/moge-2-vit{size[0]}-normal-onnx"
    return Preset(
        f"moge-2-{size}",
        "metric",
        f"MoGe-2, ViT-{size[0].upper()} with normals: affine point map with metric scale",
        f"{HUB}{repository}",
        "MIT",
        ("image",),
        ("points",),
        Resize("native"),
        "affine_points",
        mean=(0.0, 0.0, 0.0),
        std=BYTE,
        mask="mask",
        scale="metric_scale",
        # Of the 1200 to 3600 that the network was trained for, what its authors export with.
        constants=(("num_tokens", 1800),),
        downloads=(_onnx(repository, "model.onnx", sha256),),
    )


# Signature, names and sizes of the two files: model card and file listing. Depth for its own focal length at a width of
# 1536: depth_pro.py of apple/ml-depth-pro, of which this is an export. No sums were found. Licence: the stricter of
# two. Page of the weights on the hub: apple-amlr, for research alone (five public lists of models agree); README and
# LICENSE of apple/ml-depth-pro: code and weights as Apple's sample code.
DEPTH_PRO = Preset(
    "depth-pro",
    "metric",
    "Depth Pro: depth for its own focal length, rescaled to the camera's",
    f"{HUB}onnx-community/DepthPro-ONNX",
    "apple-amlr",
    ("pixel_values",),
    ("predicted_depth",),
    Resize("stretch", (1536, 1536)),
    mean=HALF,
    std=HALF,
    focal="focallength_px",
    downloads=(
        _onnx("onnx-community/DepthPro-ONNX", "onnx/model.onnx"),
        _onnx("onnx-community/DepthPro-ONNX", "onnx/model.onnx_data"),
    ),
)

_ALL = (
    _anything("small", "Apache-2.0", "afb6a5c28f3b6bf1618c6e43f02073ef9dfdc70e937502d51603e57b0a1df10c"),
    _anything("base", "CC-BY-NC-4.0", "dab40f67d5ead5e0ed52acfae41a717a708b02bc57f6cb761c5de828f26a7289"),
    _anything("large", "CC-BY-NC-4.0", ""),
    _anything_metric("indoor", 20.0),
    _anything_metric("outdoor", 80.0),
    # f r / 300: the authors' code scales by the focal length at the network's input (utils/alignment.py, with the
    # intrinsics of the resized image), and so does the exporter of this ONNX file, ika-rwth-aachen's ROS package; its
    # README shortens that to f / 300. Sky from 0.3: alignment.py. Steps of the resize: utils/io/input_processor.py.
    Preset(
        "depth-anything-3-metric",
        "metric",
        "Depth Anything 3 metric, ViT-L: canonical depth for 300 px, and sky",
        f"{HUB}depth-anything/DA3METRIC-LARGE",
        "Apache-2.0",
        ("image", "pixel_values", "input"),
        ("depth", "depth_raw", "predicted_depth"),
        Resize("longest", (504, 504), 14, rounded=True),
        canonical_focal=300.0,
        sky="sky",
        limits=(0.001, 1000.0),
        downloads=(_onnx("TillBeemelmanns/Depth-Anything-V3-ONNX", "DA3METRIC-LARGE.onnx"),),
    ),
    _metric3d("small"),
    _metric3d("large"),
    _metric3d(
        "giant2",
        _onnx(
            "onnx-community/metric3d-vit-giant2",
            "onnx/model_fp16.onnx",
            "8ae9cb119397b42dedede351ea648d3cfcb26b6fa7d2eb537d43508c7fe4f72e",
        ),
        _onnx(
            "onnx-community/metric3d-vit-giant2",
            "onnx/model_fp16.onnx_data",
            "7ebc3f5e95bd919d14b2aa5c1837cbb2c31f9276a5600adf4418b2b78353f4fd",
        ),
    ),
    DEPTH_PRO,
    # Canonical inverse depth and field of view: post_process_depth_estimation of transformers.
    replace(
        DEPTH_PRO,
        name="depth-pro-transformers",
        description="Depth Pro as transformers exports it: canonical inverse depth and field of view",
        source=f"{HUB}apple/DepthPro-hf",
        kind="inverse_depth",
        canonical_focal=1536.0,
        focal="field_of_view",
        focal_unit="degrees",
        downloads=(),
        architecture="depth_pro",
        checkpoint=f"{HUB}apple/DepthPro-hf",
    ),
    # Sizes, margin, mean: preprocessor_config.json of the checkpoint and its image processor. Licence: its page.
    Preset(
        "zoedepth",
        "metric",
        "ZoeDepth NYU + KITTI: metric depth",
        f"{HUB}Intel/zoedepth-nyu-kitti",
        "MIT",
        *TRANSFORMERS,
        Resize("closest", (384, 512), 32, "bilinear_corners", margin=True, back="cubic"),
        mean=HALF,
        std=HALF,
        architecture="zoedepth",
        checkpoint=f"{HUB}Intel/zoedepth-nyu-kitti",
    ),
    # preprocessor_config.json of Intel/dpt-large; that of the checkpoint in the folder goes before. Licence: its page.
    Preset(
        "dpt",
        "relative",
        "DPT (MiDaS): relative disparity",
        f"{HUB}Intel/dpt-large",
        "Apache-2.0",
        *TRANSFORMERS,
        Resize("stretch", (384, 384), filter="pil_bilinear", rounded=True, back="cubic"),
        "inverse_depth",
        mean=HALF,
        std=HALF,
        architecture="dpt",
        checkpoint=f"{HUB}Intel/dpt-large",
    ),
    # Signature: unidepth/models/unidepthv2/export.py with --with-camera; steps: infer() of unidepthv2.py.
    Preset(
        "unidepth-v2",
        "metric",
        "UniDepth V2, ViT-L, as its own exporter writes it: points along given rays",
        f"{HUB}lpiccinelli/unidepth-v2-vitl14",
        "CC-BY-NC-4.0",
        ("rgbs",),
        ("pts_3d",),
        Resize("aspect", (462, 630), 14),
        kind="points",
        rays="rays",
        by_hand="run unidepth/models/unidepthv2/export.py --with-camera of github.com/lpiccinelli-eth/UniDepth",
    ),
    _moge("small", "24eacb5dc7a2c54c7bc98f7de085ffbed79ad006ea5b664c2c2cdc02ff3a52f0"),
    _moge("base", "bbf14e07a30f11e69d36ab861590123f5598ababcbc8946a063eb4a966f35a21"),
    _moge("large", "afbc4ccc3450298f3afb35b90f015f4c4f552dea21dc6470d5f7b78b77e2d751"),
    # 756 and multiples of 14: preprocessor_config.json of the checkpoint; licence: its page. The hub's scanner marked
    # seven ONNX files of this repository as suspicious; a checkpoint of safetensors can hold nothing of the kind.
    Preset(
        "promptda",
        "completion",
        "Prompt Depth Anything, ViT-S: depth, prompted by LiDAR",
        f"{HUB}depth-anything/prompt-depth-anything-vits-hf",
        "Apache-2.0",
        ("pixel_values", "image"),
        ("predicted_depth", "depth"),
        replace(DPT_LIKE, size=(756, 756)),
        prompt="prompt_depth",
        downloads=(_onnx("onnx-community/promptda_vits_hf", "onnx/model.onnx"),),
        architecture="prompt_depth_anything",
        checkpoint=f"{HUB}depth-anything/prompt-depth-anything-vits-hf",
    ),
)
PRESETS = {preset.name: preset for preset in _ALL}
"""The published models that can be imported, by name."""


def find_preset(name: str) -> Preset:
    """Return a preset; ExportError, naming those that are known, when there is none of that name."""
    if name not in PRESETS:
        raise ExportError(f"unknown preset '{name}': known are {', '.join(PRESETS)}")
    return PRESETS[name]
