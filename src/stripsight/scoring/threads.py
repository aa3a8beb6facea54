"""How many threads and streams an engine may have on this machine.

All streams together never get more threads than cores: two engine sessions of two threads each ran
at half the speed of one on two cores.
"""

import os

from stripsight.errors import EngineError


def count_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def settle_threads(threads: int | None, streams: int | None) -> tuple[int, int]:
    """Threads of all streams together, and streams.

    Raises:
        EngineError: fewer than one, more threads than cores, or more streams than threads.
    """
    cores = count_cores()
    total = cores if threads is None else threads
    parallel = 1 if streams is None else streams
    if not 1 <= total <= cores:
        raise EngineError(f"--threads {total}: this machine has {cores} cores; choose 1 to {cores}")
    if not 1 <= parallel <= total:
        raise EngineError(
            f"--streams {parallel}: each stream needs a thread of its own; choose 1 to {total}"
        )
    return total, parallel
