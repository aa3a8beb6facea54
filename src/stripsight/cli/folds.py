"""`stripsight folds`: the folds of a cross-validation, judged together."""

from pathlib import Path
from typing import Annotated

import typer


def folds(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN RUN...",
            help="The run of each fold of one `data split --scheme kfold`, judged by"
            " `stripsight evaluate`.",
        ),
    ],
    allow_collapse: Annotated[
        bool,
        typer.Option("--allow-collapse", help="Exit 0 even where a class is never called."),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON instead of the tables.")
    ] = False,
) -> None:
    """Judge all folds of a cross-validation together: every image once, with intervals.

    Each image is judged by the network that never saw it, with that fold's own calibration and
    thresholds. A class that is never found, or has no threshold in any fold though the images show
    it, ends the command with exit code 1. Nothing is written.
    """
    from stripsight.cli.terminal import print_json, print_table, say_loading
    from stripsight.errors import EvaluationError

    say_loading()
    from stripsight.evaluation.folds.fold_runs import load_fold_runs
    from stripsight.evaluation.folds.pooled_judgement import judge_folds
    from stripsight.evaluation.table import build_table

    judged = judge_folds(load_fold_runs(runs))
    if as_json:
        print_json(judged.to_json())
    else:
        print_table(build_table(judged.judgement, of_folds=judged.thresholds))
    faults = []
    if judged.judgement.collapsed:
        faults.append(
            f"never found in any fold: {', '.join(judged.judgement.collapsed)}; all of its defects"
            " escape: train longer or with loss.pos_weight=auto, `stripsight decide` for other"
            " thresholds"
        )
    if judged.judgement.uncalled:
        faults.append(
            f"never called in any fold: {', '.join(judged.judgement.uncalled)}; no validation part"
            " shows it, so there is no threshold: more images of it are needed"
        )
    if faults and not allow_collapse:
        raise EvaluationError(f"{'; '.join(faults)}, or --allow-collapse")
