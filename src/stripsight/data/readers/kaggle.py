"""Kaggle's two tables of the Severstal competition.

new   ImageId,ClassId,EncodedPixels     defects only: an image it does not list is clean
old   ImageId_ClassId,EncodedPixels     a row for every (image, class), empty where there is no
                                        such defect: an image it does not list is not labelled,
                                        nor is one that lacks the row of a class
"""

from collections import defaultdict

from stripsight.data.readers.annotation import (
    RefusedRow,
    RunLengths,
    SourceMark,
    SourceRow,
    SourceTable,
)
from stripsight.data.readers.table import (
    TableLine,
    find_fault_of_name,
    read_table,
    refuse_line,
    refuse_malformed,
    split_name,
)
from stripsight.errors import ReaderError

NEW_HEADER = ("ImageId", "ClassId", "EncodedPixels")
OLD_HEADER = ("ImageId_ClassId", "EncodedPixels")


def read_kaggle(data: bytes, file: str) -> SourceTable:
    """Read the new form.

    Raises:
        ReaderError: a column is missing, or the table holds no defect (every image would be clean).
    """
    table = read_table(data, file)
    image_column, class_column, pixel_column = (table.column(name) for name in NEW_HEADER)
    if not table.lines:
        raise ReaderError(
            f"{file} holds no defect: in this form that would make every image clean;"
            " give the whole table"
        )
    rows: list[SourceRow] = []
    refused: list[RefusedRow] = []
    seen: dict[tuple[str, str], int] = {}
    for line in table.lines:
        if line.fault:
            refused.append(refuse_malformed(file, line))
            continue
        image, key = line.cells[image_column].strip(), line.cells[class_column].strip()
        row = _read_line(file, line, image, key, line.cells[pixel_column], seen)
        if isinstance(row, RefusedRow):
            refused.append(row)
        elif not row.marks:
            why = "no run: a defect without a mask; leave the row out or give the mask"
            refused.append(refuse_line(file, line, image, "shape", why))
        else:
            rows.append(row)
    return SourceTable(tuple(rows), tuple(refused), unlisted_is_clean=True)


def read_kaggle_old(data: bytes, file: str) -> SourceTable:
    """Read the old form.

    Raises:
        ReaderError: a column is missing, or the table holds no defect.
    """
    table = read_table(data, file)
    id_column, pixel_column = (table.column(name) for name in OLD_HEADER)
    rows: list[SourceRow] = []
    refused: list[RefusedRow] = []
    seen: dict[tuple[str, str], int] = {}
    for line in table.lines:
        if line.fault:
            refused.append(refuse_malformed(file, line))
            continue
        identity = line.cells[id_column].strip()
        image, underscore, key = identity.rpartition("_")
        if not underscore:
            why = f"{identity[:60]!r} is no image id, underscore and class"
            refused.append(refuse_line(file, line, identity or None, "image id", why))
            continue
        row = _read_line(file, line, image, key, line.cells[pixel_column], seen)
        if isinstance(row, RefusedRow):
            refused.append(row)
        else:
            rows.append(row)
    if not any(row.marks for row in rows) and not refused:
        raise ReaderError(f"{file} holds no defect: give the whole table")
    keys = frozenset(key for _, key in seen)
    return SourceTable(
        tuple(rows), tuple(refused), class_keys=keys, incomplete=_find_incomplete(seen, keys)
    )


def _read_line(
    file: str,
    line: TableLine,
    image: str,
    key: str,
    pixels: str,
    seen: dict[tuple[str, str], int],
) -> SourceRow | RefusedRow:
    if fault := find_fault_of_name(image):
        return refuse_line(file, line, split_name(image), "image id", fault)
    if not key:
        return refuse_line(file, line, image, "unknown class", "the class is blank")
    if (image, key) in seen:
        why = f"class {key} of {image} has a row already (row {seen[image, key]})"
        return refuse_line(file, line, image, "row twice", why)
    seen[image, key] = line.number
    marks = (SourceMark(key, RunLengths(pixels)),) if pixels.strip() else ()
    return SourceRow(file, f"row {line.number}", image, marks)


def _find_incomplete(seen: dict[tuple[str, str], int], keys: frozenset[str]) -> frozenset[str]:
    keys_of = defaultdict(set)
    for image, key in seen:
        keys_of[image].add(key)
    return frozenset(image for image, found in keys_of.items() if found != keys)
