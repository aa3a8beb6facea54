"""What a watch has scored: `OUT.watch/`, which outlives the process, so that nothing comes twice.

A row is in the table exactly once, killed at any moment or not: its line is first noted in the
state together with the place in the table where it goes, then appended there, then struck off. A
process that finds a noted line completes what is missing of it.
"""

import os
import shutil
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stripsight.errors import ScoringError
from stripsight.scoring.journal import name_partial
from stripsight.scoring.lock import lock_file

_LOCK_NAME = "lock"
_FILE_NAME = "state.sqlite"
_SECONDS_KEPT = 24 * 3600.0
"""Files that are gone are remembered so long: a share that was away for a while comes back."""

_TABLES = """
CREATE TABLE seen(name BLOB PRIMARY KEY, size INTEGER, modified INTEGER, scored REAL) WITHOUT ROWID;
CREATE TABLE noted(offset INTEGER NOT NULL, lines BLOB NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class FileState:
    """A file as it lay there: another size or time of change is another image."""

    name: str
    size: int
    modified_ns: int


class WatchState:
    """See the module's head."""

    def __init__(self, out: Path, folder: Path) -> None:
        self._out = out
        self._path = folder / _FILE_NAME
        with self._explain():
            self._database = sqlite3.connect(self._path, isolation_level=None)
            self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            if not self._database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                if out.exists():  # it began before this state did
                    self._database.close()
                    raise ScoringError(
                        f"{self._path} is gone or empty, and {out} is there: nobody knows what has"
                        f" its row; put {out} aside to score everything anew, or name another --out"
                    )
                self._database.execute("BEGIN")
                for statement in _TABLES.strip().split(";\n"):
                    self._database.execute(statement)
                self._database.execute("COMMIT")
        self._complete()

    def has_scored(self, file: FileState) -> bool:
        """Whether the file as it is has its row."""
        with self._explain():
            found = self._database.execute(
                "SELECT 1 FROM seen WHERE name = ? AND size = ? AND modified = ?",
                (os.fsencode(file.name), file.size, _wrap(file.modified_ns)),
            ).fetchone()
        return found is not None

    def append(self, rows: Sequence[tuple[FileState, str]]) -> None:
        """Put the lines of some files into the table, and remember the files.

        Raises:
            OSError: the disk is full; what was not appended will be when the watch goes on.
        """
        data = "".join(f"{line}\n" for _, line in rows).encode()
        now = time.time()
        offset = self._out.stat().st_size if self._out.exists() else 0
        with self._explain(), self._transaction():
            self._database.executemany(
                "INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?)",
                [(os.fsencode(f.name), f.size, _wrap(f.modified_ns), now) for f, _ in rows],
            )
            self._database.execute("INSERT INTO noted VALUES (?, ?)", (offset, data))
        self._complete()

    def forget_gone(self, root: Path) -> None:
        """Forget files that were scored a day ago and more, and are no longer there."""
        name = b""
        before = time.time() - _SECONDS_KEPT
        while True:
            with self._explain():
                page = self._database.execute(
                    "SELECT name FROM seen WHERE name > ? AND scored < ? ORDER BY name LIMIT 512",
                    (name, before),
                ).fetchall()
            if not page:
                return
            name = page[-1][0]
            gone = [(n,) for (n,) in page if _is_gone(root / os.fsdecode(n))]
            with self._explain(), self._transaction():
                self._database.executemany("DELETE FROM seen WHERE name = ?", gone)

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def _complete(self) -> None:
        with self._explain():
            noted = self._database.execute("SELECT offset, lines FROM noted").fetchone()
        if noted is None:
            return
        offset, lines = noted
        with self._out.open("ab+") as file:
            # Shorter than it was: somebody has put the old table aside, and this is a new one.
            size = file.seek(0, os.SEEK_END)
            file.seek(offset if size >= offset else size)
            there = file.read(len(lines) + 1)
            if not lines.startswith(there):
                raise ScoringError(
                    f"{self._out} was written to by others: name another --out, or put it aside"
                )
            file.write(lines[len(there) :])
            file.flush()
            os.fsync(file.fileno())
        with self._explain():
            self._database.execute("DELETE FROM noted")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise

    @contextmanager
    def _explain(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise OSError(0, f"cannot be written or read ({error})", str(self._path)) from error
        except sqlite3.DatabaseError as error:
            raise ScoringError(
                f"{self._path} is damaged ({error}): remove {self._path.parent}, put {self._out}"
                " aside and begin anew"
            ) from error


def _wrap(nanoseconds: int) -> int:
    """As SQLite takes it: its integers end in the year 2262, a camera's clock may stand later."""
    return (nanoseconds + 2**63) % 2**64 - 2**63


def _is_gone(path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:  # it may be there
        return False
    return False


@contextmanager
def open_watch_state(out: Path) -> Iterator[WatchState]:
    """The state of the watch that writes to `out`, held for this process alone.

    Raises:
        ScoringError: another process holds it, a batch writes there or was broken off, or a table
            lies there that no watch wrote.
        OSError: it cannot be made or written.
    """
    folder = name_state(out)
    if out.exists() and not folder.exists():
        raise ScoringError(f"{out} is there, and no watch wrote it: name another --out")
    with lock_file(folder, _LOCK_NAME):
        try:
            # Looked for when the lock is held, as a batch looks for the state: one of them sees.
            if (partial := name_partial(out)).exists():
                raise ScoringError(
                    f"{partial} is of a scoring without --watch, at work or broken off: let it"
                    " finish, or name another --out"
                )
            state = WatchState(out, folder)
        except (OSError, ScoringError):
            if not out.exists() and not (folder / _FILE_NAME).exists():
                shutil.rmtree(folder)
            raise
        try:
            yield state
        finally:
            state.close()


def name_state(out: Path) -> Path:
    """Where the state of a watch lies."""
    return out.with_name(f"{out.name}.watch")
