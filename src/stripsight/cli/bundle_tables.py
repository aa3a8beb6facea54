"""A bundle's manifest, and what a change made of it, as a person reads them."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from stripsight.bundle.collapse import list_collapse
from stripsight.bundle.folder import Bundle
from stripsight.bundle.outcomes import count_validation
from stripsight.bundle.policy_change import BY_HAND, is_as_exported
from stripsight.cli.terminal import print_table

if TYPE_CHECKING:
    from rich.table import Table

    from stripsight.bundle.manifest import Manifest, Variant
    from stripsight.bundle.outcomes import Outcome
    from stripsight.bundle.policy_change import PolicyChange
    from stripsight.decision.policy import Policy

_LONGEST_ORIGIN = 100


def print_bundle(bundle: "Bundle") -> None:
    """All of it but hashes and logits, and what its thresholds come to on validation.

    Raises:
        BundleError: its stored validation cannot be read.
    """
    manifest = bundle.manifest
    decisions, contract = manifest.decisions, manifest.input
    outcomes = count_validation(bundle)
    sizes = ", ".join(f"{width}x{height}" for height, width in contract.image_sizes)
    typer.echo(f"{manifest.name}: {_count(len(manifest.classes), 'class', 'classes')}")
    typer.echo(f"id         {manifest.bundle_id}")
    typer.echo(f"made       {manifest.created} by StripSight {manifest.stripsight}")
    typer.echo(
        f"takes      JPEG or PNG of {sizes} pixels; the network sees"
        f" {contract.width}x{contract.height}, grey"
    )
    fitted = decisions.fitted_on
    typer.echo(
        f"decisions  {_describe_policy(decisions.policy)}; fitted on {fitted.part},"
        f" {fitted.images:,} images"
    )
    for line in _list_prices(decisions.policy):
        typer.echo(f"           {line}")
    print_table(_tabulate_classes(manifest))
    typer.echo(
        f"these thresholds on the {fitted.images:,} images of validation, {manifest.chosen}:"
    )
    print_table(_tabulate_outcomes(outcomes))
    typer.echo(describe_card(manifest))
    for promise in decisions.promises:
        typer.echo(f"promised: {promise.get('words', json.dumps(promise))}")
    print_table(_tabulate_variants(manifest.variants, manifest.chosen))
    typer.echo(f"chosen     {manifest.why_chosen}")
    size = sum(seal.bytes for seal in manifest.files.values()) / 1e6
    typer.echo(
        f"files      {len(manifest.files)}, {size:.1f} MB, {len(manifest.golden)} golden images"
        " among them"
    )
    print_collapse(list_collapse(manifest))
    typer.echo("origin")
    for key, value in manifest.provenance.items():
        _echo_origin(key, value, 1)


def print_collapse(lines: Sequence[str]) -> None:
    """Loudly, for it is what nobody may overlook: classes that are never found."""
    for line in lines:
        typer.secho(f"DO NOT USE AS IT IS: {line}", bold=True, fg="red")


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


def describe_card(manifest: "Manifest") -> str:
    """Whether the model card is of the thresholds that the bundle has."""
    runs = manifest.provenance.get("runs")
    if isinstance(runs, list) and len(runs) > 1:
        return "card       MODEL_CARD.md is of the members: nobody has judged the ensemble on test"
    if is_as_exported(manifest):
        return "card       MODEL_CARD.md has the figures on test, at these thresholds"
    return (
        "card       MODEL_CARD.md is of the thresholds at export, which have changed since: none of"
        " its figures is of these"
    )


def _tabulate_classes(manifest: "Manifest") -> "Table":
    table = _start_table(
        ["class", "title", "calibration"], ["positives", "clean below", "defect from"]
    )
    decisions = manifest.decisions
    for entry, curve, positives, limits in zip(
        manifest.classes,
        decisions.calibration.classes,
        decisions.positives,
        decisions.policy.classes,
        strict=True,
    ):
        thresholds = (limits.clean_below, limits.defect_from)
        _add_row(
            table, entry.name, entry.title, curve.kind, f"{positives:,}", *map(_format, thresholds)
        )
    return table


def _tabulate_variants(variants: Sequence["Variant"], chosen: str) -> "Table":
    table = _start_table(
        ["variant", "engine", "gate"],
        [
            *("recall against PyTorch's", "F1 against PyTorch's"),
            *("furthest probability", "ms an image", "images/s"),
        ],
    )
    for variant in variants:
        gate, speed = variant.gate, variant.speed
        shares = [_find_least(gate, figure) for figure in ("recall_share", "f1_share")]
        _add_row(
            table,
            variant.name + (" (chosen)" if variant.name == chosen else ""),
            variant.engine,
            "passed" if variant.passed else "; ".join(map(str, gate.get("reasons", ["failed"]))),
            *("-" if share is None else f"{share:.1%}" for share in shares),
            _format(gate.get("largest_probability_distance")),
            _format(speed.get("latency_ms"), 1),
            _format(speed.get("images_per_second"), 1),
        )
    return table


def _tabulate_change(before: "Manifest", after: "Manifest") -> "Table":
    table = _start_table(
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
        _add_row(
            table,
            name,
            _format_pair(old.clean_below, new.clean_below),
            _format_pair(old.defect_from, new.defect_from),
            *(_format_pair(*pair) for pair in figures),
        )
    return table


def _tabulate_outcomes(outcomes: Sequence["Outcome | None"]) -> "Table":
    table = _start_table(["class"], ["positives", "recall", "escapes", "in review", "overkills"])
    for each in outcomes:
        if each is not None:
            counts = (each.escapes, each.reviews, each.overkills)
            _add_row(
                table,
                each.name,
                f"{each.positives:,}",
                _format(each.recall, 3),
                *(f"{count:,}" for count in counts),
            )
    return table


def list_falls(change: "PolicyChange") -> list[str]:
    """Classes, and whole images, of which fewer are found on validation than before."""
    lines = []
    old, new = (
        count_validation(Bundle(change.folder, manifest))
        for manifest in (change.before, change.after)
    )
    for was, now in zip(old, new, strict=True):
        if was is not None and now is not None and now.found < was.found:
            lines.append(
                f"recall of {now.name} on validation falls from {was.recall:.3f} to"
                f" {now.recall:.3f}: of {now.positives:,}, {now.escapes:,} escape (before"
                f" {was.escapes:,}); {now.reviews:,} are in review (before {was.reviews:,})"
            )
    return lines


def _list_prices(policy: "Policy") -> list[str]:
    """Of the policy `cost`, a line a class."""
    prices = policy.settings.get("prices")
    entries = prices.items() if isinstance(prices, dict) else ()
    return [
        _print_safely(f"price of {name}: {', '.join(f'{k} {v}' for k, v in price.items())}")
        for name, price in entries
        if isinstance(price, dict)
    ]


def _start_table(words: list[str], numbers: list[str]) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for heading in words:
        table.add_column(heading)
    for heading in numbers:
        table.add_column(heading, justify="right")
    return table


def _add_row(table: "Table", *cells: str) -> None:
    from rich.text import Text

    table.add_row(*map(Text, cells))


def _find_least(gate: dict[str, Any], figure: str) -> float | None:
    shares = [row.get(figure) for row in gate.get("classes", ())]
    return min((share for share in shares if share is not None), default=None)


def _format(value: float | None, digits: int = 4) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _format_pair(old: float | None, new: float | None) -> str:
    before, after = _format(old), _format(new)
    return before if before == after else f"{before} to {after}"


def _describe_policy(policy: "Policy") -> str:
    if policy.name == BY_HAND:
        names = ", ".join(policy.settings.get("set", ()))
        return f"{policy.settings.get('before')}, then set by hand for {names}"
    settings = ", ".join(f"{k} {v}" for k, v in policy.settings.items() if not isinstance(v, dict))
    return f"{policy.name}{f' ({settings})' if settings else ''}"


def _echo_origin(key: str, value: Any, depth: int) -> None:
    """Plain JSON of any form, a line for each value, long ones cut."""
    indent = "  " * depth
    if isinstance(value, dict) and value:
        typer.echo(f"{indent}{_print_safely(key)}")
        for inner, entry in value.items():
            _echo_origin(str(inner), entry, depth + 1)
    elif isinstance(value, list) and any(isinstance(entry, dict) for entry in value):
        for number, entry in enumerate(value, start=1):
            _echo_origin(f"{key} {number}", entry, depth)
    else:
        text = (
            value
            if isinstance(value, str)
            else json.dumps(value)
            if value not in ({}, [], None)
            else "none"
        )
        short = text if len(text) <= _LONGEST_ORIGIN else f"{text[:_LONGEST_ORIGIN]} ..."
        typer.echo(f"{indent}{_print_safely(key)}: {_print_safely(short)}")


def _print_safely(text: str) -> str:
    """Origin is text of strangers: no line breaks, no escape sequences."""
    return text if text.isprintable() else ascii(text)[1:-1]


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
