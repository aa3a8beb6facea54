"""How often images are escapes or overkills, inside a slice and outside it.

The unit is the image: it is an escape where any class on it is called clean, an overkill where any
class that is not on it is called a defect. Reviews are neither, and undecided classes take no part.
Of sixteen frames of one scratch, fifteen prove nothing more, so a group of look-alikes counts once.
Limits are Jeffreys', those of a gap are put together from them, see `intervals.py`.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from stripsight.decision.policy import CLEAN, DEFECT, UNDECIDED, Codes
from stripsight.evaluation.intervals.interval import compute_jeffreys_interval
from stripsight.evaluation.metrics import Labels

Fault = Literal["escape", "overkill"]
FAULTS: tuple[Fault, ...] = ("escape", "overkill")

Rows = npt.NDArray[np.bool_]
"""`[N]`."""


@dataclass(frozen=True)
class FaultRate:
    """One kind of fault inside a slice and outside it.

    Attributes:
        wrong: images of the slice with the fault.
        images: of the slice that could have it: with a decided class on them for an escape, with
            one that is not on them for an overkill.
        rest_wrong: likewise outside the slice.
        rest_images: likewise.
        rate: wrong / images, but each group of look-alikes counts once.
        low: lower limit of `rate` at 95 %.
        high: upper limit.
        rest_rate: likewise outside.
        gap: rate - rest_rate; above 0 is worse than elsewhere.
        least_gap: lower limit of `gap`, one-sided, at the confidence that was asked for.
    """

    wrong: int
    images: int
    rest_wrong: int
    rest_images: int
    rate: float
    low: float
    high: float
    rest_rate: float
    gap: float
    least_gap: float


def find_faults(codes: Codes, labels: Labels) -> dict[Fault, tuple[Rows, Rows]]:
    """Of each fault: the images that have it, and those that could have it.

    Args:
        codes: `[N, C]`.
        labels: `[N, C]`.
    """
    truth, decided = labels.astype(bool), codes != UNDECIDED
    return {
        "escape": ((truth & (codes == CLEAN)).any(axis=1), (truth & decided).any(axis=1)),
        "overkill": ((~truth & (codes == DEFECT)).any(axis=1), (~truth & decided).any(axis=1)),
    }


def compare_rates(
    wrong: Rows, inside: Rows, outside: Rows, groups: npt.NDArray[np.integer], confidence: float
) -> FaultRate | None:
    """Compare two disjoint sets of images; None where either has no image.

    Args:
        wrong: which images have the fault.
        inside: those of the slice that could have it.
        outside: likewise, of the rest.
        groups: `[N]`; look-alikes share a number.
        confidence: of `least_gap`, one-sided, in 0.5..1.
    """
    if not inside.any() or not outside.any():
        return None
    rate, size = measure_share(wrong[inside], groups[inside])
    rest_rate, rest_size = measure_share(wrong[outside], groups[outside])
    level = 2 * confidence - 1  # of the two-sided interval with this limit
    below = rate - compute_jeffreys_interval(rate, size, level).low
    above = compute_jeffreys_interval(rest_rate, rest_size, level).high - rest_rate
    shown = compute_jeffreys_interval(rate, size)
    return FaultRate(
        wrong=int(wrong[inside].sum()),
        images=int(inside.sum()),
        rest_wrong=int(wrong[outside].sum()),
        rest_images=int(outside.sum()),
        rate=rate,
        low=shown.low,
        high=shown.high,
        rest_rate=rest_rate,
        gap=rate - rest_rate,
        least_gap=max(-1.0, rate - rest_rate - float(np.hypot(below, above))),
    )


def measure_share(wrong: Rows, groups: npt.NDArray[np.integer]) -> tuple[float, int]:
    """A share in which each group of look-alikes counts once, and how many groups there are.

    A group counts with the share of its images that are wrong. Its variance is at most that of a
    group that is either wrong or right, so limits for so many independent images are safe ones.

    Args:
        wrong: at least one image.
        groups: of the same images.
    """
    _, number = np.unique(groups, return_inverse=True)
    shares = np.bincount(number, weights=wrong) / np.bincount(number)
    return float(shares.mean()), len(shares)
