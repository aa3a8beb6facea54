"""From an item to the pixels that a network takes, or the reason why there are none."""

import errno
import os
import stat
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from stripsight.archives import ZipArchive, open_archive
from stripsight.bundle.manifest import InputContract
from stripsight.errors import ArchiveError, ImageError
from stripsight.imaging import (
    DEFAULT_LIMITS,
    GreyImage,
    decode_grey,
    find_suspicion,
    read_header,
    resize_grey,
)
from stripsight.scoring.inputs import Item

_LIMIT = DEFAULT_LIMITS.max_bytes
# What is no file will be none later; anything else that the system says may pass.
_LASTING = (errno.EINVAL, errno.EISDIR, errno.ENXIO, errno.ELOOP, errno.ENAMETOOLONG)


@dataclass(frozen=True, slots=True)
class Taken:
    """An image that can be scored.

    Attributes:
        stored: uint8 `[H, W]`, as its file holds it.
        scored: uint8 `[h, w]`, of the graph's size; the same array where that is the file's.
        suspect: why nobody should believe its score: all black, all white, saturated.
    """

    stored: GreyImage
    scored: GreyImage
    suspect: str | None


@dataclass(frozen=True, slots=True)
class Refused:
    """An image that cannot be scored.

    Attributes:
        reason: a whole sentence, as the row says it.
        away: the system did not give the file, and may another time; its content is not known.
    """

    reason: str
    away: bool = False


class _WrongSizeError(ImageError):
    """A sound image of a size that the bundle does not accept."""


class Intake:
    """Reads, decodes and checks the images of one scoring, from any thread."""

    def __init__(self, contract: InputContract) -> None:
        self._contract = contract
        self._archives: dict[str, ZipArchive] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> "Intake":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for archive in self._archives.values():
            archive.close()
        self._archives.clear()

    def take(self, item: Item) -> Taken | Refused:
        """The image of an item; what is wrong with one is never an error here."""
        try:
            return prepare_image(self._read(item), self._contract)
        except _WrongSizeError as error:
            return Refused(f"wrong size: {error}")
        except (ImageError, ArchiveError) as error:
            return Refused(f"unreadable: {error}")
        except OSError as error:
            away = error.errno not in _LASTING
            return Refused(f"unreadable: cannot be read ({error.strerror or error})", away)

    def _read(self, item: Item) -> bytes:
        if item.member is None:
            return _read_file(item.path)
        with self._lock:
            archive = self._archives.get(item.path)
            if archive is None:
                archive = self._archives[item.path] = open_archive(Path(item.path))
        try:
            data = archive.read(item.member, _LIMIT)
        except KeyError as error:
            raise ImageError("is no longer in the zip") from error
        if len(data) > _LIMIT:
            raise ImageError(f"more than {_LIMIT:,} bytes, the limit")
        return data


def prepare_image(data: bytes, contract: InputContract) -> Taken:
    """Decode an encoded image and bring it to the graph's size.

    Raises:
        ImageError: by any rule of `imaging.py`, or of a size that the bundle does not accept.
    """
    header = read_header(data)
    if (header.height, header.width) not in contract.image_sizes:
        accepted = ", ".join(f"{width}x{height}" for height, width in contract.image_sizes)
        raise _WrongSizeError(
            f"{header.width}x{header.height} pixels, and the bundle accepts {accepted}"
        )
    stored = decode_grey(data)
    scored = resize_grey(stored, (contract.height, contract.width))
    return Taken(stored, scored, find_suspicion(stored))


def _read_file(path: str) -> bytes:
    # Not blocking: a pipe among the files must not hold all others up.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        state = os.fstat(file.fileno())
        if not stat.S_ISREG(state.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", path)
        if state.st_size > _LIMIT:
            raise ImageError(f"more than {_LIMIT:,} bytes, the limit")
        # Not read(limit): that would reserve the limit, however small the file.
        data = file.read(state.st_size + 1)
    if len(data) > _LIMIT:
        raise ImageError(f"more than {_LIMIT:,} bytes, the limit")
    return data
