"""One name, one fit: every policy through the one door, and what does not get in."""

from typing import Any

import numpy as np
import pytest

from stripsight.decision.policy import REVIEW, ClassPolicy, decide, judge_images
from stripsight.errors import DecisionError
from stripsight.evaluation.policies.cost import Price, find_cheapest_threshold
from stripsight.evaluation.policies.fitting import FittedPolicy, fit_policy
from stripsight.evaluation.policies.max_f1 import find_max_f1_threshold
from stripsight.evaluation.policies.recall_guarantee import fit_recall

NAMES = ("bar", "blob", "never seen")
IMAGES = 400


def draw(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = (rng.random((IMAGES, 3)) < [0.4, 0.2, 0.0]).astype(np.uint8)
    return 1 / (1 + np.exp(-rng.normal(3 * labels - 1.5, 1.0))), labels


def fit(name: str, settings: dict[str, Any], columns: int = 3) -> FittedPolicy:
    probabilities, labels = draw()
    return fit_policy(
        name,
        settings,
        probabilities[:, :columns],
        labels[:, :columns],
        np.arange(IMAGES),
        NAMES[:columns],
    )


def test_each_class_gets_the_threshold_of_its_policy() -> None:
    probabilities, labels = draw()
    prices = {"": {"escape": 9, "overkill": 1}, "blob": {"escape": 1, "overkill": 5}}
    f1 = [fit("max_f1", {}).policy.classes[c] for c in (0, 1)]
    cost = [fit("cost", {"prices": prices}).policy.classes[c] for c in (0, 1)]
    recall = [fit("recall", {"alpha": 0.1}, 2).policy.classes[c] for c in (0, 1)]
    for column, price in ((0, Price(9, 1)), (1, Price(1, 5))):
        scores, truth = probabilities[:, column], labels[:, column]
        assert f1[column] == ClassPolicy.at(find_max_f1_threshold(scores, truth))
        assert cost[column] == ClassPolicy.at(find_cheapest_threshold(scores, truth, price))
        promise = fit_recall(scores, truth, np.arange(IMAGES), name="", alpha=0.1, delta=0.05)
        assert recall[column] == ClassPolicy.at(promise.threshold)


def test_the_review_band_lies_around_the_thresholds_of_max_f1() -> None:
    probabilities, _ = draw()
    policy = fit("review", {"share": 0.25}).policy
    verdicts = judge_images(decide(policy, probabilities))
    assert 0.2 < (verdicts == REVIEW).mean() <= 0.25
    for inner, outer in zip(fit("max_f1", {}).policy.classes, policy.classes, strict=True):
        if inner.defect_from is not None:
            assert outer.clean_below is not None
            assert outer.defect_from is not None
            assert outer.clean_below < inner.defect_from < outer.defect_from


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("max_f1", {}),
        ("cost", {"prices": {"": {"escape": 2, "overkill": 1}}}),
        ("review", {"share": 0.3}),
        ("recall", {"alpha": 0.1, "allow_unmet": True}),
    ],
)
def test_a_class_without_positives_is_undecided(name: str, settings: dict[str, Any]) -> None:
    fitted = fit(name, settings)
    assert fitted.policy.decided.tolist() == [True, True, False]
    assert [promise.name for promise in fitted.unmet] == (
        ["never seen"] if name == "recall" else []
    )


def test_a_promise_that_cannot_be_kept_is_refused_with_a_way_on() -> None:
    # 82 positives of blob carry alpha 0.05, not 0.02; bar's carry both.
    with pytest.raises(DecisionError) as caught:
        fit("recall", {"alpha": 0.02}, 2)
    text = str(caught.value)
    assert "needs 149 validation images of each class, look-alikes counted once" in text
    assert "blob has" in text
    assert "bar has" not in text
    assert "--allow-unmet" in text
    assert "`stripsight decide RUN --policy recall --alpha 0.0" in text
    advised = float(text.split("--alpha ")[1].split()[0])
    assert not fit("recall", {"alpha": advised}, 2).unmet
    with pytest.raises(DecisionError):
        fit("recall", {"alpha": advised - 0.001}, 2)


def test_where_no_alpha_helps_none_is_advised() -> None:
    with pytest.raises(
        DecisionError, match="never seen has 0; with --allow-unmet `stripsight decide`"
    ):
        fit("recall", {})


def test_look_alikes_are_counted_once() -> None:
    probabilities, labels = draw()
    one = np.zeros(IMAGES, np.int64)
    with pytest.raises(DecisionError, match="bar has 1, blob has 1"):
        fit_policy("recall", {}, probabilities[:, :2], labels[:, :2], one, NAMES[:2])


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.1, 1.1])
def test_what_is_no_probability_is_refused(value: float) -> None:
    probabilities, labels = draw()
    probabilities[3, 1] = value
    with pytest.raises(DecisionError, match="not in 0 to 1"):
        fit_policy("max_f1", {}, probabilities, labels, np.arange(IMAGES), NAMES)


@pytest.mark.parametrize("rows", [0, IMAGES - 1])
def test_arrays_that_do_not_fit_are_refused(rows: int) -> None:
    probabilities, labels = draw()
    with pytest.raises(DecisionError, match="do not fit"):
        fit_policy("max_f1", {}, probabilities[:rows], labels, np.arange(rows), NAMES)
