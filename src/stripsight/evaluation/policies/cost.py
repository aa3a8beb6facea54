"""Policy `cost`: the threshold with the lowest cost on validation, from what mistakes cost."""

from dataclasses import dataclass

import numpy as np

from stripsight.evaluation.metrics import Labels, Scores
from stripsight.evaluation.policies.cuts import find_cuts


@dataclass(frozen=True, slots=True)
class Price:
    """What one mistake costs, in any one currency.

    Attributes:
        escape: of an image with the defect that is called clean.
        overkill: of an image without it that is called defect.
    """

    escape: float
    overkill: float

    @property
    def break_even(self) -> float:
        """The probability at which both calls cost the same (Elkan 2001): where the threshold
        would stand if the probabilities were exact."""
        return self.overkill / (self.escape + self.overkill)


def find_cheapest_threshold(scores: Scores, labels: Labels, price: Price) -> float | None:
    """The threshold with the lowest sum of prices of escapes and overkills.

    Of equal cost the one nearest to the break-even probability wins.

    Args:
        scores: calibrated probabilities `[N]`.
        labels: `[N]`.
        price: not both 0.

    Returns:
        In [0, NEVER], or None without positives.
    """
    if not labels.any():
        return None
    cuts = find_cuts(scores, labels)
    costs = price.escape * cuts.escapes + price.overkill * cuts.overkills
    # Sums of equal cost may differ in the last bits.
    cheapest = np.flatnonzero(costs <= costs.min() * (1 + 1e-12))
    distance = np.abs(cuts.thresholds[cheapest] - price.break_even)
    return float(cuts.thresholds[cheapest[np.argmin(distance)]])
