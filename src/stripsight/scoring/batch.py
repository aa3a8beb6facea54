"""A scoring from its inputs to its table; broken off at any moment, the same call goes on."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from stripsight.errors import StripSightError
from stripsight.scoring.inputs import list_inputs
from stripsight.scoring.intake import Intake
from stripsight.scoring.journal import Journal, open_journal
from stripsight.scoring.opening import ScoreOptions, Scorer, open_scorer
from stripsight.scoring.overlays import Overlays
from stripsight.scoring.pipeline import Scored, score_images
from stripsight.scoring.summary import ScoreSummary
from stripsight.scoring.tables import check_output, write_table

_SECONDS_BETWEEN_WRITES = 1.0
_ROWS_BETWEEN_WRITES = 512

ReportProgress = Callable[[int, int], None]
"""Takes (done, in all)."""

OpenOverlays = Callable[[Scorer], Overlays]


def score_inputs(
    bundle_folder: Path,
    inputs: Sequence[str],
    out: Path,
    options: ScoreOptions,
    *,
    lists: Sequence[Path] = (),
    restart: bool = False,
    open_overlays: OpenOverlays | None = None,
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
        open_overlays: makes what draws pictures, each before its row is stored.
        report_progress: gets images done and in all.

    Raises:
        UsageError: inputs or a table that cannot be.
        BundleError: the bundle.
        EngineError: what this machine does not have.
        ScoringError: another scoring lies here or is at work, or no image.
        OSError: a folder, list or table that cannot be read or written; the old table is intact.
    """
    check_output(out)
    report = report_progress or (lambda done, total: None)
    with open_journal(out, restart=restart) as journal:
        scorer = open_scorer(bundle_folder, options)
        overlays = open_overlays(scorer) if open_overlays else None
        drawn = "none" if overlays is None else "all" if overlays.everything else "called"
        identity = {**scorer.identity, "overlays": drawn}
        before = journal.begin(identity, list_inputs(inputs, lists))
        total = journal.count()
        report(before, total)
        begun = time.monotonic()
        with Intake(scorer.bundle.manifest.input) as intake:
            scored = score_images(scorer.engine, scorer.judge, intake, journal.find_pending())
            with closing(scored), _keep(journal) as keep:
                for done, one in enumerate(scored, start=before + 1):
                    if overlays is not None:
                        overlays.save(one)
                    keep(one)
                    report(done, total)
        names, info = scorer.judge.names, scorer.engine.info
        about = {**identity, "classes": list(names), "runs": asdict(info)}
        tally = write_table(out, journal.read_lines(), names, about)
        seconds = time.monotonic() - begun
        journal.finish()
    return ScoreSummary(
        str(out), info, scorer.golden, scorer.identity, tally, before, round(seconds, 3)
    )


@contextmanager
def _keep(journal: Journal) -> Iterator[Callable[[Scored], None]]:
    """Store rows in the journal, a second's worth at a time, and the last ones however it ends."""
    rows: list[tuple[str, str]] = []
    last = time.monotonic()

    def keep(scored: Scored) -> None:
        nonlocal last
        rows.append((scored.row.id, scored.row.to_line()))
        now = time.monotonic()
        if now - last >= _SECONDS_BETWEEN_WRITES or len(rows) >= _ROWS_BETWEEN_WRITES:
            journal.write(rows)
            rows.clear()
            last = now

    try:
        yield keep
    except BaseException:
        with suppress(OSError, StripSightError):  # what broke it off says more
            journal.write(rows)
        raise
    journal.write(rows)
