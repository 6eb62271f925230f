"""An ONNX file that others made, wrapped into the model contract by composition of graphs alone."""

from __future__ import annotations

import os
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from depth_ros.engines.onnx_file import read_metadata
from depth_ros.errors import DepthRosError, ExportError
from depth_ros.export.cards import write_card
from depth_ros.export.presets import Preset
from depth_ros.export.resampling import Plan, plan
from depth_ros.export.wrapping import Network, Sizes, wrap
from depth_ros.models.card import ModelCard
from depth_ros.models.fetch import file_sha256
from depth_ros.models.model import Model

OLDEST_OPSET = 13
"""Of which the layers around the network are made; files of older opsets are converted."""
SIDECAR = ".data"


def import_published(
    source: Path, out: Path, preset: Preset, size: tuple[int, int], *, sha256: str = "", version: str = "0"
) -> ModelCard:
    """Write `out`, a model of the contract for images of height and width `size`, and return its card.

    source: ONNX file with the signature of the preset, its external data beside it; where there is such data, `out` has
    them in one file beside it, `<out>.data`. sha256: what the file's SHA-256 must be, beside that of the preset. The
    file appears only when the answers to made-up frames keep the contract.

    Raises ExportError, EngineError or ModelError, in one line, when the file is not whole, not the one that is
    expected, has another signature, an opset that cannot be converted, or when its answers break the contract.
    """
    if out.resolve() == source.resolve():
        raise ExportError(f"{out} is the file that is imported: give another name to what is made of it")
    read_metadata(source)
    digest = _check_sum(source, preset, sha256)
    model, external = _read(source)
    network = _network(source, preset, _converted(source, model))
    steps = plan(preset.resize, size, _declared(preset, network.inputs[network.image]))
    _check_map(source, preset, network, steps)
    try:
        with TemporaryDirectory(prefix=".import", dir=out.parent) as folder:
            made = Path(folder, out.name)
            _save(wrap(network, preset, steps, size), made, external)
            card = write_card(made, _card(made, preset, steps, digest, version))
            _check_answers(made, out)
            for path in sorted(Path(folder).iterdir(), reverse=True):
                os.replace(path, out.parent / path.name)
    except OSError as error:
        raise ExportError(f"{out} cannot be written: {error.strerror}") from error
    return card


def _check_sum(source: Path, preset: Preset, sha256: str) -> str:
    try:
        digest = file_sha256(source)
    except OSError as error:
        raise ExportError(f"{source} cannot be read: {error.strerror}") from error
    known = [download.sha256 for download in preset.downloads if download.sha256 and download.url.endswith(".onnx")]
    expected = [sha256.lower()] if sha256 else known
    if expected and digest not in expected:
        raise ExportError(
            f"{source} is not the file that is expected: its SHA-256 is {digest[:12]}..., not {expected[0][:12]}...: "
            f"fetch it again"
        )
    return digest


def _read(source: Path) -> tuple[Any, bool]:
    """Return the ModelProto, weights included, and whether they lie in files of their own."""
    import onnx

    try:
        model = onnx.load(source, load_external_data=False)
        external = any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in model.graph.initializer)
    except Exception as error:  # protobuf and onnx raise what they like
        raise ExportError(f"{source} cannot be read as ONNX: {_line(error)}") from error
    try:
        onnx.load_external_data_for_model(model, str(source.parent))
    except Exception as error:
        raise ExportError(f"{source}: its external data are not beside it ({_line(error)}): fetch them too") from error
    return model, external


def _converted(source: Path, model: Any) -> Any:
    from onnx import version_converter

    opset = max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)
    if opset >= OLDEST_OPSET:
        return model
    try:
        return version_converter.convert_version(model, OLDEST_OPSET)
    except Exception as error:  # whatever the converter raises
        raise ExportError(
            f"{source} is of opset {opset} and cannot be converted to {OLDEST_OPSET}: {_line(error)}: export it anew"
        ) from error


def _shapes(values: Any) -> Sizes:
    return {
        value.name: tuple(
            size.dim_value if size.HasField("dim_value") and size.dim_value > 0 else None
            for size in value.type.tensor_type.shape.dim
        )
        for value in values
    }


def _network(source: Path, preset: Preset, model: Any) -> Network:
    """Return the network with its names; ExportError when its signature is not that of the preset."""
    initial = {tensor.name for tensor in model.graph.initializer}
    inputs = {name: shape for name, shape in _shapes(model.graph.input).items() if name not in initial}
    outputs = _shapes(model.graph.output)
    image = next((name for name in preset.image if name in inputs), "")
    output = next((name for name in preset.output if name in outputs), "")
    needed = [name for name in (preset.prompt, preset.mask, preset.scale, preset.focal) if name]
    lacks = [name for name in needed if name not in inputs and name not in outputs]
    more = set(inputs) - {image, preset.rays, preset.prompt, *(name for name, _ in preset.constants)}
    if not image or not output or lacks or more:
        raise ExportError(
            f"{source} is not a {preset.name}: it takes {', '.join(inputs) or 'nothing'} and gives "
            f"{', '.join(outputs) or 'nothing'}; expected are {preset.image[0]} and "
            f"{', '.join([preset.output[0], *needed])}: choose another preset"
        )
    shape = inputs[image]
    channels = shape[-3 if preset.layout == "NCHW" else -1] if len(shape) in (4, 5) else 0
    if channels not in (3, None):
        told = ", ".join("?" if side is None else str(side) for side in shape)
        raise ExportError(
            f"{source} is not a {preset.name}: its {image} is [{told}], not {preset.layout} of 3 channels"
        )
    return Network(model, inputs, outputs, image, output)


def _check_map(source: Path, preset: Preset, network: Network, steps: Plan) -> None:
    """Raise ExportError when the file says that its map is of another size than the image that it gets."""
    shape = network.outputs[network.output]
    channels = 3 if preset.kind in ("points", "affine_points") else 1
    if shape and None not in shape and prod(map(int, filter(None, shape))) != channels * prod(steps.size):
        raise ExportError(
            f"{source} gives {network.output} of {list(shape)} for an image of {steps.size[0]}x{steps.size[1]}: "
            f"choose another preset"
        )


def _check_answers(made: Path, out: Path) -> None:
    """Run made-up frames; what is wrong is said of the file that would have been."""
    try:
        model = Model(made, "onnxruntime")
        model.check()
        model.close()
    except DepthRosError as error:
        raise ExportError(f"{out} is not written: {str(error).replace(str(made), 'the model')}") from error


def _declared(preset: Preset, shape: tuple[int | None, ...]) -> tuple[int | None, int | None]:
    return (shape[-2], shape[-1]) if preset.layout == "NCHW" else (shape[-3], shape[-2])


def _card(path: Path, preset: Preset, steps: Plan, digest: str, version: str) -> ModelCard:
    import onnx

    graph = onnx.load(path, load_external_data=False).graph
    facts = {"preset": preset.name, "source": preset.source, "network_size": f"{steps.size[0]}x{steps.size[1]}"}
    data = path.with_name(path.name + SIDECAR)
    if data.exists():
        facts["data_sha256"] = file_sha256(data)
    return ModelCard(
        preset.name,
        version,
        task=preset.task,
        inputs=tuple(value.name for value in graph.input),
        size_multiple=1,
        depth_range=preset.limits,
        licence=preset.licence,
        description=preset.description,
        training_data=f"see {preset.source}",
        training=facts,
        weights_sha256=digest,
    )


def _save(model: Any, path: Path, external: bool) -> None:
    import onnx

    try:
        onnx.save(model, path, save_as_external_data=external, location=path.name + SIDECAR)
        onnx.checker.check_model(path)
    except OSError:
        raise
    except Exception as error:  # protobuf and onnx raise what they like
        raise ExportError(f"{path.name} cannot be composed: {_line(error)}") from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
