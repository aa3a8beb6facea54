"""Curves against scikit-learn's, ties included."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from stripsight.evaluation.operating_curves import compute_operating_curve, find_point

# Few distinct scores, so that ties are common.
cases = st.lists(
    st.tuples(st.integers(0, 7).map(lambda k: k / 7), st.integers(0, 1)), min_size=1, max_size=60
)


def split(case: list[tuple[float, int]]) -> tuple[np.ndarray, np.ndarray]:
    scores, labels = zip(*case, strict=True)
    return np.array(scores), np.array(labels, dtype=np.uint8)


@given(cases)
def test_precision_and_recall_are_scikit_learns(case: list[tuple[float, int]]) -> None:
    scores, labels = split(case)
    ours = compute_operating_curve(scores, labels)
    if not labels.any():
        assert np.isnan(ours.recall).all()
        np.testing.assert_array_equal(ours.precision, 0)
        np.testing.assert_array_equal(ours.f1, 0)
        return
    precision, recall, thresholds = reference.precision_recall_curve(labels, scores)
    np.testing.assert_array_equal(ours.thresholds, thresholds[::-1])
    np.testing.assert_allclose(ours.precision, precision[-2::-1])  # theirs ends in a made-up point
    np.testing.assert_allclose(ours.recall, recall[-2::-1])


@given(cases)
def test_the_roc_is_scikit_learns(case: list[tuple[float, int]]) -> None:
    scores, labels = split(case)
    ours = compute_operating_curve(scores, labels)
    if labels.all():
        assert np.isnan(ours.false_positive_rate).all()
    if labels.min() == labels.max():
        return
    false, true, thresholds = reference.roc_curve(labels, scores, drop_intermediate=False)
    np.testing.assert_array_equal(ours.thresholds, thresholds[1:])  # theirs begins at infinity
    np.testing.assert_allclose(ours.false_positive_rate, false[1:])
    np.testing.assert_allclose(ours.recall, true[1:])


@given(cases, st.floats(-0.2, 1.2))
def test_a_point_calls_what_its_threshold_calls(
    case: list[tuple[float, int]], threshold: float
) -> None:
    scores, labels = split(case)
    curve = compute_operating_curve(scores, labels)
    at = find_point(curve, threshold)
    called = scores >= threshold
    if at is None:
        assert not called.any()
        return
    np.testing.assert_array_equal(scores >= curve.thresholds[at], called)
    expected = reference.f1_score(labels, called, zero_division=0)
    if labels.any():
        assert curve.f1[at] == pytest.approx(expected)
        assert curve.precision[at] == pytest.approx(reference.precision_score(labels, called))
