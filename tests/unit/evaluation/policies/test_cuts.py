"""Cuts between scores: against counting at every one of them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripsight.decision.policy import NEVER
from stripsight.evaluation.policies.cuts import find_cuts, place_below

# Few distinct scores, so that ties are common.
cases = st.lists(
    st.tuples(st.integers(0, 7).map(lambda k: k / 7), st.integers(0, 1)), min_size=1, max_size=40
)


@given(cases)
def test_every_cut_counts_what_it_lets_pass_and_calls(case: list[tuple[float, int]]) -> None:
    scores, labels = np.array(case).T
    cuts = find_cuts(scores, labels.astype(np.uint8))
    assert len(cuts.thresholds) == len(set(scores)) + 1
    assert (np.diff(cuts.thresholds) > 0).all()
    for threshold, escapes, overkills in zip(
        cuts.thresholds, cuts.escapes, cuts.overkills, strict=True
    ):
        assert escapes == ((scores < threshold) & (labels == 1)).sum()
        assert overkills == ((scores >= threshold) & (labels == 0)).sum()
    assert cuts.escapes[-1] == labels.sum()
    assert cuts.overkills[-1] == 0


def test_a_threshold_stands_half_way() -> None:
    scores = np.array([0.6, 0.2, 0.6])
    cuts = find_cuts(scores, np.array([1, 0, 1], np.uint8))
    assert cuts.thresholds == pytest.approx([0.1, 0.4, 0.8])
    assert place_below(0.6, scores) == pytest.approx(0.4)
    assert place_below(0.2, scores) == pytest.approx(0.1)


def test_neighbouring_floats_are_told_apart() -> None:
    # The middle of two neighbours rounds to the one with an even last bit: once up, once down.
    levels = [0.3]
    for _ in range(2):
        levels.append(math.nextafter(levels[-1], 1))
    thresholds = find_cuts(np.array(levels), np.array([0, 1, 0], np.uint8)).thresholds
    assert levels[0] < thresholds[1] <= levels[1] < thresholds[2] <= levels[2]


def test_above_a_score_of_1_no_threshold_is_reached() -> None:
    cuts = find_cuts(np.array([0.5, 1.0]), np.array([0, 1], np.uint8))
    assert cuts.thresholds[-1] == NEVER
