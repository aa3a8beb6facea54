"""The cheapest threshold: no other one costs less, whatever the prices."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripsight.decision.policy import NEVER
from stripsight.evaluation.policies.cost import Price, find_cheapest_threshold

cases = st.lists(
    st.tuples(st.integers(0, 9).map(lambda k: k / 9), st.integers(0, 1)), min_size=1, max_size=40
)
prices = st.floats(0.01, 1000)


@given(cases, prices, prices)
def test_no_threshold_is_cheaper(
    case: list[tuple[float, int]], escape: float, overkill: float
) -> None:
    scores, labels = np.array(case).T
    threshold = find_cheapest_threshold(scores, labels.astype(np.uint8), Price(escape, overkill))
    if not labels.any():
        assert threshold is None
        return
    assert threshold is not None

    def cost(at: float) -> float:
        called = scores >= at
        return float(
            escape * (~called & (labels == 1)).sum() + overkill * (called & (labels == 0)).sum()
        )

    cheapest = min(cost(at) for at in [0.0, *(scores + 1e-6)])
    assert cost(threshold) == pytest.approx(cheapest, rel=1e-9)


def test_the_price_moves_the_threshold() -> None:
    scores = np.array([0.1, 0.3, 0.4, 0.6, 0.8])
    labels = np.array([0, 1, 0, 0, 1], np.uint8)
    # Two overkills save one escape.
    assert find_cheapest_threshold(scores, labels, Price(3, 1)) == pytest.approx(0.2)
    assert find_cheapest_threshold(scores, labels, Price(1, 1)) == pytest.approx(0.7)
    assert find_cheapest_threshold(scores, labels, Price(0, 1)) == pytest.approx(0.9)
    assert find_cheapest_threshold(scores, labels, Price(1, 0)) == pytest.approx(0.05)


def test_of_equal_cost_the_one_nearest_to_break_even_is_taken() -> None:
    # The cuts at 0.2 (one overkill) and at 0.75 (one escape) cost the same.
    assert Price(2, 2).break_even == 0.5
    near = find_cheapest_threshold(
        np.array([0.1, 0.3, 0.6, 0.9]), np.array([0, 1, 0, 1], np.uint8), Price(2, 2)
    )
    assert near == pytest.approx(0.75)


def test_where_calling_never_pays_it_is_not_called() -> None:
    scores, labels = np.array([1.0, 1.0, 1.0]), np.array([0, 0, 1], np.uint8)
    assert find_cheapest_threshold(scores, labels, Price(1, 1)) == NEVER


def test_with_exact_probabilities_it_is_the_break_even_point() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random(200_000)
    labels = (rng.random(200_000) < scores).astype(np.uint8)
    threshold = find_cheapest_threshold(scores, labels, Price(4, 1))
    assert threshold == pytest.approx(0.2, abs=0.02)
