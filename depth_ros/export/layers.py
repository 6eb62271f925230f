"""Nodes of an ONNX graph that grow one by one, and the resizes and pads that they are put together to."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_ros.export.resampling import NONE, Pads, Step, matrix

RESIZE = {"bilinear": "half_pixel", "bilinear_corners": "align_corners"}
"""Filters that are a node of their own; all others are matrices."""


class Layers:
    """Nodes and constants that grow; `net` is put before the names of the network's own tensors."""

    def __init__(self, net: str) -> None:
        self.net = net
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def __call__(self, kind: str, *inputs: str | float, out: str = "", **attributes: Any) -> str:
        """Add a node and return the name of its output; a number stands for a constant."""
        from onnx import helper

        name = out or f"wrap/{kind}_{len(self.nodes)}"
        given = [entry if isinstance(entry, str) else self.constant(np.float32(entry)) for entry in inputs]
        self.nodes.append(helper.make_node(kind, given, [name], name=f"wrap/node_{len(self.nodes)}", **attributes))
        return name

    def constant(self, value: Any, dtype: Any = None) -> str:
        """Add a constant and return its name."""
        from onnx import numpy_helper

        name = f"wrap/constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def shape(self, value: str, *sizes: int) -> str:
        """Return `value` in another shape."""
        return self("Reshape", value, self.constant(sizes, np.int64))

    def cut(self, value: str, axis: int, start: int, end: int) -> str:
        """Return the part of `value` from `start` to `end` along an axis."""
        return self("Slice", value, *(self.constant([number], np.int64) for number in (start, end, axis)))

    def total(self, value: str) -> str:
        """Return the sum over all of `value`, of shape [1]."""
        return self("ReduceSum", self.shape(value, 1, -1), self.constant([1], np.int64), keepdims=0)

    def to_float(self, value: str) -> str:
        """Return `value` as float32."""
        return self("Cast", value, to=1)

    def resized(self, value: str, step: Step, source: tuple[int, int], rounded: bool = False) -> str:
        """Return [N,C,H,W] at another size; rounded: as uint8 images are, Pillow's after either direction."""
        if step.filter in RESIZE:
            sizes = self("Concat", self.cut(self("Shape", value), 0, 0, 2), self.constant(step.size, np.int64), axis=0)
            mode = RESIZE[step.filter]
            value = self("Resize", value, "", "", sizes, mode="linear", coordinate_transformation_mode=mode)
            return self.byte(value) if rounded else value
        for axis in (1, 0):
            if source[axis] != step.size[axis]:
                weights = matrix(step.filter, source[axis], step.size[axis])
                if axis:
                    value = self("MatMul", value, self.constant(weights.T.copy()))
                else:
                    value = self("MatMul", self.constant(weights), value)
                if rounded and (not axis or step.filter.startswith("pil")):
                    value = self.byte(value)
        return self.byte(value) if rounded else value

    def byte(self, value: str) -> str:
        """Return `value` as an image of uint8 would hold it."""
        return self("Clip", self("Floor", self("Add", value, 0.5)), 0.0, 255.0)

    def padded(self, value: str, pads: Pads, colour: NDArray[np.float32], reflected: bool = False) -> str:
        """Return [N,C,H,W] with pads of a colour, float32 [1,C,1,1], or, reflected, of what the image shows."""
        if pads == NONE:
            return value
        top, bottom, left, right = pads
        amounts = self.constant([0, 0, top, left, 0, 0, bottom, right], np.int64)
        if reflected:
            return self("Pad", value, amounts, mode="reflect")
        shade = self.constant(colour)
        return self("Add", self("Pad", self("Sub", value, shade), amounts, mode="constant"), shade)

    def cropped(self, value: str, pads: Pads, size: tuple[int, int]) -> str:
        """Return [N,C,H,W] of height and width `size` without its pads."""
        for axis, (before, after) in ((2, pads[:2]), (3, pads[2:])):
            if before or after:
                value = self.cut(value, axis, before, size[axis - 2] - after)
        return value
