"""Work spread over processes: results in order, few of them in memory, quiet when interrupted."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any, TypeVar

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
    context = get_context("spawn")
    over = context.RawValue("b", 0)
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_prepare_worker, initargs=(over,))
    try:
        for job in jobs:
            with _as_workers_start():
                waiting.append(pool.submit(_run, function, job))
            if len(waiting) > AHEAD * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise WorkerError("a worker process was ended from outside (memory?): use fewer workers") from error
    finally:
        # The pool itself would still do the jobs that lie ready for its workers.
        over.value = 1
        pool.shutdown(wait=True, cancel_futures=True)


class _Parent:
    """What a worker knows of the process that started it: whether its results are still wanted."""

    over: Any = None


def _run(function: Callable[[Job], Done], job: Job) -> Done:
    if _Parent.over.value:
        raise CancelledError
    return function(job)


def _prepare_worker(over: Any) -> None:
    import cv2

    _Parent.over = over
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    cv2.setNumThreads(1)


@contextmanager
def _as_workers_start() -> Iterator[None]:
    """Give processes that start now one BLAS thread, and hold Ctrl-C back: they inherit both.

    Held back, not ignored: our own Ctrl-C comes as soon as they are started.
    """
    threads = os.environ.get(BLAS_THREADS)
    held = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    os.environ[BLAS_THREADS] = "1"
    try:
        yield
    finally:
        if threads is None:
            del os.environ[BLAS_THREADS]
        else:
            os.environ[BLAS_THREADS] = threads
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
