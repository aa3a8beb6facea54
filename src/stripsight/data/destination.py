"""The folder that a data set is written into: what may be touched there, and by whom.

Only what an earlier `data prepare` recorded is ever deleted, no link is followed, and a lock on the
marker file keeps a second one out. What is written is `prepare.py`'s business.
"""

import fcntl
import json
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import pandas as pd

from stripsight.atomic import name_temporary
from stripsight.data.source import UNFINISHED
from stripsight.errors import DatasetError

_MANIFEST_KEYS = frozenset({"schema_version", "content_hash", "image_root", "classes", "counts"})


def check_destination(destination: Path, *, force: bool) -> None:
    """Refuse a destination that holds what we did not make.

    Raises:
        DatasetError: a file, a dangling link, a folder of someone else, a data set with links in
            place of its folders, one that is being written, or a whole one without `force`.
    """
    if destination.is_symlink() and not destination.exists():
        raise DatasetError(f"{destination} is a link to nothing: name a new folder")
    if not destination.exists():
        return
    if not destination.is_dir():
        raise DatasetError(f"{destination} is a file: name a new folder")
    for name in ("images", "splits", "reviews", UNFINISHED):
        if (destination / name).is_symlink():
            raise DatasetError(
                f"{destination / name} is a link, and links are not followed: name a new folder"
            )
    if (destination / UNFINISHED).exists():
        with claim_destination(destination, force=True, keep_marker=True):
            return
    if not any(destination.iterdir()):
        return
    if not (destination / "dataset.json").exists():
        raise DatasetError(f"{destination} is not empty and no data set: name a new folder")
    if not _is_our_manifest(destination / "dataset.json"):
        raise DatasetError(
            f"{destination / 'dataset.json'} is not StripSight's: name a new folder, or delete this"
            " one yourself"
        )
    if not force:
        raise DatasetError(
            f"{destination} holds a data set: --force replaces it, splits and reviews included"
        )


@contextmanager
def claim_destination(root: Path, *, force: bool, keep_marker: bool = False) -> Iterator[BinaryIO]:
    """Hold the marker of an existing folder; it is removed if the block ends without an error.

    Raises:
        DatasetError: another process holds it, or has finished a data set since it was checked.
        OSError: the marker cannot be written or locked.
    """
    marker = root / UNFINISHED
    was_there = marker.exists()
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(marker, flags, 0o666), "r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise _build_claim_error(root) from error
        # The other one may have ended, and removed the marker, between opening and locking.
        if os.fstat(file.fileno()).st_nlink == 0:
            raise _build_claim_error(root)
        if not was_there and not force and (root / "dataset.json").exists():
            marker.unlink()
            raise DatasetError(f"{root} was filled by another prepare in the meantime")
        yield file
        if not keep_marker:
            marker.unlink()


def record_images(marker: BinaryIO, files: Collection[str]) -> None:
    """Note in the marker what below `images/` is ours, or is going to be, after what it holds."""
    marker.seek(0, os.SEEK_END)
    marker.write("".join(f"{file}\n" for file in sorted(files)).encode())
    marker.flush()
    os.fsync(marker.fileno())


def find_own_images(root: Path, marker: BinaryIO) -> set[str]:
    """Paths below `images/` that the marker notes, and those that a whole data set unpacked."""
    marker.seek(0)
    own = set(marker.read().decode("utf-8", "replace").splitlines())
    # A damaged one tells of nothing that is ours, and nothing more is deleted.
    with suppress(OSError, ValueError, KeyError, TypeError):
        # Of images that stayed in a folder elsewhere, those of the same name here are not ours.
        if json.loads((root / "dataset.json").read_bytes())["image_root"] == "images":
            own |= set(pd.read_parquet(root / "images.parquet")["file"].astype(str))
    return own


def remove_images(image_root: Path, own: Collection[str], *, keep: Collection[str]) -> None:
    """Delete our own files below `image_root`, half-written ones too; links are not followed."""
    for name in own:
        path = image_root / name
        if is_inside(path, image_root):
            name_temporary(path).unlink(missing_ok=True)
            if name not in keep and (path.is_symlink() or path.is_file()):
                path.unlink()


def is_inside(path: Path, root: Path) -> bool:
    """Whether the folder of `path` is below `root` without a link or `..` between the two."""
    folder = path.parent
    return folder == root or (
        folder.is_relative_to(root)
        and folder.resolve() == root.resolve() / folder.relative_to(root)
    )


def _build_claim_error(root: Path) -> DatasetError:
    return DatasetError(f"{root} is being filled by another prepare: wait for it, or name another")


def _is_our_manifest(path: Path) -> bool:
    # Any schema version: an older one of ours is replaced as well.
    try:
        manifest = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(manifest, dict) and manifest.keys() >= _MANIFEST_KEYS
