"""One process at a time for one output."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stripsight.errors import ScoringError


@contextmanager
def lock_file(folder: Path, name: str) -> Iterator[None]:
    """Make `folder` where it is not there, and hold it while the block runs.

    The kernel lets go when the process dies. The block may remove the folder.

    Raises:
        ScoringError: another process holds it.
        OSError: the folder cannot be made or written.
    """
    path = folder / name
    while True:
        folder.mkdir(exist_ok=True)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        except FileNotFoundError:
            continue  # whoever held it has just finished and removed the folder
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held, there = os.fstat(descriptor), path.stat()
        except BlockingIOError as error:
            os.close(descriptor)
            raise ScoringError(
                f"another process is writing to {folder}: wait until it is done, or name another"
                " --out"
            ) from error
        except FileNotFoundError:
            os.close(descriptor)
            continue
        if (held.st_dev, held.st_ino) == (there.st_dev, there.st_ino):
            break
        os.close(descriptor)
    try:
        yield
    finally:
        os.close(descriptor)
