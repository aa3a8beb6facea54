"""A filled-in sheet, read back from whatever a spreadsheet made of it.

    image, class      as `data audit` wrote them (`data/audit/sheet.py`), or a class by id or title
    decision          keep, remove, add, drop-image or empty
    labels version    which labels were reviewed

Read: UTF-8 or UTF-16 with or without a byte order mark, else Windows-1252; commas, semicolons or
tabs, with or without Excel's line `sep=;` before the header; any order of columns, extra ones, any
quoting, blank rows. Only `image`, `class`, `decision` and `labels version` are read, so a number
that a spreadsheet took for a date does no harm. A cell that a spreadsheet would run as a formula
carries an apostrophe in front, which is taken off again.

Whether the decisions fit the labels is judged here too; the stored form is `review.py`'s.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from stripsight.data.prepared import PreparedDataset
from stripsight.data.reviews.overlay import LabelLookup
from stripsight.data.reviews.review import (
    DECISIONS,
    LABELLED,
    LEFT_OUT,
    NONE,
    PRESENCE,
    Change,
)
from stripsight.errors import DataError, UnknownClassError
from stripsight.labels import ClassList

_READ = ("image", "class", "decision", "labels version")
_NUMBERED = re.compile(r"class\s*(\d+)")
_SEPARATOR_LINE = re.compile(r'\A"?sep=[,;\t]"?[,;\t]*\r?\n', re.IGNORECASE)
_FORMULA = re.compile(r"'*[=+\-@\t\r]")


@dataclass(frozen=True, slots=True)
class SheetRow:
    """What is read of one row; `number` is the spreadsheet's, whose header is row 1."""

    number: int
    image: str
    class_name: str
    decision: str
    version: str


@dataclass(frozen=True)
class Decided:
    """A sheet held against its data set.

    Attributes:
        changes: every decision that fits, one an image for dropped images.
        undecided: number of rows without a decision.
        faults: rows that do not fit, in words, each with its number.
    """

    changes: tuple[Change, ...]
    undecided: int
    faults: tuple[str, ...]


def name_version(content_hash: str) -> str:
    """The version as the sheet names it: letters first, or a spreadsheet makes it a number."""
    return f"labels-{content_hash[:16]}"


def read_sheet(data: bytes) -> tuple[SheetRow, ...]:
    """Read a sheet that came back.

    Raises:
        DataError: no text, no such columns, or a row that does not fit its header.
    """
    # Excel's own line, which it does not show and counts as no row.
    text = _SEPARATOR_LINE.sub("", _decode(data), count=1)
    separator, places, width = _read_header(text)
    rows: list[SheetRow] = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        for number, cells in enumerate(reader, start=1):
            if number == 1 or not any(cell.strip() for cell in cells):
                continue
            while len(cells) > width and not cells[-1].strip():
                cells.pop()
            if len(cells) != width:
                raise DataError(f"row {number} has {len(cells)} cells, the header has {width}")
            image, class_name, decision, version = (cells[places[name]] for name in _READ)
            rows.append(
                SheetRow(
                    number=number,
                    image=restore_cell(image),
                    class_name=restore_cell(class_name).strip(),
                    decision=decision.strip().casefold(),
                    version=version.strip(),
                )
            )
    except csv.Error as error:
        raise DataError(f"row {len(rows) + 2} or after cannot be read: {error}") from error
    return tuple(rows)


def check_version(rows: Sequence[SheetRow], dataset: PreparedDataset) -> None:
    """Refuse a sheet that was made for other labels than the data set has now.

    Raises:
        DataError: another version, or none.
    """
    now = name_version(dataset.content_hash())
    stated = {row.version: row.number for row in reversed(rows) if row.version}
    if not stated:
        raise DataError("no row names the labels version: it must be in its column")
    for version, number in sorted(stated.items(), key=lambda pair: pair[1]):
        if version != now:
            since = [r for r in dataset.reviews if name_version(r.before) == version]
            why = (
                f"reviews/{since[0].number:04d}.json was applied since"
                if since
                else "they are of another data set or were prepared anew since"
            )
            raise DataError(
                f"row {number} is about {version[:40]}, the data set has {now} ({why}): audit again"
            )


def judge_sheet(rows: Sequence[SheetRow], dataset: PreparedDataset) -> Decided:
    """Hold every row against the labels; nothing is changed."""
    labels = LabelLookup(dataset.images, dataset.annotations, dataset.classes)
    faults: list[tuple[int, str]] = []
    changes: list[Change] = []
    row_of_pair: dict[tuple[str, str], int] = {}
    for row in rows:
        try:
            class_name = _find_class(row, dataset)
            first = row_of_pair.setdefault((row.image, class_name), row.number)
            if first != row.number:
                raise DataError(f"image {row.image!r}, class {class_name!r} is in row {first} too")
            if change := _judge_row(row, class_name, labels):
                changes.append(change)
        except DataError as error:
            faults.append((row.number, str(error)))
    faults += _find_dropped_twice_decided(changes)
    return Decided(
        changes=_merge_drops(changes),
        undecided=sum(1 for row in rows if not row.decision),
        faults=tuple(f"row {number}: {fault}" for number, fault in sorted(faults)),
    )


def neutralise_cell(cell: str) -> str:
    """Put an apostrophe before what a spreadsheet would take for a formula; reversible."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def restore_cell(cell: str) -> str:
    """Undo `neutralise_cell`; a cell that a spreadsheet already freed stays as it is."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def _find_class(row: SheetRow, dataset: PreparedDataset) -> str:
    if row.decision == "drop-image" and not row.class_name:
        return ""
    try:
        return dataset.classes.find(row.class_name).name
    except UnknownClassError as error:
        meant = _find_loosely(row.class_name.casefold(), dataset.classes) if row.class_name else []
        if len(meant) == 1:
            return meant[0]
        if meant:
            raise DataError(
                f"class {row.class_name!r} may be {' or '.join(meant)}: write one of them"
            ) from error
        raise DataError(str(error)) from error


def _find_loosely(word: str, classes: ClassList) -> list[str]:
    """Names of the classes that a person may mean by a title, `class 1`, or another case."""
    numbered = _NUMBERED.fullmatch(word)
    number = numbered[1] if numbered else None
    return [
        c.name
        for c in classes
        if word in {c.name.casefold(), c.title.casefold()} or number in {c.name, str(c.id)}
    ]


def _judge_row(row: SheetRow, class_name: str, labels: LabelLookup) -> Change | None:
    if not labels.has_image(row.image):
        raise DataError(f"image {row.image[:80]!r} is not in the data set")
    was = labels.find_state(row.image, class_name or None)
    if was not in {NONE, "mask", "box", PRESENCE, LABELLED}:
        raise DataError(f"image {row.image!r} has no known labels")
    if not row.decision:
        return None
    if row.decision not in DECISIONS:
        near = get_close_matches(row.decision, DECISIONS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"choose {', '.join(DECISIONS)}"
        raise DataError(f"decision {row.decision[:40]!r} is unknown; {hint}")
    if row.decision == "drop-image":
        return Change(row.image, None, row.decision, LABELLED, LEFT_OUT, row.number)
    if row.decision == "remove" and was == NONE:
        raise DataError(f"image {row.image!r} does not carry {class_name!r}: nothing to remove")
    if row.decision == "add" and was != NONE:
        raise DataError(f"image {row.image!r} carries {class_name!r} already: nothing to add")
    now = {"keep": was, "remove": NONE, "add": PRESENCE}[row.decision]
    return Change(row.image, class_name, row.decision, was, now, row.number)


def _find_dropped_twice_decided(changes: Iterable[Change]) -> list[tuple[int, str]]:
    changes = tuple(changes)
    dropped = {c.image: c.row for c in changes if c.class_name is None}
    return [
        (c.row, f"{c.decision!r} for image {c.image!r}, which row {dropped[c.image]} drops")
        for c in changes
        if c.class_name is not None and c.image in dropped
    ]


def _merge_drops(changes: Iterable[Change]) -> tuple[Change, ...]:
    seen: set[str] = set()
    merged = []
    for change in changes:
        if change.class_name is None and change.image in seen:
            continue
        if change.class_name is None:
            seen.add(change.image)
        merged.append(change)
    return tuple(merged)


def _decode(data: bytes) -> str:
    if data.startswith(b"PK\x03\x04"):
        raise DataError("it is a workbook, not CSV: save it as CSV (UTF-8)")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    elif b"\0" in data:
        # UTF-16 without a mark: of most letters one byte is zero, and always the same one.
        big = data[::2].count(0) > data[1::2].count(0)
        encodings = ["utf-16-be" if big else "utf-16-le"]
    else:
        # What a spreadsheet in western Europe or America writes when it does not write UTF-8. An
        # id that this reads wrongly is unknown to the data set and refused with its row.
        encodings = ["utf-8-sig", "cp1252"]
    for encoding in encodings:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise DataError("it is no text: save it as CSV (UTF-8)")


def _read_header(text: str) -> tuple[str, dict[str, int], int]:
    best: list[str] = []
    for separator in ",;\t":
        try:
            header = next(csv.reader(io.StringIO(text, newline=""), delimiter=separator), [])
        except csv.Error as error:
            raise DataError(f"its first row cannot be read: {error}") from error
        names = [cell.strip().casefold() for cell in header]
        if set(_READ) <= set(names):
            twice = [name for name in _READ if names.count(name) > 1]
            if twice:
                raise DataError(f"column {twice[0]!r} is there twice")
            return separator, {name: names.index(name) for name in _READ}, len(names)
        best = max(best, names, key=len)
    missing = [name for name in _READ if name not in best]
    raise DataError(f"its first row lacks the column {missing[0]!r}: restore the header")
