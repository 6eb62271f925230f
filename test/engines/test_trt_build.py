"""TensorRT's own parser and builder, those of TensorRT-RTX, which need neither GPU nor driver: files parse and compile.

They do not show that a plan runs, nor what classic TensorRT makes of the same files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from depth_ros.engines import trt_build
from depth_ros.engines.base import shapes_at
from depth_ros.engines.factory import make_engine
from depth_ros.engines.plan_cache import default_folder
from depth_ros.engines.tensorrt import TensorRtRtxEngine
from depth_ros.engines.trt_build import Share, build_plan, read_signature
from depth_ros.errors import BuildCancelledError, EngineError

MakeToy = Callable[..., Path]


@pytest.fixture
def trt() -> Iterator[Any]:
    yield pytest.importorskip("tensorrt_rtx")
    trt_build.logger.cache_clear()


def test_a_graph_is_read_as_the_other_engines_read_it(make_toy: MakeToy, trt: Any) -> None:
    signature = read_signature(trt, make_toy())
    assert str(signature.inputs[0]) == "image uint8 [1, ?, ?, 3]"
    assert [spec.name for spec in signature.outputs] == ["depth", "sigma"]
    assert signature.precision == "f32"


def test_a_free_size_is_fixed_and_two_builds_are_the_same(make_toy: MakeToy, trt: Any) -> None:
    path = make_toy()
    shapes = shapes_at(read_signature(trt, path).inputs, (64, 96))
    first, second, other = (
        build_plan(trt, path, shapes, tf32=True),
        build_plan(trt, path, shapes, tf32=True),
        build_plan(trt, path, shapes_at(read_signature(trt, path).inputs, (96, 64)), tf32=True),
    )
    assert first.startswith(b"vtrt")
    assert _without_order(first) == _without_order(second)
    assert _without_order(first) != _without_order(other)


def _without_order(plan: bytes) -> list[int]:
    """Count the bytes: TensorRT-RTX writes the outputs of one graph now in this order, now in that."""
    return [plan.count(byte) for byte in range(256)]


def test_an_operator_that_is_unknown_is_named_with_its_node(make_toy: MakeToy, trt: Any) -> None:
    onnx = pytest.importorskip("onnx")
    path = make_toy()
    model = onnx.load(path)
    model.graph.node[2].op_type, model.graph.node[2].name = "Guess", "the_guess"
    onnx.save(model, path)
    with pytest.raises(EngineError, match=r"cannot be read by tensorrt_rtx: node 'the_guess' \(Guess\): ") as caught:
        read_signature(trt, path)
    assert "\n" not in str(caught.value)


def test_shapes_that_cannot_be_are_one_known_error(make_toy: MakeToy, trt: Any) -> None:
    path = make_toy()
    shapes = {**shapes_at(read_signature(trt, path).inputs, (64, 96)), "prior_depth": (1, 32, 32)}
    with pytest.raises(EngineError, match=r"toy.onnx cannot be built by tensorrt_rtx") as caught:
        build_plan(trt, path, shapes, tf32=True)
    assert "\n" not in str(caught.value)


def test_a_build_tells_how_far_it_is(make_toy: MakeToy, trt: Any) -> None:
    told: list[float] = []
    path = make_toy()
    shapes = shapes_at(read_signature(trt, path).inputs, (64, 96))

    def listen(share: float) -> bool:
        told.append(share)
        return True

    build_plan(trt, path, shapes, tf32=True, progress=listen)
    assert told == sorted(told)
    assert 0 < told[0] < 0.5 < told[-1] <= 1


@pytest.mark.parametrize("at", [0.0, 0.3])
def test_a_build_can_be_cancelled(make_toy: MakeToy, trt: Any, at: float) -> None:
    path = make_toy()
    shapes = shapes_at(read_signature(trt, path).inputs, (64, 96))
    with pytest.raises(BuildCancelledError, match="was cancelled"):
        build_plan(trt, path, shapes, tf32=True, progress=lambda share: share < at)
    assert build_plan(trt, path, shapes, tf32=True, progress=lambda _: True)


def test_what_the_listener_raises_ends_the_build(make_toy: MakeToy, trt: Any) -> None:
    def interrupt(_: float) -> bool:
        raise KeyboardInterrupt

    path = make_toy()
    with pytest.raises(KeyboardInterrupt):
        build_plan(trt, path, shapes_at(read_signature(trt, path).inputs, (64, 96)), tf32=True, progress=interrupt)


def test_a_plan_is_built_ahead_without_a_gpu_and_not_run(
    make_toy: MakeToy, trt: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime")
    monkeypatch.setenv("DEPTH_ROS_PLANS", str(tmp_path / "plans"))
    engine = TensorRtRtxEngine(make_toy(), 1)
    shapes = shapes_at(engine.inputs, (64, 96))
    assert [engine.build_ahead(shapes), engine.build_ahead(shapes)] == ["built", "found"]
    assert len(list(default_folder().glob("*.plan"))) == 1
    assert engine.info.version == trt.__version__
    if not Path("/dev/nvidiactl").exists():
        with pytest.raises(EngineError, match="no NVIDIA driver"):
            engine.fit(shapes)
        with pytest.raises(EngineError, match="tensorrt_rtx is installed, but there is no NVIDIA driver"):
            make_engine(make_toy(), "tensorrt_rtx")


def test_the_share_of_nested_phases_grows_to_one() -> None:
    share = Share()
    share.start("all", 2)
    share.start("half", 4)
    assert [share.step("half", step) for step in range(4)] == [0.125, 0.25, 0.375, 0.5]
    share.finish("half")
    share.finish("never started")
    assert share.step("all", 0) == 0.5
    share.start("empty", 0)
    assert share.step("unknown", 3) == 0.5
    assert share.step("empty", 7) == 1.0
    share.start("again", 10)
    assert share.step("again", 0) == 1.0
