"""What a classifier could do at every threshold: the curves of a report, one class at a time.

Each point is a threshold at which `score >= threshold` is called a defect; tied scores are one
point. Figures that summarise a curve (average precision, AUROC) are `metrics.py`'s business.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stripsight.evaluation.metrics import Labels, Scores, count_by_threshold

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class OperatingCurve:
    """Counts of one class at each distinct score, from the highest down, as shares.

    Attributes:
        thresholds: float64 `[K]`, falling: the scores themselves.
        precision: float64 `[K]`, of what is called at that score or above.
        recall: float64 `[K]`, rising; NaN without positives.
        false_positive_rate: float64 `[K]`, rising; NaN without negatives.
    """

    thresholds: FloatArray
    precision: FloatArray
    recall: FloatArray
    false_positive_rate: FloatArray

    @property
    def f1(self) -> FloatArray:
        """float64 `[K]`: 0 where nothing that is called is right."""
        total = self.precision + self.recall
        product = 2 * self.precision * self.recall
        return np.divide(product, total, out=np.zeros_like(total), where=total > 0)


def compute_operating_curve(scores: Scores, labels: Labels) -> OperatingCurve:
    """The curve of one class from `scores` `[N]` and `labels` `[N]`; N is at least 1."""
    found, called = count_by_threshold(scores, labels)
    positives = int(labels.sum())
    negatives = len(labels) - positives
    return OperatingCurve(
        thresholds=np.unique(scores)[::-1].astype(np.float64),
        precision=found / called,
        recall=found / positives if positives else np.full(len(found), np.nan),
        false_positive_rate=(
            (called - found) / negatives if negatives else np.full(len(found), np.nan)
        ),
    )


def find_point(curve: OperatingCurve, threshold: float) -> int | None:
    """Index of the point that calls the same images as `threshold` does; None if it calls none."""
    called = int((curve.thresholds >= threshold).sum())
    return called - 1 if called else None
