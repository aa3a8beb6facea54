"""The difference of two figures of the same images: its limits and p-value.

Newcombe's method 10 for paired shares (Statistics in Medicine 1998), extended to other figures as
MOVER has it (Zou and Donner 2008): each figure lends its own limits, so that "right in 20 of 20"
against "in 17 of 20" is no certainty. Two things differ. What the figures share cancels downwards
against downwards and upwards against upwards: near 1 the arms of a limit are so unequal that the
textbook's product of opposite ones leaves most of it. And the limits are never narrower than the
draws of the difference alone would have them.
"""

import math
from dataclasses import dataclass

from scipy.special import ndtri, stdtr, stdtrit

from stripsight.evaluation.intervals.interval import LEVEL, Figure, Interval, correlate_draws

_MANY = 1e9  # degrees of freedom: Student's t is the normal distribution


@dataclass(frozen=True)
class Difference:
    """One figure minus another.

    Attributes:
        value: of the difference.
        interval: at the level that was asked for.
        p_value: two-sided; at most 1 - level where the interval leaves out 0.
    """

    value: float
    interval: Interval
    p_value: float


def subtract_figures(
    first: Figure, second: Figure, *, luck: float = 0.0, freedom: int = 0, level: float = LEVEL
) -> Difference:
    """`first - second`, both drawn under the same weights.

    Args:
        first: a figure.
        second: another of the same images.
        luck: variance of the difference that does not come from the images (seeds).
        freedom: degrees of freedom that `luck` was estimated with; the limits then have those of
            Welch and Satterthwaite.
        level: of confidence, in 0..1.
    """
    value = first.value - second.value
    down, freedom_down = _measure_arm(first, second, luck, freedom, level)
    up, freedom_up = _measure_arm(second, first, luck, freedom, level)
    error, degrees = (down, freedom_down) if value > 0 else (up, freedom_up)
    tail = (1 + level) / 2
    return Difference(
        value=value,
        interval=Interval(
            max(-1.0, value - down * float(stdtrit(freedom_down, tail))),
            min(1.0, value + up * float(stdtrit(freedom_up, tail))),
        ),
        p_value=2 * float(stdtr(degrees, -abs(value) / error)) if value and error else 1.0,
    )


def _measure_arm(
    a: Figure, b: Figure, luck: float, freedom: int, level: float
) -> tuple[float, float]:
    """Standard error of `a - b` on its lower side, and its degrees of freedom."""
    limits_a, limits_b = a.limits(level), b.limits(level)
    a_down, a_up = a.value - limits_a.low, limits_a.high - a.value
    b_down, b_up = b.value - limits_b.low, limits_b.high - b.value
    correlation = float(correlate_draws((a, b), unknown=0.0)[0, 1])
    square = a_down**2 + b_up**2 - correlation * (a_down * b_down + a_up * b_up)
    normal = float(ndtri((1 + level) / 2))
    error = max(math.sqrt(max(0.0, square)) / normal, float((a.draws - b.draws).std(ddof=1)))
    if not freedom or not luck:
        return error, _MANY
    together = error**2 + luck
    return math.sqrt(together), min(_MANY, freedom * (together / luck) ** 2)
