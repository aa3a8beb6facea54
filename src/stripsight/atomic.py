"""Files that appear whole or not at all.

Written beside their place, synced, then renamed over it: a killed process or a full disk leaves the
old file as it was.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def open_atomically(path: Path) -> Iterator[BinaryIO]:
    """A binary file that takes the place of `path` when the block ends without an error.

    Raises:
        OSError: the disk is full or read-only; the old file is intact and no temporary file is
        left.
    """
    temporary = name_temporary(path, f".{os.getpid()}")
    try:
        with temporary.open("w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def name_temporary(path: Path, owner: str = "") -> Path:
    """The file beside `path` to write first; its name is short, however long that of `path` is."""
    short = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]
    return path.with_name(f".{short}{owner}.partial")


def write_atomically(path: Path, data: bytes) -> None:
    """Replace `path` by `data` in one step.

    Raises:
        OSError: see `open_atomically`.
    """
    with open_atomically(path) as file:
        file.write(data)
