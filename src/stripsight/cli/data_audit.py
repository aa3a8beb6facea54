"""`stripsight data audit`: which labels are most likely wrong."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from stripsight.data.audit.report import AuditReport


def audit(
    dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="What `prepare` made.")],
    more: Annotated[
        list[Path] | None,
        # What a shell makes of `--predictions runs/cv-*`: the first is the option's, the rest ours.
        typer.Argument(metavar="--predictions RUN", hidden=True, show_default=False),
    ] = None,
    predictions: Annotated[
        list[Path] | None,
        typer.Option(
            "--predictions",
            metavar="RUN...",
            help="Evaluated runs whose test parts do not overlap, such as the folds of"
            " `data split --scheme kfold`; or their prediction files.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder to write; default DATASET/audit.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The result as JSON.")] = False,
) -> None:
    """List the labels that are most likely wrong, from predictions of images not trained on.

    Writes review.csv to fill in, audit.html with pictures, audit.json.
    """
    from stripsight.cli.progress import show_progress
    from stripsight.cli.terminal import print_json, print_table
    from stripsight.data.audit.confident_learning import audit_labels
    from stripsight.data.audit.report import (
        AuditReport,
        check_sheet_is_free,
        leave_out_decided,
        write_audit,
    )
    from stripsight.data.prepared import load_prepared
    from stripsight.errors import UsageError
    from stripsight.evaluation.groups import find_groups
    from stripsight.evaluation.out_of_fold import find_predictions, gather_out_of_fold

    if not predictions:
        raise UsageError("name evaluated runs with --predictions RUN... (see --help)")
    prepared = load_prepared(dataset)
    files = [find_predictions(path) for path in [*predictions, *(more or [])]]
    out = out or dataset / "audit"
    check_sheet_is_free(out, prepared)
    found = gather_out_of_fold(prepared, files)
    result, confirmed = leave_out_decided(
        audit_labels(
            found.ids,
            found.labels,
            found.probabilities,
            prepared.classes.names,
            find_groups(prepared, found.ids),
        ),
        prepared,
    )
    report = AuditReport(prepared, result, tuple(map(str, files)), found.images_of_part, confirmed)
    with show_progress("drawing") as report_progress:
        write_audit(report, out, report_progress=report_progress)
    if as_json:
        print_json(report.to_json())
        return
    print_table(_build_table(report))
    for note in report.notes:
        typer.echo(f"note: {note}")
    typer.echo(f"written to {out}: review.csv, audit.html, audit.json")
    if result.suspects:
        typer.echo(
            "next: look at audit.html, fill in the column decision of review.csv, then\n"
            f"      stripsight data apply-review {dataset} {out / 'review.csv'}"
        )


def _build_table(report: "AuditReport") -> "Table":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from stripsight.data.audit.sureness import (
        compute_doubt,
        count_suspects,
        describe_expectation,
    )
    from stripsight.reporting.quantities import format_quantity

    suspects, group_of = report.audit.suspects, report.group_of
    table = Table(
        title=f"{format_quantity(len(suspects), 'label')} to review,"
        f" {format_quantity(report.images, 'image')} audited",
        box=box.SIMPLE_HEAD,
        title_justify="left",
    )
    table.add_column("class")
    for heading in ("labelled", "perhaps wrong", "perhaps missing", "wrong in a trial"):
        table.add_column(heading, justify="right")
    for column, judged in enumerate(report.audit.classes):
        counts = tuple(
            count_suspects(suspects, column, given=given, group_of=group_of)
            for given in (True, False)
        )
        expected = describe_expectation(compute_doubt(suspects, column, group_of), judged)
        cells = ("-", "-", "-") if judged.why_none else (*counts, expected or "-")
        table.add_row(Text(judged.name), f"{judged.positives:,}", *cells)
    return table
