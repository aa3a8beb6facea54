"""`stripsight data apply-review` and `data reviews`: corrections of labels, and their list."""

from pathlib import Path
from typing import Annotated

import typer

from stripsight.errors import DataError, UsageError

_SHOWN = 20


def apply_review(
    dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="What `prepare` made.")],
    sheet: Annotated[
        Path | None,
        typer.Argument(
            metavar="[REVIEW.csv]",
            help="As `data audit` wrote it, with decisions: keep, remove, add, drop-image.",
            show_default=False,
        ),
    ] = None,
    reviewer: Annotated[
        str | None,
        typer.Option(help="Who decided; default the login name.", show_default=False),
    ] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Take the last review back.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The review as JSON.")] = False,
) -> None:
    """Correct labels by a filled-in sheet, all of it or nothing; annotations stay as prepared.

    Changes are kept in DATASET/reviews and laid over the labels wherever the data set is read.
    """
    from datetime import UTC, datetime

    from stripsight.cli.terminal import print_json
    from stripsight.data.prepared import load_prepared
    from stripsight.data.reviews.applying import apply_sheet
    from stripsight.data.reviews.review import remove_last_review
    from stripsight.reporting.quantities import format_quantity

    if undo == (sheet is not None):
        raise UsageError("give either REVIEW.csv or --undo (see --help)")
    if undo:
        load_prepared(dataset)
        review = remove_last_review(dataset)
    else:
        assert sheet is not None
        outcome = apply_sheet(
            dataset, sheet, reviewer=_name_reviewer(reviewer), when=datetime.now(UTC)
        )
        for fault in outcome.faults[:_SHOWN]:
            typer.echo(f"refused: {fault}", err=True)
        if len(outcome.faults) > _SHOWN:
            typer.echo(f"refused: ... and {len(outcome.faults) - _SHOWN:,} more", err=True)
        if outcome.review is None:
            raise DataError(
                f"{sheet}: {format_quantity(len(outcome.faults), 'row')} refused (listed above);"
                " nothing was changed"
            )
        review = outcome.review
    if as_json:
        print_json(review.to_json())
        return
    typer.echo(f"{'undone' if undo else 'applied'}: {review.describe()}")
    if not undo:
        typer.echo(f"without a decision: {format_quantity(outcome.undecided, 'row')}")
    if review.before != review.after:
        before = "valid again" if undo else "refused from now on: train anew"
        typer.echo(f"the labels changed; runs trained on those before the review are {before}")


def list_reviews(
    dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="What `prepare` made.")],
    as_json: Annotated[bool, typer.Option("--json", help="Every change as JSON.")] = False,
) -> None:
    """List the reviews of a data set and every label they changed."""
    from stripsight.cli.terminal import print_json
    from stripsight.data.prepared import load_prepared
    from stripsight.reporting.quantities import format_quantity

    reviews = load_prepared(dataset).reviews
    if as_json:
        print_json([review.to_json() for review in reviews])
        return
    for review in reviews:
        typer.echo(review.describe())
        for change in review.changes:
            what = change.class_name or "image"
            typer.echo(
                f"  {change.image}  {what}: {change.decision} ({change.was} -> {change.now})"
            )
    typer.echo(f"{format_quantity(len(reviews), 'review')} of {dataset}")


def _name_reviewer(name: str | None) -> str:
    import getpass

    if name is None:
        try:
            name = getpass.getuser()
        except (OSError, KeyError, ImportError) as error:
            raise UsageError("this account has no name: give one with --reviewer") from error
    if not name.strip() or not name.isprintable():
        raise UsageError(f"--reviewer {name!a} is no name")
    return name.strip()
