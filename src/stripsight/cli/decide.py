"""`stripsight decide`: another decision policy for a run, without retraining."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from stripsight.decision.document import Decisions


class _Policy(StrEnum):
    max_f1 = "max_f1"
    cost = "cost"
    recall = "recall"
    review = "review"


def decide(
    run: Annotated[
        Path, typer.Argument(help="A run folder, once judged by `stripsight evaluate`.")
    ],
    policy: Annotated[
        _Policy,
        typer.Option(
            help="max_f1; cost: lowest price of mistakes; recall: escapes below alpha, guaranteed;"
            " review: the least sure images to a person."
        ),
    ],
    price: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[CLASS=]ESCAPE:OVERKILL",
            help="cost: what one escape and one overkill cost, for all classes or for one."
            " Repeatable.",
            show_default=False,
        ),
    ] = None,
    alpha: Annotated[
        float | None,
        typer.Option(
            help="recall: largest share of a class's defects that may escape: 0.05 if not given.",
            show_default=False,
        ),
    ] = None,
    delta: Annotated[
        float | None,
        typer.Option(
            help="recall: how probable it may be that more escape: 0.05 if not given.",
            show_default=False,
        ),
    ] = None,
    allow_unmet: Annotated[
        bool,
        typer.Option(
            "--allow-unmet",
            help="recall: where positives are too few for the promise, promise nothing and call"
            " every validation positive.",
        ),
    ] = False,
    share: Annotated[
        float | None,
        typer.Option(
            help="review: largest share of images handed to a person: 0.1 if not given.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The result as JSON.")] = False,
) -> None:
    """Fit the thresholds of a run by another policy, on its validation predictions alone.

    Writes decisions.json and shows what nearby settings would do. `stripsight evaluate` keeps the
    policy and its settings, and judges test by them.
    """
    from stripsight.cli.terminal import print_json, print_table, say_loading
    from stripsight.errors import DecisionError, UsageError
    from stripsight.evaluation.policies.settings import check_settings

    asked: dict[str, Any] = {
        "alpha": alpha,
        "delta": delta,
        "share": share,
        "allow_unmet": allow_unmet or None,
        "prices": _parse_prices(price) if price else None,
    }
    given = {key: value for key, value in asked.items() if value is not None}
    try:
        check_settings(policy.value, given)
    except DecisionError as error:
        raise UsageError(str(error)) from error
    say_loading()
    from stripsight.evaluation.fitting import Choice
    from stripsight.evaluation.refit import refit_run
    from stripsight.evaluation.what_if_table import describe_cells, tabulate_scenarios

    refit = refit_run(run, Choice(policy.value, given))
    if as_json:
        print_json(refit.to_json())
        return
    decided = refit.decisions
    settings = ", ".join(
        f"{key} {value:g}"
        for key, value in decided.policy.settings.items()
        if key in ("alpha", "delta", "share")
    )
    typer.echo(
        f"policy {decided.policy.name}{f' ({settings})' if settings else ''} fitted on validation:"
        f" {refit.images:,} images"
        + (
            f", {refit.groups:,} where look-alikes count once"
            if refit.groups < refit.images
            else ""
        )
    )
    print_table(_tabulate_thresholds(decided))
    print_table(tabulate_scenarios(refit.scenarios, decided.class_names))
    typer.echo(describe_cells(refit.scenarios))
    for promise in refit.fitted.policy.promises:
        if promise.met:
            typer.echo(f"promised: {promise.words}")
    for warning in refit.warnings:
        typer.echo(f"warning: {warning}")
    typer.echo(f"written to {run / 'decisions.json'}; the images of test were not looked at")
    typer.echo(f"next: stripsight evaluate {run}    judges by this policy, and keeps it")
    if refit.stale:
        typer.echo(f"      until then the figures in {', '.join(refit.stale)} are of another rule")
        if any(name.startswith("stress") for name in refit.stale):
            typer.echo("      add --stress to judge the corrupted images by it too")


def _parse_prices(words: list[str]) -> dict[str, dict[str, float]]:
    from stripsight.errors import UsageError
    from stripsight.evaluation.policies.settings import ALL_CLASSES

    prices: dict[str, dict[str, float]] = {}
    for word in words:
        # A class name may hold an equals sign, a price cannot.
        name, sign, numbers = word.rpartition("=")
        escape, colon, overkill = numbers.partition(":")
        key = name if sign else ALL_CLASSES
        try:
            if not colon or (sign and not name.strip()):
                raise ValueError
            price = {"escape": float(escape), "overkill": float(overkill)}
        except ValueError as error:
            raise UsageError(
                f"--price {word!r}: [CLASS=]ESCAPE:OVERKILL is needed, like 50:1 or scratch=200:1"
            ) from error
        if key in prices:
            raise UsageError(f"--price is given twice for {key or 'all classes'!r}")
        prices[key] = price
    return prices


def _tabulate_thresholds(decisions: "Decisions") -> "Table":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    prices = decisions.policy.settings.get("prices")
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("class")
    for heading in ("positives", "clean below", "defect from", "calibration"):
        table.add_column(heading, justify="right")
    if prices:
        table.add_column("escape : overkill", justify="right")
    for name, positives, thresholds, calibration in zip(
        decisions.class_names,
        decisions.positives,
        decisions.policy.classes,
        decisions.calibration.classes,
        strict=True,
    ):
        limits = (thresholds.clean_below, thresholds.defect_from)
        price = [f"{prices[name]['escape']:g} : {prices[name]['overkill']:g}"] if prices else []
        table.add_row(
            Text(name),
            f"{positives:,}",
            *("-" if value is None else f"{value:.4f}" for value in limits),
            calibration.kind,
            *price,
        )
    return table
