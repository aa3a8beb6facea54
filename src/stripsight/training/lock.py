"""One command at a time in a run folder.

`train`, `evaluate` and `decide` write there; two at once would undo each other's work.
"""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stripsight.atomic import remove_unfinished
from stripsight.errors import TrainingError

LOCK_NAME = ".lock"

_HOLDER = re.compile(r"stripsight [a-z]+ \(process \d+\)")


@contextmanager
def lock_run(run: Path, command: str) -> Iterator[None]:
    """Hold the run folder for `stripsight <command>` while the block runs.

    The kernel lets go when the process dies. What killed commands left half-written is removed.

    Raises:
        TrainingError: another command holds it, the message says which; or nothing can be written
            there.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(run / LOCK_NAME, flags, 0o666)
    except OSError as error:
        raise TrainingError(
            f"{run} cannot be written ({error.strerror}), and {command} puts its results there:"
            " make it writable, or give a copy of the run"
        ) from error
    with os.fdopen(descriptor, "r+", errors="replace") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = _HOLDER.match(file.read(200))
            raise TrainingError(
                f"{holder.group() if holder else 'another process'} is at work in {run}:"
                " wait until it is done"
            ) from error
        file.truncate(0)
        file.write(f"stripsight {command} (process {os.getpid()})\n")
        file.flush()
        for folder in (run, run / "checkpoints"):
            remove_unfinished(folder)
        yield
