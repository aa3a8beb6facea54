"""Confidence intervals of figures between 0 and 1, also where nothing was got wrong.

The quantiles of a bootstrap collapse to a point at recall 20 of 20 and are too narrow near it. So
the draws only say how much a figure is worth: the number of independent images whose share would
vary as they do (the effective sample size).

- A share (recall, precision, exact match, F1, ...) gets Jeffreys' limits of that many images
  (Brown, Cai and DasGupta, Statistical Science 2001), as shares of clustered samples usually do
  (Korn and Graubard, Survey Methodology 1998; Franco and others, Journal of Survey Statistics and
  Methodology 2019): never more images than there are, and Student's t of the groups.
- A figure of the ranking gets limits on the logit scale (for AP: Boyd, Eng and Page, ECML 2013)
  with Student's t and part of Johnson's correction for skewness (JASA 1978), which the logit leaves
  over. The correction ends at the limits of a share of its groups: what a positive adds lies in
  0..1. Where a figure does not vary, it is taken for such a share.
- A mean is put together from the limits of its parts (MOVER: Zou and Donner, Statistics in Medicine
  2008), so that a part at its extreme lends it its width.

Differences are `differences.py`'s business. What all of these limits cover is simulated in
`benchmarks/coverage.py`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv, expit, logit, stdtrit

FloatArray = npt.NDArray[np.float64]

LEVEL = 0.95
"""Of every interval that is shown."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Limits of a figure, `low <= high`."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Ranked:
    """That a figure is of the ranking: which limits it gets.

    Attributes:
        skewness: of the estimate, so far as the limits shall mind it.
    """

    skewness: float = 0.0


@dataclass(frozen=True, eq=False)
class Figure:
    """A figure, how it varies, and what it is the mean of.

    Attributes:
        value: as computed from all images, in 0..1.
        draws: float64 `[R]`, under R random weightings of the groups.
        size: effective number of independent images behind it.
        units: images (or pairs of image and class) behind it.
        groups: groups behind it.
        ranked: of average precision and AUROC only.
        parts: of a mean: its terms; nothing above but value and draws then counts.
        is_same_images: whether the parts are figures of the same images, as those of two seeds.
    """

    value: float
    draws: FloatArray
    size: float
    units: float
    groups: int
    ranked: Ranked | None = None
    parts: tuple["Figure", ...] = ()
    is_same_images: bool = False

    @property
    def interval(self) -> Interval:
        """The limits at 95 %."""
        return self.limits(LEVEL)

    def limits(self, level: float) -> Interval:
        """The limits at a level of confidence in 0..1."""
        if self.parts:
            return _combine(self, level)
        t_of_groups = _quantile(self.groups, level)
        if self.ranked and 0 < self.value < 1:
            plain = compute_logit_interval(self.value, self.size, t_of_groups, 0.0)
            skewed = compute_logit_interval(
                self.value, self.size, t_of_groups, self.ranked.skewness
            )
            share = compute_jeffreys_interval(self.value, self.groups, level)
            return Interval(
                min(plain.low, max(skewed.low, share.low)),
                max(plain.high, min(skewed.high, share.high)),
            )
        shrink = (_quantile(self.units, level) / t_of_groups) ** 2
        return compute_jeffreys_interval(self.value, self.size * shrink, level)


def build_share(value: float, draws: FloatArray, *, units: float, groups: int) -> Figure:
    """A figure that counts some images (or pairs) of others.

    Args:
        value: in 0..1.
        draws: float64 `[R]` under exponential weights of the groups.
        units: how many there are to count.
        groups: how many groups they come from.
    """
    size = _estimate_size(value, draws, groups)
    return Figure(value, draws, groups if size is None else min(size, units), units, groups)


def build_rank_figure(value: float, draws: FloatArray, *, groups: int, johnson: float) -> Figure:
    """A figure of the ranking.

    Args:
        value: in 0..1.
        draws: float64 `[R]` under exponential weights of the groups.
        groups: how many groups hold a positive.
        johnson: how much of Johnson's correction for skewness the logit leaves over.
    """
    size = _estimate_size(value, draws, groups)
    if size is None or groups < 2:
        return Figure(value, draws, groups, groups, groups)
    deviations = (draws - draws.mean()) / draws.std()
    # Exponential weights skew a mean twice as much as the images themselves do.
    skewness = johnson * float((deviations**3).mean()) / 2
    # The draws vary by what n groups show of their variance; (n + 1) / (n - 1) makes it unbiased.
    size *= (groups - 1) / (groups + 1)
    return Figure(value, draws, size, groups, groups, Ranked(skewness))


def _estimate_size(value: float, draws: FloatArray, groups: int) -> float | None:
    """Effective number of images, s(1 - s) / variance; None where the figure does not vary.

    Under exponential weights (Rubin 1981) a share of n images varies by s(1 - s) / (n + 1).
    """
    variance = float(draws.var(ddof=1)) * (groups + 1) / groups
    spread = value * (1 - value)
    return spread / variance if spread > 1e-12 and variance > 1e-12 * spread else None


def average_figures(figures: Sequence[Figure], *, is_same_images: bool = False) -> Figure:
    """The mean of figures that were drawn under the same weights; at least one."""
    if len(figures) == 1:
        return figures[0]
    return Figure(
        value=float(np.mean([figure.value for figure in figures])),
        draws=np.mean([figure.draws for figure in figures], axis=0),
        size=min(figure.size for figure in figures),
        units=min(figure.units for figure in figures),
        groups=min(figure.groups for figure in figures),
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


def compute_logit_interval(value: float, size: float, quantile: float, skewness: float) -> Interval:
    """Limits on the logit scale: quantile standard errors away, more on the skewed side.

    Args:
        value: between 0 and 1.
        size: effective number of images: the variance is value (1 - value) / size.
        quantile: of Student's t.
        skewness: Johnson's (2 q^2 + 1) skewness / 6 is added on its side only, so that the limits
            do not leave the value.
    """
    error = 1 / math.sqrt(size * value * (1 - value))
    more = (2 * quantile**2 + 1) / 6
    low = float(expit(logit(value) - error * (quantile + more * max(0.0, -skewness))))
    high = float(expit(logit(value) + error * (quantile + more * max(0.0, skewness))))
    return Interval(min(value, low), max(value, high))


def _combine(mean: Figure, level: float) -> Interval:
    correlation = correlate_draws(mean.parts, unknown=1.0 if mean.is_same_images else 0.0)
    limits = [part.limits(level) for part in mean.parts]
    values = np.array([part.value for part in mean.parts])
    below = values - [limit.low for limit in limits]
    above = np.array([limit.high for limit in limits]) - values
    count = len(mean.parts)
    return Interval(
        max(0.0, mean.value - _length(below, correlation) / count),
        min(1.0, mean.value + _length(above, correlation) / count),
    )


def _quantile(count: float, level: float) -> float:
    """Of Student's t with count - 1 degrees of freedom."""
    return float(stdtrit(max(count - 1, 1), (1 + level) / 2))


def _length(halves: FloatArray, correlation: FloatArray) -> float:
    return math.sqrt(max(0.0, float(halves @ correlation @ halves)))


def correlate_draws(figures: Sequence[Figure], *, unknown: float) -> FloatArray:
    """Correlation of the figures' draws `[K, K]`; `unknown` where one does not vary."""
    draws = np.stack([figure.draws for figure in figures])
    centred = draws - draws.mean(axis=1, keepdims=True)
    norms = np.sqrt((centred**2).sum(axis=1))
    varies = norms > 1e-9 * np.sqrt(draws.shape[1])
    scaled = centred / np.where(varies, norms, 1.0)[:, None]
    correlation = np.where(varies[:, None] & varies[None, :], scaled @ scaled.T, unknown)
    np.fill_diagonal(correlation, 1.0)
    return np.asarray(correlation)
