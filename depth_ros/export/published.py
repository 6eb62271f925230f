"""An ONNX file that others made, wrapped into the model contract by composition of graphs alone."""

from __future__ import annotations

import os
from collections.abc import Collection
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from depth_ros.engines.onnx_file import SIDECAR, read_metadata
from depth_ros.errors import DepthRosError, ExportError
from depth_ros.export.cards import write_card
from depth_ros.export.external import copy_weights, embed, is_external, place_of
from depth_ros.export.preset import Preset
from depth_ros.export.resampling import Plan, plan
from depth_ros.export.wrapping import Network, Sizes, map_size, wrap
from depth_ros.models.card import DATA_SUM, ModelCard
from depth_ros.models.fetch import file_sha256
from depth_ros.models.model import Model

OLDEST_OPSET = 13
"""Of which the layers around the network are made; files of older opsets are converted."""
HALF_OPSET = 17
"""To which half precision is converted: ONNX Runtime 1.23 to 1.26 stops at its older layer normalisations (its issue
26717); of 17 on it takes them for one node."""
MANY = 1024
"""Numbers in a constant above which it holds weights, and no shape or axis."""


def import_published(
    source: Path,
    out: Path,
    preset: Preset,
    size: tuple[int, int],
    *,
    sha256: str = "",
    version: str = "0",
    weights: str = "",
    blamed: Path | None = None,
) -> ModelCard:
    """Write `out`, a model of the contract for images of height and width `size`, and return its card.

    source: ONNX file with the signature of the preset, its external data beside it; where there is such data, `out` has
    them in one file beside it, `<out>.data`. sha256: what the file's SHA-256 must be; empty: one that the preset knows.
    weights: SHA-256 of the checkpoint that the file was made of; empty: the card names the file itself. blamed: what an
    error names when the answers are wrong; None: `source`. The file appears only when the answers to made-up frames
    keep the contract.

    Raises ExportError, EngineError or ModelError, in one line, when the file is not whole, not the one that is
    expected, has another signature, an opset that cannot be converted, or when its answers break the contract.
    """
    check_place(out, [source])
    read_metadata(source)
    model, data = _read(source)
    check_place(out, data)
    network = _network(source, preset, _converted(source, model))
    digest = _check_sum(source, preset, sha256)
    steps = plan(preset.resize, size, _declared(preset, network.inputs[network.image]))
    _check_maps(source, preset, network, steps)
    try:
        with TemporaryDirectory(prefix=".import", dir=out.parent) as folder:
            made = Path(folder, out.name)
            _save(wrap(network, preset, steps, size), made, source.parent)
            card = write_card(made, _card(made, preset, steps, weights or digest, version))
            _check_answers(made, out, f"{blamed or source} is broken, or is no {preset.name}")
            for path in sorted(Path(folder).iterdir(), reverse=True):
                os.replace(path, out.parent / path.name)
    except OSError as error:
        raise ExportError(f"{out} cannot be written: {error.strerror}") from error
    return card


def check_place(out: Path, reads: Collection[Path]) -> None:
    """Raise ExportError when writing `out` and its weights would replace a file that is read, or what is no file."""
    for path in (out, out.with_name(out.name + SIDECAR)):
        if path.exists() and not path.is_file():
            raise ExportError(f"{path} is there and is no file: give another name to what is made")
        if path.resolve() in [read.resolve() for read in reads]:
            raise ExportError(f"{path} is the file that is imported: give another name to what is made of it")


def _check_sum(source: Path, preset: Preset, sha256: str) -> str:
    try:
        digest = file_sha256(source)
    except OSError as error:
        raise ExportError(f"{source} cannot be read: {error.strerror}") from error
    known = [download.sha256 for download in preset.downloads if download.sha256 and download.url.endswith(".onnx")]
    expected = [sha256.lower()] if sha256 else known
    if expected and digest not in expected:
        raise ExportError(
            f"{source} is not the file that is expected: its SHA-256 is {digest}, not {expected[0]}: fetch it again, "
            f"or say --sha256 {digest} when it is the one that is meant"
        )
    return digest


def _read(source: Path) -> tuple[Any, set[Path]]:
    """Return the ModelProto and the files of its weights; weights in such files stay there, shapes and axes do not."""
    import onnx

    try:
        model = onnx.load(source, load_external_data=False)
    except Exception as error:  # protobuf and onnx raise what they like
        raise ExportError(f"{source} cannot be read as ONNX: {_line(error)}") from error
    data = set()
    for tensor in filter(is_external, model.graph.initializer):
        place = place_of(tensor)
        path = source.parent / place.name
        data.add(path)
        if place.name != Path(place.name).name or not path.is_file():
            raise ExportError(f"{source}: its external data, {place.name}, are not beside it: fetch them too")
        if path.stat().st_size < place.offset + place.length:
            raise ExportError(f"{source}: its external data, {place.name}, are cut off: fetch them again")
        if prod(tensor.dims) <= MANY:
            embed(tensor, source.parent)
    return model, data


def _converted(source: Path, model: Any) -> Any:
    """Return the model in an opset of this time; its weights wait meanwhile: the converter takes 2 GB at most."""
    from onnx import TensorProto, helper, version_converter

    half = any(tensor.data_type == TensorProto.FLOAT16 for tensor in model.graph.initializer)
    wanted = HALF_OPSET if half else OLDEST_OPSET
    opset = max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)
    if opset >= wanted:
        return model
    constants = list(model.graph.initializer)
    weights = [tensor for tensor in constants if prod(tensor.dims) > MANY or is_external(tensor)]
    names = {tensor.name for tensor in weights}
    known = {value.name for value in model.graph.input}
    stand_ins = [
        helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
        for tensor in weights
        if tensor.name not in known
    ]
    del model.graph.initializer[:]
    model.graph.initializer.extend(tensor for tensor in constants if tensor.name not in names)
    model.graph.input.extend(stand_ins)
    try:
        made = version_converter.convert_version(model, wanted)
    except Exception as error:  # whatever the converter raises
        raise ExportError(
            f"{source} is of opset {opset} and cannot be converted to {wanted}: {_line(error)}: export it anew"
        ) from error
    for value in [value for value in made.graph.input if value.name in names - known]:
        made.graph.input.remove(value)
    made.graph.initializer.extend(weights)
    return made


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


def _check_maps(source: Path, preset: Preset, network: Network, steps: Plan) -> None:
    """Raise ExportError when the file says that a map is of another size than the image that it gets."""
    for name in (network.output, preset.sky, preset.mask, preset.confidence):
        if name in network.outputs:
            try:
                map_size(network, preset, steps, name)
            except ExportError as error:
                raise ExportError(f"{source} {error}") from None


def _check_answers(made: Path, out: Path, why: str) -> None:
    """Run made-up frames; what is wrong is said of the file that would have been, and why that may be."""
    try:
        model = Model(made, "onnxruntime")
        model.check()
        model.close()
    except DepthRosError as error:
        raise ExportError(f"{out} is not written: {str(error).replace(str(made), 'the model')}: {why}") from error


def _declared(preset: Preset, shape: tuple[int | None, ...]) -> tuple[int | None, int | None]:
    return (shape[-2], shape[-1]) if preset.layout == "NCHW" else (shape[-3], shape[-2])


def _card(path: Path, preset: Preset, steps: Plan, digest: str, version: str) -> ModelCard:
    import onnx

    graph = onnx.load(path, load_external_data=False).graph
    facts = {"preset": preset.name, "source": preset.source, "network_size": f"{steps.size[0]}x{steps.size[1]}"}
    data = path.with_name(path.name + SIDECAR)
    if data.exists():
        facts[DATA_SUM] = file_sha256(data)
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
        # Viewing rays are computed in the graph, and bf16 has no more than 256 places along a side.
        exact=bool(preset.rays),
    )


def _save(model: Any, path: Path, folder: Path) -> None:
    """Write the model, and beside it, in one file, the weights that lie in files in `folder`."""
    import onnx

    external = list(filter(is_external, model.graph.initializer))
    if external:
        copy_weights(external, folder, path.with_name(path.name + SIDECAR))
    try:
        path.write_bytes(model.SerializeToString())
        onnx.checker.check_model(str(path))  # onnx before 1.15 takes no Path
    except OSError:
        raise
    except Exception as error:  # protobuf and onnx raise what they like
        raise ExportError(f"{path.name} cannot be composed: {_line(error)}") from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
