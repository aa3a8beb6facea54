"""What can be wrong with predictions that lie in a run, for whatever reads them again.

Each check returns the fault in words, or None; who asks knows the file and what to do about it.
"""

from collections import Counter
from typing import Any

import numpy as np

from stripsight.data.prepared import PreparedDataset
from stripsight.evaluation.predictions import Predictions


def find_fault_of_rows(predictions: Predictions, names: tuple[str, ...]) -> str | None:
    """Other classes than `names`, no row, an image twice or without id, a score that is none."""
    if predictions.class_names != names:
        given = ", ".join(predictions.class_names)
        return f"predictions of the classes {given}; the checkpoint knows {', '.join(names)}"
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


def find_missing_images(predictions: Predictions, record: dict[str, Any], part: str) -> str | None:
    """Fewer or more images than the run was made with, by its `provenance.json`."""
    used = record["data_set"]["images_used"][part]
    if len(predictions.ids) != used:
        return f"it holds {len(predictions.ids):,} of the {used:,} {part} images of the run"
    return None
