"""One process at a time in a run folder."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stripsight.errors import TrainingError

LOCK_NAME = ".lock"


@contextmanager
def lock_run(run: Path) -> Iterator[None]:
    """Hold the run folder while the block runs; the kernel lets go when the process dies.

    Raises:
        TrainingError: another process holds it.
    """
    with (run / LOCK_NAME).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise TrainingError(
                f"another process is training in {run}: wait for it, or name another folder"
            ) from error
        yield
