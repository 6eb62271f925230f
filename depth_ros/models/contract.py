"""The model contract: what the tensors of a graph are called, what they hold, and whether a graph keeps to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_ros.engines.base import TensorSpec
from depth_ros.errors import ModelError
from depth_ros.models.card import ModelCard

INPUTS = {
    "image": TensorSpec("image", "uint8", (None, None, None, 3)),
    "sparse_depth": TensorSpec("sparse_depth", "float32", (None, None, None)),
    "prior_depth": TensorSpec("prior_depth", "float32", (None, None, None)),
    "intrinsics": TensorSpec("intrinsics", "float32", (None, 4)),
}
"""image: RGB, rectified. sparse_depth, prior_depth: metres along z, 0 = none. intrinsics: fx, fy, cx, cy in pixels."""
OUTPUTS = {
    "depth": TensorSpec("depth", "float32", (None, None, None)),
    "inverse_depth": TensorSpec("inverse_depth", "float32", (None, None, None)),
    "sigma": TensorSpec("sigma", "float32", (None, None, None)),
    "valid": TensorSpec("valid", "uint8", (None, None, None)),
    "focal": TensorSpec("focal", "float32", (None,)),
}
"""depth: metres along z, finite and > 0. inverse_depth: unitless, larger = nearer. sigma: metres, half of the central
68 % interval. valid: 0 invalid, 1 valid, 2 sky. focal: pixels."""
POSITIVE = ("depth", "sigma", "focal")


def check_signature(card: ModelCard, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> None:
    """Raise ModelError, naming the first difference, when a graph is not what its card and the contract say.

    An input of the card may be missing: some engines leave out what the graph does not use.
    """
    if not {spec.name for spec in inputs} <= set(card.inputs):
        raise ModelError(f"{card.title}: the card names inputs {_names(card.inputs)}, the graph {_names(inputs)}")
    main = "inverse_depth" if card.task == "relative" else "depth"
    if main not in {spec.name for spec in outputs}:
        raise ModelError(f"{card.title}: a {card.task} model gives {main}, the graph gives {_names(outputs)}")
    for side, spec, known in [("input", s, INPUTS) for s in inputs] + [("output", s, OUTPUTS) for s in outputs]:
        _check_spec(card, side, spec, known)


def check_answer(card: ModelCard, outputs: Mapping[str, NDArray[Any]], shape: tuple[int, int, int]) -> None:
    """Raise ModelError when what a graph gave for images [N,H,W] is not of that shape, not finite, or not positive."""
    for name, values in outputs.items():
        expected = shape if len(OUTPUTS[name].shape) == 3 else shape[:1]
        if values.shape != expected:
            raise ModelError(f"{card.title}: {name} came as {list(values.shape)}, not {list(expected)}")
        bad = values.size - np.count_nonzero(np.isfinite(values) & ((values > 0) | (name not in POSITIVE)))
        if bad:
            wrong = "not finite or not positive" if name in POSITIVE else "not finite"
            raise ModelError(f"{card.title}: {bad} of {values.size} values of {name} are {wrong}")


def _check_spec(card: ModelCard, side: str, spec: TensorSpec, known: Mapping[str, TensorSpec]) -> None:
    wanted = known.get(spec.name)
    if wanted is None:
        raise ModelError(f"{card.title}: unknown {side} {spec.name}: known are {_names(known)}")
    same_rank = len(spec.shape) == len(wanted.shape)
    fits = same_rank and all(want in (None, got) for want, got in zip(wanted.shape, spec.shape))  # noqa: B905
    # What a graph computes may have lost its sizes in the file; the answer's shape is checked when it comes.
    if spec.dtype != wanted.dtype or not (fits or (side == "output" and not spec.shape)):
        raise ModelError(f"{card.title}: the {side} is {spec}, the contract says {wanted}")


def _names(names: Sequence[TensorSpec] | Sequence[str] | Mapping[str, TensorSpec]) -> str:
    return ", ".join(entry.name if isinstance(entry, TensorSpec) else entry for entry in names) or "none"
