"""The folder a bundle is written to: filled beside its place, renamed into it when it is whole.

A killed export leaves a hidden folder without a manifest, which opens nowhere; the next export to
the same place removes it. An older bundle is replaced only with `force`, only at the very end, in
one step where the file system can, and only where the folder holds nothing but what its manifest
names.
"""

import ctypes
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stripsight.atomic import (
    check_writable,
    is_unfinished,
    name_in_errors,
    name_own_temporary,
    remove_dead_folders,
)
from stripsight.bundle.folder import list_own_files
from stripsight.bundle.manifest import FILE_NAME
from stripsight.errors import BundleError

_HERE, _RENAME_EXCHANGE = -100, 2  # AT_FDCWD and the flag, of linux/fcntl.h and linux/fs.h


def check_destination(folder: Path, *, force: bool) -> None:
    """Refuse now what could not be replaced after the work.

    Raises:
        BundleError: a file, a link, a folder with anything in it but a bundle, or a bundle without
            `force`.
        OSError: the folder that it would stand in cannot be written.
    """
    if folder.is_symlink():
        raise BundleError(f"{folder} is a link, and links are not followed: name a new folder")
    if folder.exists() and not folder.is_dir():
        raise BundleError(f"{folder} is a file: name a new folder")
    if folder.is_dir() and any(folder.iterdir()):
        _check_replaceable(folder)
        if not force:
            raise BundleError(f"{folder} holds a bundle: --force replaces it, or name a new folder")
    check_writable(folder.absolute().parent)


@contextmanager
def fill_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder beside `folder` that takes its place when the block ends without an error.

    Raises:
        BundleError: something else stands there by then.
        OSError: the disk is full or read-only; what stood there is intact, and nothing is left.
    """
    folder = folder.absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    remove_dead_folders(folder.parent, folder)
    temporary = name_own_temporary(folder)
    try:
        with name_in_errors(folder, temporary):
            temporary.mkdir()
            yield temporary
            _sync(temporary)
            _take_place(temporary, folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _take_place(temporary: Path, folder: Path) -> None:
    if not folder.exists() or not any(folder.iterdir()):
        temporary.rename(folder)
        return
    _check_replaceable(folder)
    if _exchange(temporary, folder):
        shutil.rmtree(temporary, ignore_errors=True)
        return
    # Of no name that is cleared away: after a kill between the two it is the one that is whole.
    old = temporary.with_suffix(".old")
    folder.rename(old)
    try:
        temporary.rename(folder)
    except OSError:
        old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Let two folders change names in one step, so that neither is ever missing.

    Returns:
        Whether it was done: Linux alone can, and not on every file system.
    """
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "renameat2"):
        return False
    paths = (_HERE, os.fsencode(one), _HERE, os.fsencode(other))
    return bool(libc.renameat2(*paths, _RENAME_EXCHANGE) == 0)


def _check_replaceable(folder: Path) -> None:
    """A bundle and nothing else: what is deleted here is ours."""
    if not (folder / FILE_NAME).is_file():
        raise BundleError(f"{folder} is not empty and no bundle: name a new folder")
    own = list_own_files(folder)
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.parent == folder and is_unfinished(path):
            continue  # of a set-policy that was killed
        if path.is_symlink() or (not path.is_dir() and name not in own):
            raise BundleError(
                f"{path} is no part of the bundle there: move it away, or name a new folder"
            )


def _sync(folder: Path) -> None:
    """Let the disk hold all files before the name does."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
