"""The layers around a published network that make it obey the model contract: before it, after it."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np

from depth_ros.errors import ExportError
from depth_ros.export.layers import Layers
from depth_ros.export.moge import add_moge
from depth_ros.export.preset import Preset
from depth_ros.export.resampling import NONE, Plan, Step, effective

Sizes = dict[str, tuple[int | None, ...]]
NET = "net/"
"""Put before the names of the network's own tensors."""
FAR = 1e6
"""The most that an inverse depth can be."""
LEAST_ERROR = 0.01
"""The least relative error that a confidence can stand for."""


class Network(NamedTuple):
    """A network whose signature is that of its preset.

    model: ModelProto. inputs, outputs: shapes by name, None = free. image, output: names of the image and of the map.
    """

    model: Any
    inputs: Sizes
    outputs: Sizes
    image: str
    output: str


def wrap(network: Network, preset: Preset, plan: Plan, image: tuple[int, int]) -> Any:
    """Return the network's ModelProto, changed to one of the model contract for images of height and width `image`."""
    from onnx import TensorProto, compose, helper

    types = {value.name: value.type.tensor_type.elem_type for value in network.model.graph.input}
    model = compose.add_prefix(network.model, NET, inplace=True)
    graph, layers = model.graph, Layers(NET)
    camera = focals(layers, plan, image)
    for name, value in _feeds(layers, network, preset, plan, camera, image).items():
        layers("Cast", value, to=types[name], out=NET + name)
    before = len(layers.nodes)
    results = _results(layers, network, preset, plan, camera, image)
    gives = {
        name: (TensorProto.UINT8 if name == "valid" else TensorProto.FLOAT, (1,) if name == "focal" else (1, *image))
        for name in results
    }
    for name, value in results.items():
        layers("Cast", layers.shape(value, *gives[name][1]), to=gives[name][0], out=name)
    body = list(graph.node)
    del graph.node[:], graph.value_info[:], graph.output[:]
    for entry in [entry for entry in graph.input if entry.name.removeprefix(NET) in types]:
        graph.input.remove(entry)
    graph.node.extend(_used([*layers.nodes[:before], *body, *layers.nodes[before:]], list(results)))
    read = {name for node in graph.node for name in node.input}
    graph.initializer.extend(tensor for tensor in layers.constants if tensor.name in read)
    takes = {
        "image": (TensorProto.UINT8, (1, *image, 3)),
        "prior_depth": (TensorProto.FLOAT, (1, *image)),
        "intrinsics": (TensorProto.FLOAT, (1, 4)),
    }
    graph.input.extend(helper.make_tensor_value_info(name, *takes[name]) for name in takes if name in read)
    graph.output.extend(helper.make_tensor_value_info(name, *gives[name]) for name in gives)
    return model


def _used(nodes: list[Any], results: list[str]) -> list[Any]:
    """Leave out the nodes that no result needs."""
    needed, kept = set(results), []
    for node in reversed(nodes):
        if needed & set(node.output):
            needed |= set(node.input) | _captured(node)
            kept.append(node)
    return kept[::-1]


def _captured(node: Any) -> set[str]:
    """Names that the branches of a node may take from around it."""
    graphs = [a.g for a in node.attribute if a.HasField("g")] + [g for a in node.attribute for g in a.graphs]
    return {name for graph in graphs for inner in graph.node for name in {*inner.input, *_captured(inner)}}


def _feeds(
    layers: Layers, network: Network, preset: Preset, plan: Plan, camera: Sequence[str], image: tuple[int, int]
) -> dict[str, str]:
    """Return what goes to each input of the network."""
    feeds = {network.image: add_image(layers, preset, plan, image)}
    if len(network.inputs[network.image]) == 5:
        size = (3, *plan.size) if preset.layout == "NCHW" else (*plan.size, 3)
        feeds[network.image] = layers.shape(feeds[network.image], 1, 1, *size)
    if preset.rays in network.inputs:
        feeds[preset.rays] = add_rays(layers, camera, plan.size)
    if preset.prompt:
        rows, columns = network.inputs[preset.prompt][-2:]
        free = preset.prompt_size(image)
        feeds[preset.prompt] = add_prompt(layers, image, (rows or free[0], columns or free[1]))
    for name, value in preset.constants:
        if name in network.inputs:
            feeds[name] = layers.constant(np.full([1] * len(network.inputs[name]), value, np.int64))
    return feeds


def _results(
    layers: Layers, network: Network, preset: Preset, plan: Plan, camera: Sequence[str], image: tuple[int, int]
) -> dict[str, str]:
    """Return the outputs of the contract; maps are float32 [1,1,H,W] here."""
    results: dict[str, str] = {}
    if preset.kind == "affine_points":
        depth, results["focal"] = add_moge(layers, preset, camera, image)
    else:
        value = add_answer(layers, network, preset, plan, image, network.output)
        if preset.task == "relative":
            return {"inverse_depth": layers("Clip", value, 0.0, FAR)}
        depth = _metric(layers, preset, plan, camera, image, value, results)
    results["depth"] = layers("Clip", depth, *preset.limits)
    if preset.confidence in network.outputs:
        sure = add_answer(layers, network, preset, plan, image, preset.confidence)
        error = layers("Clip", layers("Sub", 1.0, sure), LEAST_ERROR, 1.0)
        results["sigma"] = layers("Mul", results["depth"], error)
    for name, least, below, above in ((preset.sky, preset.sky_from, 1.0, 2.0), (preset.mask, 0.5, 0.0, 1.0)):
        if name in network.outputs:
            value = add_answer(layers, network, preset, plan, image, name)
            results["valid"] = layers("Where", layers("Greater", value, least), above, below)
    return results


def _metric(
    layers: Layers,
    preset: Preset,
    plan: Plan,
    camera: Sequence[str],
    image: tuple[int, int],
    value: str,
    results: dict[str, str],
) -> str:
    """Return depth in metres of what the network gave, and put its own focal length among the results."""
    scale = ""
    if preset.focal:
        own = layers.shape(layers.to_float(layers.net + preset.focal), 1)
        if preset.focal_unit == "degrees":
            half = layers("Tan", layers("Mul", own, np.pi / 360))
            own = layers("Div", plan.size[1] / 2, half)
        # The network sees the width alone: its image may be stretched.
        focal = layers("Where", layers("Greater", camera[0], 0.0), camera[0], own)
        scale = layers("Div", focal, preset.canonical_focal or own)
        results["focal"] = layers("Div", own, effective(plan, image)[0])
    elif preset.canonical_focal:
        scale = layers("Div", layers("Add", camera[0], camera[1]), 2 * preset.canonical_focal)
    if preset.kind == "inverse_depth":
        value = layers("Div", value, scale) if scale else value
        return layers("Reciprocal", layers("Clip", value, 1 / preset.limits[1], 1 / preset.limits[0]))
    value = layers("Exp", value) if preset.kind == "log_depth" else value
    return layers("Mul", value, scale) if scale else value


def focals(layers: Layers, plan: Plan, image: tuple[int, int]) -> list[str]:
    """Return fx, fy, cx, cy at the network's input, [1] each."""
    across, down = effective(plan, image)
    fx, fy, cx, cy = (layers.shape(layers.cut("intrinsics", 1, index, index + 1), 1) for index in range(4))

    def moved(centre: str, before: int, scale: float, after: int) -> str:
        return layers("Add", layers("Mul", layers("Add", centre, before + 0.5), scale), after - 0.5)

    return [
        layers("Mul", fx, across),
        layers("Mul", fy, down),
        moved(cx, plan.before[2], across, plan.after[2]),
        moved(cy, plan.before[0], down, plan.after[0]),
    ]


def add_image(layers: Layers, preset: Preset, plan: Plan, image: tuple[int, int]) -> str:
    """Turn `image`, uint8 [1,H,W,3] RGB, into what the network takes, float32 [1,3,h,w] or [1,h,w,3]."""
    value = layers("Transpose", layers.to_float("image"), perm=[0, 3, 1, 2])
    if preset.channels == "BGR":
        value = layers("Gather", value, layers.constant([2, 1, 0], np.int64), axis=1)
    colour = np.array(preset.resize.colour, np.float32).reshape(1, 3, 1, 1)
    source = plan.padded(image)
    value = layers.padded(value, plan.before, colour, reflected=preset.resize.margin)
    for step in plan.steps:
        value, source = layers.resized(value, step, source, preset.resize.rounded), step.size
    value = layers.padded(value, plan.after, colour)
    mean, std = (np.array(values, np.float32).reshape(1, 3, 1, 1) for values in (preset.mean, preset.std))
    value = layers("Div", layers("Sub", value, layers.constant(mean)), layers.constant(std))
    return value if preset.layout == "NCHW" else layers("Transpose", value, perm=[0, 2, 3, 1])


def add_rays(layers: Layers, camera: Sequence[str], size: tuple[int, int]) -> str:
    """Return unit viewing rays float32 [1,3,h,w] in the optical frame through the centres of the pixels."""
    fx, fy, cx, cy = camera
    x = layers("Div", layers("Sub", layers.constant(np.arange(size[1], dtype=np.float32)[None]), cx), fx)
    y = layers("Div", layers("Sub", layers.constant(np.arange(size[0], dtype=np.float32)[:, None]), cy), fy)
    flat = layers.constant(np.zeros(size, np.float32))
    parts = [layers.shape(layers("Add", part, flat), 1, 1, *size) for part in (x, y)]
    parts.append(layers.constant(np.ones((1, 1, *size), np.float32)))
    squares = layers("Add", layers("Mul", parts[0], parts[0]), layers("Mul", parts[1], parts[1]))
    return layers("Div", layers("Concat", *parts, axis=1), layers("Sqrt", layers("Add", squares, 1.0)))


def add_prompt(layers: Layers, image: tuple[int, int], size: tuple[int, int]) -> str:
    """Return the prompt [1,1,h,w] from `prior_depth`: where that is 0, its farthest; never constant.

    The network divides by the span of its prompt; the published processor adds 1e-6 to one pixel of a constant one.
    """
    rows, columns = (np.arange(wanted) * given // wanted for wanted, given in zip(size, image, strict=True))
    value = layers("Gather", "prior_depth", layers.constant(rows, np.int64), axis=1)
    value = layers("Gather", value, layers.constant(columns, np.int64), axis=2)
    value = layers.shape(value, 1, 1, *size)
    value = layers("Where", layers("Greater", value, 0.0), value, layers("GlobalMaxPool", value))
    corner = np.zeros((1, 1, *size), np.float32)
    corner[0, 0, 0, 0] = 1e-6
    return layers("Add", value, layers("Mul", layers("Add", value, 1.0), layers.constant(corner)))


def map_size(network: Network, preset: Preset, plan: Plan, name: str) -> tuple[int, int]:
    """Return height and width of one of the network's maps: of its input, unless the file says another size.

    Raises ExportError when what the file says is no map, or one of another size than an input that has pads.
    """
    shape, channels = network.outputs[name], 3 if preset.kind in ("points", "affine_points") else 1
    channels = channels if name == network.output else 1
    if not shape or None in shape:
        return plan.size
    sizes = [int(side or 1) for side in shape]
    if prod(sizes) == channels * prod(plan.size):
        return plan.size
    if prod(sizes) == channels * prod(sizes[-2:]) and plan.after == NONE and preset.kind != "affine_points":
        return sizes[-2], sizes[-1]
    raise ExportError(f"gives {name} of {sizes} for an image of {plan.size[0]}x{plan.size[1]}: choose another preset")


def add_answer(layers: Layers, network: Network, preset: Preset, plan: Plan, image: tuple[int, int], name: str) -> str:
    """Return one of the network's maps as float32 [1,1,H,W], without pads and at the size of the image."""
    value = layers.to_float(layers.net + name)
    if preset.kind == "points" and name == network.output:
        value = layers.cut(value, 1, 2, 3)
    size = map_size(network, preset, plan, name)
    value = layers.shape(value, 1, 1, *size)
    if size == plan.size:
        value, size = layers.cropped(value, plan.after, size), plan.inner
    padded = plan.padded(image)
    if size != padded:
        value = layers.resized(value, Step(preset.resize.back, padded), size)
    return layers.cropped(value, plan.before, padded)
