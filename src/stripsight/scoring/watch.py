"""Follow a folder that a camera fills: every image is scored once, soon after it is whole.

An image is whole when its size and time of change have stood still for a while. Cameras that write
under another name and rename need no such wait: names that begin with a dot, or do not end like an
image's, are not looked at. Folders are read again and again, for not every network share tells of
new files.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from stripsight.bundle.collapse import list_collapse
from stripsight.errors import UsageError
from stripsight.scoring.inputs import Item, show_name, walk_images
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
        with Intake(scorer.bundle.manifest.input) as intake:
            for files in _find_new(root, state, settle, stop):
                items = [Item(show_name(file.name), str(root / file.name)) for file in files]
                rows = []
                with closing(score_images(scorer.engine, scorer.judge, intake, items)) as scored:
                    for one in scored:
                        if overlays is not None:
                            overlays.save(one)
                        rows.append(one.row)
                state.append([(f, r.to_line()) for f, r in zip(files, rows, strict=True)])
                for row in rows:
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
        collapse=list_collapse(scorer.bundle.manifest),
    )


def _find_new(
    root: Path, state: WatchState, settle: float, stop: Event
) -> Iterator[list[FileState]]:
    """Files without rows that are whole, the oldest first, a few at a time, until `stop`."""
    settling = Settling(settle)
    cleaned = time.monotonic()
    trouble = ""
    while not stop.is_set():
        begun = time.monotonic()
        files = []
        try:
            files = [file for file in _look(root) if not state.has_scored(file)]
            trouble = ""
        except _AwayError as error:
            # A share comes back; what it held is not forgotten meanwhile.
            if str(error) != trouble:
                trouble = str(error)
                _logger.warning("%s; trying again", trouble)
        took = time.monotonic() - begun
        whole = sorted(settling.choose(files, begun), key=lambda f: (f.modified_ns, f.name))
        for first in range(0, len(whole), _AT_A_TIME):
            if stop.is_set():
                return
            yield whole[first : first + _AT_A_TIME]
        if not whole:
            if begun - cleaned >= _SECONDS_BETWEEN_CLEANINGS:
                state.forget_gone(root)
                cleaned = begun
            stop.wait(max(_SECONDS_BETWEEN_LOOKS, took / _SHARE_OF_LOOKING))


class _AwayError(Exception):
    """The folder cannot be read just now."""


def _look(root: Path) -> Iterator[FileState]:
    try:
        for name in walk_images(str(root)):
            with suppress(FileNotFoundError):
                found = (root / name).stat()
                yield FileState(name, found.st_size, found.st_mtime_ns)
    except OSError as error:
        raise _AwayError(f"{error.filename or root} cannot be read: {error.strerror}") from error
