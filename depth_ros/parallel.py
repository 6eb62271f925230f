"""Work spread over processes: results in order, few of them in memory, quiet when interrupted."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from threading import current_thread, main_thread
from typing import TypeVar

from depth_ros.errors import WorkerError

Job = TypeVar("Job")
Done = TypeVar("Done")
BLAS_THREADS = "OPENBLAS_NUM_THREADS"
AHEAD = 2


def parallel_map(function: Callable[[Job], Done], jobs: Iterable[Job], workers: int) -> Iterator[Done]:
    """Yield function(job) for every job, in their order, computed by `workers` processes of one thread each.

    function and jobs must pickle; a script that calls this needs an `if __name__ == "__main__"` guard. Raises
    WorkerError when a worker is ended from outside, and whatever `function` raises.
    """
    if workers <= 1:
        yield from map(function, jobs)
        return
    waiting: deque[Future[Done]] = deque()
    # Forked workers would inherit the locks of OpenCV's threads.
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_use_one_thread)
    try:
        for job in jobs:
            with _as_workers_start():
                waiting.append(pool.submit(function, job))
            if len(waiting) > AHEAD * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise WorkerError("a worker process was ended from outside (memory?): use fewer workers") from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _use_one_thread() -> None:
    import cv2

    cv2.setNumThreads(1)


@contextmanager
def _as_workers_start() -> Iterator[None]:
    """Give processes that start now one BLAS thread, and leave Ctrl-C to their parent: they inherit both."""
    threads = os.environ.get(BLAS_THREADS)
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN) if current_thread() is main_thread() else None
    os.environ[BLAS_THREADS] = "1"
    try:
        yield
    finally:
        if threads is None:
            del os.environ[BLAS_THREADS]
        else:
            os.environ[BLAS_THREADS] = threads
        if handler is not None:
            signal.signal(signal.SIGINT, handler)
