"""Every figure against scikit-learn, a hand-computed case, or a property."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from stripsight.evaluation.metrics import (
    compute_auroc,
    compute_average_precision,
    compute_confusion,
    compute_exact_match,
    compute_hamming_loss,
    mean_of_known,
)

# Few distinct scores, so that ties are common.
cases = st.lists(
    st.tuples(st.integers(0, 7).map(lambda k: k / 7), st.integers(0, 1)), min_size=2, max_size=60
)


def split(case: list[tuple[float, int]]) -> tuple[np.ndarray, np.ndarray]:
    scores, labels = zip(*case, strict=True)
    return np.array(scores), np.array(labels, dtype=np.uint8)


@given(cases)
def test_average_precision_is_scikit_learns(case: list[tuple[float, int]]) -> None:
    scores, labels = split(case)
    ours = compute_average_precision(scores, labels)
    if labels.sum() == 0:
        assert ours is None
    else:
        assert ours == pytest.approx(reference.average_precision_score(labels, scores), abs=1e-12)


@given(cases)
def test_auroc_is_scikit_learns(case: list[tuple[float, int]]) -> None:
    scores, labels = split(case)
    ours = compute_auroc(scores, labels)
    if labels.min() == labels.max():
        assert ours is None
    else:
        assert ours == pytest.approx(reference.roc_auc_score(labels, scores), abs=1e-12)


@given(cases)
def test_confusion_figures_are_scikit_learns(case: list[tuple[float, int]]) -> None:
    scores, labels = split(case)
    called = scores >= 0.5
    ours = compute_confusion(called, labels)
    tn, fp, fn, tp = reference.confusion_matrix(labels, called, labels=[0, 1]).ravel()
    assert (ours.true_negatives, ours.false_positives) == (tn, fp)
    assert (ours.false_negatives, ours.true_positives) == (fn, tp)
    if labels.any():
        assert ours.f1 == pytest.approx(reference.f1_score(labels, called, zero_division=0))
        assert ours.recall == pytest.approx(reference.recall_score(labels, called))
    else:
        assert ours.f1 is None
        assert ours.recall is None
    if called.any():
        assert ours.precision == pytest.approx(reference.precision_score(labels, called))
    else:
        assert ours.precision is None


def test_exact_match_and_hamming_by_hand() -> None:
    labels = np.array([[1, 0], [0, 1], [1, 1], [0, 0]], np.uint8)
    called = np.array([[1, 0], [1, 1], [1, 1], [0, 1]], bool)
    assert compute_exact_match(called, labels) == 0.5
    assert compute_hamming_loss(called, labels) == 0.25
    assert compute_hamming_loss(called, labels) == reference.hamming_loss(labels, called)


def test_macro_leaves_out_what_has_no_figure() -> None:
    assert mean_of_known([0.5, None, 1.0]) == 0.75
    assert mean_of_known([None, None]) is None
