"""All figures of one part of a split, from predictions and thresholds; the source of every table.

A figure that cannot be had (no positives, no threshold) is None in memory, null in `metrics.json`
and a dash in the table, with a note that says why.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from stripsight.evaluation.decisions import Decisions, apply_decisions
from stripsight.evaluation.metrics import (
    Confusion,
    compute_auroc,
    compute_average_precision,
    compute_confusion,
    compute_exact_match,
    compute_hamming_loss,
    mean_of_known,
)
from stripsight.evaluation.predictions import Predictions

SCHEMA_VERSION = 1
MACRO_FIGURES = ("average_precision", "auroc", "f1", "precision", "recall")


@dataclass(frozen=True)
class ClassFigures:
    """Figures of one class; None is "cannot be had here"."""

    name: str
    positives: int
    threshold: float | None
    average_precision: float | None
    auroc: float | None
    f1: float | None
    precision: float | None
    recall: float | None
    confusion: Confusion | None


@dataclass(frozen=True)
class Judgement:
    """Figures of one part.

    Attributes:
        part: of the split.
        images: how many.
        classes: one entry a class, in column order.
        macro: mean of each of `MACRO_FIGURES` over the classes that have it.
        hamming_loss: share of wrong (image, class) pairs, over the decided classes.
        exact_match: share of images with every decided class right.
        notes: what has no figure, and why.
        split: name of the split and how it was made, as `Split.title` says it.
    """

    part: str
    images: int
    classes: tuple[ClassFigures, ...]
    macro: dict[str, float | None]
    hamming_loss: float | None
    exact_match: float | None
    notes: tuple[str, ...]
    split: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain data for `metrics.json`."""
        return {"schema_version": SCHEMA_VERSION, **asdict(self)}


def judge(predictions: Predictions, decisions: Decisions, *, part: str) -> Judgement:
    """Compute every figure of `predictions` under `decisions`."""
    probabilities, labels = predictions.probabilities, predictions.labels
    decided = apply_decisions(decisions, probabilities)
    figures: list[ClassFigures] = []
    notes: list[str] = []
    for column, name in enumerate(predictions.class_names):
        scores, truth = probabilities[:, column], labels[:, column]
        threshold = decisions.thresholds[column]
        confusion = None if threshold is None else compute_confusion(decided[:, column], truth)
        figures.append(
            ClassFigures(
                name=name,
                positives=int(truth.sum()),
                threshold=threshold,
                average_precision=compute_average_precision(scores, truth),
                auroc=compute_auroc(scores, truth),
                f1=confusion.f1 if confusion else None,
                precision=confusion.precision if confusion else None,
                recall=confusion.recall if confusion else None,
                confusion=confusion,
            )
        )
        notes += _notes(figures[-1], part, len(labels))
    known = np.array([t is not None for t in decisions.thresholds])
    return Judgement(
        part=part,
        images=len(labels),
        classes=tuple(figures),
        macro={key: mean_of_known([getattr(f, key) for f in figures]) for key in MACRO_FIGURES},
        hamming_loss=_over(compute_hamming_loss, decided, labels, known),
        exact_match=_over(compute_exact_match, decided, labels, known),
        notes=tuple(notes),
    )


def _over(figure: Any, decided: Any, labels: Any, known: Any) -> float | None:
    return figure(decided[:, known], labels[:, known]) if known.any() else None


def _notes(figures: ClassFigures, part: str, images: int) -> list[str]:
    notes = []
    if figures.positives == 0:
        notes.append(
            f"{figures.name}: no positive among the {images} {part} images, so no AP, AUROC, F1"
            " or recall"
        )
    elif figures.positives == images:
        notes.append(f"{figures.name}: no negative among the {part} images, so no AUROC")
    if figures.threshold is None:
        notes.append(
            f"{figures.name}: no positive in validation, so no threshold; exact match and Hamming"
            " leave the class out"
        )
    elif figures.positives and figures.precision is None:
        notes.append(f"{figures.name}: never called, so no precision; every defect of it escapes")
    return notes
