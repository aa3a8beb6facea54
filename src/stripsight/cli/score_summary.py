"""What a scoring came to, as a person or a program reads it."""

import sys
from typing import TYPE_CHECKING

import typer

from stripsight.cli.bundle_tables import print_collapse
from stripsight.cli.terminal import print_json

if TYPE_CHECKING:
    from stripsight.scoring.overlays import Drawing
    from stripsight.scoring.summary import ScoreSummary


def print_summary(
    summary: "ScoreSummary", *, as_json: bool, drawing: "Drawing | None" = None
) -> None:
    """Counts, what could not be scored and why, and what ran how fast; or all of it as JSON."""
    if as_json:
        print_json(summary.to_json())
        return
    tally = summary.tally
    counts = ", ".join(f"{count:,} {verdict}" for verdict, count in tally.verdicts.items())
    images = "image" if tally.images == 1 else "images"
    typer.echo(f"{summary.out}: {tally.images:,} {images}: {counts}")
    if summary.left_out:
        kinds = ", ".join(f"{count:,} {_show(kind)}" for kind, count in summary.left_out.items())
        typer.echo(f"  left out, for only JPEG and PNG are scored: {kinds}")
    for name, decisions in tally.classes.items():
        counts = ", ".join(f"{decisions[d]:,} {d}" for d in sorted(decisions))
        typer.echo(f"  {name}: {counts or 'nothing scored'}")
    for what, count in tally.suspects.items():
        ids = tally.suspect_ids[what]
        more = f" and {count - len(ids):,} more" if count > len(ids) else ""
        typer.echo(f"  {count:,} suspect, {what}: {', '.join(map(_show, ids))}{more}")
    if tally.placeless:
        level = summary.identity["box level"]
        if level is None:
            why = "reaches the box level of its class (`bundle show`); --box-level sets another"
        else:
            why = f"reaches --box-level {level}; a lower one shows more"
        typer.echo(
            f"  {tally.placeless:,} of {tally.not_clean:,} that are not clean have no box: nothing"
            f" in their heatmaps {why}"
        )
    if tally.failed:
        typer.echo(f"  {tally.failed:,} not scored, for review:")
        for id_, reason in tally.reasons:
            typer.echo(f"    {_show(id_)}: {_show(reason)}")
        if tally.failed > len(tally.reasons):
            typer.echo(f"    and {tally.failed - len(tally.reasons):,} more")
    if summary.scored_before:
        typer.echo(f"  {summary.scored_before:,} of them were scored before")
    rate = summary.images_per_second
    drawn = "" if drawing is None else ", pictures drawn"
    typer.echo(summary.info.describe() + (f": {rate:,.1f} images/s{drawn}" if rate else ""))
    if drawing is not None:
        typer.echo(f"pictures {drawing.what}: {drawing.folder}")
    if summary.tuning is not None:
        typer.echo(summary.tuning.describe())
    for node in summary.nodes:
        workers = f"{node.workers} worker{'' if node.workers == 1 else 's'}"
        typer.echo(f"  node {_show(node.node)}: {workers}, {node.images:,} images")
    typer.echo(summary.golden.describe())
    print_collapse(summary.warnings)


def _show(text: str) -> str:
    """A text from a file system, with nothing in it that could move the cursor."""
    encoding = sys.stdout.encoding or "utf-8"
    plain = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    return plain.encode(encoding, "backslashreplace").decode(encoding)
