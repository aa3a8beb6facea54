"""`stripsight compare`: whether runs differ, and by how much."""

from pathlib import Path
from typing import Annotated

import typer

# Of compare.json, in every version so far.
_KEYS = ("schema_version", "part", "positives", "configurations", "differences", "conclusion")


def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN RUN...", help="Run folders that `stripsight evaluate` has judged."
        ),
    ],
    split: Annotated[str, typer.Option(help="validation or test.")] = "test",
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Write compare.json and compare.png here.", show_default=False
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The comparison as JSON.")] = False,
) -> None:
    """Compare runs on the same images, each with the first, and say whether the difference is real.

    Runs that differ in training.seed alone are one row with mean and spread.
    """
    import json

    from stripsight.cli.terminal import print_json, print_table, say_loading

    say_loading()
    from stripsight.atomic import write_atomically
    from stripsight.evaluation.comparison.compared_runs import load_compared_runs
    from stripsight.evaluation.comparison.comparison import compare_runs
    from stripsight.evaluation.comparison.report import conclude, list_notes, to_json
    from stripsight.reporting.folder import check_report_folder

    if out is not None:
        check_report_folder(out, numbers="compare.json", keys=_KEYS)
    comparison = compare_runs(load_compared_runs(runs, split))
    content = to_json(comparison)
    if out is not None:
        from stripsight.evaluation.comparison.figure import draw_comparison

        out.mkdir(parents=True, exist_ok=True)
        picture = draw_comparison(comparison).png
        # The numbers first: they make the folder ours, and no older picture may stand beside them.
        (out / "compare.png").unlink(missing_ok=True)
        write_atomically(out / "compare.json", (json.dumps(content, indent=2) + "\n").encode())
        write_atomically(out / "compare.png", picture)
    if as_json:
        print_json(content)
        return
    from stripsight.evaluation.comparison.table import build_comparison_table, build_run_table

    print_table(build_comparison_table(comparison))
    if (each := build_run_table(comparison)) is not None:
        print_table(each)
    for sentence in conclude(comparison):
        typer.echo(sentence)
    for note in list_notes(comparison):
        typer.echo(f"note: {note}")
    if out is not None:
        typer.echo(f"written to {out / 'compare.json'} and {out / 'compare.png'}")
