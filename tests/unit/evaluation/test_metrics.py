"""Every figure against scikit-learn, a hand-computed case, or a property."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from stripsight.evaluation.metrics import (
    compute_auroc,
    compute_average_precision,
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


def test_macro_leaves_out_what_has_no_figure() -> None:
    assert mean_of_known([0.5, None, 1.0]) == 0.75
    assert mean_of_known([None, None]) is None
