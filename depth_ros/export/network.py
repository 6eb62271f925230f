"""The network of a checkpoint as an ONNX file with the signature of its preset, checked against torch."""

from __future__ import annotations

import builtins
import importlib
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from depth_ros.engines.onnx_runtime import OnnxRuntimeEngine
from depth_ros.errors import ExportError
from depth_ros.export.checkpoint import CLASSES, Checkpoint, read_checkpoint
from depth_ros.export.preset import Preset
from depth_ros.export.published import check_place, import_published
from depth_ros.export.resampling import plan
from depth_ros.export.zoe import every_head
from depth_ros.models.card import ModelCard

OPSET = {"dynamo": 18, "legacy": 17}
"""The exporters of torch, and the opset that each is asked for."""
IN_ONE = 1_800_000_000
"""Bytes of weights up to which a network is one file; protobuf ends at 2 GB."""
TOLERANCE = 1e-3
"""How far an answer may be from torch's, of the largest that torch gives."""
FREE = ("depth_anything", "prompt_depth_anything")
"""Architectures that can be free in size, and whose map then is of the size of the image."""
PATCHES = (14, 19), (17, 12)
"""Height and width, in multiples, at which a network of free size is traced, and at which it is checked again."""


class Shapes(NamedTuple):
    """Height and width of the image that the network gets, and of its prompt, where it has one."""

    image: tuple[int, int]
    prompt: tuple[int, int]


def export_network(
    checkpoint: Checkpoint, out: Path, shapes: Shapes | None, exporters: Sequence[str] = tuple(OPSET)
) -> float:
    """Write the network, and return how far its answers are from torch's, of the largest that torch gives.

    shapes: those that the file is fixed to; None: free, and checked at a second size, for the exporters freeze sizes
    without a word. exporters: of torch, in the order in which they are tried. Raises ExportError, in one line, when
    transformers or torch are not there or cannot read the checkpoint, or when no exporter makes a file that answers as
    torch does.
    """
    if shapes is None and checkpoint.architecture not in FREE:
        raise ExportError(f"the '{checkpoint.architecture}' of {checkpoint.folder} is fixed in size: give --size")
    network = load_network(checkpoint)
    sizes = [shapes] if shapes is not None else _free_sizes(checkpoint)
    names = ["pixel_values", *([checkpoint.preset.prompt] if checkpoint.preset.prompt else [])]
    reasons = []
    for kind in exporters:
        try:
            _export(kind, network, checkpoint, sizes[0], names, out, free=shapes is None)
            if shapes is not None:
                _say_sizes(network, out, names, shapes)
            return max(_apart(network, out, names, size) for size in sizes)
        except Exception as error:  # noqa: PERF203 - the exporters raise what they like
            reasons.append(f"{kind}: {_line(error)}")
    raise ExportError(f"{checkpoint.folder} cannot be exported ({'; '.join(reasons)})")


def import_checkpoint(
    folder: Path,
    out: Path,
    preset: Preset,
    size: tuple[int, int],
    *,
    sha256: str = "",
    version: str = "0",
    exporters: Sequence[str] = tuple(OPSET),
) -> tuple[ModelCard, float]:
    """Write `out`, a model of the contract for images of height and width `size`; return its card and `export_network`.

    sha256: what the SHA-256 of the weights must be; empty: not known. Raises ExportError, in one line, as
    `read_checkpoint`, `export_network` and `import_published` do.
    """
    checkpoint = read_checkpoint(folder, preset)
    check_place(out, [path for path in folder.iterdir() if path.is_file()])
    if sha256 and sha256.lower() != checkpoint.sha256:
        raise ExportError(
            f"the weights of {folder} are not those that are expected: their SHA-256 is {checkpoint.sha256}, not "
            f"{sha256.lower()}: download them again"
        )
    given = plan(checkpoint.preset.resize, size, (None, None)).size
    try:
        with TemporaryDirectory(prefix=".import", dir=out.parent) as made:
            network = Path(made, "network.onnx")
            apart = export_network(checkpoint, network, Shapes(given, preset.prompt_size(size)), exporters)
            known = replace(checkpoint.preset, downloads=())
            card = import_published(
                network, out, known, size, version=version, weights=checkpoint.sha256, blamed=folder
            )
    except OSError as error:
        raise ExportError(f"{out} cannot be written: {error.strerror}") from error
    return card, apart


class Network(nn.Module):
    """A network of transformers that gives its maps alone."""

    def __init__(self, model: nn.Module, prompt: str, focal: str) -> None:
        super().__init__()
        self.model, self.prompt, self.focal = model, prompt, focal

    def forward(self, pixel_values: Tensor, prompt: Tensor | None = None) -> tuple[Tensor, ...]:
        """Return predicted_depth [N,h,w], and the field of view [N] where there is one."""
        given = {"pixel_values": pixel_values, **({self.prompt: prompt} if self.prompt else {})}
        found = self.model(**given)
        return (found.predicted_depth, *((getattr(found, self.focal),) if self.focal else ()))


def load_network(checkpoint: Checkpoint) -> Network:
    """Return the network of a checkpoint in float32, ready to answer; ExportError when it is not whole."""
    try:
        import transformers
    except ImportError as error:
        raise ExportError(
            f"a checkpoint folder needs {error.name}: pip install torch transformers safetensors onnxscript"
        ) from error
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    try:
        kind = getattr(transformers, CLASSES[checkpoint.architecture], None)
    except Exception as error:  # it imports at first use, also a torchvision that is there for another torch
        raise ExportError(
            f"transformers {transformers.__version__} cannot load its '{checkpoint.architecture}' "
            f"({_line(_first(error))}): install torch and torchvision that belong together, or remove torchvision"
        ) from error
    if kind is None:
        raise ExportError(f"transformers {transformers.__version__} knows no '{checkpoint.architecture}': update it")
    try:
        model, told = kind.from_pretrained(
            checkpoint.folder,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            dtype=torch.float32,
            output_loading_info=True,
        )
    except Exception as error:  # safetensors, torch and transformers raise what they like
        raise ExportError(f"{checkpoint.folder} cannot be loaded: {_line(error)}: download it again") from error
    lacks = sorted(told["missing_keys"])
    if lacks or told.get("mismatched_keys"):
        raise ExportError(
            f"{checkpoint.folder} has no weights for {len(lacks) or 'some'} tensors of the network "
            f"({(lacks or ['other shapes'])[0]}): download it again"
        )
    # The modelling code passes over a field of view that the configuration leaves out.
    focal = checkpoint.preset.focal if getattr(model.config, "use_fov_model", True) else ""
    if checkpoint.preset.focal and not focal:
        raise ExportError(f"{checkpoint.folder} has no focal head, which {checkpoint.preset.name} is read with")
    return Network(model.eval(), checkpoint.preset.prompt, focal).eval()


def _free_sizes(checkpoint: Checkpoint) -> list[Shapes]:
    multiple = max(checkpoint.preset.resize.multiple, 14)
    return [Shapes((rows * multiple, columns * multiple), (48 + rows, 48 + columns)) for rows, columns in PATCHES]


def _inputs(shapes: Shapes, names: Sequence[str], seed: int = 0) -> tuple[Tensor, ...]:
    draw = torch.Generator().manual_seed(seed)
    image = torch.randn(1, 3, *shapes.image, generator=draw)
    prompt = 1 + 9 * torch.rand(1, 1, *shapes.prompt, generator=draw)
    return (image, prompt)[: len(names)]


def _export(
    kind: str, network: Network, checkpoint: Checkpoint, shapes: Shapes, names: Sequence[str], out: Path, *, free: bool
) -> None:
    inputs = _inputs(shapes, names)
    gives = ["predicted_depth", *([network.focal] if network.focal else [])]
    options: dict[str, Any] = {"input_names": list(names), "output_names": gives, "opset_version": OPSET[kind]}
    with _quiet(), _sizes_stay_symbols(checkpoint.architecture), every_head(network.model), torch.no_grad():
        if kind == "legacy":
            axes = {name: {2: f"{name}_rows", 3: f"{name}_columns"} for name in names} if free else None
            more = {"predicted_depth": {1: "rows", 2: "columns"}} if free else {}
            torch.onnx.export(
                network, inputs, str(out), dynamo=False, dynamic_axes={**axes, **more} if axes else None, **options
            )
            return
        program: Any = torch.onnx.export(
            network, inputs, dynamo=True, verbose=False, dynamic_shapes=_symbols(checkpoint, names, free), **options
        )
        weights = sum(tensor.numel() * 4 for tensor in network.parameters())
        program.save(str(out), external_data=weights > IN_ONE)


def _say_sizes(network: Network, path: Path, names: Sequence[str], shapes: Shapes) -> None:
    """Write the sizes of the outputs into a file of fixed size; the exporters leave some out."""
    import onnx

    with torch.inference_mode():
        answers = network(*_inputs(shapes, names))
    model = onnx.load(path, load_external_data=False)
    for value, answer in zip(model.graph.output, answers, strict=True):
        kind = value.type.tensor_type
        kind.shape.CopyFrom(onnx.helper.make_tensor_type_proto(kind.elem_type, answer.shape).tensor_type.shape)
    path.write_bytes(model.SerializeToString())


def _symbols(checkpoint: Checkpoint, names: Sequence[str], free: bool) -> Any:
    """What torch.export is told of the sizes that are free."""
    if not free:
        return None
    multiple = max(checkpoint.preset.resize.multiple, 14)
    height, width = (multiple * torch.export.Dim(name, min=2, max=256) for name in ("h", "w"))
    rows, columns = (torch.export.Dim(name, min=2, max=4096) for name in ("rows", "columns"))
    return ({2: height, 3: width}, {2: rows, 3: columns})[: len(names)]


@contextmanager
def _sizes_stay_symbols(architecture: str) -> Iterator[None]:
    """Some modelling code makes sizes plain numbers with int(), and an exporter then freezes them without a word."""
    module = importlib.import_module(f"transformers.models.{architecture}.modeling_{architecture}")

    def keep(value: Any, *more: Any) -> Any:
        return value if isinstance(value, (torch.SymInt, Tensor)) else builtins.int(value, *more)

    vars(module)["int"] = keep
    try:
        yield
    finally:
        del vars(module)["int"]


@contextmanager
def _quiet() -> Iterator[None]:
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _apart(network: Network, path: Path, names: Sequence[str], shapes: Shapes) -> float:
    """Return how far the file is from torch; ExportError when that is too far."""
    inputs = _inputs(shapes, names, seed=1)
    with torch.inference_mode():
        expected = [tensor.numpy() for tensor in network(*inputs)]
    engine = OnnxRuntimeEngine(path)
    found: Mapping[str, NDArray[Any]] = engine.run(
        {name: tensor.numpy() for name, tensor in zip(names, inputs, strict=True)}
    )
    worst = 0.0
    for name, reference in zip(["predicted_depth", network.focal], expected):  # noqa: B905
        if found[name].shape != reference.shape:
            raise ExportError(f"{name} is {found[name].shape} and in torch {reference.shape}: the size is frozen")
        error = float(np.abs(found[name] - reference).max() / max(float(np.abs(reference).max()), 1e-12))
        if not error <= TOLERANCE:
            raise ExportError(f"{name} is {error:.1e} of its largest value away from torch's, at most {TOLERANCE:.0e}")
        worst = max(worst, error)
    return worst


def _first(error: BaseException) -> BaseException:
    """Return what an error came of."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
