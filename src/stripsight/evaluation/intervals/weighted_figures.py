"""Every figure under many weightings of the groups at once.

Which images a figure adds up does not change from round to round, only their weights do. So each
class is sorted once, into a sparse matrix that sums the weights of groups between the scores of its
positives, and a round costs one product. A column of ones gives the figures as they are.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from stripsight.decision.policy import CLEAN, DEFECT, REVIEW, UNDECIDED, Codes
from stripsight.evaluation.intervals.interval import FloatArray
from stripsight.evaluation.metrics import Labels, Scores

RANK_FIGURES = ("average_precision", "auroc")
CALL_FIGURES = ("f1", "precision", "recall", "escape_rate", "overkill_rate")
OVERALL_FIGURES = (
    "exact_match",
    "hamming_loss",
    "image_escape_rate",
    "image_overkill_rate",
    "image_review_rate",
)


@dataclass(frozen=True)
class Ranking:
    """One class sorted by score: what average precision and AUROC need of it.

    `sums` has rows of three kinds, L being the number of distinct scores of positives, highest
    first: positives at each (L), negatives at each (L), negatives above each and below the one
    before (L + 1). It is `[3L + 1, G]` and counts images.
    """

    sums: sparse.csr_array
    levels: int
    groups_with_positives: int
    groups_with_negatives: int


def rank_class(scores: Scores, labels: Labels, groups: npt.NDArray[np.int64]) -> Ranking:
    """Sort one class.

    Args:
        scores: `[N]`, finite.
        labels: `[N]`.
        groups: `[N]`, numbered 0..G-1.
    """
    truth = labels.astype(bool)
    levels = _sort_distinct(scores[truth])
    count = len(levels)
    reached = np.searchsorted(levels, scores, side="right")
    above = count - reached
    at_level = (reached > 0) & (levels[reached - 1] == scores) if count else np.zeros_like(truth)
    row = np.where(truth, above, np.where(at_level, count + above, 2 * count + above))
    sums = sparse.coo_array(
        (np.ones(len(scores)), (row, groups)), shape=(3 * count + 1, int(groups.max()) + 1)
    ).tocsr()
    return Ranking(
        sums,
        count,
        groups_with_positives=int(np.count_nonzero(np.bincount(groups[truth]))),
        groups_with_negatives=int(np.count_nonzero(np.bincount(groups[~truth]))),
    )


def compute_rank_figures(ranking: Ranking, weights: FloatArray) -> dict[str, FloatArray]:
    """Average precision and AUROC `[B]` under weights `[G, B]`; a figure that is none is left out.

    Formulas as in `metrics.py`, an image counting as often as its weight says.
    """
    if not ranking.levels:
        return {}
    # In place and without temporary arrays: these run over every positive in every round.
    sums = ranking.sums @ weights
    positives, ties, between = np.split(sums, (ranking.levels, 2 * ranking.levels))
    all_positives = positives.sum(axis=0)
    called_wrongly = np.add(between[:-1], ties)
    np.cumsum(called_wrongly, axis=0, out=called_wrongly)
    figures = {}
    if ranking.groups_with_negatives:
        negatives = called_wrongly[-1] + between[-1]
        lost = np.einsum("lb,lb->b", positives, called_wrongly)
        lost -= np.einsum("lb,lb->b", positives, ties) / 2
        figures["auroc"] = 1 - lost / (all_positives * negatives)
    found = np.cumsum(positives, axis=0)
    called = np.add(called_wrongly, found, out=called_wrongly)
    precision = np.divide(found, called, out=found)
    figures["average_precision"] = np.einsum("lb,lb->b", positives, precision) / all_positives
    return figures


def _sort_distinct(values: Scores) -> Scores:
    """Like np.unique, which hashes floats at ten times the cost of sorting them."""
    ordered = np.sort(values)
    return ordered[np.append(True, np.diff(ordered) > 0)] if len(ordered) else ordered


@dataclass(frozen=True)
class Ratio:
    """A figure that is one sum over another: numbers `[G]` of each group."""

    above: FloatArray
    below: FloatArray

    @property
    def units(self) -> float:
        """How many images, or pairs, there are to count."""
        return float(self.below.sum())

    @property
    def groups(self) -> int:
        """How many groups the figure rests on."""
        return int(np.count_nonzero(self.below))


def count_calls(codes: Codes, labels: Labels, groups: npt.NDArray[np.int64]) -> dict[str, Ratio]:
    """What `CALL_FIGURES` of one class add up; those that do not exist are left out.

    A class handed to a person is not called: that costs recall, but is no escape.

    Args:
        codes: `[N]`.
        labels: `[N]`.
        groups: `[N]`, numbered 0..G-1.
    """
    if (codes == UNDECIDED).any():
        return {}
    truth, called, passed = labels.astype(bool), codes == DEFECT, codes == CLEAN
    counts: dict[str, tuple[npt.NDArray[Any], npt.NDArray[Any]]] = {
        "precision": (truth & called, called),
        "recall": (truth & called, truth),
        "escape_rate": (truth & passed, truth),
        "overkill_rate": (~truth & called, ~truth),
    }
    if truth.any():
        counts["f1"] = (2.0 * (truth & called), 1.0 * truth + called)
    return _build_ratios(groups, counts)


def count_images(
    codes: Codes, labels: Labels, verdicts: Codes, groups: npt.NDArray[np.int64]
) -> dict[str, Ratio]:
    """What `OVERALL_FIGURES` add up; those that do not exist are left out.

    Exact match and Hamming loss leave undecided classes out, and a review is not right.

    Args:
        codes: `[N, C]`.
        labels: `[N, C]`.
        verdicts: `[N]`, of whole images.
        groups: `[N]`, numbered 0..G-1.
    """
    decided = (codes != UNDECIDED).all(axis=0)
    wrong = codes[:, decided] != np.where(labels[:, decided], DEFECT, CLEAN)
    defective = np.asarray(labels.any(axis=1))
    one = np.ones(len(labels))
    counts: dict[str, tuple[npt.NDArray[Any], npt.NDArray[Any]]] = {
        "image_escape_rate": (defective & (verdicts == CLEAN), defective),
        "image_overkill_rate": (~defective & (verdicts == DEFECT), ~defective),
        "image_review_rate": (verdicts == REVIEW, one),
    }
    if decided.any():
        counts["exact_match"] = (~wrong.any(axis=1), one)
        counts["hamming_loss"] = (wrong.sum(axis=1), one * wrong.shape[1])
    return _build_ratios(groups, counts)


def _build_ratios(
    groups: npt.NDArray[np.int64], counts: dict[str, tuple[npt.NDArray[Any], npt.NDArray[Any]]]
) -> dict[str, Ratio]:
    size = int(groups.max()) + 1

    def add_up(values: npt.NDArray[Any]) -> FloatArray:
        return np.bincount(groups, weights=values, minlength=size).astype(np.float64)

    return {
        name: Ratio(add_up(above), add_up(below))
        for name, (above, below) in counts.items()
        if below.any()
    }
