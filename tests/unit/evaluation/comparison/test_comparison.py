"""Differences, McNemar, Holm and seeds against scipy, published and hand-made cases."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from stripsight.evaluation.comparison import figure
from stripsight.evaluation.comparison.comparison import adjust_p_values, compute_mcnemar
from stripsight.evaluation.comparison.report import DRAWN
from stripsight.evaluation.comparison.seeds import average_seeds, pool_spread
from stripsight.evaluation.intervals.differences import subtract_figures
from stripsight.evaluation.intervals.interval import Figure, build_share
from stripsight.reporting.intervals import IntervalRow

WEIGHTS = np.random.default_rng(0).standard_exponential((40, 4000))


def share(right: list[int]) -> Figure:
    """Exact match of as many images as `right` has entries, of single images."""
    hits, count = np.array(right), len(right)
    weights = WEIGHTS[:count]
    return build_share(
        float(hits.mean()), hits @ weights / weights.sum(axis=0), units=count, groups=count
    )


def make(value: float, spread: float, seed: int = 0) -> Figure:
    draws = value + spread * np.random.default_rng(seed).normal(size=2000)
    return Figure(value, draws, value * (1 - value) / spread**2, 1000, 1000)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40))
def test_mcnemar_is_scipys_binomial_test(gained: int, lost: int, both: int) -> None:
    a = np.array([0] * gained + [1] * lost + [1] * both + [0], np.uint8)
    b = np.array([1] * gained + [0] * lost + [1] * both + [0], np.uint8)
    test = compute_mcnemar(a, b, np.arange(len(a)))
    assert (test.gained, test.lost) == (gained, lost)
    if gained + lost:
        expected = stats.binomtest(gained, gained + lost, 0.5).pvalue
        assert test.p_value == pytest.approx(expected, abs=1e-12)
    else:
        assert test.p_value == 1


def test_mcnemar_by_hand() -> None:
    """3 to 0: twice one eighth."""
    test = compute_mcnemar(np.zeros(3, np.uint8), np.ones(3, np.uint8), np.arange(3))
    assert test.p_value == 0.25


def test_mcnemar_counts_a_group_once() -> None:
    a = np.array([0, 0, 0, 1, 1, 0], np.uint8)
    b = np.array([1, 1, 1, 0, 0, 1], np.uint8)
    test = compute_mcnemar(a, b, np.array([7, 7, 7, 3, 5, 5]))
    assert (test.gained, test.lost) == (1, 1)  # the last group has one for either side


def test_holm_by_hand() -> None:
    found = adjust_p_values([0.01, 0.04, None, 0.03, 0.005])
    assert found == pytest.approx([0.03, 0.06, None, 0.06, 0.02])


def test_a_figure_minus_itself_is_nothing() -> None:
    figure = make(0.8, 0.02)
    difference = subtract_figures(figure, figure)
    assert difference.value == 0
    assert difference.p_value == 1
    assert difference.interval.low == pytest.approx(0, abs=1e-6)
    assert difference.interval.high == pytest.approx(0, abs=1e-6)


def test_unrelated_figures_differ_by_both_their_spreads() -> None:
    a, b = make(0.6, 0.02, seed=1), make(0.5, 0.02, seed=2)
    difference = subtract_figures(a, b)
    half = 1.96 * np.hypot(0.02, 0.02)
    assert difference.interval.low == pytest.approx(0.1 - half, abs=0.005)
    assert difference.interval.high == pytest.approx(0.1 + half, abs=0.005)
    expected = 2 * stats.norm.sf(0.1 / np.hypot(0.02, 0.02))
    assert difference.p_value == pytest.approx(expected, abs=2e-4)


@settings(max_examples=60, deadline=None)
@given(st.floats(0.02, 0.98), st.floats(0.02, 0.98), st.floats(0.003, 0.1), st.integers(0, 99))
def test_p_and_interval_say_the_same_and_turning_round_changes_the_sign(
    a: float, b: float, spread: float, seed: int
) -> None:
    first, second = make(a, spread, seed), make(b, spread / 2, seed + 1)
    forth, back = subtract_figures(first, second), subtract_figures(second, first)
    low, high = forth.interval.low, forth.interval.high
    assert low <= forth.value <= high
    assert (low > 0 or high < 0) == (forth.p_value < 0.05)
    assert (back.interval.low, back.interval.high) == pytest.approx((-high, -low))
    assert back.p_value == pytest.approx(forth.p_value)


def test_one_image_more_is_no_real_difference() -> None:
    """The draws of the difference never cross 0: their quantiles would call it certain."""
    a = share([1] * 38 + [0, 1])
    b = share([1] * 38 + [0, 0])
    assert np.quantile(a.draws - b.draws, 0.01) > 0
    difference = subtract_figures(a, b)
    assert difference.interval.low < 0 < difference.interval.high
    assert difference.p_value > 0.05


def test_all_of_twenty_against_seventeen_is_not_certain_either() -> None:
    """Newcombe's method 10 with Jeffreys' limits: 0.15 - hypot(1 - 0.8836, 0.9550 - 0.85)."""
    difference = subtract_figures(share([1] * 20), share([1] * 17 + [0] * 3))
    assert difference.value == pytest.approx(0.15)
    limit = stats.beta(17.5, 3.5).ppf(0.975)
    assert difference.interval.low == pytest.approx(0.15 - np.hypot(0.1164, limit - 0.85), abs=5e-3)


@pytest.mark.parametrize("level", [0.5, 0.95, 1 - 0.1 / 80])
def test_a_level_is_kept(level: float) -> None:
    """Limits of independent normal figures at any level are the normal distribution's."""
    a, b = make(0.6, 0.002, seed=1), make(0.5, 0.002, seed=2)
    difference = subtract_figures(a, b, level=level)
    half = stats.norm.ppf((1 + level) / 2) * np.hypot(0.002, 0.002)
    assert difference.interval.low == pytest.approx(0.1 - half, rel=0.01)
    assert difference.interval.high == pytest.approx(0.1 + half, rel=0.01)


def test_luck_of_seeds_widens_and_welchs_degrees_of_freedom_count() -> None:
    a, b = make(0.6, 1e-6, seed=1), make(0.5, 1e-6, seed=2)
    luck = 0.03**2
    difference = subtract_figures(a, b, luck=luck, freedom=4)
    half = stats.t(4).ppf(0.975) * 0.03
    assert difference.interval.low == pytest.approx(0.1 - half, abs=1e-4)
    assert difference.p_value == pytest.approx(2 * stats.t(4).sf(0.1 / 0.03), abs=1e-4)


def test_seeds_have_a_mean_a_spread_and_share_it() -> None:
    three = average_seeds([make(0.7, 0.01), make(0.8, 0.01), make(0.9, 0.01)])
    two = average_seeds([make(0.5, 0.01), make(0.6, 0.01)])
    one = average_seeds([make(0.5, 0.01)])
    assert three is not None
    assert two is not None
    assert one is not None
    assert three.mean.value == pytest.approx(0.8)
    assert three.spread == pytest.approx(0.1)
    assert one.spread is None
    spread, freedom = pool_spread([three, two, one])
    assert freedom == 3
    assert spread == pytest.approx(np.sqrt((2 * 0.01 + 0.005) / 3))
    assert pool_spread([one, one]) == (0.0, 0)
    assert average_seeds([make(0.7, 0.01), None]) is None


def test_the_picture_says_of_each_figure_which_side_is_better(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows: list[IntervalRow] = []
    monkeypatch.setattr(figure, "draw_intervals", lambda drawn, *_, **__: rows.extend(drawn))
    change = subtract_figures(share([1] * 20), share([1] * 17 + [0] * 3))
    names = [SimpleNamespace(name="a"), SimpleNamespace(name="b")]
    contrast = SimpleNamespace(differences=dict.fromkeys(DRAWN, change))
    figure.draw_comparison(
        SimpleNamespace(configurations=names, contrasts=[contrast], images=20, part="test")  # type: ignore[arg-type]
    )
    assert {row.label for row in rows} == {
        *(f"{name}, more is better" for name in ("macro AP", "macro F1", "exact match")),
        *(f"images {name}, less is better" for name in ("escaped", "overkilled", "to review")),
    }
