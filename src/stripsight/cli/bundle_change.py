"""What a change of thresholds made of a bundle, as a person reads it."""

import json
from typing import TYPE_CHECKING

import typer

from stripsight.bundle.collapse import list_collapse
from stripsight.bundle.folder import Bundle
from stripsight.bundle.validation import count_validation
from stripsight.cli.bundle_tables import (
    add_row,
    describe_card,
    format_figure,
    name_counts,
    print_collapse,
    start_table,
)
from stripsight.cli.terminal import print_table
from stripsight.decision.policy import ClassPolicy

if TYPE_CHECKING:
    from rich.table import Table

    from stripsight.bundle.policy_change import PolicyChange
    from stripsight.decision.outcomes import Counts


def print_change(change: "PolicyChange") -> None:
    """Thresholds and their figures before and after, and whether each variant passes."""
    before, after = change.before, change.after
    print_table(_tabulate_change(change))
    typer.echo("on the stored validation, by the chosen variant")
    warnings = list_falls(change)
    for line in warnings:
        typer.secho(f"WARNING: {line}", bold=True, fg="red")
    if warnings:
        typer.echo(
            "a gate below holds a precision against the network, not thresholds against this"
        )
    for variant in after.variants:
        verdict = "passes its gate" if variant.passed else "does not pass its gate"
        reasons = "; ".join(map(str, variant.gate.get("reasons", ())))
        typer.echo(f"{variant.name} {verdict}{f': {reasons}' if reasons else ''}")
    same = "as before" if before.chosen == after.chosen else f"before: {before.chosen}"
    typer.echo(f"chosen     {after.chosen}, {same}; {after.why_chosen}")
    kept = [promise.get("words") for promise in after.decisions.promises]
    for promise in before.decisions.promises:
        if promise.get("met", True) and promise.get("words") not in kept:
            typer.echo(f"no longer promised: {promise.get('words', json.dumps(promise))}")
    typer.echo(f"id         {before.bundle_id[:16]} is now {after.bundle_id[:16]}")
    typer.echo(f"written to {change.folder}")
    typer.echo(describe_card(after))
    print_collapse(list_collapse(after))
    typer.echo(f"next: stripsight bundle verify {change.folder}")


def list_falls(change: "PolicyChange") -> list[str]:
    """Classes, and whole images, of which more escape on validation than before; and lines that
    would stop at more than every second clean image, which they did not before.
    """
    lines = []
    counts = _pair_counts(change)
    for name, was, now in counts:
        if was is not None and now is not None and now.escapes > was.escapes:
            lines.append(
                f"recall of {name} on validation falls from {was.recall:.3f} to"
                f" {now.recall:.3f}: of {now.positives:,}, {now.escapes:,} escape (before"
                f" {was.escapes:,}); {now.reviews:,} are in review (before {was.reviews:,})"
            )
    _, was, now = counts[-1]
    if (
        was is not None
        and now is not None
        and 2 * was.overkills <= now.negatives < 2 * now.overkills
    ):
        lines.append(
            f"of {now.negatives:,} clean images on validation, {now.overkills:,} are called"
            f" defective (before {was.overkills:,})"
        )
    return lines


def _pair_counts(change: "PolicyChange") -> "list[tuple[str, Counts | None, Counts | None]]":
    """Every class, and last the whole images, before and after."""
    old, new = (
        name_counts(count_validation(Bundle(change.folder, manifest)), manifest.classes.names)
        for manifest in (change.before, change.after)
    )
    return [(name, was, now) for (name, was), (_, now) in zip(old, new, strict=True)]


def _tabulate_change(change: "PolicyChange") -> "Table":
    table = start_table(
        ["class"], ["clean below", "defect from", "recall", "escapes", "in review", "overkills"]
    )
    limits = [
        dict(zip(m.classes.names, m.decisions.policy.classes, strict=True))
        for m in (change.before, change.after)
    ]
    for name, was, now in _pair_counts(change):
        old, new = (each.get(name, ClassPolicy(None, None)) for each in limits)
        add_row(
            table,
            name,
            _format_pair(format_figure(old.clean_below), format_figure(new.clean_below)),
            _format_pair(format_figure(old.defect_from), format_figure(new.defect_from)),
            _format_pair(*(format_figure(c.recall, 3) if c else "-" for c in (was, now))),
            *(
                _format_pair(*(f"{getattr(c, what):,}" if c else "-" for c in (was, now)))
                for what in ("escapes", "reviews", "overkills")
            ),
        )
    return table


def _format_pair(before: str, after: str) -> str:
    return before if before == after else f"{before} to {after}"
