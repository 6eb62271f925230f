"""What is said of a published depth model: how it takes an image, what it gives, where it comes from."""

from __future__ import annotations

from dataclasses import dataclass

Colour = tuple[float, float, float]
IMAGENET_MEAN: Colour = (123.675, 116.28, 103.53)
IMAGENET_STD: Colour = (58.395, 57.12, 57.375)
BYTE: Colour = (255.0, 255.0, 255.0)
HALF: Colour = (127.5, 127.5, 127.5)


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
    """A file of a model: where it is had, and its SHA-256 (empty: none was found published)."""

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
    source: page of the model. licence: of the weights (SPDX where there is one), empty = not stated there. downloads:
    its files as ONNX. architecture: `model_type` of transformers, empty = it has none there; checkpoint: page of the
    weights for it. by_hand: how an ONNX file is had where none is published and transformers has no such model.
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
    architecture: str = ""
    checkpoint: str = ""
    by_hand: str = ""

    def prompt_size(self, image: tuple[int, int]) -> tuple[int, int]:
        """Return height and width of the prompt for images of height and width `image`."""
        return self.prompt_rows, max(1, round(self.prompt_rows * image[1] / image[0]))
