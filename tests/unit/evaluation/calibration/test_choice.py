"""Which form is chosen, where the truth is known; folds, groups, few images and bad input."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from stripsight.decision.calibration import make_identity
from stripsight.errors import EvaluationError
from stripsight.evaluation.calibration.choice import (
    FEWEST,
    FOLDS,
    FittedCalibration,
    compare_forms,
    deal_folds,
    fit_calibration,
)
from stripsight.evaluation.calibration.curves import fit_curve
from stripsight.evaluation.calibration.reliability import compute_log_loss

Array = Any


def draw_truth(images: int, seed: int = 0) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    truth = rng.normal(-2, 3, images)
    return truth, (rng.random(images) < expit(truth)).astype(np.uint8)


def bend(truth: Array) -> Array:
    """What no straight line mends: sure of the clean, unsure of the defects."""
    return np.where(truth < 0, 3 * truth, truth / 4)


def fit_one(logits: Array, labels: Array, groups: Array | None = None) -> FittedCalibration:
    groups = np.arange(len(labels)) if groups is None else groups
    return fit_calibration(
        logits[:, None].astype(np.float32), labels[:, None], groups, ("scratch",)
    )


@pytest.mark.parametrize(
    ("kind", "distort"),
    [
        ("none", lambda z: z),
        ("temperature", lambda z: 3 * z),
        ("platt", lambda z: 0.6 * z - 3),
        ("isotonic", bend),
    ],
)
def test_the_form_that_undoes_the_distortion_is_chosen(kind: str, distort: Any) -> None:
    truth, labels = draw_truth(6000)
    fitted = fit_one(distort(truth), labels)
    assert fitted.classes[0].chosen == kind
    assert fitted.calibration.classes[0].kind == kind
    fresh, fresh_labels = draw_truth(20_000, seed=1)
    after = fitted.calibration.apply(distort(fresh)[:, None])[:, 0]
    best = compute_log_loss(expit(fresh), fresh_labels)
    assert compute_log_loss(after, fresh_labels) == pytest.approx(best, abs=0.004)
    if kind != "none":
        before = make_identity(1).apply(distort(fresh)[:, None])[:, 0]
        assert compute_log_loss(before, fresh_labels) > best + 0.02


def test_images_learnt_by_heart_win_nothing() -> None:
    # Probabilities that are right: the free curve beats them on the images it was fitted on only.
    truth, labels = draw_truth(1200)
    by_heart = compute_log_loss(fit_curve("isotonic", truth, labels).apply(truth), labels)
    assert by_heart < compute_log_loss(expit(truth), labels) - 0.002
    fit = fit_one(truth, labels).classes[0]
    assert fit.chosen == "none"
    loss_of = {c.kind: c.log_loss for c in fit.candidates}
    assert loss_of["isotonic"] > loss_of["none"]


def test_the_log_loss_of_a_form_is_of_images_it_has_not_seen() -> None:
    truth, labels = draw_truth(400)
    logits, groups = 3 * truth, np.arange(400) // 2
    folds = deal_folds(labels, groups, np.random.default_rng(7))
    by_hand = []
    for image in range(400):
        others = folds != folds[image]
        curve = fit_curve("platt", logits[others], labels[others])
        by_hand.append(compute_log_loss(curve.apply(logits[[image]]), labels[[image]]))
    found = compare_forms(("none", "platt"), logits, labels, groups, np.random.default_rng(7))
    assert found[2].log_loss == pytest.approx(np.mean(by_hand), rel=1e-9)
    assert found[0].log_loss == pytest.approx(compute_log_loss(expit(logits), labels))


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 1)), min_size=1, max_size=120),
    st.integers(0, 9),
)
def test_folds_keep_groups_whole_and_are_even(case: list[tuple[int, int]], seed: int) -> None:
    groups = np.array([group for group, _ in case])
    labels = np.array([label for _, label in case], dtype=np.uint8)
    folds = deal_folds(labels, groups, np.random.default_rng(seed))
    fold_of = dict(zip(groups.tolist(), folds.tolist(), strict=True))
    assert [fold_of[group] for group in groups.tolist()] == folds.tolist()
    for label in (0, 1):
        carriers = np.unique(groups[labels == label])
        sizes = np.bincount([fold_of[g] for g in carriers.tolist()], minlength=FOLDS)
        assert sizes.max() - sizes.min() <= 1


@pytest.mark.parametrize("kind", ["temperature", "platt", "isotonic"])
@pytest.mark.parametrize("scarce", [0, 1])
def test_a_freer_form_waits_for_enough_of_both_labels(kind: Any, scarce: int) -> None:
    limit = FEWEST[kind]
    for count, tried in ((limit - 1, False), (limit, True)):
        rng = np.random.default_rng(count)
        labels = np.repeat(np.array([scarce, 1 - scarce], np.uint8), [count, 3 * limit])
        logits = np.where(labels == 1, 1.0, -1.0) + rng.normal(size=len(labels))
        fit = fit_one(logits, labels).classes[0]
        candidate = next(c for c in fit.candidates if c.kind == kind)
        assert (candidate.log_loss is not None) == tried
        assert (f"{kind} needs {limit}" in fit.reason) == (not tried)
        word = "positive" if scarce else "negative"
        assert tried or f"{count} groups with a {word}" in fit.reason


def test_copies_of_a_defect_are_one_positive() -> None:
    truth, labels = draw_truth(3000)
    groups = np.where(labels == 1, np.arange(3000) % 4, np.arange(3000) + 10)
    fit = fit_one(4 * truth, labels, groups).classes[0]
    assert fit.chosen == "none"
    assert fit.positives == labels.sum()
    assert fit.positive_groups == 4
    assert "4 groups with a positive" in fit.reason


def test_copies_make_no_difference_surer() -> None:
    truth, labels = draw_truth(500)
    groups = np.arange(500)
    once = fit_one(2 * truth, labels, groups).classes[0].candidates[0]
    sixfold = (
        fit_one(np.tile(2 * truth, 6), np.tile(labels, 6), np.tile(groups, 6))
        .classes[0]
        .candidates[0]
    )
    apart = fit_one(np.tile(2 * truth, 6), np.tile(labels, 6)).classes[0].candidates[0]
    assert sixfold.standard_error == pytest.approx(once.standard_error, rel=0.15)
    assert apart.standard_error < once.standard_error / 2


@pytest.mark.parametrize(("label", "word"), [(0, "positive"), (1, "negative")])
def test_a_class_of_one_label_is_left_alone(label: int, word: str) -> None:
    fitted = fit_one(np.linspace(-3, 3, 40), np.full(40, label, np.uint8))
    assert fitted.calibration == make_identity(1)
    assert fitted.classes[0].reason == (
        f"validation has no {word} image, so the logits are left as they are"
    )


@pytest.mark.parametrize("scale", [0.2, 1, 5])
def test_a_class_parted_without_an_error_is_left_alone(scale: float) -> None:
    labels = np.repeat(np.array([0, 1], np.uint8), [120, 24])
    logits = scale * (np.where(labels == 1, 6, -6) + np.random.default_rng(0).normal(size=144))
    fit = fit_one(logits, labels).classes[0]
    assert fit.chosen == "none"
    assert "parts its images without an error" in fit.reason
    logits[0] = logits.max() + 1
    assert "without an error" not in fit_one(logits, labels).classes[0].reason


def test_scores_worse_than_chance_are_said_to_be() -> None:
    truth, labels = draw_truth(1000)
    fitted = fit_one(-truth, labels)
    assert "no better than chance (AUROC 0.0" in fitted.classes[0].reason
    ends = fitted.calibration.apply(np.array([[-5.0], [5.0]]))
    assert ends[0, 0] <= ends[1, 0]


def test_each_class_is_fitted_by_itself_and_again_alike() -> None:
    truth, labels = draw_truth(800)
    logits = np.stack([3 * truth, truth, 0.6 * truth - 3], axis=1).astype(np.float32)
    marks = np.stack([labels] * 3, axis=1)
    groups = np.arange(800)
    first = fit_calibration(logits, marks, groups, ("a", "b", "c"))
    assert first == fit_calibration(logits, marks, groups, ("a", "b", "c"))
    assert [c.name for c in first.classes] == ["a", "b", "c"]
    assert [c.kind for c in first.calibration.classes] == ["temperature", "none", "platt"]


def test_what_cannot_be_calibrated_on_is_refused() -> None:
    logits, labels, groups = np.zeros((4, 2)), np.zeros((4, 2), np.uint8), np.arange(4)
    for wrong in (
        (logits[:3], labels, groups),
        (logits, labels[:, :1], groups),
        (logits, labels, groups[:3]),
    ):
        with pytest.raises(EvaluationError, match="one table of predictions"):
            fit_calibration(*wrong, ("a", "b"))
    with pytest.raises(EvaluationError, match="no validation image"):
        fit_calibration(logits[:0], labels[:0], groups[:0], ("a", "b"))
    logits[2, 1] = np.nan
    with pytest.raises(EvaluationError, match="row 3 has a logit of b that is not finite"):
        fit_calibration(logits, labels, groups, ("a", "b"))
