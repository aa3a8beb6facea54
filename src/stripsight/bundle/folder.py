"""A bundle on disk: opened whole and unchanged, or not at all."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeVar

from stripsight.atomic import write_atomically
from stripsight.bundle.manifest import FILE_NAME, FileSeal, Manifest
from stripsight.bundle.reading import read_file_names, read_manifest
from stripsight.errors import BundleError

# No manifest is larger; nothing is read into memory because a file claims to be one.
_LARGEST_MANIFEST = 4 * 2**20
_BLOCK = 2**20

T = TypeVar("T")


@dataclass(frozen=True)
class Bundle:
    """An opened bundle.

    Attributes:
        folder: where it lies.
        manifest: what it is.
    """

    folder: Path
    manifest: Manifest

    def read(self, file: str) -> bytes:
        """The bytes of one of its files: the very bytes that its manifest names.

        Raises:
            BundleError: not one of its files, missing, or other bytes.
        """
        seal = self.manifest.files.get(file)
        if seal is None:
            raise BundleError(f"{self.folder} has no file {file!r} in its manifest")
        path = _locate(self.folder, file, seal)
        # Never more than it may be, whatever has happened to it since.
        data = _read(path, seal.bytes + 1)
        if hashlib.sha256(data).hexdigest() != seal.sha256:
            raise BundleError(_describe_change(path))
        return data


def open_bundle(folder: Path) -> Bundle:
    """Open a bundle and hold every file against its manifest.

    Raises:
        BundleError: no bundle, damaged, changed, incomplete, or of a newer StripSight.
    """
    manifest = open_manifest(folder)
    for name, seal in manifest.files.items():
        path = _locate(folder, name, seal)
        with _name_in_fault(path):
            digest = hash_file(path)
        if digest != seal.sha256:
            raise BundleError(_describe_change(path))
    return Bundle(folder, manifest)


def open_manifest(folder: Path) -> Manifest:
    """What a folder says it is; its files are not looked at.

    Raises:
        BundleError: no bundle, or its manifest is damaged, changed, or of a newer StripSight.
    """
    return _parse(folder, read_manifest)


def list_own_files(folder: Path) -> frozenset[str]:
    """Every file that is part of a bundle, its manifest too; of whatever StripSight it is.

    Raises:
        BundleError: no bundle, or its manifest is damaged or changed.
    """
    return _parse(folder, read_file_names) | {FILE_NAME}


def _parse(folder: Path, read: Callable[[bytes], T]) -> T:
    path = folder / FILE_NAME
    with _name_in_fault(path):
        if path.is_symlink() or not path.is_file():
            what = "no folder" if not folder.is_dir() else f"has no {FILE_NAME}"
            raise BundleError(f"{folder} is no bundle ({what}): make one by `stripsight export`")
    data = _read(path, _LARGEST_MANIFEST + 1)
    if len(data) > _LARGEST_MANIFEST:
        raise BundleError(f"{path} is larger than any manifest: export the bundle again")
    try:
        return read(data)
    except BundleError as error:
        raise BundleError(f"{folder}: {error}") from error


def seal_file(path: Path) -> FileSeal:
    """What a manifest says of a file as it is now."""
    return FileSeal(hash_file(path), path.stat().st_size)


def hash_file(path: Path) -> str:
    """sha256 of a file, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def write_manifest(manifest: Manifest, folder: Path) -> None:
    """Sign and write the manifest of a folder, in one step.

    Raises:
        OSError: the old manifest is intact.
    """
    write_atomically(folder / FILE_NAME, manifest.to_bytes())


def _locate(folder: Path, file: str, seal: FileSeal) -> Path:
    """Where it lies, by plain folders: a link could show another file at each look."""
    path = folder
    with _name_in_fault(folder / file):
        for part in PurePosixPath(file).parts:
            path = path / part
            if path.is_symlink():
                raise BundleError(f"{path} is a link: copy the bundle with the files themselves")
        if not path.is_file():
            raise BundleError(
                f"{path} is missing or no plain file: copy or export the bundle again"
            )
        if path.stat().st_size != seal.bytes:
            raise BundleError(_describe_change(path))
    return path


def _read(path: Path, most: int) -> bytes:
    with _name_in_fault(path), path.open("rb") as file:
        return file.read(most)


@contextmanager
def _name_in_fault(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror or error}") from error


def _describe_change(path: Path) -> str:
    return f"{path} is not the file that its manifest names: copy or export the bundle again"
