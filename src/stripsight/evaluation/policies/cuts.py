"""Every way to cut a class's scores in two, and what each would have let pass or called.

A threshold between two neighbouring scores stands in the middle: less tied to single images than
either. Beyond the scores it stands half-way to the end of the scale.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stripsight.decision.policy import NEVER
from stripsight.evaluation.metrics import Labels, Scores


@dataclass(frozen=True)
class Cuts:
    """The cuts of one class over K distinct scores.

    Attributes:
        thresholds: float64 `[K + 1]`, rising: the first calls every image, the last none.
        escapes: int64 `[K + 1]`: positives below each.
        overkills: int64 `[K + 1]`: negatives at or above each.
    """

    thresholds: npt.NDArray[np.float64]
    escapes: npt.NDArray[np.int64]
    overkills: npt.NDArray[np.int64]


def find_cuts(scores: Scores, labels: Labels) -> Cuts:
    """All cuts of probabilities `[N]` with labels `[N]`."""
    levels, level_of = np.unique(scores.astype(np.float64), return_inverse=True)
    positives = np.bincount(level_of[labels == 1], minlength=len(levels))
    negatives = np.bincount(level_of[labels == 0], minlength=len(levels))
    return Cuts(
        thresholds=_place_thresholds(levels),
        escapes=np.append(0, np.cumsum(positives)),
        overkills=negatives.sum() - np.append(0, np.cumsum(negatives)),
    )


def place_below(score: float, scores: Scores) -> float:
    """The lowest-called score is `score`: half-way to the next lower one of `scores` `[N]`."""
    levels = np.unique(scores.astype(np.float64))
    return float(_place_thresholds(levels)[np.searchsorted(levels, score)])


def _place_thresholds(levels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    below, above = np.append(0.0, levels), np.append(levels, 1.0)
    middle = (below + above) / 2
    # Neighbouring floats have no middle; and nothing may stand on the score that it must not call.
    thresholds = np.where(middle > below, middle, above)
    thresholds[0] = middle[0]
    if len(levels) and levels[-1] >= 1.0:
        thresholds[-1] = NEVER
    return thresholds
