"""Judge a run: predict validation and the asked part, fit thresholds, compute figures, write them.

Thresholds come from validation only. The part is judged as the run's own split has it; a data set
or split that has changed since is refused.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from stripsight.atomic import write_atomically
from stripsight.config.compose import load_config
from stripsight.data.splits.leaks import find_leaks
from stripsight.errors import CheckpointError, EvaluationError, UsageError
from stripsight.evaluation.decisions import fit_decisions, save_decisions
from stripsight.evaluation.judgement import Judgement, judge
from stripsight.evaluation.predictions import Predictions, predict, save_predictions
from stripsight.labels import ClassList
from stripsight.models.network import DefectNetwork, build_network
from stripsight.reporting.quantities import format_quantity
from stripsight.training.build import build_data
from stripsight.training.checkpoint import hash_checkpoint, read_checkpoint, read_description
from stripsight.training.provenance import check_unchanged, read_provenance

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
    record = read_provenance(run)
    checkpoint = run / "checkpoints" / "best.ckpt"
    if not checkpoint.exists():
        raise CheckpointError(f"{run} has no checkpoints/best.ckpt: train it first")
    # Figures of a run that is done are what they are: a leak found since is said, not refused.
    data = build_data(load_config(run / "config.yaml"), leaks="warn")
    check_unchanged(record, data)
    leaks = find_leaks(data.prepared, data.split)
    description = read_description(checkpoint, run_id=record["run_id"])
    if description["image_size"] != list(data.image_size):
        raise EvaluationError(
            f"{checkpoint} was trained on images of {description['image_size']}, config.yaml now"
            f" gives {list(data.image_size)}: restore it"
        )
    network, classes = load_network(checkpoint)
    if classes != data.classes:
        raise EvaluationError(f"{checkpoint} knows other classes than {data.prepared.root}")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = network.to(device).to(memory_format=torch.channels_last)

    images = sum(len(data.datasets[name]) for name in {"validation", part})
    done = 0

    def report_batch(count: int) -> None:
        nonlocal done
        done += count
        report_progress(done, images)

    def predict_part(name: str) -> Predictions:
        predictions = predict(
            network,
            data.loader_for(name),
            class_names=data.classes.names,
            source={
                "part": name,
                "data_set": record["data_set"]["content_hash"],
                "split": record["split"]["hash"],
                "split_name": data.split.name,
                "split_by": data.split.by,
                "split_leaks": len(leaks),
                "checkpoint": hash_checkpoint(checkpoint),
            },
            device=device,
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


def load_network(checkpoint: Path) -> tuple[DefectNetwork, ClassList]:
    """Rebuild a network and its class list from a checkpoint alone.

    Raises:
        CheckpointError: damaged, or not written by StripSight's training.
    """
    content = read_checkpoint(checkpoint)
    try:
        description = content["stripsight"]
        classes = ClassList.from_json(description["classes"])
        network = build_network(
            description["backbone"],
            len(classes),
            pretrained=False,
            pooling=description["pooling"],
        )
        prefix = "network."
        network.load_state_dict(
            {k.removeprefix(prefix): v for k, v in content["state_dict"].items()}
        )
    except (KeyError, TypeError, RuntimeError) as error:
        raise CheckpointError(f"{checkpoint} describes no network: {error}") from error
    return network, classes
