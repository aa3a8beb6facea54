"""`stripsight data ...`: make, prepare and check data sets."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from stripsight.cli import (
    data_analyze,
    data_audit,
    data_compare,
    data_duplicates,
    data_review,
    data_split,
)
from stripsight.cli.terminal import print_json

app = typer.Typer(help="Make, prepare and check data sets.", no_args_is_help=True)


class _Prevalence(StrEnum):
    even = "even"
    real = "real"


@app.callback()
def data() -> None:
    """Make, prepare and check data sets."""


@app.command()
def demo(
    destination: Annotated[Path, typer.Argument(metavar="DEST", help="A new or empty folder.")],
    images: Annotated[int, typer.Option(min=1, help="How many images.")] = 240,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same bytes.")] = 0,
    prevalence: Annotated[
        _Prevalence,
        typer.Option(help="Each class often enough to learn, or as rare as in Severstal's data."),
    ] = _Prevalence.even,
) -> None:
    """Generate a data set of steel strips with four kinds of defect, in Kaggle's layout."""
    from stripsight.cli.progress import show_progress
    from stripsight.data.demo import generate_demo
    from stripsight.reporting.quantities import format_quantity

    with show_progress("painting") as report:
        summary = generate_demo(
            destination,
            images=images,
            seed=seed,
            prevalence=prevalence.value,
            report_progress=report,
        )
    per_class = ", ".join(f"class {c}: {n}" for c, n in summary.images_of_class.items())
    typer.echo(
        f"{destination}: {format_quantity(summary.images, 'image')}, {summary.clean} clean;"
        f" {per_class}"
    )
    typer.echo(f"next: stripsight data prepare {destination} {destination}-prepared")


@app.command()
def prepare(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="SOURCE... DEST",
            help="A folder, a zip or several zips; last, the data set's new folder.",
        ),
    ],
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="kaggle, kaggle-old, supervisely, voc, folders or csv; detected if not given.",
        ),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(help="Class names a,b,c in order, or a file with one a line."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="For people; DEST's name if not given.")] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Sort and merge runs that are not in order.")
    ] = False,
    skip_refused: Annotated[
        bool,
        typer.Option(
            "--skip-refused",
            help="Write the data set without what was refused, be it more than half of the"
            " annotated images that are missing.",
        ),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a whole data set, splits and reviews included.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The account as JSON.")] = False,
) -> None:
    """Make a data set from annotations of any form and their images.

    Images of a folder stay where they are; those of a zip are unpacked byte for byte. What cannot
    be used is listed with its file and row, and nothing is written then unless --skip-refused.
    Missing images are listed; where more than half of those annotated are, likewise.
    """
    from stripsight.cli.progress import show_progress
    from stripsight.data.prepare import PrepareOptions, parse_classes, prepare_dataset
    from stripsight.data.readers.detection import FORMATS
    from stripsight.errors import DataError, UsageError

    if len(paths) < 2:
        raise UsageError("two paths are needed: SOURCE and DEST (see --help)")
    if format_ is not None and format_ not in FORMATS:
        raise UsageError(f"--format {format_!r} is not known: {', '.join(FORMATS)}")
    if name is not None and not (name.strip() and name.isprintable() and len(name) <= 200):
        raise UsageError(f"--name {name[:40]!a} is no name: give one line of up to 200 characters")
    *sources, destination = paths
    options = PrepareOptions(
        format=format_,
        classes=None if classes is None else parse_classes(classes),
        name=name,
        repair=repair,
        skip_refused=skip_refused,
        force=force,
    )
    with show_progress("decoding") as report:
        account, written = prepare_dataset(sources, destination, options, report_progress=report)
    if as_json:
        print_json(account.to_json())
    else:
        typer.echo(account.format_text())
    if not written:
        raise DataError(
            f"nothing was written because of {account.faults} (listed above);"
            " --skip-refused writes the data set without them"
        )
    if not as_json:
        typer.echo(f"\nwritten to {destination}")
    for line in account.format_warnings():
        typer.echo(f"WARNING: {line}", err=as_json)
    if not as_json:
        typer.echo(f"next: stripsight data analyze {destination}")


@app.command()
def check(
    dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="What `prepare` made.")],
    as_json: Annotated[bool, typer.Option("--json", help="Every finding as JSON.")] = False,
) -> None:
    """Check tables, annotations, splits and every image of a prepared data set.

    Exit code 1 where it finds errors; warnings alone leave 0.
    """
    from stripsight.cli.progress import show_progress
    from stripsight.data.check import check_dataset, raise_on_errors

    with show_progress("checking") as report_progress:
        report = check_dataset(dataset, report_progress=report_progress)
    if as_json:
        print_json(report.to_json())
    else:
        typer.echo(report.format_text())
    raise_on_errors(report)


app.command("audit")(data_audit.audit)
app.command("apply-review")(data_review.apply_review)
app.command("reviews")(data_review.list_reviews)
app.command("split")(data_split.split)
app.command("analyze")(data_analyze.analyze)
app.command("compare")(data_compare.compare)
app.command("duplicates")(data_duplicates.duplicates)
