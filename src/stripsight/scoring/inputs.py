"""Which images a scoring takes, one after the other, however many there are.

    INPUT                   its images                                  id
    a file                  itself, whatever it is called               the path as given
    a folder                JPEG and PNG below it, sorted               the path below it
    a pattern in quotes     the JPEG and PNG that match, sorted         the path as matched
    a zip                   JPEG and PNG in it, as its listing says     INPUT!member
    @FILE                   a path a line, in the list's order          the line

Where more than one INPUT is given, a folder's ids begin with the folder as given, so that two
folders with the same names in them stay apart. Names that begin with a dot are no images: cameras
and copying programs call their unfinished files so. Nor are pictures that scoring drew,
`*.overlay.jpg`. A file given by its own name is one, whatever it is called. Links to folders are
followed, not in circles.
A folder that cannot be read is an error, for nobody knows how many images it holds.

Nothing is kept here: a folder of millions is read as it is walked, and whoever takes the images
sorts them by (`source`, `key`).
"""

import errno
import glob
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from stripsight.archives import open_archive
from stripsight.errors import ScoringError, UsageError
from stripsight.imaging import IMAGE_SUFFIXES

OVERLAY_SUFFIX = ".overlay.jpg"
"""Of the pictures that scoring draws."""

_PATTERN = frozenset("*?[")
_ANY_DEPTH = re.compile(r"(?:^|(?<=/))\*\*(?:/+|$)")
_LONGEST_LINE = 4096

LeaveOut = Callable[[str], None]
"""Takes the name of a file that is not called an image."""


@dataclass(frozen=True, slots=True)
class Item:
    """One image to score.

    Attributes:
        id: names its row; text, whatever bytes the file's name holds.
        path: of the file, or of the zip.
        member: inside the zip.
    """

    id: str
    path: str
    member: str | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """An item and its place in the order: by `source`, then by `key`."""

    source: int
    key: bytes
    item: Item


def check_inputs(inputs: Sequence[str], lists: Sequence[Path] = ()) -> None:
    """Refuse at once what is not there; nothing is opened.

    Raises:
        UsageError: nothing given, or an input that is nothing at all.
        OSError: a list that is not there.
    """
    for word in _join(inputs, lists):
        if _names_list(word):
            Path(word[1:]).stat()
        elif not os.path.lexists(word) and not _PATTERN.intersection(word):
            raise UsageError(f"{word}: no such file, folder or zip")


def check_apart(out: Path, inputs: Sequence[str], lists: Sequence[Path] = ()) -> None:
    """Refuse a table that would take the place of an input or a list.

    Raises:
        UsageError: it is one of them.
    """
    for word in _join(inputs, lists):
        path = Path(word[1:] if _names_list(word) else word)
        if out.exists() and path.exists() and out.samefile(path):
            raise UsageError(f"--out {out} is an input and would be overwritten: name another")


def list_inputs(
    inputs: Sequence[str], lists: Sequence[Path] = (), leave_out: LeaveOut | None = None
) -> Iterator[Listed]:
    """Every image of the inputs and lists; within a source in no order.

    Args:
        inputs: see the module's head.
        lists: files of paths.
        leave_out: gets the name of each file of a folder or zip that is not called an image.

    Raises:
        UsageError: nothing given, or an input that is nothing at all.
        ScoringError: an input without a single image.
        ArchiveError: a zip that must not be read.
        OSError: a folder or list that cannot be read.
    """
    words = _join(inputs, lists)
    for source, word in enumerate(words):
        empty = True
        for key, item in _list_one(word, leave_out, alone=len(words) == 1):
            empty = False
            yield Listed(source, key, item)
        if empty:
            raise ScoringError(f"no JPEG or PNG in {word}")


def find_kind(name: str) -> str:
    """What a file is called, for a person who wonders why it was left out: `.bmp`."""
    if name.endswith(OVERLAY_SUFFIX):
        return OVERLAY_SUFFIX
    return Path(name).suffix.lower() or "without a suffix"


def is_image_name(name: str) -> bool:
    """Whether a file of a folder or zip is taken for an image."""
    called_so = name.lower().endswith(IMAGE_SUFFIXES) and not name.endswith(OVERLAY_SUFFIX)
    return called_so and not name.rpartition("/")[2].startswith(".")


def show_name(path: str) -> str:
    r"""The name as text: bytes that are not UTF-8 as `\xNN`."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _join(inputs: Sequence[str], lists: Sequence[Path]) -> list[str]:
    words = [*inputs, *(f"@{path}" for path in lists)]
    if not words:
        raise UsageError("no INPUT: give files, folders, a pattern in quotes, a zip, or @list.txt")
    return words


def _names_list(word: str) -> bool:
    return word.startswith("@") and not os.path.lexists(word)


def _list_one(
    word: str, leave_out: LeaveOut | None, *, alone: bool
) -> Iterator[tuple[bytes, Item]]:
    if _names_list(word):
        yield from _list_lines(Path(word[1:]))
    elif Path(word).is_dir():
        yield from _list_folder(word, "" if alone else word.rstrip("/") + "/", leave_out)
    elif os.path.lexists(word):
        if word.lower().endswith(".zip"):
            yield from _list_zip(word, leave_out)
        else:
            yield b"", Item(show_name(word), word)
    elif _PATTERN.intersection(word):
        for path in _match(word):
            # Path.is_dir raises where a link leads to where nobody may look.
            if is_image_name(path) and not os.path.isdir(path):  # noqa: PTH112
                yield os.fsencode(path), Item(show_name(path), path)
    else:
        raise UsageError(f"{word}: no such file, folder or zip")


def walk_images(
    root: str,
    report: Callable[[OSError], None] | None = None,
    leave_out: LeaveOut | None = None,
) -> Iterator[str]:
    """Paths below a folder of all that looks like an image, in no order.

    Args:
        root: the folder.
        report: gets the error of a folder below it that cannot be read; the rest is walked.
        leave_out: gets the names of all other files.

    Raises:
        OSError: the folder itself, or without `report` one below it, cannot be read, or is gone
            meanwhile.
    """
    for name, is_folder in _walk(root, report):
        if is_folder:
            continue
        if is_image_name(name):
            yield name
        elif leave_out is not None:
            leave_out(name)


def _walk(root: str, report: Callable[[OSError], None] | None = None) -> Iterator[tuple[str, bool]]:
    """Every path below a folder and whether it is a folder, which ends with `/`; "" comes first."""
    root = root.rstrip("/") + "/"
    waiting, seen = [""], set()
    while waiting:
        below = waiting.pop()
        try:
            state = Path(root + below).stat()
            if (state.st_dev, state.st_ino) in seen:  # a link back up
                continue
            seen.add((state.st_dev, state.st_ino))
            with os.scandir(root + below) as entries:
                yield below, True
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    if _is_folder(entry):
                        waiting.append(f"{below}{entry.name}/")
                    else:
                        yield below + entry.name, False
        except OSError as error:
            if report is None or not below:
                raise
            report(error)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError as error:
        # A link to itself is none; of one to where nobody may look, the name says what it is.
        return error.errno != errno.ELOOP and not is_image_name(entry.name)


def _match(pattern: str) -> Iterator[str]:
    """As `glob.iglob(pattern, recursive=True)`, but not in circles."""
    if (found := _ANY_DEPTH.search(pattern)) is None:
        yield from glob.iglob(pattern)  # noqa: PTH207 - Path.glob: relative only
        return
    above, rest = pattern[: found.start()], pattern[found.end() :] or "*"
    for root in _match(above) if above else [""]:
        if root and not Path(root).is_dir():
            continue
        for below, is_folder in _walk(root or "."):
            if is_folder:
                yield from _match(glob.escape(root + below) + rest)


def _list_folder(
    root: str, prefix: str, leave_out: LeaveOut | None
) -> Iterator[tuple[bytes, Item]]:
    stem = root.rstrip("/") + "/"
    for name in walk_images(root, leave_out=leave_out):
        yield os.fsencode(name), Item(show_name(prefix + name), stem + name)


def _list_zip(path: str, leave_out: LeaveOut | None) -> Iterator[tuple[bytes, Item]]:
    archive = open_archive(Path(path))
    try:
        for number, name in enumerate(archive.files):
            if is_image_name(name):
                yield _number(number), Item(f"{show_name(path)}!{name}", path, name)
            elif leave_out is not None:
                leave_out(name)
    finally:
        archive.close()


def _list_lines(path: Path) -> Iterator[tuple[bytes, Item]]:
    with path.open("rb") as file:
        number = 0
        while line := file.readline(_LONGEST_LINE + 2):
            if len(line.rstrip(b"\r\n")) > _LONGEST_LINE:
                raise ScoringError(f"{path}: line {number + 1} is no path: it is too long")
            name = os.fsdecode(line.removeprefix(b"\xef\xbb\xbf") if number == 0 else line)
            name = name.strip("\r\n")
            number += 1
            if "\0" in name:
                raise ScoringError(f"{path}: line {number} is no path: it holds a zero byte")
            if name.strip():
                yield _number(number), Item(show_name(name), name)


def _number(number: int) -> bytes:
    return number.to_bytes(8, "big")
