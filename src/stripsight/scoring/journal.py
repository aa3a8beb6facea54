"""What a scoring has done so far: `OUT.partial/`, which outlives the process that writes it.

One SQLite file holds every input with its row, if it has one. So an input can have no second row,
a killed process loses at most the rows of the last second, and memory does not grow with the number
of inputs. It is opened by one process, under a lock that the kernel lets go when that one dies.
"""

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any

from stripsight.atomic import remove_unfinished
from stripsight.errors import ScoringError
from stripsight.scoring.inputs import Item, Listed
from stripsight.scoring.lock import lock_file

FILE_NAME = "journal.sqlite"
LOCK_NAME = "lock"
_SCHEMA = 1
_PAGE = 512

_TABLES = """
CREATE TABLE about(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE inputs(
    source INTEGER NOT NULL, key BLOB NOT NULL, id TEXT NOT NULL UNIQUE, path BLOB NOT NULL,
    member TEXT, row TEXT, PRIMARY KEY(source, key)) WITHOUT ROWID;
"""


class Journal:
    """The inputs of one scoring and their rows.

    Attributes:
        begun: whether anything lies in it.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        self.begun = self._path.exists()
        with self._explain():
            self._database = sqlite3.connect(self._path, isolation_level=None)

    def begin(self, identity: dict[str, Any], listed: Iterable[Listed]) -> int:
        """Take the inputs down, or find them taken down already; returns how many have rows.

        Args:
            identity: what the rows depend on; plain JSON.
            listed: every input.

        Raises:
            ScoringError: an input twice, or a scoring of other inputs or by another bundle or
                other settings lies here.
        """
        with self._explain():
            # One process alone, and no shared memory, so that network file systems do as well.
            self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            if self._database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                self._compare(identity, listed)
                query = "SELECT count(*) FROM inputs WHERE row IS NOT NULL"
                return int(self._database.execute(query).fetchone()[0])
            self._database.execute("BEGIN")
            for statement in _TABLES.strip().split(";\n"):
                self._database.execute(statement)
            digest = self._insert(listed)
            about = {"schema": _SCHEMA, "identity": identity, "inputs": digest}
            self._database.executemany(
                "INSERT INTO about VALUES (?, ?)",
                [(key, json.dumps(value, sort_keys=True)) for key, value in about.items()],
            )
            self._database.execute("COMMIT")
            self.begun = True
            return 0

    def count(self) -> int:
        """How many inputs there are."""
        with self._explain():
            return int(self._database.execute("SELECT count(*) FROM inputs").fetchone()[0])

    def find_pending(self) -> Iterator[Item]:
        """Inputs without a row, in order, a page at a time."""
        for id_, path, member in self._read("id, path, member", "row IS NULL"):
            yield Item(id_, os.fsdecode(path), member)

    def write(self, rows: Iterable[tuple[str, str]]) -> None:
        """Store the lines of some ids for good.

        Raises:
            OSError: the disk is full; none of them is stored.
        """
        with self._explain():
            self._database.execute("BEGIN")
            try:
                self._database.executemany(
                    "UPDATE inputs SET row = ? WHERE id = ? AND row IS NULL",
                    [(line, id_) for id_, line in rows],
                )
                self._database.execute("COMMIT")
            except sqlite3.Error:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

    def read_lines(self) -> Iterator[str]:
        """Every row in the order of the inputs."""
        for (line,) in self._read("row", "1"):
            if line is None:
                raise ScoringError(f"{self._path} lacks a row: give --restart to begin anew")
            yield line

    def finish(self) -> None:
        """Say that its rows lie elsewhere now; `open_journal` throws it away."""
        self.begun = False

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def _read(self, columns: str, where: str) -> Iterator[tuple[Any, ...]]:
        # Page by page: a query left open would keep the log of all that is written meanwhile.
        query = (
            f"SELECT source, key, {columns} FROM inputs WHERE (source, key) > (?, ?) AND {where}"
            " ORDER BY source, key LIMIT ?"
        )
        place: tuple[int, bytes] = (-1, b"")
        while True:
            with self._explain():
                page = self._database.execute(query, (*place, _PAGE)).fetchall()
            if not page:
                return
            place = page[-1][:2]
            yield from (entry[2:] for entry in page)

    def _insert(self, listed: Iterable[Listed]) -> str:
        digest = _Digest()
        stream = iter(listed)
        while some := list(islice(stream, _PAGE)):
            entries = []
            for entry in some:
                item = entry.item
                digest.add(entry)
                path = os.fsencode(item.path)
                entries.append((entry.source, entry.key, item.id, path, item.member))
            try:
                self._database.executemany(
                    # One pattern may find a file in two ways; it is one input all the same.
                    "INSERT INTO inputs(source, key, id, path, member) VALUES (?, ?, ?, ?, ?)"
                    " ON CONFLICT(source, key) DO NOTHING",
                    entries,
                )
            except sqlite3.IntegrityError:
                self._name_twice(entries)
                raise
        return str(digest)

    def _name_twice(self, entries: list[tuple[int, bytes, str, bytes, str | None]]) -> None:
        query = "SELECT source FROM inputs WHERE id = ? AND (source, key) <> (?, ?)"
        for source, key, id_, _, _ in entries:
            if self._database.execute(query, (id_, source, key)).fetchone():
                raise ScoringError(f"{id_} is given twice: name every input once")

    def _compare(self, identity: dict[str, Any], listed: Iterable[Listed]) -> None:
        rows = self._database.execute("SELECT key, value FROM about").fetchall()
        about = {key: json.loads(value) for key, value in rows}
        way_on = f"--restart throws away what {self._path.parent} holds and begins anew"
        if about.get("schema") != _SCHEMA:
            raise ScoringError(f"{self._path} is of another StripSight: {way_on}")
        begun = about["identity"]
        for key, value in identity.items():
            if begun.get(key) != value:
                before, now = (
                    "of the bundle" if which is None else which for which in (begun.get(key), value)
                )
                raise ScoringError(
                    f"the scoring that was broken off here has {key} {before}, this one"
                    f" {key} {now}: {way_on}"
                )
        digest = _Digest()
        for entry in listed:
            digest.add(entry)
        if str(digest) != about["inputs"]:
            before = int(about["inputs"].partition(" ")[0])
            how = f"{before:,} then, {digest.count:,} now"
            if before == digest.count:
                how = "as many, but under other names or given otherwise"
            raise ScoringError(
                f"the inputs are not those of the scoring that was broken off here ({how}):"
                f" {way_on}"
            )

    @contextmanager
    def _explain(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            # SQLite says no more than "disk I/O error" or "database or disk is full".
            raise OSError(0, f"cannot be written or read ({error})", str(self._path)) from error
        except (sqlite3.DatabaseError, ValueError, KeyError) as error:
            raise ScoringError(
                f"{self._path} is damaged ({error}): give --restart to begin anew"
            ) from error


class _Digest:
    """Of a set of inputs, in whatever order they come; the sum of their hashes."""

    def __init__(self) -> None:
        self.count = 0
        self._sum = 0

    def add(self, entry: Listed) -> None:
        parts = (str(entry.source).encode(), entry.key, os.fsencode(entry.item.path))
        member = (entry.item.member or "").encode()
        data = b"".join(len(p).to_bytes(4, "big") + p for p in (*parts, member))
        self._sum += int.from_bytes(hashlib.sha256(data).digest(), "big")
        self.count += 1

    def __str__(self) -> str:
        return f"{self.count} {self._sum % 2**256:064x}"


@contextmanager
def open_journal(out: Path, *, restart: bool) -> Iterator[Journal]:
    """The journal of an output, held for this process alone.

    Raises:
        ScoringError: another process is scoring to the same output.
        OSError: the folder cannot be made or written.
    """
    folder = name_partial(out)
    with lock_file(folder, LOCK_NAME):
        remove_unfinished(out.parent, out)
        if restart:
            _remove_files(folder)
        journal = Journal(folder)
        try:
            yield journal
        finally:
            journal.close()
            if not journal.begun:
                _remove_files(folder)
                (folder / LOCK_NAME).unlink()
                with suppress(OSError):  # what else lies in it is somebody else's
                    folder.rmdir()


def _remove_files(folder: Path) -> None:
    for path in folder.glob(f"{FILE_NAME}*"):
        path.unlink()


def name_partial(out: Path) -> Path:
    """Where an unfinished score of `out` lies."""
    return out.with_name(f"{out.name}.partial")
