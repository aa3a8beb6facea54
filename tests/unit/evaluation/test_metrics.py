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
    find_max_f1_threshold,
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


@given(cases)
def test_no_threshold_has_a_larger_f1(case: list[tuple[float, int]]) -> None:
    scores, labels = split(case)
    threshold = find_max_f1_threshold(scores, labels)
    if labels.sum() == 0:
        assert threshold is None
        return
    assert threshold is not None

    def f1(at: float) -> float:
        return float(reference.f1_score(labels, scores >= at, zero_division=0))

    best = max(f1(level) for level in [*scores, *(scores + 1e-9)])
    assert f1(threshold) == pytest.approx(best)
    assert 0 <= threshold <= 1


def test_the_threshold_lies_between_the_scores_it_parts() -> None:
    scores = np.array([0.9, 0.8, 0.3, 0.1])
    assert find_max_f1_threshold(scores, np.array([1, 1, 0, 0], np.uint8)) == pytest.approx(0.55)


def test_the_threshold_survives_float32_scores() -> None:
    scores = np.array([0.30000001, 0.3, 0.29999998], dtype=np.float32)
    labels = np.array([1, 0, 0], dtype=np.uint8)
    threshold = find_max_f1_threshold(scores, labels)
    assert threshold is not None
    assert reference.f1_score(labels, scores >= threshold) >= 2 / 3


def test_exact_match_and_hamming_by_hand() -> None:
    labels = np.array([[1, 0], [0, 1], [1, 1], [0, 0]], np.uint8)
    called = np.array([[1, 0], [1, 1], [1, 1], [0, 1]], bool)
    assert compute_exact_match(called, labels) == 0.5
    assert compute_hamming_loss(called, labels) == 0.25
    assert compute_hamming_loss(called, labels) == reference.hamming_loss(labels, called)


def test_macro_leaves_out_what_has_no_figure() -> None:
    assert mean_of_known([0.5, None, 1.0]) == 0.75
    assert mean_of_known([None, None]) is None
