"""A scoring from its inputs to its table; broken off at any moment, the same call goes on."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from stripsight.bundle.collapse import list_collapse, list_failed_gate
from stripsight.bundle.folder import open_manifest
from stripsight.errors import StripSightError
from stripsight.scoring.crew import Crew, LocalCrew, Rows
from stripsight.scoring.inputs import Item, check_apart, check_inputs, find_kind, list_inputs
from stripsight.scoring.journal import Journal, open_journal
from stripsight.scoring.opening import ClusterOptions, ScoreOptions
from stripsight.scoring.overlays import Drawing
from stripsight.scoring.summary import ScoreSummary
from stripsight.scoring.tables import check_output, write_table

_SECONDS_BETWEEN_WRITES = 1.0
_ROWS_BETWEEN_WRITES = 512

ReportProgress = Callable[[int, int], None]
"""Takes (done, in all)."""


def score_inputs(
    bundle_folder: Path,
    inputs: Sequence[str],
    out: Path,
    options: ScoreOptions,
    *,
    lists: Sequence[Path] = (),
    restart: bool = False,
    drawing: Drawing | None = None,
    cluster: ClusterOptions | None = None,
    report_progress: ReportProgress | None = None,
) -> ScoreSummary:
    """Score every input and write the table.

    Args:
        bundle_folder: a bundle.
        inputs: see `inputs.py`.
        out: the table, .parquet, .csv or .jsonl; replaced in one step at the end.
        options: how.
        lists: files of paths.
        restart: throw away what a broken-off scoring left.
        drawing: pictures, each drawn before its row is stored.
        cluster: who scores; None: this process.
        report_progress: gets images done and in all.

    Raises:
        UsageError: inputs or a table that cannot be.
        BundleError: the bundle.
        EngineError: what this machine does not have.
        ScoringError: another scoring lies here or is at work, no image, or a cluster that cannot.
        OSError: a folder, list or table that cannot be read or written; the old table is intact.
    """
    check_inputs(inputs, lists)
    check_apart(out, inputs, lists)
    check_output(out)
    report = report_progress or (lambda done, total: None)
    manifest = open_manifest(bundle_folder)
    collapse = list_collapse(manifest)
    with (
        _hold(out, restart=restart) as journal,
        _open_crew(bundle_folder, options, drawing, cluster) as crew,
    ):
        identity = {**crew.identity, "overlays": drawing.what if drawing else "none"}
        left_out: Counter[str] = Counter()
        listed = list_inputs(inputs, lists, lambda name: left_out.update([find_kind(name)]))
        before = journal.begin(identity, listed)
        total = journal.count()
        done = before
        with (
            _keep(journal) as keeper,
            closing(crew.score(keeper.find_pending, total - before)) as groups,
        ):
            next(groups)  # workers are started by it, and that is no scoring
            report(done, total)
            begun = time.monotonic()
            for rows in groups:
                keeper.keep(rows)
                done += len(rows)
                report(done, total)
        info, golden, nodes, tuning = crew.report()
        about = {**identity, "classes": list(crew.names), "runs": asdict(info)}
        tally = write_table(out, journal.read_lines(), crew.names, about)
        seconds = time.monotonic() - begun
        journal.finish()
    return ScoreSummary(
        str(out),
        info,
        golden,
        crew.identity,
        tally,
        scored_before=before,
        seconds=round(seconds, 3),
        nodes=nodes,
        tuning=tuning,
        warnings=(*collapse, *list_failed_gate(manifest, info.variant)),
        left_out=dict(sorted(left_out.items())),
    )


@contextmanager
def _hold(out: Path, *, restart: bool) -> Iterator[Journal]:
    with open_journal(out, restart=restart) as journal:
        check_output(out)  # again: a watch that began meanwhile has seen the journal, or is seen
        yield journal


@contextmanager
def _open_crew(
    bundle_folder: Path,
    options: ScoreOptions,
    drawing: Drawing | None,
    cluster: ClusterOptions | None,
) -> Iterator[Crew]:
    if cluster is None:
        yield LocalCrew(bundle_folder, options, drawing)
        return
    # Imported here: Ray is an extra, and takes a second.
    from stripsight.scoring.cluster import open_cluster

    with open_cluster(bundle_folder, options, drawing, cluster) as crew:
        yield crew


class _Keeper:
    """Stores rows in the journal, a second's worth at a time."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._rows: list[tuple[str, str]] = []
        self._last = time.monotonic()

    def keep(self, rows: Rows) -> None:
        """Take rows of inputs."""
        self._rows += rows
        waited = time.monotonic() - self._last >= _SECONDS_BETWEEN_WRITES
        if (self._rows and waited) or len(self._rows) >= _ROWS_BETWEEN_WRITES:
            self.write()

    def write(self) -> None:
        """Store all that was taken."""
        self._journal.write(self._rows)
        self._rows.clear()
        self._last = time.monotonic()

    def find_pending(self) -> Iterator[Item]:
        """Inputs that no row was taken of yet, in order."""
        self.write()
        return self._journal.find_pending()


@contextmanager
def _keep(journal: Journal) -> Iterator[_Keeper]:
    """A keeper that stores the last rows however it ends."""
    keeper = _Keeper(journal)
    try:
        yield keeper
    except BaseException:
        with suppress(OSError, StripSightError):  # what broke it off says more
            keeper.write()
        raise
    keeper.write()
