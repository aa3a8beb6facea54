"""Where annotations and images come from: a folder, a zip, or several zips, read the same way."""

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Protocol

from stripsight.archives import ZipArchive, open_archive
from stripsight.errors import ArchiveError, DataError, UsageError
from stripsight.imaging import IMAGE_SUFFIXES

UNFINISHED = ".stripsight-unfinished"
"""Marks a destination that is being written."""
_TAKEN = (*IMAGE_SUFFIXES, ".csv", ".json", ".xml", ".zip")


class SourceTree(Protocol):
    """Files under one root, named by their path relative to it with forward slashes."""

    @property
    def title(self) -> str:
        """For people: where it lies."""
        ...

    @property
    def files(self) -> tuple[str, ...]:
        """Every file, sorted."""
        ...

    @property
    def folder(self) -> Path | None:
        """The folder it is, if it is one."""
        ...

    def read(self, name: str, limit: int) -> bytes:
        """The bytes of one file, never more than `limit` + 1; safe from several threads.

        Raises:
            OSError: cannot be read.
            ArchiveError: damaged, or breaks a limit.
        """
        ...


class FolderTree:
    """A folder; links to folders are followed, prepared data sets inside it are left out."""

    def __init__(self, folder: Path) -> None:
        self.folder: Path | None = folder.resolve()
        self.title = str(folder)
        self.files = tuple(sorted(_walk(folder.resolve())))
        self._root = folder.resolve()

    def read(self, name: str, limit: int) -> bytes:
        """See `SourceTree`."""
        return read_file(self._root / name, limit)


class ArchiveTree:
    """One zip as it is, or several, each below a folder of its own name."""

    folder: Path | None = None

    def __init__(self, archives: Sequence[ZipArchive]) -> None:
        self.title = ", ".join(str(a.path) for a in archives)
        prefixes = [""] if len(archives) == 1 else [f"{a.path.stem}/" for a in archives]
        if len({p.casefold() for p in prefixes}) < len(prefixes):
            raise ArchiveError(f"two archives have the same name: {self.title}")
        self._where = {
            prefix + name: (archive, name)
            for prefix, archive in zip(prefixes, archives, strict=True)
            for name in archive.files
        }
        self.files = tuple(sorted(self._where))

    def read(self, name: str, limit: int) -> bytes:
        """See `SourceTree`."""
        archive, member = self._where[name]
        return archive.read(member, limit)


@contextmanager
def open_source(paths: Sequence[Path]) -> Iterator[SourceTree]:
    """Open a folder, a zip, several zips, or a folder that holds nothing but zips.

    Raises:
        UsageError: a path that does not exist or is no text, or several that are not all zips.
        DataError: a folder that cannot be read, or holds an image whose name is no text.
        ArchiveError: a zip that must not be unpacked.
    """
    for path in paths:
        check_is_text(path)
        if not path.exists():
            raise UsageError(f"{path} does not exist: give the folder or zip to prepare from")
    if len(paths) == 1 and paths[0].is_dir():
        tree = FolderTree(paths[0])
        if not tree.files or not all(name.lower().endswith(".zip") for name in tree.files):
            yield tree
            return
        paths = [paths[0] / name for name in tree.files]
    if any(path.is_dir() for path in paths):
        raise UsageError("several sources must all be zip files; give one folder")
    archives: list[ZipArchive] = []
    try:
        for path in paths:
            archives.append(open_archive(path))
        yield ArchiveTree(archives)
    finally:
        for archive in archives:
            archive.close()


def read_file(path: Path, limit: int) -> bytes:
    """The bytes of a regular file, never more than `limit` + 1.

    Raises:
        OSError: cannot be read, or is no regular file.
    """
    # Not blocking: a pipe among the files must not hold the whole job up.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        state = os.fstat(file.fileno())
        if not stat.S_ISREG(state.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        # Not read(limit): that would reserve the limit, however small the file.
        return file.read(min(state.st_size, limit) + 1)


def check_is_text(path: Path) -> None:
    """Refuse a path that has no text: it could be neither shown nor written down.

    Raises:
        UsageError: bytes that are not UTF-8.
    """
    if not _is_text(str(path)) or not _is_text(os.path.realpath(path)):
        raise UsageError(f"the path {os.path.realpath(path)!a} is not UTF-8: rename its folder")


def _is_text(name: str) -> bool:
    # Undecodable bytes of a file name are lone surrogates in Python.
    return not any("\ud800" <= character <= "\udfff" for character in name)


def is_image(name: str) -> bool:
    """Whether a path has the suffix of an image that can be read."""
    return PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES


def _walk(root: Path) -> Iterator[str]:
    seen: set[str] = set()
    for folder, subfolders, names in os.walk(root, followlinks=True, onerror=_raise):
        real = os.path.realpath(folder)
        if real in seen or "dataset.json" in names or UNFINISHED in names:
            subfolders.clear()
            continue
        seen.add(real)
        subfolders[:] = sorted(s for s in subfolders if not s.startswith((".", "__MACOSX")))
        for name in names:
            if name.startswith("."):
                continue
            file = Path(folder, name).relative_to(root).as_posix()
            if _is_text(file):
                yield file
            elif file.lower().endswith(_TAKEN):
                raise DataError(f"{root}: the file name {file!a} is not UTF-8: rename it")


def _raise(error: OSError) -> None:
    raise DataError(f"{error.filename} cannot be read: {error.strerror}") from error
