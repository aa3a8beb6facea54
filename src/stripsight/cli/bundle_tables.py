"""A bundle's manifest as a person reads it."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from stripsight.bundle.collapse import list_collapse
from stripsight.bundle.folder import Bundle
from stripsight.bundle.manifest import BOX_LEVEL
from stripsight.bundle.policy_change import BY_HAND, is_as_exported
from stripsight.bundle.validation import count_validation
from stripsight.cli.terminal import print_table

if TYPE_CHECKING:
    from rich.table import Table

    from stripsight.bundle.manifest import Manifest, Variant
    from stripsight.decision.outcomes import Counts, Outcomes
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
    print_collapse(list_collapse(manifest))
    typer.echo(f"id         {manifest.bundle_id}")
    typer.echo(f"made       {manifest.created} by StripSight {manifest.stripsight}")
    typer.echo(
        f"takes      JPEG or PNG of {sizes} pixels; the network sees"
        f" {contract.width}x{contract.height}, grey"
    )
    fitted = decisions.fitted_on
    typer.echo(
        f"decisions  {_print_safely(_describe_policy(decisions.policy))}; fitted on {fitted.part},"
        f" {fitted.images:,} images"
    )
    for line in _list_prices(decisions.policy):
        typer.echo(f"           {line}")
    print_table(_tabulate_classes(manifest))
    typer.echo(
        f"these thresholds on the {fitted.images:,} images of validation, {manifest.chosen}:"
    )
    print_table(_tabulate_outcomes(outcomes, manifest.classes.names))
    typer.echo(describe_card(manifest))
    for promise in decisions.promises:
        typer.echo(f"promised: {promise.get('words', json.dumps(promise))}")
    print_table(_tabulate_variants(manifest.variants, manifest.chosen))
    typer.echo("kept       of PyTorch's, by the class that lost most; off: from its probability")
    for variant in manifest.variants:
        for reason in variant.gate.get("reasons", ()):
            typer.echo(f"failed     {variant.name}: {reason}")
    typer.echo(f"chosen     {manifest.why_chosen}")
    size = sum(seal.bytes for seal in manifest.files.values()) / 1e6
    typer.echo(
        f"files      {len(manifest.files)}, {size:.1f} MB, {len(manifest.golden)} golden images"
        " among them"
    )
    typer.echo("origin")
    for key, value in manifest.provenance.items():
        _echo_origin(key, value, 1)


def print_collapse(lines: Sequence[str]) -> None:
    """Loudly, for it is what nobody may overlook: classes that are never found."""
    for line in lines:
        typer.secho(f"DO NOT USE AS IT IS: {line}", bold=True, fg="red")


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
    table = start_table(
        ["class", "title", "calibration"],
        ["positives", "clean\nbelow", "defect\nfrom", "box\nfrom"],
    )
    decisions = manifest.decisions
    for entry, curve, positives, limits, level in zip(
        manifest.classes,
        decisions.calibration.classes,
        decisions.positives,
        decisions.policy.classes,
        manifest.box_levels,
        strict=True,
    ):
        thresholds = (limits.clean_below, limits.defect_from)
        add_row(
            table,
            entry.name,
            entry.title,
            curve.kind,
            f"{positives:,}",
            *map(format_figure, thresholds),
            f"({BOX_LEVEL})" if level is None else f"{level:.3g}",
        )
    return table


def _tabulate_variants(variants: Sequence["Variant"], chosen: str) -> "Table":
    table = start_table(
        ["variant", "engine", "gate"],
        ["recall\nkept", "F1\nkept", "off by\nat most", "ms an\nimage", "images/s"],
    )
    for variant in variants:
        gate, speed = variant.gate, variant.speed
        shares = [_find_least(gate, figure) for figure in ("recall_share", "f1_share")]
        add_row(
            table,
            variant.name + (" (chosen)" if variant.name == chosen else ""),
            variant.engine,
            "passed" if variant.passed else "failed",
            *("-" if share is None else f"{share:.1%}" for share in shares),
            format_figure(gate.get("largest_probability_distance")),
            format_figure(speed.get("latency_ms"), 1),
            format_figure(speed.get("images_per_second"), 1),
        )
    return table


def _tabulate_outcomes(outcomes: "Outcomes", names: tuple[str, ...]) -> "Table":
    table = start_table(["class"], ["positives", "recall", "escapes", "in review", "overkills"])
    for name, counts in name_counts(outcomes, names):
        if counts is not None:
            add_row(
                table,
                name,
                f"{counts.positives:,}",
                format_figure(counts.recall, 3),
                f"{counts.escapes:,}",
                f"{counts.reviews:,}",
                f"{counts.overkills:,}",
            )
    return table


def name_counts(outcomes: "Outcomes", names: tuple[str, ...]) -> "list[tuple[str, Counts | None]]":
    """Every class with its counts, last the whole images."""
    return [*zip(names, outcomes.classes, strict=True), ("whole images", outcomes.images)]


def _list_prices(policy: "Policy") -> list[str]:
    """Of the policy `cost`, a line a class."""
    prices = policy.settings.get("prices")
    entries = prices.items() if isinstance(prices, dict) else ()
    return [
        _print_safely(f"price of {name}: {', '.join(f'{k} {v}' for k, v in price.items())}")
        for name, price in entries
        if isinstance(price, dict)
    ]


def start_table(words: list[str], numbers: list[str]) -> "Table":
    """Columns of words, then of numbers, under their headings."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in words:
        table.add_column(heading)
    for heading in numbers:
        table.add_column(heading, justify="right")
    return table


def add_row(table: "Table", *cells: str) -> None:
    """Cells as they are: a class name may look like rich's markup."""
    from rich.text import Text

    table.add_row(*map(Text, cells))


def _find_least(gate: dict[str, Any], figure: str) -> float | None:
    shares = [row.get(figure) for row in gate.get("classes", ())]
    return min((share for share in shares if share is not None), default=None)


def format_figure(value: float | None, digits: int = 4) -> str:
    """A dash where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"


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
