"""Files that appear whole or not at all.

Written beside their place, synced, then renamed over it: a killed process or a full disk leaves the
old file as it was.
"""

import errno
import hashlib
import os
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import BinaryIO

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_OWNED = re.compile(r"\.[0-9a-f]{16}\.(?:([0-9a-f]{8})\.)?(\d+)\.partial")
"""Name of a temporary file, or of a folder that is being filled: a host and a process own it."""
_ABANDONED = 24 * 60 * 60
"""Seconds after which a folder of another host, which may be a container that is gone, is nobody's;
filling one takes minutes."""


@contextmanager
def open_atomically(path: Path) -> Iterator[BinaryIO]:
    """A binary file that takes the place of `path` when the block ends without an error.

    Raises:
        OSError: the disk is full or read-only; the old file is intact and no temporary file is
        left.
    """
    temporary = name_own_temporary(path)
    try:
        with name_in_errors(path, temporary):
            with temporary.open("w+b") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
    except BaseException:
        # A disk that takes no file lets none be removed: the first error is the one to tell.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


@contextmanager
def name_in_errors(path: Path, temporary: Path | None = None) -> Iterator[None]:
    """Let errors of the block name the file that is being written.

    The kernel names none where the disk is full, and the temporary one, or what lies in it, where
    it is open.
    """
    try:
        yield
    except OSError as error:
        unnamed = error.filename is None and error.errno in _FULL
        inside = temporary is not None and str(error.filename).startswith(str(temporary))
        if unnamed or inside:
            error.filename = str(path)
        raise


def check_writable(folder: Path) -> None:
    """Raise now what making a file in a folder would raise after long work.

    Where the folder is not there yet, the nearest one above it is tried; nothing is left behind.

    Raises:
        OSError: it is read-only, or no folder; its name is in the error.
    """
    nearest = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    try:
        tempfile.TemporaryFile(dir=nearest).close()
    except OSError as error:
        error.filename = str(nearest)
        raise


@contextmanager
def make_folder(folder: Path) -> Iterator[None]:
    """A folder for what the block writes, with those above it; empty ones go again on an error.

    Raises:
        OSError: it cannot be made.
    """
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for made in missing:
            with suppress(OSError):
                made.rmdir()
        raise


def name_temporary(path: Path) -> Path:
    """The file beside `path` to write first; its name is short, however long that of `path` is."""
    return path.with_name(f".{_shorten(path)}.partial")


def name_own_temporary(path: Path, process: int | None = None) -> Path:
    """The same for one process of this host, this one if none is given: whether it is still at work
    can be seen by the name."""
    owner = os.getpid() if process is None else process
    return path.with_name(f".{_shorten(path)}.{_name_host()}.{owner}.partial")


def _shorten(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]


def remove_unfinished(folder: Path, of: Path | None = None) -> None:
    """Delete files that killed processes left half-written and that nobody else writes to now.

    Args:
        folder: where they lie; those of folders below stay.
        of: only those that were to become this file; None: all that `open_atomically` names so.
    """
    for path in folder.glob(f"{_stem(of)}.*.partial"):
        if is_unfinished(path):
            path.unlink(missing_ok=True)


def is_unfinished(path: Path) -> bool:
    """Whether it is a file that `open_atomically` has not brought to its place yet."""
    owned = _OWNED.fullmatch(path.name) is not None
    return owned and path.is_file() and not path.is_symlink()


def remove_dead_folders(parent: Path, of: Path | None = None) -> None:
    """Delete folders that were being filled by processes that were killed.

    Args:
        parent: where they lie, beside their places.
        of: only those that were to become this one; None: all.
    """
    for path in parent.glob(f"{_stem(of)}.*.partial"):
        owner = _OWNED.fullmatch(path.name)
        if owner is None or not path.is_dir() or path.is_symlink():
            continue
        # On a shared disk, the number of a process says nothing about another machine's.
        here = owner[1] == _name_host()
        if not _is_alive(int(owner[2])) if here else _is_abandoned(path):
            shutil.rmtree(path, ignore_errors=True)


def _stem(of: Path | None) -> str:
    return ".*" if of is None else name_temporary(of).stem


@cache
def _name_host() -> str:
    return hashlib.sha256(os.fsencode(socket.gethostname())).hexdigest()[:8]


def _is_abandoned(folder: Path) -> bool:
    try:
        return time.time() - folder.stat().st_mtime > _ABANDONED
    except FileNotFoundError:
        return False


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def write_atomically(path: Path, data: bytes) -> None:
    """Replace `path` by `data` in one step.

    Raises:
        OSError: see `open_atomically`.
    """
    with open_atomically(path) as file:
        file.write(data)
