"""What is known of published depth models: how they take an image, what they give, where they come from."""

from __future__ import annotations

from dataclasses import dataclass, replace

from depth_ros.errors import ExportError

Colour = tuple[float, float, float]
IMAGENET_MEAN: Colour = (123.675, 116.28, 103.53)
IMAGENET_STD: Colour = (58.395, 57.12, 57.375)
BYTE: Colour = (255.0, 255.0, 255.0)
HALF: Colour = (127.5, 127.5, 127.5)
HUB = "https://huggingface.co/"


@dataclass(frozen=True)
class Resize:
    """How an image comes to the size of the network.

    policy: `native` (as it is), `stretch` (to `size`), `closest` (aspect kept, by the scale of the side that changes
    least, to `multiple`), `longest` (aspect kept, longest side to that of `size`, then to `multiple`; OpenCV's area or
    cubic), `inside` (aspect kept, padded to `size` with `colour` after the resize), `aspect` (padded to the aspect of
    `size` with `colour`, then stretched). size: height and width. filter: a name of `resampling.matrix`. rounded: the
    result is uint8. margin: reflected margin of ZoeDepth around the image. back: filter by which the answer is resized.
    """

    policy: str
    size: tuple[int, int] = (0, 0)
    multiple: int = 1
    filter: str = "bilinear"
    rounded: bool = False
    colour: Colour = IMAGENET_MEAN
    margin: bool = False
    back: str = "bilinear"


@dataclass(frozen=True)
class Download:
    """A file of a model: where it is had, and its SHA-256 (empty: not known)."""

    url: str
    sha256: str = ""


@dataclass(frozen=True)
class Preset:
    """One published model: its signature, its pre- and post-processing, its provenance.

    image, output: names that the graph's input and output go by; the first that the file has is taken. kind: what the
    output holds: `depth`, `inverse_depth` (disparity), `log_depth`, `points` [N,3,h,w], or, of MoGe, `affine_points`
    [N,H,W,3].
    mean, std: of RGB 0..255, subtracted and divided. layout: NCHW or NHWC; channels: RGB or BGR.
    canonical_focal: focal length (pixels of the network's input) for which the output is metric; 0: it is metric for
    every camera. focal: output with the network's own focal length, `focal_unit` `pixels` (of its input) or `degrees`
    (horizontal field of view); with pixels, the output is metric for that focal length.
    sky: output above `sky_from` where there is sky. mask: output above 0.5 where depth is defined. confidence: output
    that is 1 less the relative error. rays: input for unit viewing rays [N,3,H,W]. prompt: input for depth [N,1,H,W].
    constants: inputs with a fixed value. limits: least and most depth (m) that is handed on.
    source: page of the model. licence: of the weights (SPDX where there is one), empty = not stated there.
    """

    name: str
    task: str
    description: str
    source: str
    licence: str
    image: tuple[str, ...]
    output: tuple[str, ...]
    resize: Resize
    kind: str = "depth"
    mean: Colour = IMAGENET_MEAN
    std: Colour = IMAGENET_STD
    layout: str = "NCHW"
    channels: str = "RGB"
    canonical_focal: float = 0.0
    focal: str = ""
    focal_unit: str = "pixels"
    sky: str = ""
    sky_from: float = 0.3
    mask: str = ""
    confidence: str = ""
    scale: str = ""
    rays: str = ""
    prompt: str = ""
    prompt_rows: int = 192
    constants: tuple[tuple[str, int], ...] = ()
    limits: tuple[float, float] = (0.001, 10000.0)
    downloads: tuple[Download, ...] = ()


TRANSFORMERS = (("pixel_values", "image", "input"), ("predicted_depth", "depth", "output"))
_DPT = Resize("closest", (518, 518), 14, "pil_bicubic", rounded=True, back="cubic")
_ANYTHING = Preset(
    "depth-anything-v2-small",
    "relative",
    "Depth Anything V2, ViT-S: relative disparity",
    f"{HUB}depth-anything/Depth-Anything-V2-Small",
    "Apache-2.0",
    *TRANSFORMERS,
    _DPT,
    "inverse_depth",
    downloads=(Download(f"{HUB}onnx-community/depth-anything-v2-small/resolve/main/onnx/model.onnx"),),
)
_METRIC3D = Preset(
    "metric3d-v2-small",
    "metric",
    "Metric3D v2, ViT-S: depth in a canonical camera of 1000 px",
    f"{HUB}onnx-community/metric3d-vit-small",
    "CC0-1.0",
    ("pixel_values", "image"),
    ("predicted_depth", "pred_depth"),
    Resize("inside", (616, 1064), 28, "bilinear", rounded=True),
    # The exported graph subtracts mean and divides by deviation itself.
    mean=(0.0, 0.0, 0.0),
    std=(1.0, 1.0, 1.0),
    canonical_focal=1000.0,
    confidence="confidence",
    limits=(0.001, 300.0),
    downloads=(Download(f"{HUB}onnx-community/metric3d-vit-small/resolve/main/onnx/model.onnx"),),
)
_MOGE = Preset(
    "moge-2-small",
    "metric",
    "MoGe-2, ViT-S with normals: affine point map with metric scale",
    f"{HUB}Ruicheng/moge-2-vits-normal-onnx",
    "MIT",
    ("image",),
    ("points",),
    Resize("native"),
    "affine_points",
    mean=(0.0, 0.0, 0.0),
    std=BYTE,
    mask="mask",
    scale="metric_scale",
    constants=(("num_tokens", 1800),),
    downloads=(Download(f"{HUB}Ruicheng/moge-2-vits-normal-onnx/resolve/main/model.onnx"),),
)
_DEPTH_PRO = Preset(
    "depth-pro",
    "metric",
    "Depth Pro: depth for its own focal length, rescaled to the camera's",
    f"{HUB}onnx-community/DepthPro-ONNX",
    "apple-ascl",
    ("pixel_values",),
    ("predicted_depth",),
    Resize("stretch", (1536, 1536)),
    mean=HALF,
    std=HALF,
    focal="focallength_px",
    limits=(0.001, 10000.0),
    downloads=(
        Download(f"{HUB}onnx-community/DepthPro-ONNX/resolve/main/onnx/model.onnx"),
        Download(f"{HUB}onnx-community/DepthPro-ONNX/resolve/main/onnx/model.onnx_data"),
    ),
)


def _anything(size: str, licence: str) -> Preset:
    return replace(
        _ANYTHING,
        name=f"depth-anything-v2-{size}",
        description=f"Depth Anything V2, ViT-{size[0].upper()}: relative disparity",
        source=f"{HUB}depth-anything/Depth-Anything-V2-{size.capitalize()}",
        licence=licence,
        downloads=(Download(f"{HUB}onnx-community/depth-anything-v2-{size}/resolve/main/onnx/model.onnx"),),
    )


def _anything_metric(place: str, data: str, most: float) -> Preset:
    return replace(
        _ANYTHING,
        name=f"depth-anything-v2-metric-{place}",
        task="metric",
        kind="depth",
        description=f"Depth Anything V2, metric, {place}",
        source=f"{HUB}depth-anything/Depth-Anything-V2-Metric-{data}-Small",
        licence="Apache-2.0",
        limits=(0.001, most),
        downloads=(),
    )


def _metric3d(size: str) -> Preset:
    page = f"{HUB}onnx-community/metric3d-vit-{size}"
    return replace(
        _METRIC3D,
        name=f"metric3d-v2-{size}",
        description=f"Metric3D v2, ViT {size}: depth in a canonical camera of 1000 px",
        source=page,
        downloads=(Download(f"{page}/resolve/main/onnx/model.onnx"),),
    )


def _moge(size: str) -> Preset:
    page = f"{HUB}Ruicheng/moge-2-vit{size[0]}-normal-onnx"
    return replace(
        _MOGE,
        name=f"moge-2-{size}",
        description=f"MoGe-2, ViT-{size[0].upper()} with normals: affine point map with metric scale",
        source=page,
        downloads=(Download(f"{page}/resolve/main/model.onnx"),),
    )


_ALL = (
    _ANYTHING,
    _anything("base", "CC-BY-NC-4.0"),
    _anything("large", "CC-BY-NC-4.0"),
    _anything_metric("indoor", "Hypersim", 20.0),
    _anything_metric("outdoor", "VKITTI", 80.0),
    Preset(
        "depth-anything-3-metric",
        "metric",
        "Depth Anything 3 metric, ViT-L: canonical depth for 300 px, and sky",
        f"{HUB}depth-anything/DA3METRIC-LARGE",
        "Apache-2.0",
        ("pixel_values", "image", "input"),
        ("depth", "depth_raw", "predicted_depth"),
        Resize("longest", (504, 504), 14, rounded=True),
        canonical_focal=300.0,
        sky="sky",
        limits=(0.001, 1000.0),
    ),
    _METRIC3D,
    _metric3d("large"),
    _metric3d("giant2"),
    _DEPTH_PRO,
    replace(
        _DEPTH_PRO,
        name="depth-pro-transformers",
        description="Depth Pro as transformers exports it: canonical inverse depth and field of view",
        source=f"{HUB}apple/DepthPro-hf",
        kind="inverse_depth",
        canonical_focal=1536.0,
        focal="field_of_view",
        focal_unit="degrees",
        limits=(0.001, 10000.0),
        downloads=(),
    ),
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
    ),
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
    ),
    _MOGE,
    _moge("base"),
    _moge("large"),
    Preset(
        "promptda",
        "completion",
        "Prompt Depth Anything, ViT-S: depth, prompted by LiDAR",
        f"{HUB}onnx-community/promptda_vits_hf",
        "",
        ("pixel_values", "image"),
        ("predicted_depth", "depth"),
        Resize("closest", (756, 756), 14, "pil_bicubic", rounded=True, back="cubic"),
        prompt="prompt_depth",
        downloads=(Download(f"{HUB}onnx-community/promptda_vits_hf/resolve/main/onnx/model.onnx"),),
    ),
)
PRESETS = {preset.name: preset for preset in _ALL}
"""The published models that can be imported, by name."""


def find_preset(name: str) -> Preset:
    """Return a preset; ExportError, naming those that are known, when there is none of that name."""
    if name not in PRESETS:
        raise ExportError(f"unknown preset '{name}': known are {', '.join(PRESETS)}")
    return PRESETS[name]
