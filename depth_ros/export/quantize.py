"""INT8 copies of an exported file: convolutions alone, calibrated on samples, judged by the task."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_ros.engines.onnx_runtime import OnnxRuntimeEngine
from depth_ros.errors import EngineError, ExportError
from depth_ros.export.cards import write_card
from depth_ros.models.card import INPUTS, ModelCard, read_card

Samples = Sequence[Mapping[str, NDArray[Any]]]

SCHEMES = ("u8s8", "s8s8")
"""Types of activations and weights. u8s8: for CPUs. s8s8, symmetric and without quantised biases: for TensorRT."""
MOST_WORSE = 1.02
"""What the error of an INT8 file may be of that of the file that it was made from."""
METHOD = "static, ranges by min and max, weights per channel, all convolutions but the first and the last"
NO_FACTS: Mapping[str, str] = {}


def quantize(
    source: Path, out: Path, samples: Samples, *, scheme: str = "u8s8", facts: Mapping[str, str] = NO_FACTS
) -> ModelCard:
    """Write an INT8 copy of `source` (f32, with a card) and return its card.

    samples: inputs of the graph by name, batch 1, on which the ranges of the activations are measured. facts: for the
    card, beside how the weights were trained. The first and the last convolution, and all that is not a convolution
    (logs, means, the search), stay float32. Weights have 7 bits in u8s8, since processors without VNNI add two products
    in 16 bits.

    Raises ExportError when there is no sample or the file cannot be quantised, EngineError when there is no such file.
    """
    if scheme not in SCHEMES:
        raise ExportError(f"unknown scheme '{scheme}': known are {', '.join(SCHEMES)}")
    if not samples:
        raise ExportError("there is nothing to calibrate on: give at least one sample")
    card, partial = read_card(source), out.with_name(f".{out.stem}.partial.onnx")
    try:
        _quantize(source, partial, samples, scheme)
        made = write_card(partial, replace(card, precision="int8", training={**card.training, **facts}))
        os.replace(partial, out)
    except OSError as error:
        raise ExportError(f"{error.filename or out} cannot be written: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)
    return made


def check_accuracy(source: Path, quantized: Path, samples: Samples) -> tuple[float, float]:
    """Compare two files on samples with truth and return the ratios quantised / source of AbsRel and RMSE.

    samples: inputs by name, batch 1, and `truth`, float32 [1,H,W], metres, 0 = unknown. Only pixels with a prior count.
    Raises ExportError when a ratio is above MOST_WORSE.
    """
    before, after = _errors(source, samples), _errors(quantized, samples)
    absolute, squared = (float(new / old) for new, old in zip(after, before, strict=True))
    if not max(absolute, squared) <= MOST_WORSE:
        raise ExportError(
            f"{quantized}: its error is {absolute:.3f} (AbsRel) and {squared:.3f} (RMSE) times that of {source}, the "
            f"most is {MOST_WORSE}: calibrate on more samples, or stay with float"
        )
    return absolute, squared


class _Reader:
    """Hands the samples to onnxruntime, one after the other."""

    def __init__(self, samples: Samples) -> None:
        self._samples = iter(samples)

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        sample = next(self._samples, None)
        return None if sample is None else {name: sample[name] for name in INPUTS if name in sample}


def _quantize(source: Path, out: Path, samples: Samples, scheme: str) -> None:
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    symmetric = scheme == "s8s8"
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        quantize_static(
            source,
            out,
            _Reader(samples),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv"],
            per_channel=True,
            reduce_range=not symmetric,
            activation_type=QuantType.QInt8 if symmetric else QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=_ends(source),
            calibrate_method=CalibrationMethod.MinMax,
            extra_options={
                "ActivationSymmetric": symmetric,
                "WeightSymmetric": True,
                "QuantizeBias": not symmetric,
            },
        )
    except (EngineError, OSError):
        raise
    except Exception as error:  # whatever a foreign library raises
        raise ExportError(f"{source} cannot be quantised: {' '.join(str(error).split())[:200]}") from error
    finally:
        root.setLevel(level)


def _ends(source: Path) -> list[str]:
    """Names of the first and the last convolution."""
    import onnx

    names = [node.name for node in onnx.load(source).graph.node if node.op_type == "Conv"]
    if len(names) < 3:
        raise ExportError(f"{source} has {len(names)} convolutions: there is nothing to quantise between two of them")
    return [names[0], names[-1]]


def _errors(path: Path, samples: Samples) -> tuple[float, float]:
    engine = OnnxRuntimeEngine(path)
    relative, squared = [], []
    for sample in samples:
        depth, truth = engine.run({name: sample[name] for name in INPUTS})["depth"], sample["truth"]
        counts = (truth > 0) & (sample["prior_depth"] > 0)
        error = np.abs(depth - truth)[counts]
        if error.size:
            relative.append(float(np.mean(error / truth[counts])))
            squared.append(float(np.mean(error**2)))
    if not relative:
        raise ExportError("no sample has truth where there is a prior: give other samples")
    return float(np.mean(relative)), float(np.sqrt(np.mean(squared)))
