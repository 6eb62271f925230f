"""Fixtures that every room's tests share."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import pytest

HAS_ROS = find_spec("rclpy") is not None
MISSING_FOR_MODELS = [name for name in ("onnx", "onnxruntime", "openvino") if find_spec(name) is None]
REQUIRE_ROS = os.environ.get("DEPTH_ROS_REQUIRE_ROS") == "1"
HAS_TORCH = find_spec("torch") is not None and find_spec("safetensors") is not None
collect_ignore = [
    *([] if HAS_ROS else ["nodes", "reliability"]),
    *([] if HAS_TORCH else ["networks", "training", "export", "cli/test_model_export.py"]),
]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Where an environment is made for some tests, that they were skipped is no success."""
    parser.addoption("--no-skips", action="store_true", help="fail when a test is skipped")


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """With --no-skips, fail when something was skipped: a module, a test, or a part of it."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or not session.config.getoption("no_skips"):
        return
    if skipped := len(reporter.stats.get("skipped", [])):
        reporter.write_line(f"\nNOT ALL WAS TESTED: {skipped} skipped, and --no-skips was given")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """On a machine that is meant to have ROS (DEPTH_ROS_REQUIRE_ROS=1), a test skipped for want of a package fails."""
    report = yield
    if REQUIRE_ROS and report.skipped and "could not import" in str(report.longrepr):
        report.outcome = "failed"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly what this run could not test."""
    if not HAS_ROS:
        terminalreporter.write_line("THE NODES WERE NOT TESTED: rclpy is not installed (make test brings it)")
    if not HAS_TORCH:
        terminalreporter.write_line(
            "NETWORKS, TRAINING AND EXPORT WERE NOT TESTED: torch or safetensors is not installed"
        )
    if MISSING_FOR_MODELS:
        missing = ", ".join(MISSING_FOR_MODELS)
        terminalreporter.write_line(f"MODELS WERE NOT TESTED WHOLLY: not installed: {missing}")
    if find_spec("tensorrt_rtx") is None:
        terminalreporter.write_line(
            "NOTHING WAS COMPILED WITH TENSORRT: tensorrt_rtx is not installed (make test brings it)"
        )
    if not Path("/dev/nvidiactl").exists() and not Path("/etc/nv_tegra_release").exists():
        terminalreporter.write_line("NOTHING WAS RUN ON A GPU: there is none here (benchmarks/gpu_check.py is for one)")
    if not os.environ.get("DEPTH_ROS_TEST_DATA"):
        terminalreporter.write_line("REAL FRAMES WERE NOT TESTED: DEPTH_ROS_TEST_DATA is not set")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real frames; the test is skipped, with the reason, where there is none."""
    folder = os.environ.get("DEPTH_ROS_TEST_DATA", "")
    if not folder or not Path(folder).is_dir():
        pytest.skip("REAL FRAMES NOT TESTED: set DEPTH_ROS_TEST_DATA to the folder that holds kitti/, nuscenes/, ...")
    return Path(folder)


MakeToy = Callable[..., Path]


@pytest.fixture
def make_toy(tmp_path: Path) -> MakeToy:
    """Make a small file of the model contract: depth = gain x prior (1 m where there is none), sigma = depth x
    (1 % + 1 % per grey level of the image's mean over the channels)."""
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper

    from depth_ros.engines.onnx_file import graph_sha256
    from depth_ros.models.card import CARD_KEY, ModelCard

    def make(
        name: str = "toy",
        gain: float = 1.0,
        size: tuple[int, int] | None = None,
        batch: int | None = 1,
        **card: Any,
    ) -> Path:
        many = "batch" if batch is None else batch
        path, images = tmp_path / f"{name}.onnx", [many, *(size or ("height", "width"))]
        steps = [
            ("Greater", ["prior_depth", "zero"], "known", {}),
            ("Where", ["known", "prior_depth", "one"], "filled", {}),
            ("Mul", ["filled", "gain"], "gained", {}),
            # Some engines leave out an input that is not used.
            ("Mul", ["sparse_depth", "zero"], "no_sparse", {}),
            ("Mul", ["intrinsics", "zero"], "no_camera", {}),
            ("ReduceMean", ["no_camera"], "no_lenses", {"axes": [0, 1], "keepdims": 1}),
            ("Add", ["no_sparse", "no_lenses"], "nothing", {}),
            ("Add", ["gained", "nothing"], "depth", {}),
            ("Cast", ["image"], "colours", {"to": TensorProto.FLOAT}),
            ("ReduceMean", ["colours"], "grey", {"axes": [3], "keepdims": 0}),
            ("Mul", ["grey", "per_cent"], "rough", {}),
            ("Add", ["rough", "per_cent"], "relative", {}),
            ("Mul", ["relative", "depth"], "sigma", {}),
        ]
        inputs = {"image": [*images, 3], "sparse_depth": images, "prior_depth": images, "intrinsics": [many, 4]}
        kinds = {"image": TensorProto.UINT8}
        constants = {"zero": 0.0, "one": 1.0, "gain": gain, "per_cent": 0.01}
        graph = helper.make_graph(
            [helper.make_node(kind, take, [give], **more) for kind, take, give, more in steps],
            name,
            [helper.make_tensor_value_info(n, kinds.get(n, TensorProto.FLOAT), s) for n, s in inputs.items()],
            [helper.make_tensor_value_info(n, TensorProto.FLOAT, images) for n in ("depth", "sigma")],
            [helper.make_tensor(n, TensorProto.FLOAT, [], [value]) for n, value in constants.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.save(model, path)
        facts = ModelCard(**{"name": name, "version": "1.0", "graph_sha256": graph_sha256(path), **card})
        helper.set_model_props(model, {CARD_KEY: facts.to_json(), "author": "nobody"})
        onnx.save(model, path)
        return path

    return make


@pytest.fixture
def make_metric(tmp_path: Path) -> MakeToy:
    """Make a small metric model: depth = focal length / 100 px x (1 m + red / 255), sky where green is 255, invalid
    where blue is. focal: what its focal head finds, in pixels; None: it has none. Of task relative the
    same is called inverse depth."""
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper

    from depth_ros.models.card import CARD_KEY, ModelCard

    def make(name: str = "metre", focal: float | None = None, sigma: bool = False, **card: Any) -> Path:
        path, image = tmp_path / f"{name}.onnx", [1, "height", "width"]
        depth = "inverse_depth" if card.get("task") == "relative" else "depth"
        steps = [
            ("Gather", ["intrinsics", "first"], "fx", {"axis": 1}),
            ("Greater", ["fx", "zero"], "known", {}),
            ("Where", ["known", "fx", "own"], "used", {}),
            ("Cast", ["image"], "colours", {"to": TensorProto.FLOAT}),
            ("Div", ["colours", "byte"], "shares", {}),
            ("Gather", ["shares", "first"], "red", {"axis": 3}),
            ("Gather", ["shares", "second"], "green", {"axis": 3}),
            ("Gather", ["shares", "third"], "blue", {"axis": 3}),
            ("Add", ["red", "one"], "metres", {}),
            ("Div", ["used", "hundred"], "scale", {}),
            ("Mul", ["metres", "scale"], depth, {}),
            ("Mul", [depth, "tenth"], "sigma", {}),
            ("GreaterOrEqual", ["green", "one"], "is_sky", {}),
            ("GreaterOrEqual", ["blue", "one"], "is_bad", {}),
            ("Where", ["is_sky", "two", "one"], "or_sky", {}),
            ("Where", ["is_bad", "zero", "or_sky"], "validity", {}),
            ("Cast", ["validity"], "valid", {"to": TensorProto.UINT8}),
            ("Identity", ["own"], "focal", {}),
        ]
        if focal is None:
            steps.pop()
        constants = {"zero": 0.0, "one": 1.0, "two": 2.0, "tenth": 0.1, "hundred": 100.0, "byte": 255.0}
        floats = [helper.make_tensor(n, TensorProto.FLOAT, [], [value]) for n, value in constants.items()]
        floats.append(helper.make_tensor("own", TensorProto.FLOAT, [1], [focal or 1e-9]))
        places = [helper.make_tensor(n, TensorProto.INT64, [], [i]) for i, n in enumerate(("first", "second", "third"))]
        gives = {depth: image, **({"sigma": image} if sigma else {}), "valid": image}
        gives |= {} if focal is None else {"focal": [1]}
        kinds = {"image": TensorProto.UINT8, "valid": TensorProto.UINT8}
        takes = {"image": [*image, 3], "intrinsics": [1, 4]}
        graph = helper.make_graph(
            [helper.make_node(kind, take, [give], **more) for kind, take, give, more in steps],
            name,
            *(
                [helper.make_tensor_value_info(n, kinds.get(n, TensorProto.FLOAT), s) for n, s in some.items()]
                for some in (takes, gives)
            ),
            [*floats, *places],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        facts = {"name": name, "version": "1.0", "task": "metric", "inputs": tuple(takes), "size_multiple": 8, **card}
        helper.set_model_props(model, {CARD_KEY: ModelCard(**facts).to_json()})
        onnx.save(model, path)
        return path

    return make


@pytest.fixture(scope="session")
def domain() -> Iterator[int]:
    """Run in a ROS domain that no other test run on this machine has, with a transport that never stalls."""
    from depth_ros import nodes

    with _reserved_domain() as chosen, pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROS_DOMAIN_ID", str(chosen))
        patch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        patch.setenv("FASTDDS_DEFAULT_PROFILES_FILE", str(Path(nodes.__file__).parent / "fastdds_large.xml"))
        yield chosen


@contextmanager
def _reserved_domain() -> Iterator[int]:
    for number in range(80):
        chosen = 20 + (os.getpid() + number) % 80
        with (Path(gettempdir()) / f"depth_ros_domain_{chosen}.lock").open("a") as lock, suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield chosen
            return
    raise RuntimeError("80 test runs at once: no ROS domain is free")
