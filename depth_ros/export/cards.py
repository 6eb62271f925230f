"""The card of a model, put into its ONNX file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from depth_ros.engines.onnx_file import graph_sha256
from depth_ros.models.card import CARD_KEY, ModelCard


def write_card(path: Path, card: ModelCard) -> ModelCard:
    """Put a card into an ONNX file, in the place of the one that it has; return it with the sum of the graph.

    Data outside the file stay there.
    """
    import onnx

    made = replace(card, graph_sha256=graph_sha256(path))
    model = onnx.load(path, load_external_data=False)
    onnx.helper.set_model_props(model, {CARD_KEY: made.to_json()})
    path.write_bytes(model.SerializeToString())
    return made
