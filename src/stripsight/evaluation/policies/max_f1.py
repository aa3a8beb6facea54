"""Policy `max_f1`: the threshold of the largest F1 on validation."""

import numpy as np

from stripsight.evaluation.metrics import Labels, Scores
from stripsight.evaluation.policies.cuts import find_cuts


def find_max_f1_threshold(scores: Scores, labels: Labels) -> float | None:
    """The threshold with the largest F1 when `score >= threshold` is called a defect.

    F1 = 2 TP / (2 TP + FP + FN). Of equal F1 the highest threshold wins (fewer overkills).

    Args:
        scores: probabilities `[N]`.
        labels: `[N]`.

    Returns:
        In [0, 1], or None without positives.
    """
    positives = int(labels.sum())
    if positives == 0:
        return None
    cuts = find_cuts(scores, labels)
    hits = positives - cuts.escapes
    f1 = 2 * hits / (2 * hits + cuts.overkills + cuts.escapes)
    return float(cuts.thresholds[len(f1) - 1 - np.argmax(f1[::-1])])
