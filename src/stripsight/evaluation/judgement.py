"""All figures of one part of a split, with intervals: the source of every table and report.

A figure that cannot be had (no positives, no thresholds) is None in memory, null in `metrics.json`
and a dash in tables, with a note that says why.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from stripsight.decision.document import Decisions, apply_decisions
from stripsight.decision.outcomes import Counts, count_outcomes
from stripsight.decision.policy import ClassPolicy, Codes
from stripsight.evaluation.called_instead import CalledInstead, count_called_instead
from stripsight.evaluation.groups import Groups
from stripsight.evaluation.intervals.bootstrap import bootstrap_figures
from stripsight.evaluation.intervals.interval import Figure
from stripsight.evaluation.metrics import Labels, Scores
from stripsight.evaluation.predictions import Predictions
from stripsight.reporting.quantities import format_quantity

SCHEMA_VERSION = 2

Figures = Mapping[str, Figure | None]


@dataclass(frozen=True)
class ClassJudgement:
    """One class.

    Attributes:
        name: of the class.
        positives: images of the part that show it.
        thresholds: on calibrated probabilities.
        figures: `bootstrap.CLASS_FIGURES`; None is "cannot be had here".
        counts: what its decisions came to; None where it is undecided.
    """

    name: str
    positives: int
    thresholds: ClassPolicy
    figures: Figures
    counts: Counts | None

    @property
    def collapsed(self) -> bool:
        """Whether every single defect of the class is called clean."""
        return self.counts is not None and 0 < self.counts.positives == self.counts.escapes

    @property
    def uncalled(self) -> bool:
        """Whether the part shows the class, but nothing ever calls it: it has no threshold."""
        return self.counts is None and self.positives > 0


@dataclass(frozen=True)
class Judgement:
    """Figures of one part.

    Attributes:
        part: of the split.
        split: name of the split and how it was made, as `Split.title` says it.
        policy: name of the policy behind the decisions.
        images: how many.
        groups: how many groups of look-alikes they are: the unit of every interval.
        classes: one entry a class, in column order.
        macro: mean of each class figure over the classes that have it.
        overall: `bootstrap.OVERALL_FIGURES`, of whole images.
        counts: of whole images.
        called_instead: of each class that escapes, what was called on those images.
        notes: what has no figure or must be minded, and why.
    """

    part: str
    split: str
    policy: str
    images: int
    groups: int
    classes: tuple[ClassJudgement, ...]
    macro: Figures
    overall: Figures
    counts: Counts
    called_instead: tuple[CalledInstead, ...]
    notes: tuple[str, ...]

    @property
    def collapsed(self) -> tuple[str, ...]:
        """Classes that the model never finds."""
        return tuple(row.name for row in self.classes if row.collapsed)

    @property
    def uncalled(self) -> dict[str, int]:
        """Classes without a threshold that the part shows, and how many images do."""
        return {row.name: row.positives for row in self.classes if row.uncalled}

    def to_json(self) -> dict[str, Any]:
        """Plain data for `metrics.json`."""
        return {
            "schema_version": SCHEMA_VERSION,
            "part": self.part,
            "split": self.split,
            "policy": self.policy,
            "images": self.images,
            "groups": self.groups,
            "classes": [
                {
                    "name": row.name,
                    "positives": row.positives,
                    **asdict(row.thresholds),
                    "counts": None if row.counts is None else asdict(row.counts),
                    **describe_figures(row.figures),
                }
                for row in self.classes
            ],
            "macro": describe_figures(self.macro),
            "overall": describe_figures(self.overall),
            "counts": asdict(self.counts),
            "called_instead": [entry.to_json() for entry in self.called_instead],
            "collapsed": list(self.collapsed),
            "uncalled": list(self.uncalled),
            "notes": list(self.notes),
        }


def judge(
    predictions: Predictions,
    decisions: Decisions,
    groups: Groups,
    *,
    part: str,
    split: str = "",
    notes: tuple[str, ...] = (),
) -> Judgement:
    """Compute every figure of `predictions` under `decisions`.

    Args:
        predictions: of N images.
        decisions: fitted on validation.
        groups: int64 `[N]`; images of one duplicate group share a number.
        part: of the split.
        split: its title.
        notes: that go before those found here.

    Raises:
        EvaluationError: no image, or logits that are not finite.
    """
    return judge_codes(
        predictions.logits,
        apply_decisions(decisions, predictions.logits),
        predictions.labels,
        groups,
        class_names=predictions.class_names,
        thresholds=decisions.policy.classes,
        policy=decisions.policy.name,
        part=part,
        split=split,
        notes=notes,
    )


def judge_codes(
    scores: Scores,
    codes: Codes,
    labels: Labels,
    groups: Groups,
    *,
    class_names: tuple[str, ...],
    thresholds: Sequence[ClassPolicy],
    policy: str,
    part: str,
    split: str = "",
    notes: tuple[str, ...] = (),
) -> Judgement:
    """Compute every figure of decisions, whatever rule or rules they are by.

    Args:
        scores: `[N, C]`, logits or probabilities; average precision and AUROC are theirs.
        codes: int8 `[N, C]`; all other figures are theirs.
        labels: `[N, C]`.
        groups: int64 `[N]`.
        class_names: C names.
        thresholds: of each class; without any where there is no single one.
        policy: name of the policy.
        part: of the split.
        split: its title.
        notes: that go before those found here.

    Raises:
        EvaluationError: no image, or scores that are not finite.
    """
    bootstrapped = bootstrap_figures(scores, codes, labels, groups)
    outcomes = count_outcomes(codes, labels)
    classes = tuple(
        ClassJudgement(name, int(labels[:, column].sum()), limits, figures, counts)
        for column, (name, limits, figures, counts) in enumerate(
            zip(class_names, thresholds, bootstrapped.classes, outcomes.classes, strict=True)
        )
    )
    found = [note for row in classes for note in _notes(row, part, len(labels))]
    return Judgement(
        part=part,
        split=split,
        policy=policy,
        images=bootstrapped.images,
        groups=bootstrapped.groups,
        classes=classes,
        macro=bootstrapped.macro,
        overall=bootstrapped.overall,
        counts=outcomes.images,
        called_instead=count_called_instead(codes, labels, class_names),
        notes=(*notes, *found, *_note_overruled(classes)),
    )


def _note_overruled(classes: tuple[ClassJudgement, ...]) -> list[str]:
    """Reviews of a class that no person gets, for the image is called defective by another."""
    overruled = sum(row.counts.overruled for row in classes if row.counts is not None)
    if not overruled:
        return []
    return [
        f"{format_quantity(overruled, 'review')} of a class {'is' if overruled == 1 else 'are'}"
        " overruled: another class makes the image defective, so no person gets it; counted apart"
        " from the reviews, and what is missed there is no escape here"
    ]


def describe_figures(figures: Figures) -> dict[str, dict[str, float] | None]:
    """Value and limits of each figure as plain data."""
    return {name: describe_figure(figure) for name, figure in figures.items()}


def describe_figure(figure: Figure | None) -> dict[str, float] | None:
    """Value and 95 % limits."""
    if figure is None:
        return None
    interval = figure.interval
    return {"value": figure.value, "low": interval.low, "high": interval.high}


def _notes(row: ClassJudgement, part: str, images: int) -> list[str]:
    notes = []
    if row.positives == 0:
        notes.append(
            f"{row.name}: no positive among the {images:,} {part} images, so no AP, AUROC, F1 or"
            " recall"
        )
    elif row.positives == images:
        notes.append(
            f"{row.name}: no negative among the {part} images, so no AUROC, and an AP of 1"
            " whatever the scores: it says nothing"
        )
    if row.counts is None:
        never = f"it is never called, though {row.positives:,} of {part} show it; "
        notes.append(
            f"{row.name}: no positive in validation, so no threshold; {never * row.uncalled}exact"
            " match and Hamming loss leave the class out"
        )
    elif row.collapsed:
        notes.append(f"{row.name}: never found, all {row.positives:,} of it escape")
    return notes
