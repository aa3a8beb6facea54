"""Judge a run: predict validation and the asked part, fit thresholds, compute figures, write them.

Thresholds come from validation only. The part is judged as the run's own split has it; a data set
or split that has changed since is refused.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from stripsight.atomic import write_atomically
from stripsight.errors import UsageError
from stripsight.evaluation.decisions import fit_decisions, save_decisions
from stripsight.evaluation.judgement import Judgement, judge
from stripsight.evaluation.opened_run import open_run
from stripsight.evaluation.predictions import Predictions, predict, save_predictions
from stripsight.reporting.quantities import format_quantity

PARTS = ("validation", "test")


def evaluate_run(
    run: Path,
    part: str = "test",
    *,
    report_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Judgement:
    """Judge the best checkpoint of `run` on `part` of its split.

    Writes `predictions_validation.parquet`, `predictions_<part>.parquet`, `decisions.json` and
    `metrics.json` (for validation, `metrics_validation.json`) into the run folder.
    `report_progress` takes (images done, images in all).

    Raises:
        UsageError: `part` is neither validation nor test.
        EvaluationError: the checkpoint knows other classes than the data set.
        TrainingError: no run folder, or the data set or split has changed.
        CheckpointError: no best checkpoint, or a damaged one.
    """
    if part not in PARTS:
        raise UsageError(f"split {part!r} cannot be judged: choose {' or '.join(PARTS)}")
    opened = open_run(run)
    data, leaks = opened.data, opened.leaks
    images = sum(len(data.datasets[name]) for name in {"validation", part})
    done = 0

    def report_batch(count: int) -> None:
        nonlocal done
        done += count
        report_progress(done, images)

    def predict_part(name: str) -> Predictions:
        predictions = predict(
            opened.network,
            data.loader_for(name),
            class_names=data.classes.names,
            source=opened.describe_source(name),
            device=opened.device,
            report_batch=report_batch,
        )
        save_predictions(predictions, run / f"predictions_{name}.parquet")
        return predictions

    validation = predict_part("validation")
    predictions = validation if part == "validation" else predict_part(part)
    decisions = fit_decisions(validation.probabilities, validation.labels, data.classes.names)
    save_decisions(decisions, run / "decisions.json")
    judgement = replace(
        judge(predictions, decisions, part=part),
        split=data.split.title,
    )
    if leaks:
        groups = format_quantity(len(leaks), "group")
        note = (
            f"{groups} of look-alikes on two sides of the split, so these figures look better than"
            f" they are; the first: {leaks[0]}"
        )
        judgement = replace(judgement, notes=(note, *judgement.notes))
    whole = len(data.split.ids(part))
    if judgement.images < whole:
        note = (
            f"only {judgement.images:,} of the {whole:,} {part} images: data.limit or missing files"
        )
        judgement = replace(judgement, notes=(note, *judgement.notes))
    metrics = {**judgement.to_json(), "source": predictions.source}
    name = "metrics.json" if part == "test" else f"metrics_{part}.json"
    write_atomically(run / name, (json.dumps(metrics, indent=2) + "\n").encode())
    return judgement
