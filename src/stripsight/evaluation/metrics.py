"""Figures of how well scores rank images, in numpy.

All of them take a whole split at once; nothing is averaged over batches. What decisions come to is
counted with its intervals (`intervals/`). A class without positives (or without negatives, for
AUROC) has no figure: None, never 0 or NaN. Macro figures are means over the classes that have one.
"""

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.floating]
"""`[N]` or `[N, C]`, higher is more likely a defect."""

Labels = npt.NDArray[np.uint8]
"""`[N]` or `[N, C]`, 0 or 1."""


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
