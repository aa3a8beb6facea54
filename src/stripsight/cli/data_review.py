"""`stripsight data apply-review` and `data reviews`: corrections of labels, and their list."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stripsight.errors import DataError, UsageError

if TYPE_CHECKING:
    from stripsight.data.reviews.review import Change

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
        typer.Option(help="Who decides or undoes; default the login name.", show_default=False),
    ] = None,
    undo: Annotated[
        bool,
        typer.Option(
            "--undo", help="Take the last review back; `data reviews` goes on listing it."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The review as JSON.")] = False,
) -> None:
    """Correct labels by a filled-in sheet, all of it or nothing; annotations stay as prepared.

    Changes are kept in DATASET/reviews and laid over the labels wherever the data set is read.
    """
    from datetime import UTC, datetime

    from stripsight.cli.terminal import print_json
    from stripsight.data.prepared import load_prepared
    from stripsight.data.reviews.applying import apply_sheet
    from stripsight.data.reviews.undoing import undo_last_review
    from stripsight.reporting.quantities import format_quantity

    if undo == (sheet is not None):
        raise UsageError("give either REVIEW.csv or --undo (see --help)")
    if undo:
        load_prepared(dataset)
        undone = undo_last_review(
            dataset, reviewer=_name_reviewer(reviewer), when=datetime.now(UTC)
        )
        review, line, record = undone.review, undone.describe(), undone.to_json()
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
        line, record = f"applied: {review.describe()}", review.to_json()
    if as_json:
        print_json(record)
        return
    typer.echo(line)
    if not undo:
        typer.echo(f"without a decision: {format_quantity(outcome.undecided, 'row')}")
    if review.before != review.after:
        before = "valid again" if undo else "refused from now on: train anew"
        typer.echo(f"the labels changed; runs trained on those before the review are {before}")


def list_reviews(
    dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="What `prepare` made.")],
    as_json: Annotated[bool, typer.Option("--json", help="Every change as JSON.")] = False,
) -> None:
    """List the reviews of a data set and every label they changed, then those that were undone."""
    from stripsight.cli.terminal import print_json
    from stripsight.data.prepared import load_prepared
    from stripsight.data.reviews.undoing import load_undone
    from stripsight.reporting.quantities import format_quantity

    reviews = load_prepared(dataset).reviews
    undone = load_undone(dataset, reviews)
    if as_json:
        in_force = [{**review.to_json(), "undone_by": None, "undone": None} for review in reviews]
        print_json(
            in_force
            + [{**u.review.to_json(), "undone_by": u.undone_by, "undone": u.undone} for u in undone]
        )
        return
    for line, changes in [
        *((review.describe(), review.changes) for review in reviews),
        *((u.describe(), u.review.changes) for u in undone),
    ]:
        typer.echo(line)
        for change in changes:
            typer.echo(f"  {_describe_change(change)}")
    count = format_quantity(len(reviews), "review")
    typer.echo(f"{count} of {dataset} in force, {len(undone):,} undone")


def _describe_change(change: "Change") -> str:
    if change.class_name is None:
        return f"{change.image}  left out of the data set"
    drawn = f" with its {change.was}" if change.was in {"mask", "box"} else ""
    done = {
        "keep": "confirmed as absent" if change.was == "none" else "label confirmed",
        "remove": f"label removed{drawn}",
        "add": "label added, without a mask",
    }[change.decision]
    return f"{change.image}  {change.class_name}: {done}"


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
