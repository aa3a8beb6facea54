"""`stripsight evaluate`: the figures of a run."""

from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    run: Annotated[Path, typer.Argument(help="A run folder, as `stripsight train` wrote it.")],
    split: Annotated[str, typer.Option(help="validation or test.")] = "test",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print metrics.json instead of the table.")
    ] = False,
) -> None:
    """Judge a run's best checkpoint; thresholds are fitted on validation."""
    from stripsight.cli.terminal import print_json, print_table, progress_bars
    from stripsight.evaluation.run import evaluate_run
    from stripsight.evaluation.table import build_table

    with progress_bars() as progress:
        judgement = evaluate_run(run, split, progress=progress)
    if as_json:
        print_json(judgement.to_json())
        return
    print_table(build_table(judgement))
    typer.echo(f"written to {run}: metrics.json, decisions.json, predictions_{split}.parquet")
