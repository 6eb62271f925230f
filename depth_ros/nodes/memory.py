"""The allocator of a process that makes and drops megabytes many times a second."""

from __future__ import annotations

import ctypes

# glibc, malloc.h
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
KEPT_BYTES = 1 << 30
LARGEST_ON_HEAP = 32 << 20  # what glibc accepts at most


def keep_freed_memory() -> bool:
    """Let glibc keep what is freed for the next frame; returns False, changing nothing, where there is no glibc.

    Otherwise every array above some size is mapped anew, and its pages are faulted in one by one (docs/speed.md). One
    arena, so that a message freed by one thread serves the next.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    settings = ((M_ARENA_MAX, 1), (M_TRIM_THRESHOLD, KEPT_BYTES), (M_MMAP_THRESHOLD, LARGEST_ON_HEAP))
    done = [mallopt(option, value) == 1 for option, value in settings]
    return all(done)
