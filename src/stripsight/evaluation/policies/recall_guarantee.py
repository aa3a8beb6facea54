"""Policy `recall`: at most a share alpha of the defects escapes, with confidence 1 - delta.

Learn-then-Test (Angelopoulos et al. 2021) with fixed-sequence testing: thresholds are tried from
the lowest up, and the last one whose exact binomial test still rejects "more than alpha escape" is
taken. Escapes only grow with the threshold, so no correction is paid for the many tests, and the
rule reduces to one order statistic: of n positives, the (k + 1)-th lowest score, where k is the
largest number with P(Bin(n, alpha) <= k) <= delta. The true escape rate at that score is at most
Beta(k + 1, n - k), whatever the distribution of the scores. Where a lower threshold calls no
negative more, it is taken: letting a positive escape would save nothing. What holds at a threshold
holds at every lower one, so the promise stays.

Look-alike images are not independent, so the unit is the duplicate group: it counts once, and it
has escaped when any of its images has. A calibration that keeps the order of the scores, as all of
ours do, changes nothing, even fitted on the same images. What the promise does not cover: a
network, or an epoch, chosen on the same validation images (it makes them look better than new
ones), and strips unlike those of validation.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from stripsight.evaluation.groups import Groups
from stripsight.evaluation.metrics import Labels, Scores
from stripsight.evaluation.policies.cuts import place_below

# 14 of 14 at alpha 1/2 and delta 1/2^14 is a promise, whatever the last bit says.
_ROUNDING = 1 + 1e-9


@dataclass(frozen=True)
class RecallPromise:
    """What can be promised of one class.

    Attributes:
        name: of the class.
        alpha: largest share of groups that may escape.
        delta: largest probability that more do.
        positives: validation images that show the class.
        groups: duplicate groups they form.
        groups_needed: fewest that could carry the promise.
        escapes_allowed: groups that may lie below the threshold; None where nothing is promised.
        bound: upper confidence limit of the escape rate at the threshold; None without positives.
        threshold: None without positives.
    """

    name: str
    alpha: float
    delta: float
    positives: int
    groups: int
    groups_needed: int
    escapes_allowed: int | None
    bound: float | None
    threshold: float | None

    @property
    def met(self) -> bool:
        """Whether the groups suffice."""
        return self.escapes_allowed is not None

    @property
    def words(self) -> str:
        """The promise, or why there is none, for people."""
        asked = f"alpha {self.alpha:g} at delta {self.delta:g}"
        if self.met:
            return (
                f"{self.name}: at most {100 * self.alpha:.4g} % of the groups that show it escape,"
                f" at confidence {100 * (1 - self.delta):.4g} % (in validation"
                f" {self.escapes_allowed} of {self.groups} may)"
            )
        alpha = find_promised_alpha(self.bound)
        best = "" if alpha is None else f" (alpha {alpha:g} is what they can promise)"
        return (
            f"{self.name}: {asked} needs {self.groups_needed:,} validation images that show it,"
            f" look-alikes counted once: there are {self.groups:,}{best}"
        )

    def to_json(self) -> dict[str, Any]:
        """Plain data for `decisions.json`."""
        return {
            "kind": "escape_rate",
            "class": self.name,
            "met": self.met,
            "alpha": self.alpha,
            "delta": self.delta,
            "positives": self.positives,
            "groups": self.groups,
            "groups_needed": self.groups_needed,
            "escapes_allowed": self.escapes_allowed,
            "bound": self.bound,
            "words": self.words,
        }


def fit_recall(
    scores: Scores, labels: Labels, groups: Groups, *, name: str, alpha: float, delta: float
) -> RecallPromise:
    """The lowest threshold with as few overkills as the highest that keeps the promise; where none
    does, as the highest that calls every validation positive.

    Args:
        scores: probabilities `[N]`.
        labels: `[N]`.
        groups: `[N]`.
        name: of the class.
        alpha: in (0, 1).
        delta: in (0, 1).
    """
    lowest = find_lowest_of_groups(scores, labels, groups)
    count = len(lowest)
    allowed = count_allowed_escapes(count, alpha, delta)
    below = allowed or 0
    return RecallPromise(
        name=name,
        alpha=alpha,
        delta=delta,
        positives=int(labels.sum()),
        groups=count,
        groups_needed=count_needed(alpha, delta),
        escapes_allowed=allowed,
        bound=bound_escape_rate(below, count, delta) if count else None,
        threshold=_lower_freely(float(lowest[below]), scores, labels) if count else None,
    )


def _lower_freely(score: float, scores: Scores, labels: Labels) -> float:
    """The lowest threshold that calls `score`, and no negative that the highest such one does not.

    Args:
        score: the lowest that must be called.
        scores: `[N]`, `score` among them.
        labels: `[N]`.
    """
    values = scores.astype(np.float64)
    highest_below = values[(labels == 0) & (values < score)].max(initial=-np.inf)
    return place_below(float(values[values > highest_below].min()), scores)


def find_lowest_of_groups(
    scores: Scores, labels: Labels, groups: Groups
) -> npt.NDArray[np.float64]:
    """Lowest score of the positives of each duplicate group, rising."""
    positive = labels == 1
    _, group_of = np.unique(groups[positive], return_inverse=True)
    lowest = np.full(group_of.max(initial=-1) + 1, np.inf)
    np.minimum.at(lowest, group_of, scores[positive].astype(np.float64))
    return np.sort(lowest)


def count_allowed_escapes(count: int, alpha: float, delta: float) -> int | None:
    """Largest k with P(Bin(count, alpha) <= k) <= delta; None where there is none."""
    if count == 0:
        return None
    allowed = np.flatnonzero(special.bdtr(np.arange(count), count, alpha) <= delta * _ROUNDING)
    return int(allowed[-1]) if len(allowed) else None


def count_needed(alpha: float, delta: float) -> int:
    """Fewest groups whose finding, all of them, is a promise: (1 - alpha)^n <= delta."""
    return max(1, math.ceil(math.log(delta) / math.log1p(-alpha) / _ROUNDING))


def find_promised_alpha(bound: float | None) -> float | None:
    """The smallest alpha of three decimals that `bound` carries; None where there is none.

    Rounded up: what is advised would be refused in its turn if it were rounded to the nearest.
    """
    alpha = 1.0 if bound is None else math.ceil(bound * 1000) / 1000
    return alpha if alpha < 1 else None


def bound_escape_rate(escapes: int, count: int, delta: float) -> float:
    """One-sided upper limit of Clopper and Pearson (1934) at confidence 1 - delta."""
    if escapes >= count:
        return 1.0
    return float(special.betaincinv(escapes + 1, count - escapes, 1 - delta))
