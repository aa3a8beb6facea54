"""How many threads and streams an engine may have on this machine.

All streams together never get more threads than cores: two engine sessions of two threads each ran
at half the speed of one on two cores.
"""

import os
from pathlib import Path

from threadpoolctl import threadpool_limits

from stripsight.errors import EngineError

_QUOTA_FILE = Path("/sys/fs/cgroup/cpu.max")


def count_cores(quota_file: Path = _QUOTA_FILE) -> int:
    """Cores that this process may use: those it is bound to, or fewer by a container's quota.

    A container with two cores' worth of time sees all cores of its host; as many threads would
    spend most of each period stopped.
    """
    bound = count_bound_cores()
    return max(1, min(bound, _read_quota(quota_file) or bound))


def count_bound_cores() -> int:
    """Cores that this process is bound to, whatever share of their time it may have."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return bound or 1


def _read_quota(path: Path) -> int | None:
    """Cores by cgroup v2's `cpu.max`, rounded up; None where there is no limit."""
    try:
        quota, period = path.read_text(encoding="ascii").split()
        return None if quota == "max" else -(-int(quota) // int(period))
    except (OSError, ValueError, ZeroDivisionError):
        return None  # another system, or an older kernel


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


def keep_numpy_to_one_thread() -> None:
    """For the rest of this process: the cores are the engine's.

    numpy's matrix products start a thread a core, which then spin for a while waiting for more.
    """
    threadpool_limits(limits=1, user_api="blas")
