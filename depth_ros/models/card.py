"""The card of a model: what it is, what it takes, what it learned from; JSON in the metadata of its ONNX file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from hashlib import sha256
from pathlib import Path
from typing import Any

from depth_ros.engines.onnx_file import SIDECAR, graph_sha256, read_metadata
from depth_ros.errors import ModelError

CARD_KEY = "depth_ros_card"
DATA_SUM = "data_sha256"
"""Under which `training` has the SHA-256 of the weights beside the file."""
TASKS = ("completion", "metric", "relative")
INPUTS = ("image", "sparse_depth", "prior_depth", "intrinsics")


@dataclass(frozen=True)
class ModelCard:
    """What a model says of itself.

    name, version: of the model. task: `completion`, `metric` or `relative`. inputs: names of the graph's inputs.
    size_multiple: height and width must be multiples of it. depth_range: least and most depth that it learned from (m
    along z). domain: the images that its depth is worth something on, one line, empty = not stated. licence: of the
    weights (SPDX). description: one line. training_data: what it learned from. training: how,
    such as command, seed, steps, hours, hardware. source_revision: of the code that made it. weights_sha256: of the
    checkpoint that was exported. graph_sha256: of the graph in the file (`engines.onnx_file.graph_sha256`), empty = not
    stated. precision: in which the file's weights are stored: f32, f16 or int8. exact: it must be computed in float32,
    whatever the processor is fastest in: positions that its graph computes, of hundreds of pixels, do not survive bf16.

    Raises ModelError, in one line, when a value cannot be.
    """

    name: str
    version: str
    task: str = "completion"
    inputs: tuple[str, ...] = INPUTS
    size_multiple: int = 32
    depth_range: tuple[float, float] = (0.3, 120.0)
    domain: str = ""
    licence: str = ""
    description: str = ""
    training_data: str = ""
    training: dict[str, str] = field(default_factory=dict)
    source_revision: str = ""
    weights_sha256: str = ""
    graph_sha256: str = ""
    precision: str = "f32"
    exact: bool = False

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise ModelError(f"the card of {self.name} names the task '{self.task}': known are {', '.join(TASKS)}")
        unknown = [name for name in self.inputs if name not in INPUTS]
        if unknown:
            raise ModelError(f"the card of {self.name} names the input '{unknown[0]}': known are {', '.join(INPUTS)}")
        if not 1 <= self.size_multiple <= 1024:
            raise ModelError(f"the card of {self.name} has size_multiple {self.size_multiple}: 1 to 1024 make sense")

    @property
    def title(self) -> str:
        """Name, version, and how the weights are stored where that is not f32."""
        stored = "" if self.precision == "f32" else f" ({self.precision})"
        return f"{self.name} {self.version}{stored}".strip()

    def precision_for(self, asked: str) -> str:
        """Return the precision for an engine where `asked` is asked for; raises ModelError when that is not exact."""
        if not self.exact:
            return asked
        if asked not in ("auto", "f32"):
            raise ModelError(f"{self.title} must be computed in f32, not {asked}: take precision auto or f32")
        return "f32"

    def to_json(self) -> str:
        """Return the card as JSON of one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> ModelCard:
        """Read a card; keys of later versions are passed over. Raises ModelError when it is not one."""
        try:
            values = json.loads(text)
        except json.JSONDecodeError as error:
            raise ModelError(f"the model's card is not JSON ({error})") from error
        if not isinstance(values, dict):
            raise ModelError("the model's card is not a JSON object")
        missing = [name for name in ("name", "version") if name not in values]
        if missing:
            raise ModelError(f"the model's card has no {missing[0]}")
        return cls(**{e.name: _typed(e.name, values[e.name], e.type) for e in fields(cls) if e.name in values})


def read_card(path: Path) -> ModelCard:
    """Read the card of a model file; needs no engine.

    Raises EngineError when the file is not a whole ONNX file, ModelError when it has no card or one of another graph.
    """
    text = read_metadata(path).get(CARD_KEY)
    if text is None:
        raise ModelError(f"{path} has no card (metadata '{CARD_KEY}'): give a file that `depth_ros model export` made")
    try:
        card = ModelCard.from_json(text)
    except ModelError as error:
        raise ModelError(f"{path}: {error}: export the model again") from error
    if card.graph_sha256 and card.graph_sha256 != graph_sha256(path):
        raise ModelError(f"{path} is damaged: its graph is not the one that its card names: fetch it again")
    return card


def check_data(path: Path, card: ModelCard) -> None:
    """Raise ModelError when the weights beside a model file are not there or not those that its card names.

    All of them are read: that takes seconds per GB. The graph itself is checked whenever the card is read.
    """
    expected = card.training.get(DATA_SUM)
    if not expected:
        return
    data = path.with_name(path.name + SIDECAR)
    digest = sha256()
    try:
        with data.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    except OSError as error:
        raise ModelError(f"{data}, the weights of {path.name}, cannot be read: {error.strerror}") from error
    if digest.hexdigest() != expected:
        raise ModelError(f"{data} is damaged or of another model: its SHA-256 is not that of the card: import it again")


def _typed(name: str, value: Any, kind: Any) -> Any:
    """Return a JSON value as the card holds it; kind: the annotation, a text."""
    try:
        if kind == "tuple[str, ...]" and isinstance(value, list):
            return tuple(map(str, value))
        if kind == "tuple[float, float]":
            low, high = map(float, value)
            return low, high
        if kind == "dict[str, str]":
            return {str(key): str(item) for key, item in value.items()}
        if type(value).__name__ == kind:
            return value
    except (TypeError, ValueError, AttributeError):
        pass
    raise ModelError(f"the model's card has {name} = {value!r}, which is not of type {kind}")
