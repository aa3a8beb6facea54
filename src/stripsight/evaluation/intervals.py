"""Confidence intervals of figures between 0 and 1, also where nothing was got wrong.

The quantiles of a bootstrap collapse to a point at recall 20 of 20 and are too narrow near it. So
the bootstrap only says how much a figure is worth: `n` is the number of independent images whose
share would vary as the figure's draws do (Kish's effective sample size). The limits are Jeffreys'
for a share of that many (Brown, Cai and DasGupta, Statistical Science 2001); where the draws do not
vary, `n` is the number of groups behind the figure. For shares from clustered samples this is the
usual construction (Korn and Graubard, Survey Methodology 1998; Franco, Little, Louis and Slud,
Journal of Survey Statistics and Methodology 2019).

Means and differences are put together from the limits of their parts (MOVER: Zou and Donner,
Statistics in Medicine 2008; Newcombe's method 10, 1998), so that a part at its extreme lends them
its width.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv

FloatArray = npt.NDArray[np.float64]

LEVEL = 0.95
"""Of every interval that is shown."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Limits of a figure, `low <= high`."""

    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Figure:
    """A figure, how it varies, and what it is the mean of.

    Attributes:
        value: as computed from all images, in 0..1.
        draws: float64 `[R]`, under R random weightings of the groups.
        size: effective number of independent images behind it.
        parts: of a mean: its terms; `size` then has no part in the limits.
        is_same_images: whether the parts are figures of the same images, as those of two seeds.
    """

    value: float
    draws: FloatArray
    size: float
    parts: tuple["Figure", ...] = ()
    is_same_images: bool = False

    @property
    def interval(self) -> Interval:
        """The limits at 95 %."""
        return self.limits(LEVEL)

    def limits(self, level: float) -> Interval:
        """The limits at a level of confidence in 0..1."""
        if not self.parts:
            return compute_jeffreys_interval(self.value, self.size, level)
        correlation = _correlate(self.parts, unknown=1.0 if self.is_same_images else 0.0)
        limits = [part.limits(level) for part in self.parts]
        values = np.array([part.value for part in self.parts])
        below = values - [limit.low for limit in limits]
        above = np.array([limit.high for limit in limits]) - values
        count = len(self.parts)
        return Interval(
            max(0.0, self.value - _length(below, correlation) / count),
            min(1.0, self.value + _length(above, correlation) / count),
        )


def build_figure(value: float, draws: FloatArray, groups: int) -> Figure:
    """A figure with its effective size.

    Args:
        value: in 0..1.
        draws: float64 `[R]` under weights that are exponential, as Rubin's Bayesian bootstrap has
            them (Annals of Statistics 1981); a share of n images then varies by s(1 - s) / (n + 1).
        groups: how many groups the figure rests on.
    """
    variance = float(draws.var(ddof=1)) * (groups + 1) / groups
    spread = value * (1 - value)
    size = spread / variance if spread > 0 and variance > 1e-12 * spread else float(groups)
    return Figure(value, draws, size)


def average_figures(figures: Sequence[Figure], *, is_same_images: bool = False) -> Figure:
    """The mean of figures that were drawn under the same weights; at least one."""
    if len(figures) == 1:
        return figures[0]
    return Figure(
        value=float(np.mean([figure.value for figure in figures])),
        draws=np.mean([figure.draws for figure in figures], axis=0),
        size=min(figure.size for figure in figures),
        parts=tuple(figures),
        is_same_images=is_same_images,
    )


def compute_jeffreys_interval(value: float, size: float, level: float = LEVEL) -> Interval:
    """Limits of a share `value` of `size` images, neither of which need be whole.

    Equal tails of Beta(size value + 1/2, size (1 - value) + 1/2); at 0 and 1 the near limit is the
    value itself (Brown, Cai and DasGupta 2001, section 4.1.2).
    """
    hits, misses = size * value + 0.5, size * (1 - value) + 0.5
    tail = (1 - level) / 2
    return Interval(
        low=0.0 if value <= 0 else min(value, float(betaincinv(hits, misses, tail))),
        high=1.0 if value >= 1 else max(value, float(betaincinv(hits, misses, 1 - tail))),
    )


def compute_difference_interval(
    first: Figure, second: Figure, level: float = LEVEL, *, extra: float = 0.0
) -> Interval:
    """Limits of `first - second`, both drawn under the same weights.

    Args:
        first: a figure.
        second: another of the same images.
        level: of confidence.
        extra: half-width at that level of what else varies (seeds), independent of the images.
    """
    a, b = first.limits(level), second.limits(level)
    correlation = _correlate((first, second), unknown=0.0)
    correlation[0, 1] = correlation[1, 0] = -correlation[0, 1]
    difference = first.value - second.value
    down = _length(np.array([first.value - a.low, b.high - second.value]), correlation)
    up = _length(np.array([a.high - first.value, second.value - b.low]), correlation)
    return Interval(
        max(-1.0, difference - float(np.hypot(down, extra))),
        min(1.0, difference + float(np.hypot(up, extra))),
    )


def _length(halves: FloatArray, correlation: FloatArray) -> float:
    return math.sqrt(max(0.0, float(halves @ correlation @ halves)))


def _correlate(figures: Sequence[Figure], *, unknown: float) -> FloatArray:
    """Correlation of the draws `[K, K]`; `unknown` where a figure does not vary."""
    draws = np.stack([figure.draws for figure in figures])
    centred = draws - draws.mean(axis=1, keepdims=True)
    norms = np.sqrt((centred**2).sum(axis=1))
    varies = norms > 1e-9 * np.sqrt(draws.shape[1])
    scaled = centred / np.where(varies, norms, 1.0)[:, None]
    correlation = np.where(varies[:, None] & varies[None, :], scaled @ scaled.T, unknown)
    np.fill_diagonal(correlation, 1.0)
    return np.asarray(correlation)
