"""`stripsight evaluate`: the figures of a run."""

from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    run: Annotated[Path, typer.Argument(help="A run folder, as `stripsight train` wrote it.")],
    split: Annotated[str, typer.Option(help="validation or test.")] = "test",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON instead of the table.")
    ] = False,
) -> None:
    """Judge a run's best checkpoint; thresholds are fitted on validation."""
    from stripsight.cli.progress import show_progress
    from stripsight.cli.terminal import print_json, print_table, say_loading

    say_loading()
    from stripsight.evaluation.run import evaluate_run
    from stripsight.evaluation.table import build_table

    with show_progress("predicting") as report:
        judgement = evaluate_run(run, split, report_progress=report)
    if as_json:
        print_json(judgement.to_json())
        return
    print_table(build_table(judgement))
    typer.echo(f"written to {run}: metrics, predictions, decisions.json")
