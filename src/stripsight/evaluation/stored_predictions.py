"""Predictions that lie in a run, for whatever reads them again, and what can be wrong with them.

Each check returns the fault in words, or None; who asks knows the file and what to do about it.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stripsight.config.compose import load_config
from stripsight.config.schema import Config
from stripsight.data.prepared import PreparedDataset, load_prepared
from stripsight.errors import EvaluationError
from stripsight.evaluation.predictions import Predictions, load_predictions
from stripsight.training.checkpoint import hash_checkpoint, read_description
from stripsight.training.provenance import check_origin, read_provenance


@dataclass(frozen=True)
class StoredPredictions:
    """Predictions of a run as it stands now.

    Attributes:
        predictions: of one part.
        dataset: that they are of.
        config: the run's `config.yaml`.
        record: its `provenance.json`.
    """

    predictions: Predictions
    dataset: PreparedDataset
    config: Config
    record: dict[str, Any]


def load_stored_predictions(run: Path, part: str) -> StoredPredictions:
    """The predictions of `part` that `stripsight evaluate` wrote, checked to be of this very run.

    Raises:
        TrainingError: no run folder, or a damaged one.
        CheckpointError: no best checkpoint, a damaged one, or another run's.
        EvaluationError: no predictions, or not of the checkpoint, data set and split of the run.
        DataError: its data set is gone or damaged.
    """
    record = read_provenance(run)
    check_origin(record, run)
    path = run / f"predictions_{part}.parquet"
    if not path.is_file():
        raise EvaluationError(f"{run} has no {path.name}: run `stripsight evaluate {run}` first")
    predictions = load_predictions(path)
    checkpoint = run / "checkpoints" / "best.ckpt"
    read_description(checkpoint, run_id=record["run_id"])
    expected = {
        "part": part,
        "data_set": record["data_set"]["content_hash"],
        "split": record["split"]["hash"],
        "checkpoint": hash_checkpoint(checkpoint),
    }
    config = load_config(run / "config.yaml")
    dataset = load_prepared(config.data.root)
    if fault := (
        find_fault_of_source(predictions, expected)
        or find_fault_of_rows(predictions, dataset.classes.names)
        or find_fault_of_labels(predictions, dataset, expected["data_set"])
        or _find_missing_images(predictions, record, part)
    ):
        raise EvaluationError(f"{path}: {fault}: run `stripsight evaluate {run}` again")
    return StoredPredictions(predictions, dataset, config, record)


def find_fault_of_source(predictions: Predictions, expected: Mapping[str, str]) -> str | None:
    """Predictions of another part, data set, split or checkpoint than `expected`."""
    source: object = predictions.source  # plain JSON, of any kind in a file that was tampered with
    if not isinstance(source, dict):
        return "it does not say what its predictions are of"
    for key, value in expected.items():
        if source.get(key) != value:
            if key == "part":
                return f"predictions of the part {source.get(key)!r}, not of {value}"
            return f"made with another {key.replace('_', ' ')} than the run has now"
    return None


def find_fault_of_rows(predictions: Predictions, names: tuple[str, ...]) -> str | None:
    """Other classes than `names`, no row, an image twice or without id, a score that is none."""
    if predictions.class_names != names:
        given = ", ".join(predictions.class_names)
        return f"predictions of the classes {given}; the data set has {', '.join(names)}"
    ids = predictions.ids
    if not ids:
        return "it has no row"
    if None in ids:
        return "a row has no id"
    twice = next((image_id for image_id, count in Counter(ids).items() if count > 1), None)
    if twice is not None:
        return f"image {twice!r} is in it twice"
    wrong = ~np.isfinite(predictions.logits).all(axis=1)
    if wrong.any():
        return f"a logit of image {ids[int(np.argmax(wrong))]!r} is not finite"
    return None


def find_fault_of_labels(
    predictions: Predictions, dataset: PreparedDataset, content_hash: str
) -> str | None:
    """A data set with other content than `content_hash`, or other labels than it has."""
    if dataset.content_hash() != content_hash:
        return f"the labels or images of {dataset.root} have changed since"
    given = dict(zip(dataset.labelled_images["id"], dataset.label_matrix(), strict=True))
    for image_id, row in zip(predictions.ids, predictions.labels, strict=True):
        if image_id not in given or (given[image_id] != row).any():
            return f"image {image_id!r} has other labels here than in {dataset.root}"
    return None


def _find_missing_images(predictions: Predictions, record: dict[str, Any], part: str) -> str | None:
    """Fewer or more images than the run was made with, by its `provenance.json`."""
    used = record["data_set"]["images_used"].get(part, 0)
    if len(predictions.ids) != used:
        return f"it holds {len(predictions.ids):,} of the {used:,} {part} images of the run"
    return None
