"""Comma-separated tables: the strict line reader of all of them, and the plain `image,labels` form.

Every line of the file is a row of its own: no annotation table needs a line break inside a cell,
and so a quote that is never closed costs one row, not the rest of the file.
"""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass

from stripsight.data.readers.annotation import RefusedRow, SourceMark, SourceRow, SourceTable
from stripsight.data.readers.class_names import is_placeholder, means_clean
from stripsight.errors import ReaderError

_BOM = b"\xef\xbb\xbf"
_LONGEST_CELL = 16 * 2**20
_IMAGE_COLUMNS = ("imageid", "image", "imagename", "imagefile", "filename", "file", "id", "name")
_LABEL_COLUMNS = ("labels", "label", "classids", "classid", "classes", "class", "defects", "defect")


@dataclass(frozen=True, slots=True)
class TableLine:
    """One line after the header: its number in the file, and its cells or why it has none."""

    number: int
    cells: tuple[str, ...]
    fault: str | None = None


@dataclass(frozen=True)
class Table:
    """A header and the lines below it, blank ones left out."""

    file: str
    header: tuple[str, ...]
    lines: tuple[TableLine, ...]

    def column(self, name: str) -> int:
        """Position of a column.

        Raises:
            ReaderError: the header has no such column, or has it twice.
        """
        if self.header.count(name) != 1:
            raise ReaderError(
                f"{self.file}, row 1: exactly one column {name!r} is needed;"
                f" the header has {', '.join(self.header) or 'none'}"
            )
        return self.header.index(name)


def read_table(data: bytes, file: str) -> Table:
    """Split a CSV file (UTF-8, with or without BOM, any line ends) into header and lines.

    Raises:
        ReaderError: empty, not UTF-8, or a header that cannot be read.
    """
    try:
        text = data.removeprefix(_BOM).decode("utf-8")
    except UnicodeDecodeError as error:
        number = data[: error.start].count(b"\n") + 1
        raise ReaderError(f"{file}, row {number}: not UTF-8; save the table as UTF-8") from error
    csv.field_size_limit(_LONGEST_CELL)
    texts = re.split(r"\r\n|\n|\r", text)
    if not texts[0].strip():
        raise ReaderError(f"{file} has no header: the first line is empty")
    header = _split_line(1, texts[0])
    if header.fault:
        raise ReaderError(f"{file}, row 1: {header.fault}")
    names = tuple(cell.strip() for cell in header.cells)
    lines = (_split_line(n, t) for n, t in enumerate(texts[1:], start=2) if t.strip())
    return Table(file, names, tuple(_check_width(line, len(names)) for line in lines))


def find_columns(header: tuple[str, ...]) -> tuple[int, int] | None:
    """Positions of the image and the label column of a plain table; None where it has not both."""
    plain = [re.sub(r"[^a-z]", "", name.lower()) for name in header]
    image = next((plain.index(name) for name in _IMAGE_COLUMNS if name in plain), None)
    labels = next((plain.index(name) for name in _LABEL_COLUMNS if name in plain), None)
    return None if image is None or labels is None else (image, labels)


def read_plain_table(data: bytes, file: str) -> SourceTable:
    """Read `image,labels`: one row an image, labels separated by `|`.

    An empty cell, or a word such as `clean` alone in it, says that the image has no defect.

    Raises:
        ReaderError: the table cannot be read at all, or has no row.
    """
    table = read_table(data, file)
    columns = find_columns(table.header)
    if columns is None:
        raise ReaderError(
            f"{file}, row 1: a column `image` and a column `labels` are needed;"
            f" the header has {', '.join(table.header)}"
        )
    if not table.lines:
        raise ReaderError(f"{file} has a header and no row: it labels no image")
    rows: list[SourceRow] = []
    refused: list[RefusedRow] = []
    seen: dict[str, int] = {}
    for line in table.lines:
        row = _read_plain_line(file, line, *columns, seen)
        if isinstance(row, SourceRow):
            rows.append(row)
        else:
            refused.append(row)
    read, of_two_words = _refuse_blank_separated(rows)
    return SourceTable(tuple(read), (*refused, *of_two_words))


def refuse_line(file: str, line: TableLine, image: str | None, kind: str, why: str) -> RefusedRow:
    """A refused line of a table."""
    return RefusedRow(file, f"row {line.number}", image, kind, why)


def refuse_malformed(file: str, line: TableLine) -> RefusedRow:
    """A refused line that could not be split; its first cell names the image if it is whole."""
    first = line.cells[0] if line.cells else ""
    image = first if first and find_fault_of_name(first) is None and '"' not in first else None
    return refuse_line(file, line, image, "malformed row", line.fault or "")


def find_fault_of_name(image: str) -> str | None:
    """Why a cell is no image's file name; None where it is one."""
    if not image:
        return "the image id is blank"
    if re.search(r"[/\\]|^[A-Za-z]:", image) or image in {".", ".."}:
        return f"the image id {image[:60]!r} holds a path; a file name alone is expected"
    if not image.isprintable():
        return f"the image id {image[:60]!r} holds control characters"
    return None


def split_name(path: str) -> str | None:
    """The file name at the end of an id with a path, to know whose labels are in doubt."""
    name = re.split(r"[/\\]", path)[-1]
    return name if name and find_fault_of_name(name) is None else None


def _read_plain_line(
    file: str, line: TableLine, image_column: int, label_column: int, seen: dict[str, int]
) -> SourceRow | RefusedRow:
    if line.fault:
        return refuse_malformed(file, line)
    image = line.cells[image_column].strip()
    if fault := find_fault_of_name(image):
        return refuse_line(file, line, split_name(image), "image id", fault)
    if image in seen:
        why = f"{image} has a row already (row {seen[image]})"
        return refuse_line(file, line, image, "row twice", why)
    seen[image] = line.number
    cell = line.cells[label_column].strip()
    keys = [key.strip() for key in cell.split("|")] if cell else []
    if not all(keys):
        return refuse_line(file, line, image, "malformed row", f"an empty label in {cell[:60]!r}")
    if len(set(keys)) < len(keys):
        return refuse_line(file, line, image, "row twice", f"a label twice in {cell[:60]!r}")
    if fault := _find_fault_of_keys(keys):
        return refuse_line(file, line, image, "unknown class", f"{fault} in {cell[:60]!r}")
    marks = tuple(SourceMark(key, None) for key in keys if not means_clean(key))
    return SourceRow(file, f"row {line.number}", image, marks)


def _refuse_blank_separated(
    rows: list[SourceRow],
) -> tuple[list[SourceRow], list[RefusedRow]]:
    """Keep rows apart from those with a label such as `1 3`, where 1 and 3 are classes as well."""
    words = {m.class_key for row in rows for m in row.marks if not re.search(r"\s", m.class_key)}
    kept: list[SourceRow] = []
    refused: list[RefusedRow] = []
    for row in rows:
        labels = [m.class_key.split() for m in row.marks if m.class_key not in words]
        several = next((label for label in labels if words.issuperset(label)), None)
        if several is None:
            kept.append(row)
            continue
        why = (
            f"the label {' '.join(several)[:60]!r} is made of classes of this table: `|` separates"
            f" labels ({'|'.join(several)[:60]})"
        )
        refused.append(RefusedRow(row.file, row.place, row.image, "unknown class", why))
    return kept, refused


def _find_fault_of_keys(keys: list[str]) -> str | None:
    if any(";" in key or "," in key for key in keys):
        return "a `;` or `,` (labels are separated by `|`)"
    if any(map(is_placeholder, keys)):
        return "no label (an empty cell, or `clean`, is an image without a defect)"
    if len(keys) > 1 and any(map(means_clean, keys)):
        return '"no defect" beside a defect'
    return None


def _split_line(number: int, text: str) -> TableLine:
    if '"' not in text:
        return TableLine(number, tuple(text.split(",")))
    if "\0" in text:
        return TableLine(number, (), "a NUL character")
    try:
        cells = next(_parse(text), [])
    except csv.Error as error:
        unclosed = "unexpected end of data" in str(error)
        fault = "a quote is never closed" if unclosed else f"{error}"
        return TableLine(number, (text.split(",")[0],), fault)
    return TableLine(number, tuple(cells))


def _parse(text: str) -> Iterator[list[str]]:
    return csv.reader([text], strict=True)


def _check_width(line: TableLine, width: int) -> TableLine:
    if line.fault or len(line.cells) == width:
        return line
    return TableLine(line.number, line.cells[:1], f"{len(line.cells)} cells, {width} are expected")
