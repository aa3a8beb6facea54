"""Follow a folder that a camera fills: every image is scored once, soon after it is whole.

An image is whole when its size and time of change have stood still for a while. Cameras that write
under another name and rename need no such wait: names that begin with a dot, or do not end like an
image's, are not looked at. Folders are read again and again, for not every network share tells of
new files.

What cannot be read just now is not passed over: it is named once and tried again, be it the folder,
one below it or a file.
"""

import errno
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from stripsight.bundle.collapse import list_collapse, list_failed_gate
from stripsight.errors import UsageError
from stripsight.scoring.inputs import Item, find_kind, show_name, walk_images
from stripsight.scoring.intake import Intake
from stripsight.scoring.opening import ScoreOptions, open_scorer
from stripsight.scoring.overlays import Drawing
from stripsight.scoring.pipeline import score_images
from stripsight.scoring.summary import ScoreSummary, Tally
from stripsight.scoring.tables import check_folder
from stripsight.scoring.watch_state import FileState, WatchState, open_watch_state

_logger = logging.getLogger(__name__)

_AT_A_TIME = 32
_SECONDS_BETWEEN_LOOKS = 0.25
_SHARE_OF_LOOKING = 0.2  # of one core, however many files lie there
_SECONDS_BETWEEN_CLEANINGS = 600.0
_SECONDS_PUT_OFF = 5.0


@dataclass
class Settling:
    """Which files have stood still long enough.

    Attributes:
        seconds: that size and time of change must stay the same; 0: whole at first sight.
    """

    seconds: float
    _since: dict[str, tuple[FileState, float]] = field(default_factory=dict)

    def choose(self, files: list[FileState], now: float) -> list[FileState]:
        """Those of the files now there that are whole; `now` in seconds of any steady clock."""
        since = {}
        for file in files:
            known, first = self._since.get(file.name, (file, now))
            since[file.name] = (file, first if known == file else now)
        self._since = since
        return [file for file, first in since.values() if now - first >= self.seconds]


@dataclass
class PutOff:
    """Files that the system did not give: not scored, but tried again after a while."""

    _until: dict[FileState, float] = field(default_factory=dict)

    def choose(self, files: list[FileState], now: float) -> list[FileState]:
        """Those of the files now there that may be tried; the others that were put off are gone."""
        self._until = {file: self._until[file] for file in files if file in self._until}
        return [file for file in files if self._until.get(file, now) <= now]

    def add(self, files: list[FileState], now: float) -> list[FileState]:
        """Put files off; returns those that were not before."""
        new = [file for file in files if file not in self._until]
        self._until.update(dict.fromkeys(files, now + _SECONDS_PUT_OFF))
        return new


def watch_folder(
    bundle_folder: Path,
    root: Path,
    out: Path,
    options: ScoreOptions,
    *,
    settle: float,
    stop: Event,
    drawing: Drawing | None = None,
    report_count: Callable[[int], None] | None = None,
) -> ScoreSummary:
    """Score what lies in a folder and what comes, until `stop` is set.

    Args:
        bundle_folder: a bundle; another one than last time is well, the rows say which it was.
        root: the folder.
        out: a .jsonl table; rows are appended.
        options: how.
        settle: seconds, see `Settling`.
        stop: ends the watch when what was begun has its rows.
        drawing: pictures, each drawn before its row is stored.
        report_count: gets the number of images scored so far.

    Raises:
        UsageError: no folder, or a table that cannot be.
        BundleError: the bundle.
        EngineError: what this machine does not have.
        ScoringError: another watch is at work here, or a table that no watch wrote.
        OSError: the table or the state cannot be written.
    """
    if not root.is_dir():
        raise UsageError(f"{root} is no folder: --watch follows one folder")
    if out.suffix != ".jsonl":
        raise UsageError(f"--out {out}: a watch appends rows to a .jsonl file")
    check_folder(out)
    with open_watch_state(out) as state:
        scorer = open_scorer(bundle_folder, options)
        overlays = drawing.open(scorer) if drawing else None
        tally = Tally(scorer.judge.names)
        begun = time.monotonic()
        put_off = PutOff()
        manifest, info = scorer.bundle.manifest, scorer.engine.info
        warnings = (*list_collapse(manifest), *list_failed_gate(manifest, info.variant))
        for line in warnings:  # a watch may be killed before its summary
            _logger.warning("DO NOT USE AS IT IS: %s", line)
        _logger.info(
            "following %s by %s of bundle %s, rows to %s; Ctrl-C or SIGTERM ends it",
            root,
            info.variant,
            manifest.bundle_id[:16],
            out,
        )
        with Intake(scorer.bundle.manifest.input) as intake:
            for files in _find_new(root, state, settle, put_off, stop):
                items = [Item(show_name(file.name), str(root / file.name)) for file in files]
                rows, away = [], {}
                with closing(score_images(scorer.engine, scorer.judge, intake, items)) as scored:
                    for file, one in zip(files, scored, strict=True):
                        if one.away:
                            away[file] = f"{one.item.path}: {one.row.reason}"
                            continue
                        if overlays is not None:
                            overlays.save(one)
                        rows.append((file, one.row))
                        if one.row.reason is not None:
                            _logger.warning("%s: %s", one.item.path, one.row.reason)
                new = put_off.add(list(away), time.monotonic())
                _warn([away[file] for file in new if os.path.lexists(root / file.name)])
                if not rows:
                    continue
                state.append([(file, row.to_line()) for file, row in rows])
                for _, row in rows:
                    tally.add(row.to_json())
                if report_count is not None:
                    report_count(tally.images)
        seconds = round(time.monotonic() - begun, 3)
    return ScoreSummary(
        str(out),
        scorer.engine.info,
        scorer.golden,
        scorer.identity,
        tally,
        0,
        seconds,
        warnings=warnings,
    )


def _find_new(
    root: Path, state: WatchState, settle: float, put_off: PutOff, stop: Event
) -> Iterator[list[FileState]]:
    """Files without rows that are whole, the oldest first, a few at a time, until `stop`."""
    settling = Settling(settle)
    cleaned = time.monotonic()
    known: set[str] = set()
    left_out: set[str] = set()
    while not stop.is_set():
        begun = time.monotonic()
        files: list[FileState] = []
        troubles: list[str] = []
        others: set[str] = set()
        away = False
        try:
            looked = _look(root, troubles, others)
            files = [file for file in looked if not state.has_scored(file)]
        except _AwayError as error:
            # A share comes back; what it held is not forgotten meanwhile.
            troubles.append(str(error))
            away = True
        _warn([trouble for trouble in troubles if trouble not in known])
        if known and not troubles:
            _logger.info("%s can be read again", root)
        known = set(troubles)
        if others - left_out:
            kinds = ", ".join(sorted(others - left_out))
            _logger.warning("%s holds files %s: only JPEG and PNG are scored", root, kinds)
            left_out |= others
        took = time.monotonic() - begun
        ready = put_off.choose(settling.choose(files, begun), begun)
        whole = sorted(ready, key=lambda f: (f.modified_ns, f.name))
        for first in range(0, len(whole), _AT_A_TIME):
            if stop.is_set():
                return
            yield whole[first : first + _AT_A_TIME]
        if not whole:
            if begun - cleaned >= _SECONDS_BETWEEN_CLEANINGS and not away:
                state.forget_gone(root)
                cleaned = begun
            stop.wait(max(_SECONDS_BETWEEN_LOOKS, took / _SHARE_OF_LOOKING))


class _AwayError(Exception):
    """The folder cannot be read just now."""


def _look(root: Path, troubles: list[str], others: set[str]) -> Iterator[FileState]:
    """What lies there; `troubles` gets what cannot be read below, `others` kinds of other files."""

    def report(error: OSError) -> None:
        if error.errno != errno.ENOENT:  # gone meanwhile
            troubles.append(f"{error.filename} cannot be read: {error.strerror}")

    try:
        for name in walk_images(str(root), report, lambda name: others.add(find_kind(name))):
            try:
                found = _examine(root / name)
            except OSError as error:
                report(error)
                continue
            yield FileState(name, found.st_size, found.st_mtime_ns)
    except OSError as error:
        raise _AwayError(f"{error.filename or root} cannot be read: {error.strerror}") from error


def _examine(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        return path.lstat()  # a link to itself will be nothing else later, and gets its row


def _warn(troubles: list[str]) -> None:
    if troubles:
        more = f" (and {len(troubles) - 1:,} more)" if len(troubles) > 1 else ""
        _logger.warning("%s%s; trying again", troubles[0], more)
