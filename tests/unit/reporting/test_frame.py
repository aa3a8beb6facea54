"""Ticks, labels that make room for one another, and the key."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from stripsight.reporting.frame import Axis, KeyItem, measure_key, rule_axis, spread_apart

PLACES = st.lists(st.tuples(st.floats(-50, 350), st.floats(5, 40)), min_size=1, max_size=12)


@given(PLACES)
def test_labels_stand_in_order_apart_and_inside_where_they_fit(labels):
    wanted = sorted(place for place, _ in labels)
    sizes = [size for _, size in labels]
    middles = spread_apart(wanted, sizes, 0, 300)
    tops = np.array(middles) - np.array(sizes) / 2
    bottoms = tops + sizes
    assert (tops[1:] >= bottoms[:-1] - 1e-6).all()
    assert tops[0] >= -1e-6
    assert bottoms[-1] <= max(300, sum(sizes)) + 1e-6


@given(PLACES)
def test_labels_move_no_further_than_they_must(labels):
    # scikit-learn's isotonic regression is the independent reference for the least squares.
    wanted = sorted(place for place, _ in labels)
    sizes = np.array([size for _, size in labels])
    before = np.cumsum(sizes) - sizes / 2
    reference = IsotonicRegression().fit_transform(np.arange(len(sizes)), wanted - before) + before
    assert spread_apart(wanted, sizes.tolist(), -1e6, 1e6) == pytest.approx(reference.tolist())


def test_labels_with_room_stay():
    assert spread_apart([10, 50, 90], [10, 10, 10], 0, 100) == [10, 50, 90]


def test_shares_are_said_as_per_cent():
    ruler = rule_axis(Axis("share", (0, 1), "share"), [])
    assert ruler.words == ("0 %", "20 %", "40 %", "60 %", "80 %", "100 %")
    assert (ruler.low, ruler.high) == (0, 1)


@given(st.lists(st.floats(-1e6, 1e6), max_size=5))
def test_an_axis_found_from_its_values_holds_them(values):
    ruler = rule_axis(Axis("any"), [values])
    assert ruler.low < ruler.high
    assert all(ruler.low <= v <= ruler.high for v in values)
    assert len(ruler.places) == len(ruler.words) <= 7


@pytest.mark.parametrize("values", [[], [np.nan, np.inf], [0.0], [3.0, 3.0]])
def test_an_axis_of_nothing_or_one_value_stands(values):
    ruler = rule_axis(Axis("any"), [values])
    assert ruler.low < ruler.high


def test_what_is_never_negative_starts_at_nought():
    assert rule_axis(Axis("any"), [[0.1, 3.0]]).low == 0
    assert rule_axis(Axis("any"), [[90.0, 100.0]]).low > 80


def test_given_ticks_outside_the_axis_are_left_out():
    ruler = rule_axis(Axis("any", (0, 5), ticks=[(0, "none"), (5, "five"), (6, "six")]), [])
    assert ruler.words == ("none", "five")


def test_a_key_takes_as_many_rows_as_it_needs():
    assert measure_key([]) == 0
    one = measure_key([KeyItem("ring", "short")])
    three = measure_key([KeyItem("ring", "long words " * 5)] * 3)
    assert three - one == pytest.approx(2 * (one - 8))
