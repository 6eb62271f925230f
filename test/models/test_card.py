"""The card: there and back, and what is no card."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from depth_ros.errors import ModelError
from depth_ros.models.card import ModelCard, read_card

MakeToy = Callable[..., Path]
CARD = ModelCard("toy", "1.2", depth_range=(0.1, 80), training={"seed": "3"}, licence="Apache-2.0")


def test_json_gives_back_the_same_card_and_passes_over_later_keys() -> None:
    text = json.dumps({**json.loads(CARD.to_json()), "of a later version": [1]})
    assert ModelCard.from_json(text) == CARD
    assert CARD.title == "toy 1.2"


def test_what_is_not_stated_has_its_default() -> None:
    assert ModelCard.from_json('{"name": "a", "version": "1"}') == ModelCard("a", "1")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"task": "cooking"}, "task 'cooking': known are completion"),
        ({"inputs": ["image", "smell"]}, "input 'smell'"),
        ({"inputs": "image"}, "inputs = 'image'"),
        ({"size_multiple": 0}, "size_multiple 0"),
        ({"size_multiple": "32"}, "size_multiple = '32'"),
        ({"size_multiple": True}, "size_multiple = True"),
        ({"depth_range": [1]}, "depth_range"),
        ({"depth_range": ["near", "far"]}, "depth_range"),
        ({"training": []}, "training"),
        ({"name": None}, "name = None"),
    ],
)
def test_a_value_that_cannot_be_is_named(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ModelError, match=text):
        ModelCard.from_json(json.dumps({**json.loads(CARD.to_json()), **changes}))


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"name": "a"}', '{"version": "1"}'])
def test_what_is_no_card_is_one_known_error(text: str) -> None:
    with pytest.raises(ModelError, match="the model's card"):
        ModelCard.from_json(text)


def test_the_card_of_a_file_is_read_without_an_engine(make_toy: MakeToy) -> None:
    card = read_card(make_toy("small", size_multiple=16))
    assert (card.title, card.size_multiple, len(card.graph_sha256)) == ("small 1.0", 16, 64)


def test_a_file_whose_graph_was_changed_is_damaged(make_toy: MakeToy) -> None:
    path = make_toy()
    content = bytearray(path.read_bytes())
    content[content.index(b"Greater")] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match="is damaged"):
        read_card(path)


def test_a_file_without_a_card_is_named(make_toy: MakeToy) -> None:
    onnx = pytest.importorskip("onnx")
    path = make_toy()
    model = onnx.load(path)
    del model.metadata_props[:]
    onnx.save(model, path)
    with pytest.raises(ModelError, match="has no card"):
        read_card(path)
