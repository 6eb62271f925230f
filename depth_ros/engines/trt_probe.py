"""Whether TensorRT runs here, found out in a process of its own: without a driver, some versions of it crash."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from depth_ros.engines.base import Probe
from depth_ros.engines.device_cuda import read_gpu
from depth_ros.errors import EngineError

PATIENCE_S = 60.0
REMEDY = {
    "tensorrt": "it comes with JetPack and NVIDIA's containers; see docs/jetson.md",
    "tensorrt_rtx": "for an RTX card: pip install tensorrt_rtx",
}


@cache
def probe(module: str) -> Probe:
    """Look, once in a process, whether the module loads and finds a GPU; never raises."""
    try:
        if find_spec(module) is None:
            return Probe("", f"{module} is not installed: {REMEDY[module]}")
    except (ImportError, ValueError) as error:  # one that was made unusable, as tests do
        return Probe("", f"{module} does not load ({error}): {REMEDY[module]}")
    command = [sys.executable, "-m", "depth_ros.engines.trt_probe", module]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, env=environment, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Probe("", f"{module} cannot be tried ({error}): see whether `nvidia-smi` answers")
    return _understood(module, done)


def _understood(module: str, done: subprocess.CompletedProcess[str]) -> Probe:
    last = done.stdout.strip().rpartition("\n")[2]
    try:
        answer = json.loads(last)
        return Probe(answer["version"], answer["reason"])
    except (ValueError, KeyError, TypeError):
        how = f"signal {-done.returncode}" if done.returncode < 0 else f"exit code {done.returncode}"
        said = " ".join(done.stderr.split())[-200:]
        return Probe("", f"{module} crashes here ({how}) {said}: see whether its version fits the driver")


def look(module: str) -> dict[str, str]:
    """Load the module, start its runtime, and return its version and the reason why it cannot be used, or empty."""
    try:
        read_gpu()
        trt: Any = import_module(module)
        # Without a driver its runtime is an object around nothing.
        if trt.Runtime(trt.Logger(trt.Logger.ERROR)) is None:
            return {"version": "", "reason": f"{module} has no runtime here: see whether its version fits the driver"}
        return {"version": trt.__version__, "reason": ""}
    except EngineError as error:
        return {"version": "", "reason": f"{module} is installed, but {error}"}
    except Exception as error:  # a broken library may raise anything
        text = " ".join(str(error).split())[:200]
        return {"version": "", "reason": f"{module} does not load ({text}): {REMEDY[module]}"}


if __name__ == "__main__":
    print(json.dumps(look(sys.argv[1])))  # noqa: T201
