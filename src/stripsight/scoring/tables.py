"""The finished table: rows as JSONL, CSV or Parquet, a few thousand in memory at a time.

The suffix of the file says which. JSONL holds the lines as they are; CSV and Parquet have one
column for each class's probability and decision. docs/score.md names them all.
"""

import csv
import io
import json
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from stripsight.atomic import open_atomically
from stripsight.errors import ScoringError, UsageError
from stripsight.scoring.rows import KEYS
from stripsight.scoring.summary import Tally
from stripsight.scoring.watch_state import name_state

SUFFIXES = (".parquet", ".csv", ".jsonl")
_ROWS_OF_A_BATCH = 256  # as Python objects, which take twenty times the memory
_ROWS_OF_A_GROUP = 8192
# A spreadsheet takes such a cell for a formula; a tab or a line's end hides one from the eye.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


class _Writer(Protocol):
    def add(self, line: str, row: dict[str, Any]) -> None: ...

    def close(self) -> None: ...

    def abandon(self) -> None: ...


def check_output(path: Path) -> None:
    """Refuse now what writing the table would refuse after long work.

    Raises:
        UsageError: a suffix that says nothing, a folder, or a folder that is not there.
        ScoringError: Parquet without pyarrow.
    """
    if path.suffix not in SUFFIXES:
        raise UsageError(f"--out {path}: the name must end in {', '.join(SUFFIXES)}")
    if path.is_dir():
        raise UsageError(f"--out {path} is a folder: name a file in it")
    check_folder(path)
    if name_state(path).exists():
        raise ScoringError(f"{path} is the table of a watch: name another --out")
    if path.suffix == ".parquet" and find_spec("pyarrow") is None:
        raise ScoringError(
            "Parquet needs pyarrow: pip install 'stripsight[serve]', or --out FILE.csv or .jsonl"
        )


def check_folder(out: Path) -> None:
    """Refuse a table whose folder is not there: it may be a slip of the pen.

    Raises:
        UsageError: no such folder.
    """
    if not out.parent.is_dir():
        raise UsageError(f"--out {out}: there is no folder {out.parent}: make it, or name another")


def write_table(
    path: Path, lines: Iterable[str], class_names: tuple[str, ...], about: dict[str, Any]
) -> Tally:
    """Replace `path` by a table of `lines`, in one step; returns what they come to.

    Args:
        path: ends in one of `SUFFIXES`.
        lines: of `Row.to_line`.
        class_names: in column order.
        about: goes into the metadata of a Parquet file; plain JSON.

    Raises:
        ScoringError: a line is no row; the old file is intact.
        OSError: disk full or read-only; likewise.
    """
    tally = Tally(class_names)
    with open_atomically(path) as file:
        writer = _open_writer(path, file, class_names, about)
        try:
            for line in lines:
                row = _read_row(line)
                tally.add(row)
                writer.add(line, row)
            writer.close()
        except BaseException:
            writer.abandon()
            raise
    return tally


def _read_row(line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError:
        row = None
    if not isinstance(row, dict) or not row.keys() >= KEYS:
        raise ScoringError("a stored row is damaged: give --restart to score all inputs anew")
    return row


def neutralise(cell: str | None) -> str | None:
    """A text that no spreadsheet takes for a formula: `'` goes before it where one might."""
    return f"'{cell}" if cell is not None and cell.startswith(_FORMULA) else cell


def _open_writer(
    path: Path, file: BinaryIO, class_names: tuple[str, ...], about: dict[str, Any]
) -> _Writer:
    if path.suffix == ".jsonl":
        return _JsonLines(file)
    if path.suffix == ".csv":
        return _Csv(file, class_names)
    return _Parquet(file, class_names, about)


def _flatten(row: dict[str, Any], class_names: tuple[str, ...]) -> dict[str, Any]:
    classes = row["classes"]
    flat = {key: row[key] for key in ("id", "verdict", "reason", "suspect")}
    for name in class_names:
        score = classes.get(name, {})
        flat[f"probability_{name}"] = score.get("probability")
        flat[f"decision_{name}"] = score.get("decision")
    keys = ("boxes", "bundle_id", "variant", "precision", "engine", "scored_at")
    return flat | {key: row[key] for key in keys}


class _JsonLines:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def add(self, line: str, row: dict[str, Any]) -> None:
        self._file.write(f"{line}\n".encode())

    def close(self) -> None:
        pass

    def abandon(self) -> None:
        pass


class _Csv:
    def __init__(self, file: BinaryIO, class_names: tuple[str, ...]) -> None:
        self._text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        self._class_names = class_names
        self._writer = csv.writer(self._text, lineterminator="\n")
        empty = dict.fromkeys(("id", "verdict", "reason", "suspect"))
        late = dict.fromkeys(("boxes", "bundle_id", "variant", "precision", "engine", "scored_at"))
        header = _flatten({**empty, **late, "classes": {}}, class_names)
        self._writer.writerow(header)

    def add(self, line: str, row: dict[str, Any]) -> None:
        flat = _flatten(row, self._class_names)
        flat["boxes"] = json.dumps(flat["boxes"], ensure_ascii=False)
        self._writer.writerow([neutralise(v) if isinstance(v, str) else v for v in flat.values()])

    def close(self) -> None:
        self._text.detach()

    def abandon(self) -> None:
        with suppress(OSError, ValueError):  # detaching flushes
            self._text.detach()


class _Parquet:
    def __init__(self, file: BinaryIO, class_names: tuple[str, ...], about: dict[str, Any]) -> None:
        # Imported here: a third of a second that a table of another kind need not pay.
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._class_names = class_names
        self._arrow = pa
        self._rows: list[dict[str, Any]] = []
        self._batches: list[Any] = []
        self._schema = _build_schema(class_names, about)
        self._writer = pq.ParquetWriter(file, self._schema, compression="zstd")

    def add(self, line: str, row: dict[str, Any]) -> None:
        flat = _flatten(row, self._class_names)
        flat["scored_at"] = datetime.fromisoformat(flat["scored_at"])
        self._rows.append(flat)
        if len(self._rows) == _ROWS_OF_A_BATCH:
            self._pack()
        if len(self._batches) * _ROWS_OF_A_BATCH >= _ROWS_OF_A_GROUP:
            self._write_group()

    def close(self) -> None:
        self._pack()
        self._write_group()
        self._writer.close()

    def abandon(self) -> None:
        with suppress(OSError):
            self._writer.close()
        self._writer.is_open = False  # or it would try again when it is collected

    def _pack(self) -> None:
        if self._rows:
            batch = self._arrow.RecordBatch.from_pylist(self._rows, schema=self._schema)
            self._batches.append(batch)
            self._rows.clear()

    def _write_group(self) -> None:
        if self._batches:
            table = self._arrow.Table.from_batches(self._batches, schema=self._schema)
            self._writer.write_table(table, row_group_size=_ROWS_OF_A_GROUP)
            self._batches.clear()


def _build_schema(class_names: tuple[str, ...], about: dict[str, Any]) -> Any:
    import pyarrow as pa

    box = [("class", pa.string())]
    box += [(side, pa.int32()) for side in ("left", "top", "right", "bottom", "area")]
    box += [("score", pa.float32())]
    fields = [(key, pa.string()) for key in ("id", "verdict", "reason", "suspect")]
    for name in class_names:
        fields += [(f"probability_{name}", pa.float64()), (f"decision_{name}", pa.string())]
    fields += [("boxes", pa.list_(pa.struct(box)))]
    fields += [(key, pa.string()) for key in ("bundle_id", "variant", "precision", "engine")]
    fields += [("scored_at", pa.timestamp("ms", tz="UTC"))]
    return pa.schema(fields, metadata={"stripsight": json.dumps(about)})
