"""The verdict's sentence says what was counted, and its level is that of the worst finding."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from stripsight.decision.policy import ClassPolicy
from stripsight.evaluation.evaluation import Evaluation
from stripsight.evaluation.report.verdict import (
    reach_verdict,
    write_label_sentence,
    write_sentence,
    write_verdict_line,
)

Evaluate = Callable[..., Evaluation]

BOTH = np.repeat([[0, 0], [1, 0], [0, 1], [1, 1]], 40, axis=0)
"""40 clean images, then each class alone, then both."""


def certain(labels: np.ndarray) -> np.ndarray:
    return np.where(labels, 0.995, 0.005)


def test_all_is_well(good: Evaluate) -> None:
    verdict = reach_verdict(good())
    assert (verdict.level, verdict.word) == ("good", "Nothing speaks against it")
    assert verdict.sentence == (
        "On 80 images of test, 0 of 40 defective images are called clean (95 % interval 0 % to"
        " 6.0 %) and 0 of 40 clean images are called defective (0 % to 6.0 %)."
    )
    assert verdict.text.startswith(
        "Class by class, 0 of 40 labels (one class on one image) escape, and 0 calls are of a"
        " class that the image does not show. Split holdout"
    )
    assert len(verdict.headlines) == 8
    for headline in verdict.headlines:
        assert headline.value is not None
        assert headline.scale[0] <= headline.value <= headline.scale[1]


def test_the_line_of_the_terminal_names_what_the_verdict_rests_on(
    good: Evaluate, evaluate: Evaluate
) -> None:
    assert write_verdict_line(good()) == "verdict: Nothing speaks against it"
    # A note does not lower the verdict, so it is not named.
    labels = np.repeat([[0], [1]], [40, 20], axis=0)
    few = evaluate(labels, certain(labels), [0.5])
    assert write_verdict_line(few) == "verdict: Nothing speaks against it"
    scores = certain(BOTH)
    scores[:, 1] = 0.005
    line = write_verdict_line(evaluate(BOTH, scores, [0.5, 0.5], is_searched=False))
    assert line == "verdict: Do not use as it is: kind_1 is never found"
    labels = np.zeros((40, 6), np.uint8)
    labels[np.arange(36), np.arange(36) % 6] = 1
    line = write_verdict_line(evaluate(labels, np.full((40, 6), 0.01), [0.5] * 6))
    assert line.count("is never found") == 4
    assert line.endswith("; 3 more")


def test_a_label_is_a_class_on_an_image_and_an_image_is_whole(evaluate: Evaluate) -> None:
    scores = certain(BOTH)
    scores[120:125] = 0.005  # images with both: ten defects, five images
    scores[0] = 0.995
    scores[40:43, 0] = 0.005  # the other class instead
    scores[40:43, 1] = 0.995
    evaluation = evaluate(BOTH, scores, [0.5, 0.5])
    sentence = write_sentence(evaluation)
    assert sentence.startswith("On 160 images of test, 5 of 120 defective images are called clean")
    assert "1 of 40 clean images is called defective" in sentence
    assert "13 of 160 labels (one class on one image) escape, and 5 calls are of a" in (
        write_label_sentence(evaluation)
    )
    headlines = {headline.label: headline for headline in reach_verdict(evaluation).headlines}
    escaped = headlines["Images that escape"]
    assert (escaped.value, escaped.note) == (
        pytest.approx(5 / 120),
        "of 120 defective images: called clean as a whole",
    )
    assert headlines["Macro escape rate"].note == "labels: mean over 2 classes, 160 labels"


def test_without_clean_images_classes_are_counted(evaluate: Evaluate) -> None:
    labels = BOTH[40:]
    scores = certain(labels)
    evaluation = evaluate(labels, scores, [0.5, 0.5])
    assert write_sentence(evaluation).endswith("and no image is clean.")
    assert "and 0 calls are of a class that the image does not show." in (
        write_label_sentence(evaluation)
    )


def test_one_class_too_many_is_one(evaluate: Evaluate) -> None:
    labels = BOTH[40:]
    scores = certain(labels)
    scores[0, 1] = 0.995
    sentence = write_label_sentence(evaluate(labels, scores, [0.5, 0.5]))
    assert sentence.endswith("and 1 call is of a class that the image does not show. ")


@pytest.mark.parametrize(("count", "words"), [(1, "1 image goes"), (3, "3 images go")])
def test_reviews_are_said(evaluate: Evaluate, count: int, words: str) -> None:
    labels = np.repeat([[0], [1]], 40, axis=0)
    scores = certain(labels)
    scores[:count] = 0.5
    sentence = write_sentence(evaluate(labels, scores, [ClassPolicy(0.4, 0.6)]))
    assert f"and {words} to a person (" in sentence


def test_a_collapsed_class_is_serious(evaluate: Evaluate) -> None:
    scores = certain(BOTH)
    scores[:, 1] = 0.005
    verdict = reach_verdict(evaluate(BOTH, scores, [0.5, 0.5]))
    assert (verdict.level, verdict.word) == ("bad", "Do not use as it is")
    assert "40 of 120 defective images are called clean" in verdict.sentence
    assert "80 of 160 labels (one class on one image) escape" in verdict.text


def test_defects_of_no_threshold_are_not_among_the_found(evaluate: Evaluate) -> None:
    sentence = write_label_sentence(evaluate(BOTH, certain(BOTH), [0.5, None]))
    assert "escape, 80 more are of a class without a threshold, and" in sentence
    assert sentence.startswith("Class by class, 0 of 80 labels")
    nothing = write_sentence(evaluate(BOTH, certain(BOTH), [None, None]))
    assert nothing == "On 160 images of test, nothing is decided: no class has a threshold."


def test_no_defect_to_find(evaluate: Evaluate) -> None:
    labels = np.zeros((40, 1), np.uint8)
    evaluation = evaluate(labels, certain(labels), [0.5])
    assert "there is no defect that could escape and 0 of 40 clean" in write_sentence(evaluation)
    texts = {headline.label: headline for headline in reach_verdict(evaluation).headlines}
    assert texts["Images that escape"].text == "\u2013"
    assert texts["Images that escape"].value is None
    assert texts["Images that escape"].interval == "cannot be had here"


def test_look_alikes_are_said(good: Evaluate) -> None:
    evaluation = good()
    judgement = replace(evaluation.judgement, groups=30)
    assert (
        "With look-alikes counted once, the images are 30."
        in reach_verdict(replace(evaluation, judgement=judgement)).text
    )
    assert "look-alikes" not in reach_verdict(evaluation).text


def test_the_share_of_reviews_that_was_asked_for_stands_beside_what_came(
    evaluate: Evaluate,
) -> None:
    scores = certain(BOTH)
    scores[:20, 0] = 0.5
    evaluation = evaluate(BOTH, scores, [ClassPolicy(0.4, 0.6), 0.5])
    assert "asked for" not in write_sentence(evaluation)
    fitted = evaluation.fitted
    policy = replace(fitted.decisions.policy, name="review", settings={"share": 0.1})
    decisions = replace(fitted.decisions, policy=policy)
    asked = replace(evaluation, fitted=replace(fitted, decisions=decisions))
    assert "; 10.0 % on validation was asked for)." in write_sentence(asked)
