from __future__ import annotations

import subprocess
import sys

# Faults of the second half: twenty arrays of 4 MB made and dropped, as in a node.
COUNT_FAULTS = """
import resource, sys
import numpy as np
if sys.argv[1] == "keep":
    from depth_ros.nodes.memory import keep_freed_memory
    assert keep_freed_memory()
def work():
    for _ in range(20):
        arrays = [np.ones(1 << 19) for _ in range(4)]
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    done = subprocess.run([sys.executable, "-c", COUNT_FAULTS, how], capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_kept_memory_is_not_faulted_in_again() -> None:
    assert faults("keep") * 20 < faults("as it is")
