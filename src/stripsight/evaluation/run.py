"""Judge a run: predict validation and the asked part, fit the decision rule, compute every figure.

Calibration and policy come from validation only. The part is judged as the run's own split has it;
a data set or split that has changed since is refused.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from stripsight import __version__
from stripsight.atomic import write_atomically
from stripsight.decision.document import apply_decisions, save_decisions
from stripsight.errors import EvaluationError, ImageError, UsageError
from stripsight.evaluation.calibration.reliability import compute_quality
from stripsight.evaluation.earlier import keep_earlier
from stripsight.evaluation.evaluation import CalibrationEffect, Evaluation
from stripsight.evaluation.fitting import FILE_NAME, FittedDecisions, fit_decisions, read_choice
from stripsight.evaluation.groups import find_groups
from stripsight.evaluation.judged_files import name_rule
from stripsight.evaluation.judgement import judge
from stripsight.evaluation.localisation.agreement import measure_agreement
from stripsight.evaluation.localisation.measure import measure_places
from stripsight.evaluation.opened_run import OpenedRun, open_run
from stripsight.evaluation.predictions import Predictions, predict, save_predictions
from stripsight.evaluation.report.card import build_card
from stripsight.evaluation.report.page import build_report
from stripsight.evaluation.report.verdict import describe_evaluation
from stripsight.evaluation.slices.attributes import build_attributes
from stripsight.evaluation.slices.slice import compute_slices
from stripsight.evaluation.stress.stress_test import stress_run
from stripsight.reporting.quantities import format_quantity
from stripsight.training.lock import lock_run
from stripsight.training.provenance import read_provenance

PARTS = ("validation", "test")

ReportProgress = Callable[[str, int, int], None]
"""Takes (stage, done, in all)."""


def evaluate_run(
    run: Path,
    part: str = "test",
    *,
    stress: bool = False,
    stress_limit: int | None = None,
    gradcam: bool = False,
    report_progress: ReportProgress = lambda stage, done, total: None,
) -> Evaluation:
    """Judge the best checkpoint of `run` on `part` of its split.

    Writes `predictions_validation.parquet`, `predictions_<part>.parquet`, `decisions.json`,
    `metrics.json`, `MODEL_CARD.md` and, last, `report.html` into the run folder; of validation,
    `metrics_validation.json` and `report_validation.html`. The policy that `stripsight decide`
    chose is fitted again; without one it is `max_f1`.

    Args:
        run: a run folder.
        part: validation or test.
        stress: judge corrupted images too; else see `keep_earlier`.
        stress_limit: at most so many of them.
        gradcam: see whether Grad-CAM agrees with the heatmaps; likewise.
        report_progress: see `ReportProgress`.

    Raises:
        UsageError: `part` is neither validation nor test.
        EvaluationError: the checkpoint knows other classes than the data set, or an image is in
            validation and in the part.
        DecisionError: the stored policy is damaged, or cannot be fitted on these images.
        TrainingError: no run folder, another command is at work in it, or the data set or split
            has changed.
        CheckpointError: no best checkpoint, or a damaged one.
    """
    if part not in PARTS:
        raise UsageError(f"split {part!r} cannot be judged: choose {' or '.join(PARTS)}")
    read_provenance(run)  # a folder that is no run is not locked
    with lock_run(run, "evaluate"):
        return _evaluate(
            run,
            part,
            stress=stress,
            stress_limit=stress_limit,
            gradcam=gradcam,
            report_progress=report_progress,
        )


def _evaluate(
    run: Path,
    part: str,
    *,
    stress: bool,
    stress_limit: int | None,
    gradcam: bool,
    report_progress: ReportProgress,
) -> Evaluation:
    opened = open_run(run)
    choice = read_choice(run, opened.data.classes.names)
    _check_bytes(opened, {"validation", part})
    predicted = _predict_parts(opened, sorted({"validation", part}), report_progress)
    validation, predictions = predicted["validation"], predicted[part]
    fitted = fit_decisions(validation, find_groups(opened.data.prepared, validation.ids), choice)
    evaluation = _judge(opened, validation, predictions, fitted, part, report_progress)
    evaluation = keep_earlier(evaluation, stress=not stress, gradcam=not gradcam)
    if gradcam and predictions.class_maps is not None:
        evaluation = replace(
            evaluation,
            agreement=measure_agreement(
                opened.network,
                opened.data.datasets[part],
                predictions.class_maps,
                device=opened.device,
                report_progress=partial(report_progress, "asking Grad-CAM"),
            ),
        )
    if stress:
        evaluation = replace(
            evaluation,
            stress=stress_run(
                opened,
                part,
                fitted.decisions,
                limit=stress_limit,
                report_progress=partial(report_progress, "corrupting images"),
            ),
        )
    _write(evaluation, predicted)
    return evaluation


def _check_bytes(opened: OpenedRun, parts: set[str]) -> None:
    """Refuse images that are no longer those that were prepared: their labels may be others'.

    Raises:
        EvaluationError: a file has other bytes.
        ImageError: a file cannot be read.
    """
    images = opened.data.prepared.images
    known = dict(zip(images["id"], images["sha256"], strict=True))
    for part in sorted(parts):
        dataset = opened.data.datasets[part]
        for index, image_id in enumerate(dataset.ids):
            try:
                content = dataset.path(index).read_bytes()
            except OSError as error:
                raise ImageError(f"{dataset.path(index)}: {error.strerror}") from error
            if hashlib.sha256(content).hexdigest() != known[image_id]:
                raise EvaluationError(
                    f"{dataset.path(index)} has changed since it was prepared: put the image back,"
                    " or prepare and train again"
                )


def _predict_parts(
    opened: OpenedRun, parts: Sequence[str], report_progress: ReportProgress
) -> dict[str, Predictions]:
    images = sum(len(opened.data.datasets[part]) for part in parts)
    done = 0

    def report_batch(count: int) -> None:
        nonlocal done
        done += count
        report_progress("predicting images", done, images)

    predicted = {
        part: predict(
            opened.network,
            opened.data.loader_for(part),
            class_names=opened.data.classes.names,
            source=opened.describe_source(part),
            device=opened.device,
            report_batch=report_batch,
        )
        for part in parts
    }
    seen: dict[str, str] = {}
    for part, predictions in predicted.items():
        for image_id in predictions.ids:
            if image_id in seen:
                raise EvaluationError(
                    f"image {image_id!r} is in {seen[image_id]} and in {part}: a split of this"
                    " kind judges nothing, make another with `stripsight data split`"
                )
            seen[image_id] = part
    return predicted


def _judge(
    opened: OpenedRun,
    validation: Predictions,
    predictions: Predictions,
    fitted: FittedDecisions,
    part: str,
    report_progress: ReportProgress,
) -> Evaluation:
    data = opened.data
    groups = find_groups(data.prepared, predictions.ids)
    probabilities = fitted.decisions.calibration.apply(predictions.logits)
    codes = apply_decisions(fitted.decisions, predictions.logits)
    attributes = build_attributes(
        data.prepared, predictions.ids, report_progress=partial(report_progress, "measuring images")
    )
    columns = range(len(data.classes))
    both = {"validation": validation, part: predictions}
    return Evaluation(
        opened=opened,
        predictions=predictions,
        validation=validation,
        groups=groups,
        fitted=fitted,
        probabilities=probabilities,
        codes=codes,
        judgement=judge(
            predictions,
            fitted.decisions,
            groups,
            part=part,
            split=data.split.title,
            notes=_notes(opened, part, len(predictions.ids)),
        ),
        calibration=tuple(
            CalibrationEffect(
                before=compute_quality(
                    predictions.probabilities[:, column], predictions.labels[:, column]
                ),
                after=compute_quality(probabilities[:, column], predictions.labels[:, column]),
            )
            for column in columns
        ),
        slices=compute_slices(attributes, codes, predictions.logits, predictions.labels, groups),
        places=measure_places(
            data,
            {n: p.class_maps for n, p in both.items() if p.class_maps is not None},
            part,
            report_progress=partial(report_progress, "measuring heatmaps"),
        ),
    )


def _notes(opened: OpenedRun, part: str, images: int) -> tuple[str, ...]:
    notes = []
    if opened.record["finished"] is None:
        notes.append("training has not finished: a later epoch may be better")
    if opened.leaks:
        groups = format_quantity(len(opened.leaks), "group")
        notes.append(
            f"{groups} of look-alikes on two sides of the split, so these figures look better than"
            f" they are; the first: {opened.leaks[0]}"
        )
    whole = len(opened.data.split.ids(part))
    if images < whole:
        limit = opened.config.data.limit
        reason = (
            f"`data.limit` is {limit:,} in config.yaml: set it to null"
            if limit is not None
            else f"{whole - images:,} are not on disk (data.missing=skip): put them back under"
            f" {opened.data.prepared.image_root}"
        )
        notes.append(
            f"only {images:,} of the {whole:,} {part} images: {reason}, and evaluate again"
        )
    return tuple(notes)


def _write(evaluation: Evaluation, predicted: dict[str, Predictions]) -> None:
    run, decisions = evaluation.opened.folder, evaluation.fitted.decisions
    # Everything is made before anything is written: what cannot be drawn leaves the old results.
    report = build_report(evaluation, version=__version__)
    card = build_card(evaluation, version=__version__)
    for part, predictions in predicted.items():
        save_predictions(
            predictions,
            run / f"predictions_{part}.parquet",
            probabilities=decisions.calibration.apply(predictions.logits),
        )
    save_decisions(decisions, run / FILE_NAME)
    ending = "" if evaluation.part == "test" else f"_{evaluation.part}"
    _write_json(run / f"metrics{ending}.json", describe_evaluation(evaluation))
    if evaluation.stress is not None:
        stress = {
            "policy": decisions.policy.name,
            "rule": name_rule(decisions),
            "source": evaluation.predictions.source,
            "part_groups": evaluation.judgement.groups,
        }
        _write_json(run / f"stress{ending}.json", evaluation.stress.to_json() | stress)
    if evaluation.part == "test":
        write_atomically(run / "MODEL_CARD.md", card.encode())
    write_atomically(run / f"report{ending}.html", report.encode())


def _write_json(path: Path, content: object) -> None:
    write_atomically(path, (json.dumps(content, indent=2, allow_nan=False) + "\n").encode())
