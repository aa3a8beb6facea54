"""Figures and draws against scikit-learn under the same weights; limits against scipy."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    average_precision_score,
    f1_score,
    hamming_loss,
    precision_score,
    recall_score,
    roc_auc_score,
)

from stripsight.decision.policy import CLEAN, DEFECT, REVIEW, UNDECIDED
from stripsight.errors import EvaluationError
from stripsight.evaluation.intervals.bootstrap import (
    CLASS_FIGURES,
    BootstrapFigures,
    bootstrap_figures,
)
from stripsight.evaluation.intervals.weighted_figures import compute_rank_figures, rank_class


def make_set(
    images: int = 300, *, seed: int = 0, ties: bool = False
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int8], npt.NDArray[np.uint8]]:
    rng = np.random.default_rng(seed)
    labels = (rng.random((images, 3)) < [0.3, 0.1, 0.5]).astype(np.uint8)
    logits = (rng.normal(size=(images, 3)) + 2.0 * labels - 1).astype(np.float32)
    if ties:
        logits = logits.round(0)
    codes = np.where(logits > 0.2, DEFECT, np.where(logits < -0.4, CLEAN, REVIEW))
    return logits, codes.astype(np.int8), labels


def value(figures: BootstrapFigures, name: str, column: int) -> float:
    figure = figures.classes[column][name]
    assert figure is not None
    return figure.value


@pytest.mark.parametrize("ties", [False, True])
def test_figures_are_those_of_scikit_learn(ties: bool) -> None:
    logits, codes, labels = make_set(ties=ties)
    figures = bootstrap_figures(logits, codes, labels, np.arange(300), rounds=10)
    called = codes == DEFECT
    for c in range(3):
        truth, scores = labels[:, c], logits[:, c]
        for name, expected in (
            ("average_precision", average_precision_score(truth, scores)),
            ("auroc", roc_auc_score(truth, scores)),
            ("f1", f1_score(truth, called[:, c])),
            ("precision", precision_score(truth, called[:, c])),
            ("recall", recall_score(truth, called[:, c])),
            ("escape_rate", (codes[truth == 1, c] == CLEAN).mean()),
            ("overkill_rate", called[truth == 0, c].mean()),
        ):
            assert value(figures, name, c) == pytest.approx(expected, abs=1e-12), name


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("clustered", [False, True])
def test_a_draw_is_the_weighted_figure_of_scikit_learn(ties: bool, clustered: bool) -> None:
    logits, _, labels = make_set(80, seed=3, ties=ties)
    groups = np.arange(80) // (3 if clustered else 1)
    weights = np.random.default_rng(5).standard_exponential((groups.max() + 1, 4))
    for c in range(3):
        drawn = compute_rank_figures(rank_class(logits[:, c], labels[:, c], groups), weights)
        for r in range(4):
            image_weights = weights[groups, r]
            for name, reference in (
                ("average_precision", average_precision_score),
                ("auroc", roc_auc_score),
            ):
                expected = reference(labels[:, c], logits[:, c], sample_weight=image_weights)
                assert drawn[name][r] == pytest.approx(expected, abs=1e-12), name


def test_overall_figures_by_hand() -> None:
    labels = np.array([[1, 0], [0, 1], [0, 0], [0, 0], [1, 1]], np.uint8)
    codes = np.array([[2, 0], [0, 0], [2, 0], [0, 1], [2, 1]], np.int8)
    figures = bootstrap_figures(np.zeros((5, 2)), codes, labels, np.arange(5), rounds=5)
    found = {name: figure and figure.value for name, figure in figures.overall.items()}
    wrong = codes != np.where(labels, DEFECT, CLEAN)
    assert found == pytest.approx(
        {
            "exact_match": 1 / 5,
            "hamming_loss": hamming_loss(np.zeros_like(wrong), wrong),
            "image_escape_rate": 1 / 3,
            "image_overkill_rate": 1 / 2,
            "image_review_rate": 1 / 5,
        }
    )


def test_what_cannot_be_had_is_none_and_macro_leaves_it_out() -> None:
    logits, codes, labels = make_set()
    labels[:, 0] = 0
    codes[:, 1] = UNDECIDED
    codes[:, 2] = CLEAN
    figures = bootstrap_figures(logits, codes, labels, np.arange(300), rounds=10)
    missing = [{name for name in CLASS_FIGURES if row[name] is None} for row in figures.classes]
    assert missing == [
        {"average_precision", "auroc", "f1", "recall", "escape_rate"},
        {"f1", "precision", "recall", "escape_rate", "overkill_rate"},
        {"precision"},
    ]
    macro = figures.macro["average_precision"]
    assert macro is not None
    expected = [value(figures, "average_precision", c) for c in (1, 2)]
    assert macro.value == pytest.approx(np.mean(expected))
    assert value(figures, "recall", 2) == 0
    assert value(figures, "escape_rate", 2) == 1


def test_every_class_undecided_leaves_only_the_ranking() -> None:
    logits, codes, labels = make_set(40)
    codes[:] = UNDECIDED
    figures = bootstrap_figures(logits, codes, labels, np.arange(40), rounds=10)
    assert {name for name, figure in figures.macro.items() if figure} == {
        "average_precision",
        "auroc",
    }
    review = figures.overall["image_review_rate"]
    assert review is not None
    assert review.value == 1
    assert figures.overall["exact_match"] is None


@pytest.mark.parametrize("name", ["recall", "average_precision", "auroc", "f1"])
def test_a_perfect_figure_has_no_interval_of_width_zero(name: str) -> None:
    labels = np.repeat([[1], [0]], (20, 80), axis=0).astype(np.uint8)
    codes = np.where(labels, DEFECT, CLEAN).astype(np.int8)
    figures = bootstrap_figures(labels.astype(np.float32), codes, labels, np.arange(100), rounds=50)
    figure = figures.classes[0][name]
    assert figure is not None
    assert figure.value == 1
    assert figure.interval.high == 1
    assert 0.8 < figure.interval.low < 0.95


def test_a_whole_group_counts_as_one() -> None:
    """Each image four times over, as one group: the intervals of the images counted once."""
    logits, codes, labels = make_set(200)
    once = bootstrap_figures(logits, codes, labels, np.arange(200), rounds=400)
    fourfold = bootstrap_figures(
        *(np.repeat(a, 4, axis=0) for a in (logits, codes, labels)),
        np.repeat(np.arange(200), 4),
        rounds=400,
    )
    assert fourfold.groups == 200
    assert fourfold.images == 800
    for name, figure in once.macro.items():
        other = fourfold.macro[name]
        assert figure is not None
        assert other is not None
        assert other.value == pytest.approx(figure.value)
        # Student's t of the groups makes it a little wider; as 800 images it were half as wide.
        assert other.interval.low == pytest.approx(figure.interval.low, abs=0.01)
        assert other.interval.high == pytest.approx(figure.interval.high, abs=0.01)


def test_same_seed_same_draws_whatever_the_names_of_the_groups() -> None:
    logits, codes, labels = make_set(50)
    groups = np.arange(50) // 2
    one = bootstrap_figures(logits, codes, labels, groups, rounds=30, seed=4)
    two = bootstrap_figures(logits, codes, labels, 10 * groups + 7, rounds=30, seed=4)
    three = bootstrap_figures(logits, codes, labels, groups, rounds=30, seed=5)
    for name in CLASS_FIGURES:
        a, b, c = (figures.macro[name] for figures in (one, two, three))
        assert a is not None
        assert b is not None
        assert c is not None
        assert (a.draws == b.draws).all()
        assert (a.draws != c.draws).any()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 30), st.booleans())
def test_limits_enclose_the_value_and_stay_in_range(seed: int, images: int, ties: bool) -> None:
    logits, codes, labels = make_set(images, seed=seed, ties=ties)
    figures = bootstrap_figures(logits, codes, labels, np.arange(images) // 2, rounds=20)
    for rows in (*figures.classes, figures.macro, figures.overall):
        for name, figure in rows.items():
            if figure is not None:
                interval = figure.interval
                assert 0 <= interval.low <= figure.value <= interval.high <= 1, name
                assert interval.high - interval.low > 1e-4, name
                assert np.isfinite(figure.draws).all()
                assert len(figure.draws) == 20


def test_what_does_not_fit_is_refused() -> None:
    logits, codes, labels = make_set(10)
    groups = np.arange(10)
    with pytest.raises(EvaluationError, match="no image"):
        bootstrap_figures(logits[:0], codes[:0], labels[:0], groups[:0])
    with pytest.raises(EvaluationError, match="not of the same images"):
        bootstrap_figures(logits[:9], codes, labels, groups)
    with pytest.raises(EvaluationError, match="group numbers"):
        bootstrap_figures(logits, codes, labels, groups[:9])
    logits[3, 1] = np.nan
    with pytest.raises(EvaluationError, match="not finite"):
        bootstrap_figures(logits, codes, labels, groups)
