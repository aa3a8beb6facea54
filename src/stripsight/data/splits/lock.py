"""One `data split` at a time in a data set."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stripsight.errors import SplitError


@contextmanager
def lock_splits(root: Path) -> Iterator[None]:
    """Hold the data set at `root` for one `data split` while the block runs.

    Two of one name would both be told that it is free. The kernel lets go when the process dies.

    Raises:
        SplitError: another one is at work there.
    """
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SplitError(
                f"another `stripsight data split` is at work in {root}: wait until it is done"
            ) from error
        yield
    finally:
        os.close(descriptor)
