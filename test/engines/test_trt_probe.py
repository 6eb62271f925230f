"""Probing TensorRT never ends this process, whatever the library does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from depth_ros.engines import trt_probe
from depth_ros.engines.base import Probe
from depth_ros.engines.factory import probe_engines
from depth_ros.engines.trt_probe import look, probe
from depth_ros.errors import EngineError

BODIES = {
    "crashes": "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
    "leaves": "import sys; print('no driver', file=sys.stderr); sys.exit(3)",
    "raises": "raise RuntimeError('cannot\\nload libnvinfer')",
    "hangs": "import time; time.sleep(60)",
}


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A module named tensorrt, before which the GPU's driver is asked for nothing."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "sitecustomize.py").write_text(
        "from depth_ros.engines import device_cuda\ndevice_cuda.read_gpu = lambda: None\n"
    )
    probe.cache_clear()
    yield tmp_path / "tensorrt.py"
    probe.cache_clear()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("crashes", r"tensorrt crashes here \(signal 11\)"),
        ("leaves", r"tensorrt crashes here \(exit code 3\) no driver"),
        ("raises", r"tensorrt does not load \(cannot load libnvinfer\)"),
    ],
)
def test_a_library_that_fails_is_one_reason(library: Path, body: str, reason: str) -> None:
    library.write_text(BODIES[body])
    found = probe("tensorrt")
    assert found.version == ""
    assert re.match(reason, found.reason)
    assert "\n" not in found.reason


def test_one_that_hangs_is_given_up(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library.write_text(BODIES["hangs"])
    monkeypatch.setattr(trt_probe, "PATIENCE_S", 2.0)
    assert "timed out after 2.0 seconds" in probe("tensorrt").reason


def test_one_that_works_tells_its_version_and_is_asked_once(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library.write_text(
        "__version__ = '10.3.0'\nprint('hello')\n"
        "class Logger:\n    ERROR = 1\n    def __init__(self, level): pass\n"
        "class Runtime:\n    def __init__(self, log): pass\n"
    )
    assert probe("tensorrt") == Probe("10.3.0")
    monkeypatch.setattr(trt_probe.subprocess, "run", lambda *_, **__: pytest.fail("asked again"))  # type: ignore[attr-defined]
    assert probe("tensorrt") == Probe("10.3.0")


def test_one_without_a_runtime_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        class Logger:
            ERROR = 1

            def __init__(self, _: int) -> None:
                pass

        @staticmethod
        def Runtime(_: object) -> None:
            return None

    monkeypatch.setattr(trt_probe, "read_gpu", lambda: None)
    monkeypatch.setattr(trt_probe, "import_module", lambda _: Broken)
    assert "has no runtime here" in look("tensorrt")["reason"]


def test_without_a_driver_the_library_is_not_even_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> None:
        raise EngineError("no NVIDIA driver")

    monkeypatch.setattr(trt_probe, "read_gpu", none)
    monkeypatch.setattr(trt_probe, "import_module", lambda _: pytest.fail("loaded"))
    assert look("tensorrt") == {"version": "", "reason": "tensorrt is installed, but no NVIDIA driver"}


def test_every_engine_that_is_not_here_says_how_to_get_it() -> None:
    probe.cache_clear()
    for kind, found in probe_engines().items():
        what, _, remedy = found.reason.partition(": ")
        assert found.version or (what.startswith(kind) and remedy)
