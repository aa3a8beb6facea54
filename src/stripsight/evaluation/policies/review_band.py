"""Policy `review`: the least sure images go to a person, a chosen share of them.

The band is Chow's (1970). A threshold t says that an escape costs (1 - t) / t overkills; with these
prices a call is left to a person where either call would cost more than a review. For a review
that costs a share s of the dearest case this gives

    CLEAN below s t        DEFECT from 1 - s (1 - t)        REVIEW between

and the one s in [0, 1] that all classes share sets how many images are reviewed: none at 1, all at
0. An image's own s, at which it turns into a review, is how unsure its verdict is; sorted by it,
the images give the risk-coverage curve (El-Yaniv and Wiener 2010).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stripsight.decision.policy import (
    CLEAN,
    DEFECT,
    NEVER,
    REVIEW,
    ClassPolicy,
    Policy,
    decide,
    judge_images,
)
from stripsight.evaluation.metrics import Labels, Scores

Thresholds = tuple[float | None, ...]
"""One a class, None where undecided."""


@dataclass(frozen=True)
class RiskCoverage:
    """How many of the images that are not reviewed are judged wrong, as reviews grow.

    Attributes:
        coverage: float64 `[K]`, falling: share of images judged without a person.
        escapes: float64 `[K]`: share of those that show a defect and were called clean.
        overkills: float64 `[K]`: share of those that show none and were called defect.
    """

    coverage: npt.NDArray[np.float64]
    escapes: npt.NDArray[np.float64]
    overkills: npt.NDArray[np.float64]

    @property
    def risk(self) -> npt.NDArray[np.float64]:
        """float64 `[K]`: both mistakes together."""
        return self.escapes + self.overkills


def fit_review_band(
    probabilities: Scores, thresholds: Thresholds, share: float
) -> tuple[ClassPolicy, ...]:
    """The widest band around `thresholds` that hands at most `share` of the images to a person.

    Images that are equally unsure stay together, so the share can fall short.

    Args:
        probabilities: calibrated, `[N, C]`.
        thresholds: one a class.
        share: in [0, 1).
    """
    unsure = compute_unsureness(probabilities, thresholds)
    levels, counts = np.unique(unsure, return_counts=True)
    levels, counts = levels[::-1], counts[::-1]
    whole = int(np.searchsorted(np.cumsum(counts), share * len(unsure) + 1e-9, side="right"))
    if whole == 0:
        return open_band(thresholds, 1.0)
    return open_band(thresholds, float((levels[whole - 1] + levels[whole]) / 2))


def open_band(thresholds: Thresholds, width: float) -> tuple[ClassPolicy, ...]:
    """The band at s = `width` in [0, 1]; see the module."""
    return tuple(_open_class(t, width) for t in thresholds)


def _open_class(threshold: float | None, width: float) -> ClassPolicy:
    if threshold is None or threshold >= NEVER or width >= 1:
        return ClassPolicy.at(threshold)
    # Rounding must not cross the two.
    low, high = width * threshold, 1 - width * (1 - threshold)
    return ClassPolicy(min(low, threshold), max(high, threshold))


def compute_unsureness(probabilities: Scores, thresholds: Thresholds) -> npt.NDArray[np.float64]:
    """The s below which each image is a review, float64 `[N]`; see the module.

    A clean image turns when the first of its classes does, a defective one when the last of the
    classes that made it one has. 0 for an image on which no class was decided.
    """
    turning = np.zeros(probabilities.shape)
    defect = np.zeros(probabilities.shape, dtype=bool)
    for column, threshold in enumerate(thresholds):
        if threshold is None or threshold >= NEVER:
            continue
        values = probabilities[:, column].astype(np.float64)
        called = values >= threshold
        # At a threshold of 0 or 1 one side is empty, or holds only the scores that stand on it.
        as_clean = values / threshold if threshold > 0 else values
        as_defect = (1 - values) / (1 - threshold) if threshold < 1 else np.zeros(len(values))
        turning[:, column] = np.where(called, as_defect, as_clean)
        defect[:, column] = called
    clean_turns = turning.max(axis=1, initial=0.0)
    defect_turns = np.where(defect, turning, np.inf).min(axis=1, initial=np.inf)
    return np.asarray(np.where(defect.any(axis=1), defect_turns, clean_turns))


def compute_risk_coverage(
    probabilities: Scores, labels: Labels, thresholds: Thresholds
) -> RiskCoverage:
    """The curve over every share of reviews that a band can reach.

    Args:
        probabilities: calibrated, `[N, C]`.
        labels: `[N, C]`.
        thresholds: one a class, without a band.
    """
    verdicts = judge_images(
        decide(Policy("", {}, tuple(map(ClassPolicy.at, thresholds))), probabilities)
    )
    defective = (labels == 1).any(axis=1)
    unsure = compute_unsureness(probabilities, thresholds)
    judged = np.flatnonzero(verdicts != REVIEW)
    order: npt.NDArray[np.int64] = judged[np.argsort(unsure[judged], kind="stable")]
    last_of_tie = np.append(np.diff(unsure[order]) != 0, True)[: len(order)]
    kept = (np.arange(len(order)) + 1)[last_of_tie][::-1]
    escape = (verdicts == CLEAN) & defective
    overkill = (verdicts == DEFECT) & ~defective
    escaped = np.cumsum(escape[order])[last_of_tie][::-1]
    overkilled = np.cumsum(overkill[order])[last_of_tie][::-1]
    return RiskCoverage(kept / len(labels), escaped / kept, overkilled / kept)
