"""The threshold of the largest F1: scikit-learn finds no better one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from stripsight.evaluation.policies.max_f1 import find_max_f1_threshold

# Few distinct scores, so that ties are common.
cases = st.lists(
    st.tuples(st.integers(0, 7).map(lambda k: k / 7), st.integers(0, 1)), min_size=2, max_size=60
)


@given(cases)
def test_no_threshold_has_a_larger_f1(case: list[tuple[float, int]]) -> None:
    scores, labels = np.array(case).T
    labels = labels.astype(np.uint8)
    threshold = find_max_f1_threshold(scores, labels)
    if labels.sum() == 0:
        assert threshold is None
        return
    assert threshold is not None

    def f1(at: float) -> float:
        called = scores >= at
        return float(2 * (called & (labels == 1)).sum() / (called.sum() + labels.sum()))

    levels = np.unique([*scores, *(scores + 1e-9)])
    values = np.array([f1(level) for level in levels])
    assert f1(threshold) == pytest.approx(values.max())
    assert f1(threshold) == pytest.approx(reference.f1_score(labels, scores >= threshold))
    assert 0 <= threshold <= 1
    # Of equal ones it is the highest.
    assert (values[levels > scores[scores >= threshold].min()] < values.max() - 1e-12).all()


def test_the_threshold_lies_between_the_scores_it_parts() -> None:
    scores = np.array([0.9, 0.8, 0.3, 0.1])
    assert find_max_f1_threshold(scores, np.array([1, 1, 0, 0], np.uint8)) == pytest.approx(0.55)


def test_the_threshold_survives_float32_scores() -> None:
    scores = np.array([0.30000001, 0.3, 0.29999998], dtype=np.float32)
    labels = np.array([1, 0, 0], dtype=np.uint8)
    threshold = find_max_f1_threshold(scores, labels)
    assert threshold is not None
    assert reference.f1_score(labels, scores >= threshold) >= 2 / 3
