"""Limits of single figures against scipy's beta distribution and hand-made cases."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

from stripsight.evaluation.intervals.interval import (
    Figure,
    average_figures,
    build_rank_figure,
    build_share,
    compute_jeffreys_interval,
    compute_logit_interval,
)


def draw_share(hits: int, images: int, rounds: int = 40_000) -> np.ndarray:
    weights = np.random.default_rng(0).standard_exponential((images, rounds))
    return np.asarray(weights[:hits].sum(axis=0) / weights.sum(axis=0))


@pytest.mark.parametrize(("hits", "images"), [(1, 20), (13, 20), (19, 20), (57, 60)])
def test_a_share_of_single_images_has_jeffreys_limits(hits: int, images: int) -> None:
    figure = build_share(hits / images, draw_share(hits, images), units=images, groups=images)
    expected = stats.beta(hits + 0.5, images - hits + 0.5).ppf([0.025, 0.975])
    assert [figure.interval.low, figure.interval.high] == pytest.approx(expected, abs=0.003)


def test_jeffreys_limits_at_the_extremes_end_there() -> None:
    """20 of 20: the published lower limit, Beta(20.5, 0.5) at 2.5 %, is 0.8836."""
    whole = compute_jeffreys_interval(1.0, 20)
    assert whole.high == 1
    assert whole.low == pytest.approx(0.8836, abs=5e-4)
    none = compute_jeffreys_interval(0.0, 20)
    assert (none.low, none.high) == pytest.approx((0, 1 - whole.low))


def test_a_share_is_never_worth_more_images_than_there_are() -> None:
    still = 0.5 + 1e-3 * np.random.default_rng(0).normal(size=500)
    figure = build_share(0.5, still, units=20, groups=20)
    assert figure.size == 20


def test_groups_widen_a_share() -> None:
    draws = draw_share(10, 20)
    single = build_share(0.5, draws, units=20, groups=20).interval
    grouped = build_share(0.5, draws, units=20, groups=8).interval
    assert grouped.low < single.low
    assert grouped.high > single.high


def test_limits_on_the_logit_scale_by_hand() -> None:
    """0.8 of 100: standard error of the logit 1 / sqrt(16) = 0.25, logit ln 4."""
    interval = compute_logit_interval(0.8, 100, 2.0, 0.0)
    assert interval.low == pytest.approx(expit(np.log(4) - 0.5))
    assert interval.high == pytest.approx(expit(np.log(4) + 0.5))
    skewed = compute_logit_interval(0.8, 100, 2.0, -0.4)
    assert skewed.low == pytest.approx(expit(np.log(4) - 0.25 * (2 + 9 / 6 * 0.4)))
    assert skewed.high == interval.high


def test_a_ranking_that_does_not_vary_is_a_share_of_its_groups() -> None:
    figure = build_rank_figure(1.0, np.ones(50), groups=20, johnson=0.5)
    assert figure.interval == compute_jeffreys_interval(1.0, 20)


def test_a_ranking_with_one_fault_is_not_worth_less_than_its_groups() -> None:
    """One negative above 24 positives: the draws are so skewed that the logit alone reaches 0.6."""
    rng = np.random.default_rng(0)
    negative = rng.standard_exponential(1000)
    draws = 1 - 0.001 * negative / rng.standard_exponential((100, 1000)).mean(axis=0)
    figure = build_rank_figure(0.999, draws, groups=24, johnson=0.5)
    assert figure.interval.low >= compute_jeffreys_interval(0.999, 24).low > 0.85


def test_a_mean_of_independent_shares_is_narrower_by_the_square_root() -> None:
    rng = np.random.default_rng(0)
    parts = [Figure(0.5, rng.normal(0.5, 0.05, 4000), 100, 100, 100) for _ in range(4)]
    mean = average_figures(parts).interval
    part = parts[0].interval
    assert mean.high - mean.low == pytest.approx((part.high - part.low) / 2, rel=0.05)


def test_a_mean_of_the_same_figure_is_that_figure() -> None:
    part = Figure(0.7, np.random.default_rng(0).normal(0.7, 0.05, 100), 60, 60, 60)
    mean = average_figures([part, part, part]).interval
    assert (mean.low, mean.high) == pytest.approx((part.interval.low, part.interval.high))


def test_perfect_classes_lend_the_mean_their_width() -> None:
    perfect = Figure(1.0, np.ones(100), 20, 20, 20)
    low = perfect.interval.low
    mean = average_figures([perfect, perfect]).interval
    assert mean.low == pytest.approx(1 - (1 - low) / np.sqrt(2))
    seeds = average_figures([perfect, perfect], is_same_images=True).interval
    assert seeds.low == pytest.approx(low)
