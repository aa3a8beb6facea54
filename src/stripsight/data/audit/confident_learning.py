"""Which labels are most likely wrong, from out-of-fold predictions: confident learning.

Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", Journal
of Artificial Intelligence Research 70 (2021). A multi-label set is taken as one binary problem a
class. For one class, with the given label s of image i (1: on the image, 0: not), the predicted
probability p_i(1) = 1 - p_i(0), and n_s images labelled s:

    threshold        t_y     = mean of p_i(y) over the images labelled y
    confident joint  C[s,y]  = images labelled s whose likely true label is y: p_i(y) >= t_y; where
                               both labels reach their threshold the more probable y, where neither
                               does the image is not counted                             (eq. 1)
    noise estimate   N[s,y]  = n_s C[s,y] / (C[s,0] + C[s,1])         (n times eq. 3's joint Q)
    to review                  of the images labelled s, the N[s,y] (rounded) with the largest
                               margin p_i(y) - p_i(s), y != s             (prune by noise rate)

The score of a label is its self-confidence p_i(s): 0 where the network is sure that the label is
wrong. With two labels the margin is 1 - 2 p_i(s), so both rank alike.

Nothing is proposed where the estimate has no ground to stand on: too few images with or without
the class, or a noise estimate that leaves the paper's condition that a label is more often right
than wrong (for each given label, and for each likely true one). The second is how a network that
has not learnt the class shows: there the labels are not to blame.

Where predictions come from and whether they are out-of-fold is not decided here.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stripsight.reporting.quantities import format_quantity, format_share

FEWEST_IMAGES = 10
"""With fewer images on either side a mean self-confidence is off by up to 0.16 (one standard error)
and a single image moves it by a tenth."""

# A class of equal probabilities has a mean that may differ from them in the last bit.
_ROUNDING = 1e-9

Scores = npt.NDArray[np.float64]
Given = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class ClassAudit:
    """What confident learning says of one class.

    Attributes:
        name: of the class.
        images: how many were audited.
        positives: how many of them are labelled with the class.
        thresholds: (t_0, t_1); None where no image has that label.
        confident_joint: ((C[0,0], C[0,1]), (C[1,0], C[1,1])).
        wrongly_absent: images without the label that should have it, estimated; None where the
            estimate has no ground.
        wrongly_present: images with the label that should not have it, likewise.
        why_none: why nothing is proposed; None where the estimate stands.
        found: of the images labelled with the class, the share with a probability from 0.5 on, a
            group of look-alikes counting once; None where there is none.
        confirmed: of the images with such a probability, the share labelled with the class,
            likewise.
    """

    name: str
    images: int
    positives: int
    thresholds: tuple[float | None, float | None]
    confident_joint: tuple[tuple[int, int], tuple[int, int]]
    wrongly_absent: int | None
    wrongly_present: int | None
    why_none: str | None
    found: float | None = None
    confirmed: float | None = None


@dataclass(frozen=True, slots=True)
class Suspect:
    """One label to review.

    Attributes:
        image: its id.
        column: of the class.
        given: whether the class is labelled.
        probability: predicted, of the class.
        score: self-confidence of the given label, 0..1; the lower, the more suspect.
    """

    image: str
    column: int
    given: bool
    probability: float
    score: float


@dataclass(frozen=True)
class Audit:
    """Every class, and the labels to review: the most suspect first."""

    classes: tuple[ClassAudit, ...]
    suspects: tuple[Suspect, ...]


def audit_labels(
    ids: Sequence[str],
    labels: Given,
    probabilities: Scores,
    names: Sequence[str],
    groups: npt.NDArray[np.int64] | None = None,
) -> Audit:
    """Find the labels that are most likely wrong; the order of the images changes nothing.

    Args:
        ids: N different image ids.
        labels: as given, uint8 `[N, C]` of 0 and 1.
        probabilities: predicted by networks that did not train on the image, `[N, C]` in 0..1.
        names: C class names, in column order.
        groups: `[N]`, of look-alikes; each image is its own where none are given.
    """
    assert labels.shape == probabilities.shape == (len(ids), len(names))
    classes: list[ClassAudit] = []
    suspects: list[Suspect] = []
    for column, name in enumerate(names):
        given, probability = labels[:, column].astype(bool), probabilities[:, column]
        judged = audit_class(name, given, probability, groups)
        classes.append(judged)
        for label, count in ((True, judged.wrongly_present), (False, judged.wrongly_absent)):
            confidence = probability if label else 1 - probability
            ranked = sorted(zip(confidence.tolist(), ids, range(len(ids)), strict=True))
            rows = [row for _, _, row in ranked if given[row] == label]
            suspects.extend(
                Suspect(
                    image=ids[row],
                    column=column,
                    given=label,
                    probability=float(probability[row]),
                    score=float(confidence[row]),
                )
                for row in rows[: count or 0]
            )
    suspects.sort(key=lambda s: (s.score, s.image, s.column))
    return Audit(tuple(classes), tuple(suspects))


def compute_usual_probability(suspect: Suspect, judged: ClassAudit) -> float | None:
    """Mean predicted probability of the class over the images with the suspect's given label."""
    absent, present = judged.thresholds
    return present if suspect.given else (None if absent is None else 1 - absent)


def explain_suspect(suspect: Suspect, judged: ClassAudit) -> str:
    """Why a label is suspect, in one sentence."""
    usual = compute_usual_probability(suspect, judged)
    what = "labelled" if suspect.given else "not labelled"
    others = "" if usual is None else f"; images {what} so get {format_share(usual)} on average"
    return f"{what} {judged.name}, predicted {format_share(suspect.probability)}{others}"


def audit_class(
    name: str,
    given: npt.NDArray[np.bool_],
    probability: Scores,
    groups: npt.NDArray[np.int64] | None = None,
) -> ClassAudit:
    """The confident joint and the noise estimate of one class; all arguments are `[N]`."""
    groups = np.arange(len(given)) if groups is None else groups
    called = probability >= 0.5
    positives = int(given.sum())
    negatives = len(given) - positives
    present = _mean(probability[given])
    absent = _mean(1 - probability[~given])
    joint = _count_confident(given, probability, absent, present)
    why = _why_none(name, joint, positives, negatives)
    return ClassAudit(
        name=name,
        images=len(given),
        positives=positives,
        thresholds=(absent, present),
        confident_joint=joint,
        wrongly_absent=None if why else _estimate(joint[0], negatives)[1],
        wrongly_present=None if why else _estimate(joint[1], positives)[0],
        why_none=why,
        found=_average_groups(called[given], groups[given]),
        confirmed=_average_groups(given[called], groups[called]),
    )


def _average_groups(values: npt.NDArray[np.bool_], groups: npt.NDArray[np.int64]) -> float | None:
    """Mean over groups of the mean inside each; None of no image."""
    if not len(values):
        return None
    _, numbers = np.unique(groups, return_inverse=True)
    return float((np.bincount(numbers, weights=values) / np.bincount(numbers)).mean())


def _mean(values: Scores) -> float | None:
    # An exact sum: the order of the images must not decide who reaches the threshold.
    return math.fsum(values) / len(values) if len(values) else None


def _count_confident(
    given: npt.NDArray[np.bool_], probability: Scores, absent: float | None, present: float | None
) -> tuple[tuple[int, int], tuple[int, int]]:
    none = np.zeros(len(given), dtype=bool)
    reaches_present = none if present is None else probability >= present - _ROUNDING
    reaches_absent = none if absent is None else 1 - probability >= absent - _ROUNDING
    both = reaches_present & reaches_absent
    likely_present = (reaches_present & ~both) | (both & (probability > 0.5))
    likely_absent = (reaches_absent & ~both) | (both & (probability <= 0.5))
    return (
        (int((~given & likely_absent).sum()), int((~given & likely_present).sum())),
        (int((given & likely_absent).sum()), int((given & likely_present).sum())),
    )


def _estimate(row: tuple[int, int], images: int) -> tuple[int, int]:
    """A row of the confident joint brought up to all images with that given label, rounded."""
    counted = row[0] + row[1]
    return round(images * row[0] / counted), round(images * row[1] / counted)


def _why_none(
    name: str, joint: tuple[tuple[int, int], tuple[int, int]], positives: int, negatives: int
) -> str | None:
    for count, what in ((positives, "with"), (negatives, "without")):
        if count < FEWEST_IMAGES:
            return f"{format_quantity(count, 'image')} {what} {name}: {FEWEST_IMAGES} are needed"
    if not sum(joint[0]) or not sum(joint[1]):
        return (
            f"the network is sure of no image {'without' if not sum(joint[0]) else 'with'} {name}"
        )
    (right_absent, wrongly_absent), (wrongly_present, right_present) = (
        _estimate(joint[0], negatives),
        _estimate(joint[1], positives),
    )
    if max(wrongly_absent, wrongly_present) >= min(right_absent, right_present):
        return (
            f"the network contradicts as many labels of {name} as it confirms"
            f" ({wrongly_absent:,} missing and {wrongly_present:,} wrong of {positives:,} would be"
            " estimated): it is too weak on this class to judge its labels"
        )
    return None
