"""What OpenVINO leaves in the process that uses it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("openvino")

SIGNALLED = """
import os, signal, sys
from pathlib import Path
from threading import Thread
from depth_ros.engines.base import shapes_at
from depth_ros.engines.openvino import OpenVinoEngine

engines = [OpenVinoEngine(Path(sys.argv[1]), threads=1) for _ in range(3)]
for engine in engines:
    engine.fit(shapes_at(engine.inputs, (32, 32)))
del engine
engines.pop(0)
thread = Thread(target=engines.clear)
thread.start()
thread.join()
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, _: print(number))
    os.kill(os.getpid(), number)
"""


def test_a_signal_is_heard_in_whatever_order_and_thread_engines_are_freed(make_toy: Callable[..., Path]) -> None:
    command = [sys.executable, "-c", SIGNALLED, str(make_toy())]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout.split()) == (0, ["2", "15"]), done.stderr


def test_telemetry_is_left_out() -> None:
    """OpenVINO's telemetry forks and reports over the network as soon as it is imported, unless a file says no."""
    script = (
        "import os, sys\n"
        "os.fork = lambda: sys.exit('forked')\n"
        "from depth_ros.engines.openvino import OpenVinoEngine\n"
        "assert OpenVinoEngine.probe().version\n"
        "assert 'openvino' in sys.modules\n"
        "assert not [name for name, module in sys.modules.items() if 'openvino_telemetry' in name and module]\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=consenting(), check=False)
    assert done.returncode == 0, done.stderr


def consenting() -> dict[str, str]:
    """Return the environment without what would silence the telemetry."""
    return {name: value for name, value in os.environ.items() if name != "CI"}
