from __future__ import annotations

import operator
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import sleep

import pytest

from depth_ros.bags.calibration import read_calibration
from depth_ros.errors import BagError, WorkerError
from depth_ros.parallel import BLAS_THREADS, _as_workers_start, parallel_map


@pytest.fixture(autouse=True)
def _ctrl_c_arrives() -> Iterator[None]:
    """Take Ctrl-C as a terminal's program does: a shell's background job ignores it, and so would its children."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_order(workers: int) -> None:
    assert list(parallel_map(operator.neg, range(20), workers)) == [-value for value in range(20)]


def test_no_jobs_give_nothing() -> None:
    assert list(parallel_map(operator.neg, [], 2)) == []


def test_the_error_of_a_job_arrives() -> None:
    with pytest.raises(BagError, match="no such file"):
        list(parallel_map(read_calibration, ["no such file"] * 3, 2))


def test_a_killed_worker_is_one_known_error() -> None:
    with pytest.raises(WorkerError, match="ended from outside"):
        list(parallel_map(os._exit, [1, 2, 3, 4], 2))


def test_workers_have_one_blas_thread_and_leave_ctrl_c_to_their_parent() -> None:
    before = os.environ.get(BLAS_THREADS), signal.getsignal(signal.SIGINT)
    assert set(parallel_map(os.getenv, [BLAS_THREADS] * 4, 2)) == {"1"}
    assert set(parallel_map(signal.getsignal, [signal.SIGINT] * 4, 2)) == {signal.SIG_IGN}
    assert (os.environ.get(BLAS_THREADS), signal.getsignal(signal.SIGINT)) == before


def test_ctrl_c_that_comes_while_workers_start_is_not_lost() -> None:
    with pytest.raises(KeyboardInterrupt), _as_workers_start():
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_jobs_that_lie_ready_are_not_done_once_nobody_wants_them(tmp_path: Path) -> None:
    jobs = [["bash", "-c", f"sleep 1; touch {tmp_path}/{number}"] for number in range(5)]
    results = parallel_map(subprocess.check_call, jobs, 2)
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert not (tmp_path / "4").exists()  # it lay ready for a worker
    assert (tmp_path / "0").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_command_ends_without_noise(number: int, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "depth_ros", "bag", "synth", f"{tmp_path}/bag", "--seconds", "20"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    for _ in range(300):
        if children.exists() and children.read_text():
            break
        sleep(0.1)
    sleep(1)
    os.killpg(process.pid, number)
    _, noise = process.communicate(timeout=20)
    # Python ends itself by SIGINT when the signal fell into an import that C code runs; to a shell that is 130 too.
    assert process.returncode in (130, -signal.SIGINT), noise
    assert noise.strip().splitlines()[-1] == "depth_ros: stopped"
    assert "Traceback" not in noise
    assert "Process" not in noise
