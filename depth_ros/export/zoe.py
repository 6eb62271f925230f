"""ZoeDepth with several metric heads: all of them in the graph, and the one that the image votes for is taken."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


class _Chosen:
    """Stands for the index that a tensor would give."""

    def __init__(self, index: int) -> None:
        self.index = index

    def squeeze(self) -> _Chosen:
        return self

    def item(self) -> int:
        return self.index


class _Torch:
    """torch, but that its argmax is decided."""

    def __init__(self, index: int) -> None:
        self.index = index

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)

    def argmax(self, *_: Any, **__: Any) -> _Chosen:
        return _Chosen(self.index)


@contextmanager
def every_head(model: nn.Module) -> Iterator[None]:
    """Make the vote of a ZoeDepth part of what is traced, for as long as the context lasts.

    Its own code asks the tensor of votes for a number, and goes one way: an exporter would freeze the way that its
    example went, for all images. Models of one head stay as they are.
    """
    head: Any = getattr(model, "metric_head", None)
    count = len(getattr(head, "bin_configurations", ()))
    if count < 2:
        yield
        return
    from transformers.models.zoedepth import modeling_zoedepth as module

    plain = head.forward

    def forward(*args: Any, **more: Any) -> tuple[Tensor, Tensor]:
        answers: list[Tensor] = []
        votes = torch.zeros(())
        for index in range(count):
            module.torch = _Torch(index)
            try:
                depth, votes = plain(*args, **more)
            finally:
                module.torch = torch
            answers.append(depth)
        chosen = votes.sum(dim=0, keepdim=True).argmax(dim=1)
        return torch.stack(answers).index_select(0, chosen)[0], votes

    head.forward = forward
    try:
        yield
    finally:
        del head.forward
