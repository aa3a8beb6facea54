"""Calibration of every class, fitted on validation predictions; the form is chosen by what it
does to images it was not fitted on.

Each candidate is fitted on four fifths of the duplicate groups and judged by log loss on the last
fifth, five times round, so that a free curve gains nothing by learning images by heart. The
simplest form wins that is within a standard error of the best one (Breiman et al. 1984, section
3.4.3). Where positives or negatives are few, freer forms are not tried: see `FEWEST`.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stripsight.decision.calibration import KINDS, Calibration, ClassCalibration, Kind
from stripsight.errors import EvaluationError
from stripsight.evaluation.calibration.curves import fit_curve
from stripsight.evaluation.calibration.reliability import compute_image_log_loss
from stripsight.evaluation.metrics import Labels, Scores, compute_auroc
from stripsight.reporting.quantities import format_number, format_quantity

FEWEST: dict[Kind, int] = {"none": 0, "temperature": 10, "platt": 10, "isotonic": 100}
"""Fewest groups with a positive image, and with a negative one, for a form to be tried.

From a simulation (benchmarks/calibration.py; its table is in EXPERIMENTS.md).
"""

FOLDS = 5

Groups = npt.NDArray[np.int64]
"""`[N]`, a number an image; images of one duplicate group share it."""


@dataclass(frozen=True)
class Candidate:
    """A form of calibration that could have been taken.

    Attributes:
        kind: see `ClassCalibration`.
        log_loss: mean over the validation images, each by a curve fitted without its fold; None
            where the form was not tried.
        behind: `log_loss` above that of the best candidate; None where not tried.
        standard_error: of `behind`, over groups; None where not tried.
    """

    kind: Kind
    log_loss: float | None = None
    behind: float | None = None
    standard_error: float | None = None


@dataclass(frozen=True)
class ClassFit:
    """How the calibration of one class came about.

    Attributes:
        name: of the class.
        positives: validation images that carry it.
        positive_groups: duplicate groups among those.
        candidates: one entry a form, from the simplest to the freest.
        chosen: the form taken.
        reason: why, in words.
    """

    name: str
    positives: int
    positive_groups: int
    candidates: tuple[Candidate, ...]
    chosen: Kind
    reason: str


@dataclass(frozen=True)
class FittedCalibration:
    """A calibration and how it was chosen, in column order."""

    calibration: Calibration
    classes: tuple[ClassFit, ...]


def fit_calibration(
    logits: Scores, labels: Labels, groups: Groups, class_names: tuple[str, ...], *, seed: int = 0
) -> FittedCalibration:
    """Choose and fit the calibration of every class.

    Args:
        logits: validation logits `[N, C]`.
        labels: `[N, C]`.
        groups: `[N]`.
        class_names: C names, in column order.
        seed: of the folds.

    Raises:
        EvaluationError: shapes that do not fit, no image, or a logit that is not finite.
    """
    _check(logits, labels, groups, class_names)
    curves, fits = [], []
    for column, name in enumerate(class_names):
        scores, truth = logits[:, column].astype(np.float64), labels[:, column]
        curve, fit = _fit_class(name, scores, truth, groups, np.random.default_rng([seed, column]))
        curves.append(curve)
        fits.append(fit)
    return FittedCalibration(Calibration(tuple(curves)), tuple(fits))


def _check(logits: Scores, labels: Labels, groups: Groups, class_names: tuple[str, ...]) -> None:
    wanted = (len(groups), len(class_names))
    if logits.shape != wanted or labels.shape != wanted:
        raise EvaluationError(
            f"logits {list(logits.shape)} and labels {list(labels.shape)} for {len(groups)} images"
            f" and {len(class_names)} classes: give those of one table of predictions"
        )
    if not len(groups):
        raise EvaluationError("no validation image to calibrate on: evaluate a run that has some")
    if not np.isfinite(logits).all():
        row, column = np.argwhere(~np.isfinite(logits))[0]
        raise EvaluationError(
            f"row {row + 1} has a logit of {class_names[column]} that is not finite: evaluate the"
            " run again"
        )


def _fit_class(
    name: str,
    scores: npt.NDArray[np.float64],
    labels: Labels,
    groups: Groups,
    rng: np.random.Generator,
) -> tuple[ClassCalibration, ClassFit]:
    tried, why_no_more = find_forms(scores, labels, groups)
    candidates = compare_forms(tried, scores, labels, groups, rng)
    chosen = choose_form(candidates)
    reasons = [why_no_more, _explain_choice(candidates, chosen)]
    auroc = compute_auroc(scores, labels)
    if auroc is not None and auroc <= 0.5:
        reasons.append(
            f"its scores rank no better than chance (AUROC {auroc:.2f}), which no calibration mends"
        )
    fit = ClassFit(
        name=name,
        positives=int(labels.sum()),
        positive_groups=len(np.unique(groups[labels == 1])),
        candidates=candidates,
        chosen=chosen,
        reason="; ".join(reason for reason in reasons if reason),
    )
    return fit_curve(chosen, scores, labels), fit


def find_forms(
    scores: npt.NDArray[np.float64], labels: Labels, groups: Groups
) -> tuple[tuple[Kind, ...], str]:
    """The forms worth trying for logits `[N]`, and in words why the others are not."""
    count_of = {
        "positive": len(np.unique(groups[labels == 1])),
        "negative": len(np.unique(groups[labels == 0])),
    }
    scarce = min(count_of, key=lambda label: count_of[label])
    count = count_of[scarce]
    if count == 0:
        return ("none",), f"validation has no {scarce} image, so the logits are left as they are"
    if scores[labels == 1].min() > scores[labels == 0].max():
        return ("none",), (
            "validation parts its images without an error, which does not say how sure to be, so"
            " the logits are left as they are"
        )
    skipped = [f"{kind} needs {fewest}" for kind, fewest in FEWEST.items() if count < fewest]
    groups_of = format_quantity(count, f"group with a {scarce}", f"groups with a {scarce}")
    return (
        tuple(kind for kind in KINDS if count >= FEWEST[kind]),
        f"validation has {groups_of}: {', '.join(skipped)}" if skipped else "",
    )


def compare_forms(
    tried: tuple[Kind, ...],
    scores: npt.NDArray[np.float64],
    labels: Labels,
    groups: Groups,
    rng: np.random.Generator,
) -> tuple[Candidate, ...]:
    """Cross-validated log loss of the forms in `tried`; one entry for every form there is.

    Args:
        tried: at least one; more than "none" takes `FOLDS` groups with a positive and as many with
            a negative.
        scores: logits `[N]`.
        labels: `[N]`.
        groups: `[N]`.
        rng: deals the folds.
    """
    fold_of_image = deal_folds(labels, groups, rng)
    loss_of = {
        kind: compute_image_log_loss(
            _predict_out_of_fold(kind, scores, labels, fold_of_image), labels
        )
        for kind in tried
    }
    best = min(loss_of.values(), key=np.mean)
    candidates = []
    for kind in KINDS:
        if kind not in loss_of:
            candidates.append(Candidate(kind))
            continue
        difference = loss_of[kind] - best
        candidates.append(
            Candidate(
                kind,
                log_loss=float(loss_of[kind].mean()),
                behind=float(difference.mean()),
                standard_error=_compute_standard_error(difference, groups),
            )
        )
    return tuple(candidates)


def choose_form(candidates: tuple[Candidate, ...]) -> Kind:
    """The simplest form that is within a standard error of the best."""
    return next(
        c.kind
        for c in candidates
        if c.behind is not None and c.standard_error is not None and c.behind <= c.standard_error
    )


def deal_folds(labels: Labels, groups: Groups, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """The fold of every image, `[N]`: groups whole, positives and negatives even over the folds.

    Groups are dealt like cards, those with positives alone first, then those with both, then those
    with negatives alone, so that each kind goes round without a gap.
    """
    names, group_of_image = np.unique(groups, return_inverse=True)
    positives = np.bincount(group_of_image, weights=labels) > 0
    negatives = np.bincount(group_of_image, weights=labels == 0) > 0
    order = np.lexsort((rng.random(len(names)), negatives, ~positives))
    fold_of_group = np.empty(len(names), dtype=np.int64)
    fold_of_group[order] = np.arange(len(names)) % FOLDS
    return np.asarray(fold_of_group[group_of_image])


def _predict_out_of_fold(
    kind: Kind, scores: npt.NDArray[np.float64], labels: Labels, folds: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    if kind == "none":
        return ClassCalibration().apply(scores)
    probabilities = np.empty(len(scores))
    for fold in range(FOLDS):
        held_out = folds == fold
        curve = fit_curve(kind, scores[~held_out], labels[~held_out])
        probabilities[held_out] = curve.apply(scores[held_out])
    return probabilities


def _compute_standard_error(values: npt.NDArray[np.float64], groups: Groups) -> float:
    """Standard error of the mean of `values` `[N]` when groups, not images, are independent."""
    sums = np.bincount(np.unique(groups, return_inverse=True)[1], weights=values - values.mean())
    if len(sums) < 2:
        return 0.0
    return float(np.sqrt((sums**2).sum() * len(sums) / (len(sums) - 1)) / len(values))


def _explain_choice(candidates: tuple[Candidate, ...], chosen: Kind) -> str:
    loss_of = {c.kind: c.log_loss for c in candidates if c.log_loss is not None}
    if len(loss_of) == 1:
        return ""
    best = min(loss_of, key=lambda kind: loss_of[kind])
    if best != chosen:
        return (
            f"log loss {format_number(loss_of[chosen])} on held-out images; {best} reaches"
            f" {format_number(loss_of[best])}, less than a standard error better"
        )
    rest = ", ".join(f"{kind} {format_number(loss_of[kind])}" for kind in loss_of if kind != chosen)
    return f"log loss {format_number(loss_of[chosen])} on held-out images is the lowest ({rest})"
