"""`stripsight evaluate`: the figures of a run."""

from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    run: Annotated[Path, typer.Argument(help="A run folder, as `stripsight train` wrote it.")],
    split: Annotated[str, typer.Option(help="validation or test.")] = "test",
    stress: Annotated[
        bool, typer.Option("--stress", help="Judge corrupted images too (41 times the work).")
    ] = False,
    stress_limit: Annotated[
        int | None, typer.Option(min=1, help="Corrupt at most so many images, for a quick look.")
    ] = None,
    grad_cam: Annotated[
        bool,
        typer.Option("--grad-cam", help="Check the heatmaps by Grad-CAM (32 images a class)."),
    ] = False,
    allow_collapse: Annotated[
        bool,
        typer.Option("--allow-collapse", help="Exit 0 even where a class is never called."),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON instead of the tables.")
    ] = False,
) -> None:
    """Judge a run's best checkpoint: figures with intervals, decisions, slices.

    Calibration and thresholds are fitted on validation. A class that the model never finds, or has
    no threshold for though the images show it, ends the command with exit code 1. What --stress and
    --grad-cam found stays in the report as long as it is of the same checkpoint, images and rule.
    """
    from stripsight.cli.progress import Stages
    from stripsight.cli.terminal import print_json, print_table, say_loading
    from stripsight.errors import EvaluationError, UsageError

    if stress_limit is not None and not stress:
        raise UsageError("--stress-limit says how many images --stress takes: give --stress too")
    say_loading()
    from stripsight.evaluation.judged_files import find_stale_files
    from stripsight.evaluation.report.verdict import describe_evaluation, write_verdict_line
    from stripsight.evaluation.run import evaluate_run
    from stripsight.evaluation.stress_table import tabulate_stress
    from stripsight.evaluation.table import build_table, tabulate_agreement
    from stripsight.reporting.quantities import format_quantity, format_share

    with Stages() as stages:
        evaluation = evaluate_run(
            run,
            split,
            stress=stress,
            stress_limit=stress_limit,
            gradcam=grad_cam,
            report_progress=stages.report,
        )
    judgement = evaluation.judgement
    if as_json:
        print_json(describe_evaluation(evaluation))
    else:
        print_table(build_table(judgement))
        if evaluation.agreement is not None:
            print_table(tabulate_agreement(evaluation.agreement))
        if evaluation.stress is not None:
            print_table(tabulate_stress(evaluation.stress))
        if (share := evaluation.fitted.decisions.policy.settings.get("share")) is not None:
            typer.echo(
                f"asked for: at most {format_share(share)} of the images to a person, on validation"
            )
        typer.echo(write_verdict_line(evaluation))
        name = "report.html" if split == "test" else f"report_{split}.html"
        typer.echo(f"written to {run / name}; metrics, predictions and decisions beside it")
    for sentence in evaluation.left_out:
        typer.echo(f"note: {sentence}", err=as_json)
    if stale := find_stale_files(run, evaluation.fitted.decisions):
        typer.echo(
            f"warning: still of another decision rule: {', '.join(stale)}; --stress and --split"
            " validation or test write them anew",
            err=as_json,
        )
    faults = []
    if judgement.collapsed:
        faults.append(
            f"never found on {split}: {', '.join(judgement.collapsed)}; all of its defects escape:"
            " train longer or with loss.pos_weight=auto, `stripsight decide` for other thresholds"
        )
    if judgement.uncalled:
        shown = ", ".join(
            f"{name} ({format_quantity(count, 'image')})"
            for name, count in judgement.uncalled.items()
        )
        faults.append(
            f"never called on {split}: {shown}; validation shows none, so there is no threshold:"
            " make a split that spreads it with `stripsight data split` and train again"
        )
    if faults and not allow_collapse:
        raise EvaluationError(f"{'; '.join(faults)}, or --allow-collapse")
