"""`stripsight data compare`: what changed between two sets of images."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from stripsight.data.shift.comparison import Comparison


def compare(
    a: Annotated[
        str,
        typer.Argument(metavar="A", help="A folder of images, a data set, or DATASET:SPLIT/PART."),
    ],
    b: Annotated[str, typer.Argument(metavar="B", help="Likewise; what may differ from A.")],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Write compare.json and compare.png here.", show_default=False
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The comparison as JSON.")] = False,
) -> None:
    """Compare two sets of images: light, borders, sharpness, compression, and all together.

    For two parts of a split, or the training images and this month's. Says how far each statistic
    moved (PSI) and how far by chance alone, how well a classifier tells the sets apart, and which
    images of B are most unlike A. Folders need not be prepared.
    """
    import json

    from stripsight.atomic import check_writable, write_atomically
    from stripsight.cli.progress import show_progress
    from stripsight.cli.terminal import print_json, print_table
    from stripsight.data.shift.comparison import compare_sets
    from stripsight.data.shift.image_set import check_apart, open_image_set
    from stripsight.data.shift.report import LEGEND, conclude, differs, list_warnings, to_json
    from stripsight.errors import UsageError
    from stripsight.log import configure_logging
    from stripsight.reporting.folder import check_report_folder

    configure_logging()
    if Path(a).resolve() == Path(b).resolve():
        raise UsageError(f"{a} and {b} are one and the same: give two sets to compare")
    if out is not None:
        check_apart(out, a)
        check_apart(out, b)
    sets = open_image_set(a), open_image_set(b)
    if out is not None:
        check_report_folder(
            out,
            numbers="compare.json",
            keys=("a", "b", "shared_files", "statistics", "classifier"),
            others=("compare.png",),
        )
        out.mkdir(parents=True, exist_ok=True)
        check_writable(out)
    with show_progress("measuring images") as report:
        comparison = compare_sets(*sets, report_progress=report)
    content = to_json(comparison)
    if out is not None:
        from stripsight.data.shift.figure import draw_comparison

        write_atomically(out / "compare.png", draw_comparison(comparison).png)
        write_atomically(out / "compare.json", (json.dumps(content, indent=2) + "\n").encode())
    if as_json:
        print_json(content)
        return
    typer.echo(f"{conclude(comparison)}\n")
    print_table(_tabulate(comparison))
    for line in LEGEND:
        typer.echo(line)
    for line in list_warnings(comparison):
        typer.echo(f"warning: {line}")
    if comparison.most_unlike and differs(comparison):
        typer.echo("most unlike A (standard deviations of A's scores beyond their mean):")
        for image in comparison.most_unlike:
            typer.echo(f"  {image.score:+6.1f}  {image.image}")
    if out is not None:
        typer.echo(f"written to {out / 'compare.json'} and {out / 'compare.png'}")


def _tabulate(comparison: "Comparison") -> "Table":
    from rich.markup import escape
    from rich.table import Table

    from stripsight.data.shift.report import TITLES, describe_verdict
    from stripsight.reporting.quantities import format_number, format_quantity

    table = Table(
        title=escape(
            f"A: {comparison.title_a} ({format_quantity(comparison.images_a, 'image')})\n"
            f"B: {comparison.title_b} ({format_quantity(comparison.images_b, 'image')})"
        ),
        title_justify="left",
    )
    table.add_column("statistic")
    for name in ("median of A", "of B", "PSI", "by chance", "p"):
        table.add_column(name, justify="right")
    table.add_column("verdict")
    for shift in comparison.shifts:
        medians = ("none" if m is None else format_number(m) for m in shift.medians)
        stability = shift.stability
        table.add_row(
            TITLES[shift.name],
            *medians,
            f"{stability.psi:.3f}",
            f"< {stability.chance:.3f}",
            f"{stability.p_value:.3f}",
            describe_verdict(shift),
        )
    return table
