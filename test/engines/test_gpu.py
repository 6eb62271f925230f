"""On a GPU alone: plans run and answer as ONNX Runtime does, as a graph and in two lanes, with each TensorRT here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from depth_ros.engines import golden
from depth_ros.engines.base import shapes_at
from depth_ros.engines.tensorrt import TensorRtEngine, TensorRtRtxEngine
from depth_ros.models.store import bundled_models

pytestmark = pytest.mark.gpu


@pytest.fixture(params=[TensorRtEngine, TensorRtRtxEngine], ids=lambda kind: kind.kind)
def engine(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TensorRtEngine:
    kind: type[TensorRtEngine] = request.param
    reason = kind.probe().reason
    if reason:
        pytest.skip(f"NOT RUN ON A GPU: {reason}")
    monkeypatch.setenv("DEPTH_ROS_PLANS", str(tmp_path / "plans"))
    return kind(bundled_models()["completion"])


def test_the_bundled_model_runs_and_is_found_again(engine: TensorRtEngine) -> None:
    shapes = shapes_at(engine.inputs, (352, 1216))
    engine.fit(shapes)  # tests itself
    frame = golden.made_up(engine.inputs, shapes)
    first = engine.run(frame)
    for found in engine.run_all([frame] * 5):
        assert np.allclose(found["depth"], first["depth"], rtol=1e-3)
    assert engine._lane(0).with_graph
    assert engine.time_stages(frame)["compute"] > 0
    engine.close()
    engine.fit(shapes)
    assert np.allclose(engine.run(frame)["depth"], first["depth"], rtol=1e-3)
    engine.close()
