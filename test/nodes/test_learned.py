"""completion_node with a model file: it says which and what runs it, answers, and changes its settings in flight."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter

from depth_ros.messages.decode import decode_array
from depth_ros.nodes.completion import CompletionNode

pytest.importorskip("onnxruntime")
MakeToy = Callable[..., Path]
STAMP = 10**18


@pytest.fixture
def make_node(probe: Any) -> Iterator[Callable[..., Any]]:
    made: list[Any] = []

    def make(**values: Any) -> Any:
        link = {"extrinsics.lidar.parent": "camera", "extrinsics.lidar.child": "lidar"}
        given = {**link, "extrinsics.lidar.quat": [0.5, -0.5, 0.5, 0.5], "engine": "onnxruntime", **values}
        node = CompletionNode(parameter_overrides=[Parameter(key, value=value) for key, value in given.items()])
        made.append(node)
        node.start()
        probe.executor.add_node(node)
        return node

    yield make
    for node in made:
        node.destroy_node()


@pytest.mark.live
def test_it_completes_with_the_model_and_says_so(
    probe: Any, make_node: Callable[..., Any], make_toy: MakeToy, capfd: pytest.CaptureFixture[str]
) -> None:
    node = make_node(model=str(make_toy(gain=2.0)), paste_measured=False, threads=1)
    probe.wait_for_node()
    probe.send_info(STAMP)
    probe.send_scan(STAMP)
    probe.send_image(STAMP)
    probe.spin_until(lambda: probe.got["depth/image_rect"])
    depth = decode_array(probe.got["depth/image_rect"][0])
    assert abs(float(np.nanmedian(depth)) - 16) < 0.1
    probe.spin_until(lambda: "infer_p50_ms" in probe.diagnostics)
    assert probe.diagnostics["model"] == "toy 1.0"
    assert probe.diagnostics["engine"].startswith("onnxruntime")
    said = capfd.readouterr().err
    assert "configured: model toy 1.0, engine onnxruntime" in said
    assert "built anew, as the size changed" in said
    model = node._pipeline._model
    assert node.set_parameters([Parameter("use_image", value=False)])[0].successful
    assert node._pipeline._model is model
    assert not node.set_parameters([Parameter("threads", value=2)])[0].successful


@pytest.mark.parametrize(
    ("values", "text"), [({"model": "nix"}, "unknown model 'nix'"), ({"precision": "bf16"}, "not in bf16")]
)
def test_what_was_asked_for_and_cannot_be_had_fails_the_transition(
    make_node: Callable[..., Any],
    make_toy: MakeToy,
    capfd: pytest.CaptureFixture[str],
    values: dict[str, str],
    text: str,
) -> None:
    node = make_node(**{"model": str(make_toy()), "autostart": False, **values})
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert text in capfd.readouterr().err
