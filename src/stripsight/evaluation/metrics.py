"""Figures of a multi-label classifier from scores and labels, in numpy.

All of them take a whole split at once; nothing is averaged over batches. A class without positives
(or without negatives, for AUROC) has no figure: None, never 0 or NaN. Macro figures are means over
the classes that have one, and say how many those are.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.floating]
"""`[N]` or `[N, C]`, higher is more likely a defect."""

Labels = npt.NDArray[np.uint8]
"""`[N]` or `[N, C]`, 0 or 1."""


@dataclass(frozen=True, slots=True)
class Confusion:
    """Counts at a threshold; escapes are false negatives, overkills false positives."""

    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int

    @property
    def precision(self) -> float | None:
        """TP / (TP + FP); None when nothing was called a defect."""
        return _ratio(self.true_positives, self.true_positives + self.false_positives)

    @property
    def recall(self) -> float | None:
        """TP / (TP + FN); None without positives."""
        return _ratio(self.true_positives, self.true_positives + self.false_negatives)

    @property
    def f1(self) -> float | None:
        """2 TP / (2 TP + FP + FN); None without positives."""
        if self.true_positives + self.false_negatives == 0:
            return None
        errors = self.false_positives + self.false_negatives
        return 2 * self.true_positives / (2 * self.true_positives + errors)


def compute_average_precision(scores: Scores, labels: Labels) -> float | None:
    """Average precision of one class: sum over thresholds of (R_k - R_{k-1}) P_k.

    Tied scores are one threshold. The step-wise form, not the trapezoid (Davis and Goadrich 2006).

    Args:
        scores: `[N]`.
        labels: `[N]`.

    Returns:
        In (0, 1], or None without positives.
    """
    positives = int(labels.sum())
    if positives == 0:
        return None
    true_positives, called = count_by_threshold(scores, labels)
    gained = np.diff(true_positives, prepend=0)
    return float((gained / positives * true_positives / called).sum())


def compute_auroc(scores: Scores, labels: Labels) -> float | None:
    """Area under the ROC curve of one class: how often a positive outscores a negative.

    The Mann-Whitney form (Hanley and McNeil 1982); a tie counts one half.

    Args:
        scores: `[N]`.
        labels: `[N]`.

    Returns:
        In [0, 1], or None without positives or without negatives.
    """
    positives = int(labels.sum())
    negatives = len(labels) - positives
    if positives == 0 or negatives == 0:
        return None
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(counts) - (counts - 1) / 2
    rank_sum = mean_rank[inverse][labels.astype(bool)].sum()
    return float((rank_sum - positives * (positives + 1) / 2) / (positives * negatives))


def compute_confusion(decisions: npt.NDArray[np.bool_], labels: Labels) -> Confusion:
    """Counts of one class; both arguments are `[N]`."""
    truth = labels.astype(bool)
    return Confusion(
        true_positives=int((decisions & truth).sum()),
        false_positives=int((decisions & ~truth).sum()),
        false_negatives=int((~decisions & truth).sum()),
        true_negatives=int((~decisions & ~truth).sum()),
    )


def compute_hamming_loss(decisions: npt.NDArray[np.bool_], labels: Labels) -> float:
    """Share of (image, class) pairs that are wrong; both arguments are `[N, C]`."""
    return float((decisions != labels.astype(bool)).mean())


def compute_exact_match(decisions: npt.NDArray[np.bool_], labels: Labels) -> float:
    """Share of images all of whose classes are right; both arguments are `[N, C]`."""
    return float((decisions == labels.astype(bool)).all(axis=1).mean())


def mean_of_known(values: list[float | None]) -> float | None:
    """Mean over the classes that have a figure; None when none has."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def count_by_threshold(
    scores: Scores, labels: Labels
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """True positives and all called, at each distinct score from the highest down."""
    order = np.argsort(scores, kind="stable")[::-1]
    last_of_tie = np.append(np.diff(scores[order]) != 0, True)
    true_positives = np.cumsum(labels[order], dtype=np.int64)[last_of_tie]
    called = np.flatnonzero(last_of_tie) + 1
    return true_positives, called


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
