"""What a change of thresholds made of a bundle, as a person reads it."""

import json
from typing import TYPE_CHECKING

import typer

from stripsight.bundle.folder import Bundle
from stripsight.bundle.validation import count_validation
from stripsight.cli.bundle_tables import (
    add_row,
    describe_card,
    format_figure,
    name_counts,
    start_table,
)
from stripsight.cli.terminal import print_table

if TYPE_CHECKING:
    from rich.table import Table

    from stripsight.bundle.manifest import Manifest
    from stripsight.bundle.policy_change import PolicyChange


def print_change(change: "PolicyChange") -> None:
    """Thresholds and their figures before and after, and whether each variant passes."""
    before, after = change.before, change.after
    print_table(_tabulate_change(before, after))
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
    typer.echo(f"next: stripsight bundle verify {change.folder}")


def list_falls(change: "PolicyChange") -> list[str]:
    """Classes, and whole images, of which fewer are found on validation than before."""
    lines = []
    old, new = (
        name_counts(count_validation(Bundle(change.folder, manifest)), manifest.classes.names)
        for manifest in (change.before, change.after)
    )
    for (name, was), (_, now) in zip(old, new, strict=True):
        if was is not None and now is not None and now.found < was.found:
            lines.append(
                f"recall of {name} on validation falls from {was.recall:.3f} to"
                f" {now.recall:.3f}: of {now.positives:,}, {now.escapes:,} escape (before"
                f" {was.escapes:,}); {now.reviews:,} are in review (before {was.reviews:,})"
            )
    return lines


def _tabulate_change(before: "Manifest", after: "Manifest") -> "Table":
    table = start_table(
        ["class"], ["clean below", "defect from", "recall on validation", "F1 on validation"]
    )
    gates = [
        {row["name"]: row for row in manifest.find_variant(manifest.chosen).gate.get("classes", ())}
        for manifest in (before, after)
    ]
    for name, old, new in zip(
        before.classes.names,
        before.decisions.policy.classes,
        after.decisions.policy.classes,
        strict=True,
    ):
        figures = [
            [gate.get(name, {}).get(figure) for gate in gates] for figure in ("recall", "f1")
        ]
        add_row(
            table,
            name,
            _format_pair(old.clean_below, new.clean_below),
            _format_pair(old.defect_from, new.defect_from),
            *(_format_pair(*pair) for pair in figures),
        )
    return table


def _format_pair(old: float | None, new: float | None) -> str:
    before, after = format_figure(old), format_figure(new)
    return before if before == after else f"{before} to {after}"
